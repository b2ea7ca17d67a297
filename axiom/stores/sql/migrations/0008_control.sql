-- depends: 0007_batches
-- What persons do to runs and schedules, and the ledger's steps by month.

-- Who did what, when. Only ever added to; pruned by age.
CREATE TABLE audit (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    by       text NOT NULL,
    action   text NOT NULL,
    pipeline text,
    run_id   text,
    details  jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_run ON audit (run_id) WHERE run_id IS NOT NULL;

-- When each pipeline runs; what is null is as in celeryconfig.
CREATE TABLE schedules (
    pipeline   text PRIMARY KEY,
    spec       text,
    catch_up   text,
    changed_by text,
    changed_at timestamptz,
    fired_at   timestamptz,            -- the last slot that beat has dealt with
    settled_at timestamptz             -- slots up to here are run, or will not be caught up
);

-- A range of logical times to be run beside the live work, oldest first.
CREATE TABLE backfills (
    id         text PRIMARY KEY,
    pipeline   text NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('backfill', 'catch-up')),
    spec       text NOT NULL,          -- the schedule whose slots are meant
    since      timestamptz NOT NULL,   -- since <= slot < until
    until      timestamptz NOT NULL,
    next_at    timestamptz NOT NULL,   -- slots before it are claimed, or were there
    total      integer NOT NULL,
    claimed    integer NOT NULL DEFAULT 0,
    existed    integer NOT NULL DEFAULT 0,
    state      text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'cancelled')),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at   timestamptz
);
CREATE INDEX backfills_running ON backfills (created_at) WHERE state = 'running';
CREATE INDEX backfills_newest ON backfills (created_at DESC);

ALTER TABLE runs
    ADD COLUMN retries     integer NOT NULL DEFAULT 0,  -- by a person; older messages do nothing
    ADD COLUMN backfill_id text;
CREATE INDEX runs_active ON runs (created_at) WHERE state IN ('queued', 'running');
CREATE INDEX runs_backfill ON runs (backfill_id, state) WHERE backfill_id IS NOT NULL;
CREATE INDEX runs_last ON runs (pipeline, created_at DESC) WHERE state <> 'skipped';
CREATE INDEX runs_good ON runs (pipeline, logical_at DESC) WHERE state IN ('succeeded', 'partial');
CREATE INDEX runs_state ON runs (state, created_at DESC);
CREATE INDEX runs_of ON runs (pipeline, created_at DESC);
CREATE INDEX runs_prefix ON runs (id COLLATE "C");

-- Steps by month of their run, so that old ones go with their partition. No foreign key: a run
-- is always there before its steps, and a check for each row would cost more than it finds.
ALTER TABLE steps RENAME TO steps_before;
ALTER TABLE steps_before RENAME CONSTRAINT steps_pkey TO steps_before_pkey;
CREATE TABLE steps (
    run_id     text NOT NULL,
    run_at     timestamptz NOT NULL,   -- when its run was created
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
    PRIMARY KEY (run_id, name, item, run_at)
) PARTITION BY RANGE (run_at);

-- Attempts that came to nothing; the last one, or the good one, is the step's own row.
CREATE TABLE attempts (
    run_id     text NOT NULL,
    run_at     timestamptz NOT NULL,
    name       text NOT NULL,
    item       text NOT NULL,
    attempt    integer NOT NULL,
    outcome    text NOT NULL CHECK (outcome IN ('retried', 'failed', 'died', 'cancelled')),
    worker     text,
    task_id    text,
    started_at timestamptz,
    ended_at   timestamptz,
    error      text,
    traceback  text
) PARTITION BY RANGE (run_at);
CREATE INDEX attempts_run ON attempts (run_id, started_at);

DO $$
DECLARE month timestamptz;
BEGIN
    FOR month IN SELECT DISTINCT date_trunc('month', created_at, 'UTC') FROM runs
                 UNION SELECT date_trunc('month', now(), 'UTC')
    LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF steps FOR VALUES FROM (%L) TO (%L)',
            'steps_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM'), month,
            (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
        EXECUTE format('CREATE TABLE %I PARTITION OF attempts FOR VALUES FROM (%L) TO (%L)',
            'attempts_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM'), month,
            (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
    END LOOP;
END $$;

INSERT INTO steps (run_id, run_at, position, name, item, state, attempt, retry_at, worker, task_id,
                   started_at, ended_at, output, error, traceback)
SELECT run_id, runs.created_at, position, name, item, steps_before.state, attempt, retry_at, worker,
       task_id, steps_before.started_at, steps_before.ended_at, output, error, traceback
FROM steps_before JOIN runs ON runs.id = run_id;
DROP TABLE steps_before;
