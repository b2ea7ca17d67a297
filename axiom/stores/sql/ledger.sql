-- :claim take a logical time for a run; no row back means that it was taken, or that a run is active
INSERT INTO runs (id, pipeline, logical_at, engine, state, trigger, params, overlap, deadline_at)
VALUES (%(id)s, %(pipeline)s, %(logical_at)s, %(engine)s, 'queued', %(trigger)s, %(params)s,
        %(overlap)s, clock_timestamp() + %(deadline)s)
ON CONFLICT DO NOTHING
RETURNING *;

-- :hold_run show that the process of a run lives; the lock is the session's
SELECT pg_advisory_lock(hashtextextended('run/' || %(id)s, 0));

-- :close_dead runs in one process whose process has gone
UPDATE runs SET state = 'cancelled', reason = 'its process ended', ended_at = clock_timestamp()
WHERE pipeline = %(pipeline)s AND engine = %(engine)s AND engine <> 'celery'
  AND state IN ('queued', 'running') AND id <> %(id)s
  AND NOT EXISTS (
      SELECT FROM pg_locks
      WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (classid::bigint << 32 | objid::bigint) = hashtextextended('run/' || runs.id, 0));

-- :record_skip keep that a run was not made, and why
INSERT INTO runs (id, pipeline, logical_at, engine, state, trigger, params, reason, skip_code,
                  ended_at)
VALUES (%(id)s, %(pipeline)s, %(logical_at)s, %(engine)s, 'skipped', %(trigger)s, %(params)s,
        %(reason)s, %(code)s, clock_timestamp())
ON CONFLICT (id) DO UPDATE  -- a backfill claims its runs before they are looked at
SET state = 'skipped', reason = excluded.reason, skip_code = excluded.skip_code,
    ended_at = excluded.ended_at
WHERE runs.state = 'queued';

-- :run_by_id one run
SELECT * FROM runs WHERE id = %(id)s;

-- :run_by_slot the run that holds a logical time
SELECT * FROM runs
WHERE pipeline = %(pipeline)s AND logical_at = %(logical_at)s AND engine = %(engine)s
  AND state <> 'skipped';

-- :active_runs what has not ended, oldest first
SELECT * FROM runs WHERE state IN ('queued', 'running') ORDER BY created_at;

-- :add_step one planned step; planning again changes nothing
INSERT INTO steps (run_id, run_at, position, name, item) VALUES %s ON CONFLICT DO NOTHING;

-- :begin_run keep the plan and say that the run is on its way
UPDATE runs SET state = 'running', plan = %(plan)s,
       started_at = coalesce(started_at, clock_timestamp())
WHERE id = %(id)s AND state IN ('queued', 'running');

-- :lock_step be the only one who runs this step.
-- The lock is the session's: it ends with the process, so that a step that is
-- 'running' without its lock is known to be dead. A second delivery waits here
-- until the first has finished, and then finds the answer. Losing the start in a
-- crash of Postgres loses nothing, so nobody waits for the disk.
SELECT pg_advisory_lock(hashtextextended(%(key)s, 0)), set_config('synchronous_commit', 'off', true);

-- :start_step become the one who runs this step, and learn what came before it.
-- One that is 'running' here has lost its process: that attempt is kept as one that died
WITH run AS MATERIALIZED (
    SELECT * FROM runs
    WHERE id = %(run_id)s AND state IN ('queued', 'running') AND retries = %(retries)s
), died AS (
    INSERT INTO attempts (run_id, run_at, name, item, attempt, outcome, worker, task_id,
                          started_at, ended_at, error)
    SELECT run_id, run_at, name, item, attempt, 'died', worker, task_id,
           started_at, clock_timestamp(), 'its process ended'
    FROM steps
    WHERE run_at = (SELECT created_at FROM run) AND run_id = %(run_id)s
      AND name = %(name)s AND item = %(item)s AND state = 'running'
), started AS (
    UPDATE steps SET state = 'running', attempt = attempt + 1, worker = %(worker)s,
           task_id = %(task_id)s, started_at = clock_timestamp(), ended_at = NULL,
           retry_at = NULL, error = NULL, traceback = NULL
    WHERE run_at = (SELECT created_at FROM run) AND run_id = %(run_id)s
      AND name = %(name)s AND item = %(item)s AND state IN ('pending', 'running', 'retrying')
    RETURNING attempt, position
)
SELECT run.pipeline, run.logical_at, run.params, run.created_at AS run_at, started.attempt,
       (SELECT jsonb_agg(jsonb_build_array(name, item, state, output, error) ORDER BY position, item)
        FROM steps
        WHERE run_at = run.created_at AND run_id = %(run_id)s AND state IN ('succeeded', 'failed')
          AND (item = '' OR item = %(item)s OR %(item)s = '')
          AND position < started.position) AS before
FROM started, run;

