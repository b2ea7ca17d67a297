-- :count_runs add the runs that ended, and their steps, to the totals; how many there were.
-- A run that was retried ends again: of its steps only those of after its last end are new
WITH due AS MATERIALIZED (
    SELECT id, pipeline, state, created_at, started_at, ended_at, counted_at FROM runs
    WHERE ended_at IS NOT NULL AND counted_at IS DISTINCT FROM ended_at
    ORDER BY ended_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), marked AS (
    UPDATE runs SET counted_at = due.ended_at FROM due WHERE runs.id = due.id
), ended AS MATERIALIZED (
    SELECT due.pipeline, steps.name AS step, steps.state, greatest(steps.attempt - 1, 0) AS retries,
           EXTRACT(epoch FROM steps.ended_at - steps.started_at) AS seconds, steps.output
    FROM due JOIN steps ON steps.run_id = due.id AND steps.run_at = due.created_at
    WHERE steps.ended_at > coalesce(due.counted_at, '-infinity')
), took (name, labels, seconds) AS (
    SELECT 'axiom_run_duration_seconds', jsonb_build_object('pipeline', pipeline),
           EXTRACT(epoch FROM ended_at - started_at)
    FROM due WHERE started_at IS NOT NULL
    UNION ALL
    SELECT 'axiom_step_duration_seconds', jsonb_build_object('pipeline', pipeline, 'step', step),
           seconds
    FROM ended WHERE seconds IS NOT NULL
), samples (name, labels, value) AS (
    SELECT 'axiom_runs_total', jsonb_build_object('pipeline', pipeline, 'state', state), 1 FROM due
    UNION ALL
    SELECT 'axiom_steps_total',
           jsonb_build_object('pipeline', pipeline, 'step', step, 'state', state), 1
    FROM ended
    UNION ALL
    SELECT 'axiom_step_retries_total', jsonb_build_object('pipeline', pipeline, 'step', step),
           retries
    FROM ended
    UNION ALL
    SELECT 'axiom_rows_total', jsonb_build_object('pipeline', pipeline, 'step', step, 'what', key),
           value::numeric
    FROM ended, jsonb_each(CASE jsonb_typeof(output) WHEN 'object' THEN output ELSE '{}' END)
    WHERE state = 'succeeded' AND key = ANY(%(counts)s) AND jsonb_typeof(value) = 'number'
      AND step <> 'close_run'  -- it repeats what the others counted
    UNION ALL
    SELECT name, labels || jsonb_build_object('le', coalesce(
               (%(run_bounds)s::numeric[])[width_bucket(seconds, %(run_bounds)s::numeric[]) + 1]::text,
               '+Inf')), 1
    FROM took
    UNION ALL
    SELECT name, labels || '{"le": "sum"}', seconds FROM took
), added AS (
    INSERT INTO totals (name, labels, value)
    SELECT name, labels, sum(value) FROM samples GROUP BY name, labels ORDER BY name, labels
    ON CONFLICT (name, labels) DO UPDATE SET value = totals.value + excluded.value
)
SELECT count(*) AS n FROM due;

-- :count_calls add the calls that ended to the totals; how many there were. A lost call whose
-- answer came after all stays counted as lost, at its worst: a counter cannot go down
WITH due AS MATERIALIZED (
    SELECT id, pipeline, model, state, imitation::text AS imitation, coalesce(usd, worst_usd) AS usd,
           input_tokens, output_tokens, cache_write_5m + cache_write_1h AS cache_write, cache_read,
           latency_s::numeric AS seconds
    FROM calls WHERE ended_at IS NOT NULL AND NOT counted
    ORDER BY started_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), marked AS (
    UPDATE calls SET counted = true FROM due WHERE calls.id = due.id
), samples (name, labels, value) AS (
    SELECT 'axiom_claude_calls_total', jsonb_build_object(
               'pipeline', pipeline, 'model', model, 'state', state, 'imitation', imitation), 1
    FROM due
    UNION ALL
    SELECT 'axiom_claude_dollars_total',
           jsonb_build_object('pipeline', pipeline, 'model', model, 'imitation', imitation), usd
    FROM due
    UNION ALL
    SELECT 'axiom_claude_tokens_total', jsonb_build_object(
               'pipeline', pipeline, 'model', model, 'imitation', imitation, 'kind', kind), tokens
    FROM due, LATERAL (VALUES ('input', input_tokens), ('output', output_tokens),
                              ('cache_write', cache_write), ('cache_read', cache_read))
              AS by_kind (kind, tokens)
    UNION ALL
    SELECT 'axiom_claude_call_duration_seconds', jsonb_build_object('model', model, 'le', coalesce(
               (%(call_bounds)s::numeric[])[width_bucket(seconds, %(call_bounds)s::numeric[]) + 1]::text,
               '+Inf')), 1
    FROM due WHERE seconds IS NOT NULL
    UNION ALL
    SELECT 'axiom_claude_call_duration_seconds', jsonb_build_object('model', model, 'le', 'sum'),
           seconds
    FROM due WHERE seconds IS NOT NULL
), added AS (
    INSERT INTO totals (name, labels, value)
    SELECT name, labels, sum(value) FROM samples GROUP BY name, labels ORDER BY name, labels
    ON CONFLICT (name, labels) DO UPDATE SET value = totals.value + excluded.value
)
SELECT count(*) AS n FROM due;

-- :totals every total
SELECT name, labels, value::float8 AS value FROM totals ORDER BY name, labels;

-- :pipelines each pipeline's newest logical times that went well and that were skipped, and
-- whether it is paused
SELECT pipeline,
       (SELECT EXTRACT(epoch FROM logical_at)::float8 FROM runs
        WHERE runs.pipeline = wanted.pipeline AND state IN ('succeeded', 'partial')
        ORDER BY logical_at DESC LIMIT 1) AS good_s,
       (SELECT EXTRACT(epoch FROM logical_at)::float8 FROM runs
        WHERE runs.pipeline = wanted.pipeline AND state = 'skipped'
        ORDER BY created_at DESC LIMIT 1) AS skip_s,
       EXISTS (SELECT FROM pipelines
               WHERE pipelines.pipeline = wanted.pipeline AND paused_at IS NOT NULL) AS paused
FROM unnest(%(pipelines)s::text[]) AS wanted (pipeline);

-- :active what has not ended, by pipeline
SELECT pipeline, count(*) AS runs,
       count(*) FILTER (WHERE deadline_at < clock_timestamp()) AS overdue
FROM runs WHERE state IN ('queued', 'running') GROUP BY pipeline;

-- :active_steps the steps of runs that have not ended, by state
SELECT runs.pipeline, steps.state, count(*) AS n
FROM runs JOIN steps ON steps.run_id = runs.id AND steps.run_at = runs.created_at
WHERE runs.state IN ('queued', 'running') AND steps.state IN ('pending', 'running', 'retrying')
GROUP BY runs.pipeline, steps.state;

-- :open_alerts alerts that were not cleared, by severity
SELECT severity, count(*) AS n FROM alerts WHERE state IN ('open', 'acknowledged')
GROUP BY severity;
