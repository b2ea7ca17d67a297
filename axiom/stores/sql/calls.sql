-- :ask be the only one to put a question; learn what is known of it, by a snapshot of after
-- the locks. Who answered lets go of the first lock within the transaction that keeps the
-- answer; the second is let go of when that can be seen. What is booked next does not wait for
-- the disk, see :begin
SELECT set_config('lock_timeout', '5s', true), set_config('synchronous_commit', 'off', true),
       pg_advisory_lock(hashtextextended(%(key)s, 0)),
       pg_advisory_xact_lock(hashtextextended('kept/' || %(key)s, 0));

-- :known_of a question; and unless it needs no call, book the one that is about to be made (see
-- begin)
WITH known AS (
    SELECT (SELECT jsonb_build_object('text', text, 'stop_reason', stop_reason, 'model', model)
            FROM answers WHERE question_hash = %(question_hash)s) AS answer,
           asked.attempts, %(lease_s)s::float8
               - EXTRACT(epoch FROM clock_timestamp() - asked.open_at)::float8 AS busy_s,
           (SELECT jsonb_object_agg(scope, limit_usd::text) FROM budgets) AS limits,
           EXISTS (SELECT FROM batch_questions WHERE question_hash = %(question_hash)s
                   AND state IN ('submitting', 'submitted')) AS in_batch,
           asked.unreadable >= %(most_unreadable)s::int AS hopeless
    FROM (SELECT coalesce(max(attempt), 0) AS attempts,
                 max(started_at) FILTER (WHERE state = 'open' AND batch_id IS NULL) AS open_at,
                 count(*) FILTER (WHERE state = 'lost' AND starts_with(outcome, 'unreadable')
                                  AND started_at > clock_timestamp() - interval '1 day')
                     AS unreadable
          FROM calls WHERE question_hash = %(question_hash)s) AS asked
), begun AS (
    INSERT INTO calls (id, question_hash, attempt, pipeline, run_id, step, subjects, prompt, model,
                       worst_usd, imitation)
    SELECT %(question_hash)s || '-' || attempts + 1, %(question_hash)s, attempts + 1,
           %(pipeline)s::text, %(run_id)s::text, %(step)s::text, %(subjects)s::text[],
           %(prompt)s::text, %(model)s::text, %(worst_usd)s::numeric, %(imitation)s::boolean
    FROM known
    WHERE answer IS NULL AND NOT in_batch AND NOT hopeless AND (busy_s IS NULL OR busy_s <= 0)
)
SELECT * FROM known;

-- :kept let go of a question whose answer is kept, when that can be seen; see :ask
SELECT pg_advisory_xact_lock(hashtextextended('kept/' || %(key)s, 0)),
       pg_advisory_unlock(hashtextextended(%(key)s, 0));

-- :asked let go of it
SELECT pg_advisory_unlock(hashtextextended(%(key)s, 0));

-- :begin say that a call is about to be made; from here on it counts at its worst. The disk is
-- not waited for: a call takes longer than Postgres needs to write it, and an answer books the
-- whole row again
INSERT INTO calls (id, question_hash, attempt, pipeline, run_id, step, subjects, prompt, model,
                   worst_usd, imitation, batch_id)
VALUES (%(id)s, %(question_hash)s, %(attempt)s, %(pipeline)s, %(run_id)s, %(step)s, %(subjects)s,
        %(prompt)s, %(model)s, %(worst_usd)s, %(imitation)s, %(batch_id)s)
ON CONFLICT DO NOTHING
RETURNING id;

-- :begun without waiting for the disk
SELECT set_config('synchronous_commit', 'off', true);

-- :finish settle a call that was answered, also one that was given up as lost, and keep what was
-- said; the first answer stays
WITH kept AS (
    INSERT INTO answers (question_hash, text, stop_reason, model, call_id)
    VALUES (%(question_hash)s, %(text)s, %(stop_reason)s, %(answered_by)s, %(id)s)
    ON CONFLICT DO NOTHING
)
INSERT INTO calls (id, question_hash, attempt, pipeline, run_id, step, subjects, prompt, model,
                   worst_usd, imitation, batch_id, state, outcome, usd, input_tokens,
                   output_tokens, thinking_tokens, cache_write_5m, cache_write_1h, cache_read,
                   request_id, ended_at)
VALUES (%(id)s, %(question_hash)s, %(attempt)s, %(pipeline)s, %(run_id)s, %(step)s, %(subjects)s,
        %(prompt)s, %(model)s, %(worst_usd)s, %(imitation)s, %(batch_id)s, 'answered',
        %(outcome)s, %(usd)s, %(input_tokens)s, %(output_tokens)s, %(thinking_tokens)s,
        %(cache_write_5m)s, %(cache_write_1h)s, %(cache_read)s, %(request_id)s, clock_timestamp())