-- :finish_step keep the output; who was started for another message may not end this one
UPDATE steps SET state = 'succeeded', output = %(output)s, ended_at = clock_timestamp()
WHERE run_at = %(run_at)s::timestamptz AND run_id = %(run_id)s
  AND name = %(name)s AND item = %(item)s
  AND state = 'running' AND task_id = %(task_id)s;

-- :retry_step say when the next attempt is due
WITH ended AS (
    UPDATE steps SET state = 'retrying', error = %(error)s, traceback = %(traceback)s,
           ended_at = clock_timestamp(), retry_at = clock_timestamp() + %(delay)s
    WHERE run_at = %(run_at)s::timestamptz AND run_id = %(run_id)s
      AND name = %(name)s AND item = %(item)s
      AND state = 'running' AND task_id = %(task_id)s
    RETURNING *
)
INSERT INTO attempts (run_id, run_at, name, item, attempt, outcome, worker, task_id,
                      started_at, ended_at, error, traceback)
SELECT run_id, run_at, name, item, attempt, 'retried', worker, task_id,
       started_at, ended_at, error, traceback
FROM ended;

-- :defer_step a limit of our own said not now; the attempt does not count
UPDATE steps SET state = 'retrying', attempt = attempt - 1, error = %(error)s, traceback = NULL,
       ended_at = clock_timestamp(), retry_at = clock_timestamp() + %(delay)s
WHERE run_at = %(run_at)s::timestamptz AND run_id = %(run_id)s
  AND name = %(name)s AND item = %(item)s
  AND state = 'running' AND task_id = %(task_id)s;

-- :fail_step keep the error; what depended on it within its item is skipped
WITH ended AS (
    UPDATE steps SET state = 'failed', error = %(error)s, traceback = %(traceback)s,
           ended_at = clock_timestamp()
    WHERE run_at = %(run_at)s::timestamptz AND run_id = %(run_id)s
      AND name = %(name)s AND item = %(item)s
      AND state = 'running' AND task_id = %(task_id)s
    RETURNING *
)
INSERT INTO attempts (run_id, run_at, name, item, attempt, outcome, worker, task_id,
                      started_at, ended_at, error, traceback)
SELECT run_id, run_at, name, item, attempt, 'failed', worker, task_id,
       started_at, ended_at, error, traceback
FROM ended;
UPDATE steps SET state = 'skipped', ended_at = clock_timestamp()
WHERE run_at = %(run_at)s::timestamptz AND run_id = %(run_id)s
  AND item = %(item)s AND item <> '' AND state = 'pending'
  AND EXISTS (SELECT FROM steps AS mine WHERE mine.run_at = steps.run_at
              AND mine.run_id = %(run_id)s AND mine.name = %(name)s
              AND mine.item = %(item)s AND mine.state = 'failed');

-- :unlock_step let go of the step. Nobody waits for the disk here either: what a crash of
-- Postgres loses is run again, and the end of the run does wait, for all that came before it.
SELECT pg_advisory_unlock(hashtextextended(%(key)s, 0)), set_config('synchronous_commit', 'off', true);

-- :let_go of a step, waiting for the disk
SELECT pg_advisory_unlock(hashtextextended(%(key)s, 0));

-- :close_run end a run; steps that will not run any more are skipped, and what ran has died
UPDATE runs SET state = %(state)s, reason = %(reason)s, ended_at = clock_timestamp()
WHERE id = %(run_id)s AND state IN ('queued', 'running')
  AND (%(retries)s::integer IS NULL OR retries = %(retries)s);
UPDATE steps SET state = CASE state WHEN 'running' THEN 'failed' ELSE 'skipped' END,
       error = CASE state WHEN 'running' THEN coalesce(%(reason)s, 'its run ended') ELSE error END,
       ended_at = clock_timestamp()
WHERE run_at = (SELECT created_at FROM runs WHERE id = %(run_id)s) AND run_id = %(run_id)s AND state IN ('pending', 'retrying', 'running')
  AND EXISTS (SELECT FROM runs WHERE id = %(run_id)s AND state = %(state)s);

-- :step_states how many of each step are in which state
SELECT name, state, count(*) AS n, min(error) AS error,
       (array_agg(item ORDER BY item))[1:5] AS items
FROM steps WHERE run_at = (SELECT created_at FROM runs WHERE id = %(run_id)s) AND run_id = %(run_id)s GROUP BY name, state;

-- :idle active runs of the queue engine, with what tells whether they still move
SELECT runs.*,
       EXTRACT(epoch FROM clock_timestamp() - greatest(
           runs.created_at, runs.resumed_at, max(steps.started_at), max(steps.ended_at),
           max(steps.retry_at))) AS idle_s,
       clock_timestamp() - coalesce(runs.deadline_at, runs.created_at) AS late,
       coalesce(bool_or(steps.state = 'running' AND EXISTS (
           SELECT FROM pg_locks
           WHERE locktype = 'advisory' AND granted AND objsubid = 1
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND (classid::bigint << 32 | objid::bigint)
                 = hashtextextended(runs.id || '/' || steps.name || '/' || steps.item, 0)
       )), false) AS held,
       coalesce(bool_or(steps.ended_at > runs.resumed_at), false) AS progressed,
       array_agg(DISTINCT steps.name) FILTER (WHERE steps.state NOT IN ('succeeded', 'failed', 'skipped'))
           AS open_steps
