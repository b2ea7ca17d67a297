-- A look that hangs must not undo those that end: the fence is the newest look that has ended.
ALTER TABLE alert_round ADD COLUMN ended bigint NOT NULL DEFAULT 0;
ALTER TABLE alert_round ADD COLUMN ended_at timestamptz NOT NULL DEFAULT '-infinity';

-- News of those that are neither open nor resolved, the newest first.
CREATE INDEX alerts_news ON alerts (raised_at DESC) WHERE state = 'noted';
