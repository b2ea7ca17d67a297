-- :audit keep who did what
INSERT INTO audit (by, action, pipeline, run_id, details)
VALUES (%(by)s, %(action)s, %(pipeline)s, %(run_id)s, %(details)s) RETURNING id;

-- :audit_failed say that what was asked for did not come about
UPDATE audit SET details = details || jsonb_build_object('failed', %(error)s::text) WHERE id = %(id)s;

-- :audit_rows what persons did, newest first
SELECT * FROM audit WHERE %(before)s::bigint IS NULL OR id < %(before)s
ORDER BY id DESC LIMIT %(limit)s;

-- :lock_run look at a run that nobody may change meanwhile
SELECT * FROM runs WHERE id = %(run_id)s FOR UPDATE;

-- :cancel_run end an active run
UPDATE runs SET state = 'cancelled', reason = %(reason)s, ended_at = clock_timestamp()
WHERE id = %(run_id)s;

-- :cancel_steps of a run that was cancelled: what waits is skipped, what runs is cancelled
WITH ended AS (
    UPDATE steps SET state = CASE state WHEN 'running' THEN 'cancelled' ELSE 'skipped' END,
           error = CASE state WHEN 'running' THEN %(reason)s ELSE error END,
           retry_at = NULL, ended_at = clock_timestamp()
    WHERE run_at = (SELECT created_at FROM runs WHERE id = %(run_id)s) AND run_id = %(run_id)s AND state IN ('pending', 'retrying', 'running')
    RETURNING *
), kept AS (
    INSERT INTO attempts (run_id, run_at, name, item, attempt, outcome, worker, task_id,
                          started_at, ended_at, error)
    SELECT run_id, run_at, name, item, attempt, 'cancelled', worker, task_id,
           started_at, ended_at, error
    FROM ended WHERE state = 'cancelled'
)
SELECT task_id FROM ended WHERE state = 'cancelled';

-- :stop_sessions end the sessions of cancelled steps that still run: their transactions are undone,
-- and the next question that they put to Postgres fails
SELECT pg_terminate_backend(locks.pid) FROM runs
JOIN steps ON steps.run_at = runs.created_at AND steps.run_id = runs.id
JOIN pg_locks AS locks ON locktype = 'advisory' AND granted AND objsubid = 1
 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
 AND (classid::bigint << 32 | objid::bigint)
     = hashtextextended(runs.id || '/' || steps.name || '/' || steps.item, 0)
WHERE runs.state = 'cancelled' AND runs.ended_at > statement_timestamp() - interval '10 minutes'
  AND steps.state = 'cancelled' AND locks.pid <> pg_backend_pid();

-- :reopen_run let a run that ended go on
UPDATE runs SET state = 'running', reason = NULL, ended_at = NULL, resumes = 0,
       retries = retries + 1, resumed_at = clock_timestamp(),
       deadline_at = clock_timestamp() + %(deadline)s
WHERE id = %(run_id)s
RETURNING *;

-- :reset_steps begin again with what did not succeed, and with all that follows it
UPDATE steps SET state = 'pending', attempt = 0, output = NULL, error = NULL, traceback = NULL,
       retry_at = NULL, started_at = NULL, ended_at = NULL
WHERE run_at = (SELECT created_at FROM runs WHERE id = %(run_id)s) AND run_id = %(run_id)s AND (state <> 'succeeded' OR name = ANY(%(names)s));
