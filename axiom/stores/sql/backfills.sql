-- :create a range to be run
INSERT INTO backfills (id, pipeline, kind, spec, since, until, next_at, total, created_by)
VALUES (%(id)s, %(pipeline)s, %(kind)s, %(spec)s, %(since)s, %(until)s, %(since)s, %(total)s, %(by)s)
RETURNING *;

-- :lock_backfill look at a backfill that goes on and that nobody else moves on meanwhile
SELECT * FROM backfills WHERE id = %(id)s AND state = 'running' FOR UPDATE SKIP LOCKED;

-- :wait_backfill look at a backfill that goes on, after whoever moves it on now
SELECT * FROM backfills WHERE id = %(id)s AND state = 'running' FOR UPDATE;

-- :active how many runs of a backfill have not ended
SELECT count(*) AS n FROM runs
WHERE backfill_id = %(id)s AND state IN ('queued', 'running');

-- :active_ids runs of a backfill that have not ended
SELECT id FROM runs WHERE backfill_id = %(id)s AND state IN ('queued', 'running');

-- :taken which of these logical times have their run
SELECT logical_at FROM runs
WHERE pipeline = %(pipeline)s AND engine = 'celery' AND state <> 'skipped'
  AND logical_at = ANY(%(slots)s);

-- :seen which of these logical times have a run, or the reason why they have none
SELECT DISTINCT logical_at FROM runs
WHERE pipeline = %(pipeline)s AND engine = 'celery' AND logical_at = ANY(%(slots)s);

-- :claim_slots claim logical times for a backfill, without a deadline: it gives way to live work
INSERT INTO runs (id, pipeline, logical_at, backfill_id, trigger, engine, state, overlap)
SELECT gen_random_uuid()::text, %(pipeline)s, slot, %(id)s, %(kind)s, 'celery', 'queued', true
FROM unnest(%(slots)s::timestamptz[]) AS slot
ON CONFLICT DO NOTHING
RETURNING id, logical_at;

-- :move_on keep how far a backfill has come
UPDATE backfills SET next_at = %(next_at)s, claimed = claimed + %(claimed)s,
       existed = existed + %(existed)s
WHERE id = %(id)s;

-- :end_backfill it is done, or was cancelled
UPDATE backfills SET state = %(state)s, ended_at = clock_timestamp()
WHERE id = %(id)s AND state = 'running';

-- :running backfills that go on, oldest first
SELECT id FROM backfills WHERE state = 'running' ORDER BY created_at;

-- :newest backfills with how their runs stand, newest first; of each state at most so many are
-- counted, for a page is drawn more often than a large backfill can be counted
SELECT backfills.*, coalesce(runs.states, '{}') AS states
FROM (SELECT * FROM backfills
      WHERE (%(id)s::text IS NULL OR starts_with(id, %(id)s))
        AND (%(pipeline)s::text IS NULL OR pipeline = %(pipeline)s)
      ORDER BY state = 'running' DESC, created_at DESC LIMIT %(limit)s) AS backfills,
     LATERAL (
         SELECT jsonb_object_agg(each.state, n) FILTER (WHERE n > 0) AS states
         FROM unnest(%(states)s::text[]) AS each (state),
              LATERAL (SELECT count(*) AS n FROM (
                  SELECT FROM runs WHERE backfill_id = backfills.id AND runs.state = each.state
                  LIMIT %(most)s) AS these) AS counted) AS runs
ORDER BY created_at DESC;
