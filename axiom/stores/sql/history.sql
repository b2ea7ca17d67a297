-- What pages ask of the past. Each is bounded by a LIMIT and answered by an index.

-- A backfill's runs are not how a pipeline is doing: they are shown only where they are asked for.

-- :pipelines each pipeline: its last run, what ended well last, its pause; what a backfill or a
-- catch-up brought is good data as well
SELECT wanted.pipeline, to_jsonb(last) - 'plan' AS last, good.logical_at AS good_at,
       paused.paused_at, paused.paused_by, paused.pause_reason
FROM unnest(%(pipelines)s::text[]) WITH ORDINALITY AS wanted (pipeline, n)
LEFT JOIN LATERAL (
    SELECT * FROM runs
    WHERE runs.pipeline = wanted.pipeline AND backfill_id IS NULL AND state <> 'skipped'
    ORDER BY created_at DESC LIMIT 1) AS last ON true
LEFT JOIN LATERAL (
    SELECT logical_at FROM runs
    WHERE runs.pipeline = wanted.pipeline AND state IN ('succeeded', 'partial')
    ORDER BY logical_at DESC LIMIT 1) AS good ON true
LEFT JOIN pipelines AS paused
    ON paused.pipeline = wanted.pipeline AND paused.paused_at IS NOT NULL
ORDER BY n;

-- :recent the newest runs of each pipeline, for its little chart
SELECT runs.* FROM unnest(%(pipelines)s::text[]) AS wanted (pipeline)
CROSS JOIN LATERAL (
    SELECT id, pipeline, state, logical_at, created_at, ended_at FROM runs
    WHERE runs.pipeline = wanted.pipeline AND backfill_id IS NULL AND state <> 'skipped'
    ORDER BY created_at DESC LIMIT %(limit)s) AS runs;

-- :failing since when a pipeline has not ended well: the first bad run after the last good one
SELECT id, created_at, state, reason FROM runs
WHERE pipeline = %(pipeline)s AND backfill_id IS NULL AND state IN ('failed', 'partial')
  AND created_at > coalesce((
      SELECT created_at FROM runs
      WHERE pipeline = %(pipeline)s AND backfill_id IS NULL AND state = 'succeeded'
      ORDER BY created_at DESC LIMIT 1), '-infinity')
ORDER BY created_at LIMIT 1;

-- :runs a page of runs, newest first; the next one starts after its last
SELECT id, pipeline, logical_at, engine, state, trigger, params, reason, created_at, started_at,
       ended_at, deadline_at, NULL AS plan, retries, backfill_id, skip_code
FROM runs
WHERE (%(pipeline)s::text IS NULL OR pipeline = %(pipeline)s)
  AND (%(state)s::text IS NULL OR state = %(state)s)
  AND (created_at, id) < (%(before_at)s, %(before_id)s)
ORDER BY created_at DESC, id DESC LIMIT %(limit)s;

-- :live_runs a page of a pipeline's own runs, newest first
SELECT id, pipeline, logical_at, engine, state, trigger, params, reason, created_at, started_at,
       ended_at, deadline_at, NULL AS plan, retries, backfill_id, skip_code
FROM runs
WHERE pipeline = %(pipeline)s AND backfill_id IS NULL
  AND (created_at, id) < (%(before_at)s, %(before_id)s)
ORDER BY created_at DESC, id DESC LIMIT %(limit)s;

-- :run one run
SELECT * FROM runs WHERE id = %(run_id)s;

-- :runs_like runs whose id starts so
SELECT id FROM runs
WHERE id COLLATE "C" >= %(prefix)s AND id COLLATE "C" < %(prefix)s || '~' LIMIT 2;

-- :newest the run that a pipeline's page shows: the active one, or the last
SELECT * FROM runs WHERE pipeline = %(pipeline)s AND backfill_id IS NULL AND state <> 'skipped'
ORDER BY created_at DESC LIMIT 1;

-- :neighbours the runs before and after this one
(SELECT id, 'before' AS side FROM runs WHERE pipeline = %(pipeline)s AND state <> 'skipped'
   AND (created_at, id) < (%(created_at)s, %(run_id)s)
 ORDER BY created_at DESC, id DESC LIMIT 1)
UNION ALL
(SELECT id, 'after' FROM runs WHERE pipeline = %(pipeline)s AND state <> 'skipped'
   AND (created_at, id) > (%(created_at)s, %(run_id)s)
 ORDER BY created_at, id LIMIT 1);

