-- depends: 0001_ledger
-- The call book: a row per attempt at a paid call, written before the call is made.
CREATE TABLE calls (
    id              text PRIMARY KEY,
    question_hash   text NOT NULL,
    attempt         int NOT NULL,
    pipeline        text NOT NULL,
    run_id          text NOT NULL,
    step            text NOT NULL,
    subjects        text[] NOT NULL,
    prompt          text NOT NULL,
    model           text NOT NULL,
    state           text NOT NULL DEFAULT 'open'
                    CHECK (state IN ('open', 'answered', 'failed', 'lost')),
    outcome         text,                       -- stop reason, or what went wrong
    worst_usd       numeric(16, 9) NOT NULL,    -- reserved before the call
    usd             numeric(16, 9),             -- null while open; a lost call's worst case
    input_tokens    int NOT NULL DEFAULT 0,
    output_tokens   int NOT NULL DEFAULT 0,
    thinking_tokens int NOT NULL DEFAULT 0,     -- a part of the output
    cache_write_5m  int NOT NULL DEFAULT 0,
    cache_write_1h  int NOT NULL DEFAULT 0,
    cache_read      int NOT NULL DEFAULT 0,
    latency_s       double precision,
    batch_id        text,
    imitation       boolean NOT NULL,           -- not Anthropic's: nobody was paid
    request_id      text,
    started_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at        timestamptz
);
CREATE INDEX calls_started_at ON calls (started_at);
CREATE INDEX calls_open ON calls (started_at) WHERE state = 'open';
CREATE INDEX calls_question ON calls (question_hash);

-- What was answered once is never asked again.
CREATE TABLE answers (
    question_hash   text PRIMARY KEY,
    text            text NOT NULL,
    stop_reason     text NOT NULL,
    model           text NOT NULL,
    call_id         text NOT NULL,
    stored_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Limits that a person set; they go before the settings.
CREATE TABLE budgets (
    scope           text PRIMARY KEY CHECK (scope IN ('day', 'pipeline', 'run')),
    limit_usd       numeric(16, 9) NOT NULL CHECK (limit_usd >= 0),
    set_by          text NOT NULL,
    set_at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
