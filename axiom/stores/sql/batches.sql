-- :alone be the only one to work on batches; false when another does
SELECT pg_try_advisory_lock(hashtextextended('batches', 0)) AS alone;

-- :let_others let go of it
SELECT pg_advisory_unlock(hashtextextended('batches', 0));

-- :answer what is known
SELECT text, stop_reason, model FROM answers WHERE question_hash = %(question_hash)s;

-- :put queue a question, or say again that it is wanted; what was refused may be tried later on
INSERT INTO batch_questions AS q (question_hash, request, pipeline, run_id, step, subjects, prompt,
                                  model, worst_usd, imitation)
VALUES (%(question_hash)s, %(request)s, %(pipeline)s, %(run_id)s, %(step)s, %(subjects)s,
        %(prompt)s, %(model)s, %(worst_usd)s, %(imitation)s)
ON CONFLICT (question_hash) DO UPDATE
SET asked_at = clock_timestamp(),
    run_id = CASE WHEN q.state = 'queued' THEN excluded.run_id ELSE q.run_id END,
    reason = CASE WHEN q.state = 'refused' AND q.due_at <= clock_timestamp() THEN NULL
                  ELSE q.reason END,
    state = CASE WHEN q.state = 'refused' AND q.due_at <= clock_timestamp() THEN 'queued'
                 ELSE q.state END
RETURNING state, reason;

-- :forget what nobody asks any more, and refusals that were told for long enough
DELETE FROM batch_questions q
WHERE (state = 'queued' AND (asked_at < clock_timestamp() - %(unasked)s::interval
                             OR EXISTS (SELECT FROM answers a
                                        WHERE a.question_hash = q.question_hash)))
   OR (state = 'refused' AND due_at <= clock_timestamp());

-- :queued what may be handed in, the oldest first, with the id that its next call will have
SELECT question_hash, pipeline, run_id, step, subjects, prompt, model, worst_usd, imitation, reason,
       EXTRACT(epoch FROM clock_timestamp() - due_at)::float8 AS age_s,
       1 + (SELECT coalesce(max(c.attempt), 0) FROM calls c
            WHERE c.question_hash = q.question_hash) AS attempt
FROM batch_questions q
WHERE state = 'queued' AND imitation = %(imitation)s AND due_at <= clock_timestamp()
  AND NOT EXISTS (SELECT FROM answers a WHERE a.question_hash = q.question_hash)
ORDER BY due_at, question_hash;

-- :hold_back say why a question may not go
UPDATE batch_questions SET reason = %(reason)s
WHERE question_hash = %(question_hash)s AND state = 'queued';

-- :lock keep a live call from the same questions; leave out what one is asking at this moment, and
-- what one was answered whose answer cannot be seen yet (see :ask in calls.sql)
SELECT hash FROM unnest(%(hashes)s::text[]) AS hash
WHERE pg_try_advisory_xact_lock(hashtextextended('question/' || hash, 0))
  AND pg_try_advisory_xact_lock(hashtextextended('kept/question/' || hash, 0));

-- :begin say that these are about to be handed in, and book their calls at their worst; a call
-- has the submission's name for a batch, so that no sweep takes it for one whose process died
WITH taken AS (
    UPDATE batch_questions q
    SET state = 'submitting', submission_id = %(submission_id)s, batch_id = NULL, reason = NULL,
        begun_at = clock_timestamp(), call_id = given.call_id
    FROM unnest(%(hashes)s::text[], %(call_ids)s::text[], %(attempts)s::int[])
         AS given (question_hash, call_id, attempt)
    WHERE q.question_hash = given.question_hash AND q.state = 'queued'
      AND NOT EXISTS (SELECT FROM answers a WHERE a.question_hash = q.question_hash)
    RETURNING q.*, given.attempt
), booked AS (
    INSERT INTO calls (id, question_hash, attempt, pipeline, run_id, step, subjects, prompt, model,
                       worst_usd, imitation, batch_id)
    SELECT call_id, question_hash, attempt, pipeline, run_id, step, subjects, prompt, model,
           worst_usd, imitation, submission_id
    FROM taken
)
SELECT call_id, request FROM taken ORDER BY due_at, question_hash;

-- :created note the batch that a submission became
WITH gone AS (
    UPDATE batch_questions SET state = 'submitted', batch_id = %(batch_id)s
    WHERE submission_id = %(submission_id)s AND state = 'submitting'
    RETURNING call_id
)
UPDATE calls SET batch_id = %(batch_id)s FROM gone WHERE calls.id = gone.call_id;

-- :unsure submissions of which nobody noted what became
SELECT q.submission_id, q.begun_at, q.call_id AS id, q.question_hash, c.attempt, q.pipeline,
       q.run_id, q.step, q.subjects, q.prompt, q.model, q.worst_usd, q.imitation, c.batch_id
FROM batch_questions q JOIN calls c ON c.id = q.call_id
WHERE q.state = 'submitting' AND q.imitation = %(imitation)s
  AND q.begun_at < clock_timestamp() - %(older_than)s::interval
ORDER BY q.begun_at, q.question_hash;

-- :known which of these batches are ours
SELECT DISTINCT batch_id FROM calls WHERE batch_id = ANY(%(batch_ids)s);

-- :submitted what is out
SELECT q.call_id AS id, q.question_hash, c.attempt, q.pipeline, q.run_id, q.step, q.subjects,
       q.prompt, q.model, q.worst_usd, q.imitation, q.batch_id
FROM batch_questions q JOIN calls c ON c.id = q.call_id
WHERE q.state = 'submitted' AND q.imitation = %(imitation)s
ORDER BY q.begun_at, q.batch_id, q.question_hash;

-- :requeue hand it in again; not if that was done already
UPDATE batch_questions
SET state = 'queued', reason = NULL, due_at = clock_timestamp() + %(delay)s::interval
WHERE call_id = %(call_id)s AND state IN ('submitting', 'submitted');

-- :refuse tell this to who asks, for a while
UPDATE batch_questions
SET state = 'refused', reason = %(reason)s, due_at = clock_timestamp() + %(told)s::interval
WHERE call_id = %(call_id)s AND state IN ('submitting', 'submitted');

-- :done its answer is kept
DELETE FROM batch_questions
WHERE call_id = %(call_id)s AND state IN ('submitting', 'submitted');