-- :step_counts how many of each step are in which state, for some runs; steps are by the month
-- of their run
SELECT run_id, name, state, min(position) AS position, count(*) AS n,
       bool_or(item <> '') AS mapped, max(attempt) AS attempts, min(started_at) AS started_at,
       max(ended_at) AS ended_at, min(retry_at) AS retry_at, min(error) AS error
FROM steps WHERE run_at = ANY(%(run_ats)s) AND run_id = ANY(%(run_ids)s)
GROUP BY run_id, name, state;

-- :steps a page of a run's steps, in order: the items of one, or those that are not mapped
SELECT * FROM steps
WHERE run_at = %(run_at)s AND run_id = %(run_id)s
  AND (name = %(name)s OR (%(name)s::text IS NULL AND item = ''))
  AND (position, item) > (%(after_position)s, %(after_item)s)
ORDER BY position, item LIMIT %(limit)s;

-- :wrong what did not succeed in a run, failures first
SELECT position, name, item, state, attempt, worker, started_at, ended_at, retry_at, error,
       traceback
FROM steps WHERE run_at = %(run_at)s AND run_id = %(run_id)s AND error IS NOT NULL
ORDER BY state <> 'failed', position, item LIMIT %(limit)s;

-- :outputs what the unmapped steps returned
SELECT name, position, output FROM steps
WHERE run_at = %(run_at)s AND run_id = %(run_id)s AND item = '' AND output IS NOT NULL
ORDER BY position LIMIT 100;

-- :attempts attempts that came to nothing, the newest first
SELECT name, item, attempt, outcome, worker, started_at, ended_at, error, traceback FROM attempts
WHERE run_at = %(run_at)s AND run_id = %(run_id)s
ORDER BY started_at DESC NULLS LAST LIMIT %(limit)s;

-- :calls what a run asked of Claude, by step and model
SELECT step, model, prompt, imitation, count(*) AS calls,
       count(*) FILTER (WHERE state = 'failed') AS failed,
       count(*) FILTER (WHERE state = 'lost') AS lost,
       sum(input_tokens + cache_write_5m + cache_write_1h + cache_read) AS input_tokens,
       sum(output_tokens) AS output_tokens, sum(cache_read) AS cache_read,
       sum(coalesce(usd, worst_usd)) AS usd, avg(latency_s) AS latency_s
FROM calls WHERE run_id = %(run_id)s
GROUP BY step, model, prompt, imitation ORDER BY usd DESC LIMIT 100;

-- :dollars what was paid since a moment, by pipeline; imitations are paid nothing
SELECT pipeline, imitation, count(*) AS calls, sum(coalesce(usd, worst_usd)) AS usd
FROM calls WHERE started_at >= %(since)s GROUP BY pipeline, imitation;

-- :dollars_of_runs what some runs cost
SELECT run_id, sum(coalesce(usd, worst_usd)) AS usd FROM calls
WHERE run_id = ANY(%(run_ids)s) GROUP BY run_id;

-- :pulse what goes on, and what ended just now: cheap enough to ask several times a second
SELECT runs.id, pipeline, state, ended_at, signature
FROM (SELECT * FROM runs WHERE state IN ('queued', 'running')
      UNION ALL
      (SELECT * FROM runs WHERE state NOT IN ('queued', 'running')
         AND ended_at > statement_timestamp() - interval '30 seconds'  -- clock_: by no index
       ORDER BY ended_at DESC LIMIT 200)) AS runs
LEFT JOIN LATERAL (
    SELECT concat_ws(',', count(*), sum(attempt), count(*) FILTER (WHERE state = 'running'),
                     count(*) FILTER (WHERE state = 'retrying'),
                     count(*) FILTER (WHERE state = 'succeeded'),
                     count(*) FILTER (WHERE state = 'failed')) AS signature
    FROM steps WHERE steps.run_at = runs.created_at AND steps.run_id = runs.id
      AND runs.ended_at IS NULL) AS counted ON true
UNION ALL  -- a backfill ends after the last of its runs
(SELECT id, pipeline, state, ended_at, claimed::text FROM backfills
 WHERE state = 'running' OR ended_at > statement_timestamp() - interval '30 seconds'
 ORDER BY created_at DESC LIMIT 200);
