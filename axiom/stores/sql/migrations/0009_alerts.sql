-- depends: 0004_events
-- Alerts have a life now: open, acknowledged, resolved. News (`noted`) is told and never clears.
ALTER TABLE alerts
    ADD COLUMN rule            text NOT NULL DEFAULT 'news',
    ADD COLUMN pipeline        text,
    ADD COLUMN state           text NOT NULL DEFAULT 'noted'
                               CHECK (state IN ('open', 'acknowledged', 'resolved', 'noted')),
    ADD COLUMN hint            text,               -- what to do
    ADD COLUMN seen_at         timestamptz,        -- when its cause was seen last
    ADD COLUMN count           integer NOT NULL DEFAULT 1,  -- rounds that saw its cause
    ADD COLUMN told_at         timestamptz,        -- when somebody was last told: raised or reminded
    ADD COLUMN acknowledged_at timestamptz,
    ADD COLUMN acknowledged_by text;
-- one open alert of a cause
CREATE UNIQUE INDEX alerts_open ON alerts (cause) WHERE state IN ('open', 'acknowledged');
CREATE INDEX alerts_cause ON alerts (cause, raised_at DESC);

-- What is to be sent; a row is claimed by moving its `due_at` on, and sent by one at a time.
CREATE TABLE notifications (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id   text NOT NULL REFERENCES alerts ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('raised', 'reminder', 'cleared')),
    channel    text NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts   integer NOT NULL DEFAULT 0,
    sent_at    timestamptz,
    dropped_at timestamptz,                        -- given up, or no longer wanted
    error      text
);
CREATE INDEX notifications_due ON notifications (due_at)
    WHERE sent_at IS NULL AND dropped_at IS NULL;
CREATE INDEX notifications_alert ON notifications (alert_id, channel, id);

-- Who is not told of what until when: a rule, a pipeline or a cause.
CREATE TABLE mutes (
    what     text PRIMARY KEY,
    until_at timestamptz NOT NULL,
    by       text NOT NULL,
    set_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Whose turn it is to look: the round is one row, taken by whoever comes first.
CREATE TABLE alert_round (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    number     bigint NOT NULL DEFAULT 0,
    claimed_at timestamptz NOT NULL DEFAULT '-infinity',
    by         text
);
INSERT INTO alert_round DEFAULT VALUES;