FROM runs LEFT JOIN steps ON steps.run_id = runs.id AND steps.run_at = runs.created_at
WHERE runs.state IN ('queued', 'running') AND runs.engine = 'celery'
GROUP BY runs.id ORDER BY runs.created_at;

-- :resume_run count a resumption; no row back means that someone else was first. What helped
-- is forgotten: only resumptions that nothing came of count
UPDATE runs SET resumed_at = clock_timestamp(), resumes = 1 + CASE WHEN EXISTS (
           SELECT FROM steps WHERE run_at = runs.created_at AND run_id = runs.id
             AND steps.ended_at > runs.resumed_at
       ) THEN 0 ELSE resumes END
WHERE id = %(id)s AND resumed_at IS NOT DISTINCT FROM %(seen_at)s
  AND state IN ('queued', 'running')
RETURNING resumes;

-- :pause stop a pipeline's schedule, and keep who did
WITH changed AS (
    INSERT INTO pipelines (pipeline, paused_at, paused_by, pause_reason)
    VALUES (%(pipeline)s, clock_timestamp(), %(by)s, %(reason)s)
    ON CONFLICT (pipeline) DO UPDATE
    SET paused_at = excluded.paused_at, paused_by = excluded.paused_by,
        pause_reason = excluded.pause_reason
    WHERE pipelines.paused_at IS NULL
    RETURNING *
)
INSERT INTO audit (by, action, pipeline, details)
SELECT paused_by, 'pause', pipeline, jsonb_build_object('reason', pause_reason) FROM changed;

-- :resume let a pipeline's schedule go on, and keep who did
WITH changed AS (
    UPDATE pipelines SET paused_at = NULL, paused_by = NULL, pause_reason = NULL
    WHERE pipeline = %(pipeline)s AND paused_at IS NOT NULL
    RETURNING pipeline
)
INSERT INTO audit (by, action, pipeline) SELECT %(by)s, 'resume', pipeline FROM changed;

-- :paused one pipeline's pause, if it has one
SELECT * FROM pipelines WHERE pipeline = %(pipeline)s AND paused_at IS NOT NULL;

-- :pauses every pause
SELECT * FROM pipelines WHERE paused_at IS NOT NULL;

-- :runs the newest runs, filtered
SELECT * FROM runs
WHERE (%(pipeline)s::text IS NULL OR pipeline = %(pipeline)s)
  AND (%(state)s::text IS NULL OR state = %(state)s)
  AND (%(backfilled)s OR backfill_id IS NULL)
ORDER BY created_at DESC LIMIT %(limit)s;

-- :runs_like runs whose id starts so
SELECT * FROM runs WHERE id COLLATE "C" ^@ %(prefix)s ORDER BY created_at DESC LIMIT 2;

-- :steps a run's steps in order
SELECT * FROM steps WHERE run_at = (SELECT created_at FROM runs WHERE id = %(run_id)s) AND run_id = %(run_id)s ORDER BY position, item;

-- :attempts attempts of a run's steps that came to nothing, oldest first
SELECT * FROM attempts WHERE run_at = (SELECT created_at FROM runs WHERE id = %(run_id)s) AND run_id = %(run_id)s ORDER BY started_at;

-- :last_runs the newest live run of each pipeline that was not skipped
SELECT last.* FROM unnest(%(pipelines)s::text[]) AS wanted(name),
     LATERAL (SELECT * FROM runs WHERE runs.pipeline = wanted.name AND state <> 'skipped'
                AND backfill_id IS NULL
              ORDER BY created_at DESC LIMIT 1) AS last;

-- :last_good each pipeline's newest logical time that ended well
SELECT last.* FROM unnest(%(pipelines)s::text[]) AS wanted(name),
     LATERAL (SELECT pipeline, logical_at, ended_at FROM runs
              WHERE runs.pipeline = wanted.name AND state IN ('succeeded', 'partial')
              ORDER BY logical_at DESC LIMIT 1) AS last;

-- :previous the last logical time before this one whose work was all done
SELECT max(logical_at) AS logical_at FROM runs
WHERE pipeline = %(pipeline)s AND logical_at < %(before)s AND state = 'succeeded';

-- :replay_start keep the first moment that asks; everyone gets the same answer
WITH kept AS (
    INSERT INTO replay (started_at) VALUES (%(at)s) ON CONFLICT DO NOTHING RETURNING started_at
)
SELECT started_at FROM kept UNION ALL SELECT started_at FROM replay LIMIT 1;

-- :run_created when a run was created
SELECT created_at FROM runs WHERE id = %(run_id)s;
