-- depends: 0020_strongest_pairs
-- A call's end changes no column of an index, and its page has room: the row is updated in
-- place (HOT), and none of its indexes is written. What is open was not counted yet, either.
DROP INDEX calls_open;
DROP INDEX calls_uncounted;
CREATE INDEX calls_uncounted ON calls (started_at) WHERE NOT counted;
ALTER TABLE calls SET (fillfactor = 70);
