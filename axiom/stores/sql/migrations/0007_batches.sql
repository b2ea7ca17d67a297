-- depends: 0006_claude
-- Questions that wait for a batch: a row from when one is first asked until its answer is kept.
CREATE TABLE batch_questions (
    question_hash   text PRIMARY KEY,
    request         json NOT NULL,              -- not jsonb: the order of a schema's fields matters
    pipeline        text NOT NULL,
    run_id          text NOT NULL,
    step            text NOT NULL,
    subjects        text[] NOT NULL,
    prompt          text NOT NULL,
    model           text NOT NULL,
    worst_usd       numeric(16, 9) NOT NULL,    -- at the price of a batch
    imitation       boolean NOT NULL,
    state           text NOT NULL DEFAULT 'queued'
                    CHECK (state IN ('queued', 'submitting', 'submitted', 'refused')),
    reason          text,                       -- why the budget held it back, or why it is refused
    call_id         text,                       -- of its last attempt, in the call book
    submission_id   text,                       -- those that were handed in together
    batch_id        text,                       -- the API's name for them, once it is known
    due_at          timestamptz NOT NULL DEFAULT clock_timestamp(),  -- not to be handed in before
    asked_at        timestamptz NOT NULL DEFAULT clock_timestamp(),  -- last; nobody asks: forgotten
    begun_at        timestamptz                 -- when the submission was about to be made
);
CREATE INDEX batch_questions_state ON batch_questions (state);
CREATE INDEX calls_batch ON calls (batch_id) WHERE batch_id IS NOT NULL;