ON CONFLICT (id) DO UPDATE
SET state = 'answered', outcome = excluded.outcome, usd = excluded.usd,
    input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,
    thinking_tokens = excluded.thinking_tokens, cache_write_5m = excluded.cache_write_5m,
    cache_write_1h = excluded.cache_write_1h, cache_read = excluded.cache_read,
    latency_s = EXTRACT(epoch FROM excluded.ended_at - calls.started_at),
    request_id = excluded.request_id, ended_at = excluded.ended_at
WHERE calls.state IN ('open', 'lost');

-- :withdraw a call that was booked and must wait, or was refused by a limit of ours
DELETE FROM calls WHERE id = %(id)s AND state = 'open';

-- :fail a call that cost nothing
UPDATE calls SET state = 'failed', outcome = %(outcome)s, usd = 0, request_id = %(request_id)s,
       latency_s = EXTRACT(epoch FROM clock_timestamp() - started_at), ended_at = clock_timestamp()
WHERE id = %(id)s AND state = 'open';

-- :lose a call whose answer never came: it may have been paid, so it counts at its worst
UPDATE calls SET state = 'lost', outcome = %(outcome)s, usd = worst_usd,
       latency_s = EXTRACT(epoch FROM clock_timestamp() - started_at), ended_at = clock_timestamp()
WHERE id = %(id)s AND state = 'open';

-- :lose_old the calls of processes that died: open for longer than any call may take
UPDATE calls SET state = 'lost', outcome = 'its process died', usd = worst_usd,
       ended_at = clock_timestamp()
WHERE state = 'open' AND NOT counted AND batch_id IS NULL  -- by the index of what is not counted
  AND started_at < clock_timestamp() - %(older_than)s::interval
RETURNING id;

-- :lose_unbooked a call that was lost together with its row: what was put aside for it is left
INSERT INTO calls (id, question_hash, attempt, pipeline, run_id, step, subjects, prompt, model,
                   worst_usd, usd, imitation, state, outcome, started_at, ended_at)
VALUES (%(id)s, %(question_hash)s, %(attempt)s, %(pipeline)s, %(run_id)s, 'unknown',
        ARRAY['unknown'], 'unknown', 'unknown', %(worst_usd)s, %(worst_usd)s, %(imitation)s, 'lost',
        'its row was lost', clock_timestamp() - %(age_s)s * interval '1 second', clock_timestamp())
ON CONFLICT DO NOTHING;

-- :booked what has ended of a run, a UTC day or a pipeline's day, in one sum; and each call that
-- is open, at its worst
SELECT CASE WHEN state = 'open' THEN id END AS id, sum(coalesce(usd, worst_usd)) AS usd
FROM calls
WHERE (%(run_id)s IS NULL OR run_id = %(run_id)s)
  AND (%(pipeline)s IS NULL OR pipeline = %(pipeline)s)
  AND (%(day)s IS NULL OR started_at >= %(day)s::date AND started_at < %(day)s::date + 1)
  AND id <> ALL(%(held)s::text[])
GROUP BY 1;

-- :ended what became of calls that a reservation is still held for
SELECT id, state, usd FROM calls WHERE id = ANY(%(ids)s) AND state <> 'open';

-- :known_ids which of these were ever begun
SELECT id FROM calls WHERE id = ANY(%(ids)s);

-- :limits what a person set
SELECT scope, limit_usd, set_by FROM budgets;

-- :set_limit set it
INSERT INTO budgets (scope, limit_usd, set_by) VALUES (%(scope)s, %(limit_usd)s, %(by)s)
ON CONFLICT (scope) DO UPDATE
SET limit_usd = excluded.limit_usd, set_by = excluded.set_by, set_at = clock_timestamp();

-- :clear_limit back to the settings
DELETE FROM budgets WHERE scope = %(scope)s;

-- :costs by pipeline, model, day or company. A call about several companies is shared out evenly;
-- headlines are not told apart
SELECT CASE %(by)s WHEN 'pipeline' THEN pipeline WHEN 'model' THEN model
                   WHEN 'day' THEN to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
                   ELSE subject END AS key,
       imitation, count(*) AS calls, count(*) FILTER (WHERE state = 'lost') AS lost,
       count(*) FILTER (WHERE state = 'failed') AS failed,
       round(sum((input_tokens + cache_write_5m + cache_write_1h + cache_read) * part))::bigint
           AS input_tokens,
       round(sum(cache_read * part))::bigint AS cache_read,
       round(sum(output_tokens * part))::bigint AS output_tokens,
       sum(coalesce(usd, worst_usd) * part) AS usd
FROM calls, LATERAL (
    SELECT subject, 1.0 / cardinality(subjects) AS part FROM unnest(subjects) AS subject
    WHERE %(by)s = 'company' AND pipeline <> 'events'
    UNION ALL
    SELECT 'headlines', 1.0 WHERE %(by)s <> 'company' OR pipeline = 'events'
) AS parts
WHERE started_at >= %(since)s
GROUP BY key, imitation
ORDER BY usd DESC, key;
