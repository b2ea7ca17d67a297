-- The ledger: what was asked for, what happened, and what may happen next.
CREATE TABLE pipelines (
    pipeline     text PRIMARY KEY,
    paused_at    timestamptz,
    paused_by    text,
    pause_reason text
);

CREATE TABLE runs (
    id          text PRIMARY KEY,
    pipeline    text NOT NULL,
    logical_at  timestamptz NOT NULL,
    engine      text NOT NULL,
    state       text NOT NULL,
    trigger     text NOT NULL,
    params      jsonb NOT NULL DEFAULT '{}',
    reason      text,
    overlap     boolean NOT NULL DEFAULT false,
    plan        jsonb,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at  timestamptz,
    ended_at    timestamptz,
    deadline_at timestamptz,
    resumed_at  timestamptz,
    resumes     integer NOT NULL DEFAULT 0
);
-- a logical time is claimed once; one that was skipped may be claimed later
CREATE UNIQUE INDEX runs_claim ON runs (pipeline, logical_at, engine) WHERE state <> 'skipped';
-- at most one active run of a pipeline, unless it was told otherwise
CREATE UNIQUE INDEX runs_one_active ON runs (pipeline, engine)
    WHERE state IN ('queued', 'running') AND NOT overlap;
CREATE INDEX runs_newest ON runs (pipeline, logical_at DESC);
CREATE INDEX runs_created ON runs (created_at DESC);

CREATE TABLE steps (
    run_id     text NOT NULL REFERENCES runs ON DELETE CASCADE,
    position   integer NOT NULL,
    name       text NOT NULL,
    item       text NOT NULL DEFAULT '',
    state      text NOT NULL DEFAULT 'pending',
    attempt    integer NOT NULL DEFAULT 0,
    retry_at   timestamptz,
    worker     text,
    task_id    text,
    started_at timestamptz,
    ended_at   timestamptz,
    output     jsonb,
    error      text,
    traceback  text,
    PRIMARY KEY (run_id, name, item)
);

-- The replay's clock: the logical minute at which it showed its first day.
CREATE TABLE replay (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    started_at timestamptz NOT NULL
);

-- Raw input that was not accepted, whole, with the reason.
CREATE TABLE quarantine (
    id             text PRIMARY KEY,
    pipeline       text NOT NULL,
    run_id         text NOT NULL,
    reason         text NOT NULL,
    source         text NOT NULL,
    payload        jsonb NOT NULL,
    quarantined_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX quarantine_newest ON quarantine (quarantined_at DESC);
