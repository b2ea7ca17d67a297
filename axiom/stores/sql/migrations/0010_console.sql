-- depends: 0007_batches
-- Who may use the console, and the indexes that its pages ask by.
CREATE TABLE accounts (
    name          text PRIMARY KEY,
    role          text NOT NULL CHECK (role IN ('viewer', 'operator')),
    password_hash text NOT NULL,              -- argon2id, with its own salt and parameters
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by    text NOT NULL
);

-- A login; what the browser holds is not kept, only its hash.
CREATE TABLE sessions (
    secret_hash   text PRIMARY KEY,
    account       text NOT NULL REFERENCES accounts (name) ON DELETE CASCADE,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    address       text NOT NULL,
    browser       text NOT NULL
);
CREATE INDEX sessions_account ON sessions (account);

CREATE TABLE api_tokens (
    name          text PRIMARY KEY,
    secret_hash   text NOT NULL UNIQUE,
    role          text NOT NULL CHECK (role IN ('viewer', 'operator')),
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by    text NOT NULL,
    used_at       timestamptz
);

-- what ended just now, for the pages that follow it; and what a run cost
CREATE INDEX IF NOT EXISTS runs_ended ON runs (ended_at DESC);
CREATE INDEX IF NOT EXISTS calls_run ON calls (run_id);
