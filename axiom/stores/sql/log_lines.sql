-- :add lines; nobody waits for the disk: a crash of Postgres may lose the last ones
SELECT set_config('synchronous_commit', 'off', true);
INSERT INTO log_lines (run_id, at, step, item, attempt, level, text, worker, facts)
SELECT * FROM jsonb_to_recordset(%(lines)s) AS said (
    run_id text, at timestamptz, step text, item text, attempt integer, level text, text text,
    worker text, facts jsonb);

-- :lines of a run, or of a step of it, after a place; months of before the run are not looked at.
-- Pages go by place, which is when a line arrived; within one, by when it was said
SELECT * FROM (
SELECT n, run_id, at, step, item, attempt, level, text, worker, facts FROM log_lines
WHERE run_id = %(run_id)s AND n > %(after)s
  AND (%(step)s::text IS NULL OR step = %(step)s)
  AND (%(item)s::text IS NULL OR item = %(item)s)
  AND at >= coalesce((SELECT created_at - interval '1 hour' FROM runs WHERE id = %(run_id)s),
                     '-infinity')
ORDER BY n LIMIT %(limit)s) AS page ORDER BY at, n;

-- :newest_of_run its last lines, newest first
SELECT * FROM (
SELECT n, run_id, at, step, item, attempt, level, text, worker, facts FROM log_lines
WHERE run_id = %(run_id)s AND (%(step)s::text IS NULL OR step = %(step)s)
  AND at >= coalesce((SELECT created_at - interval '1 hour' FROM runs WHERE id = %(run_id)s),
                     '-infinity')
ORDER BY n DESC LIMIT %(limit)s) AS page ORDER BY at DESC, n DESC;

-- :newest the last lines of all runs, newest first
SELECT * FROM (
SELECT n, run_id, at, step, item, attempt, level, text, worker, facts FROM log_lines
WHERE (%(step)s::text IS NULL OR step = %(step)s) AND at > statement_timestamp() - interval '1 day'
ORDER BY n DESC LIMIT %(limit)s) AS page ORDER BY at DESC, n DESC;
