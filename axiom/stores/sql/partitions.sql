-- :is_there whether a month has its partition
SELECT to_regclass(%(name)s) IS NOT NULL AS there;

-- :lock one maker at a time; the others wait for it
SELECT pg_advisory_xact_lock(hashtext(%(table)s || '_months'));

-- :make a partition for one month
CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table} FOR VALUES FROM ('{first}') TO ('{next}');

-- :of_table the partitions of a table, oldest first
SELECT inhrelid::regclass::text AS name FROM pg_inherits
WHERE inhparent = to_regclass(%(table)s) ORDER BY 1;

-- :drop a month that is old
DROP TABLE IF EXISTS {name};
