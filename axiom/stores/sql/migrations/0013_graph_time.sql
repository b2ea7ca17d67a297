-- depends: 0003_graph
-- When each source of the graph was read: what a late run says holds until then.
CREATE TABLE graph_readings (
    market  text NOT NULL,
    source  text NOT NULL,
    read_at timestamptz NOT NULL,
    PRIMARY KEY (market, source, read_at)
);

-- Who matters and who belongs together, as of a run.
ALTER TABLE graph_snapshots ADD COLUMN structure jsonb NOT NULL DEFAULT '{}';
CREATE INDEX graph_snapshots_newest ON graph_snapshots (market, logical_at DESC);

-- Splits and dividends. Prices stay as they were observed; the adjusted series is computed.
CREATE TABLE corporate_actions (
    ticker      text NOT NULL,
    source      text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('split', 'dividend')),
    ex_date     date NOT NULL,
    amount      double precision NOT NULL CHECK (amount > 0),
    currency    text,
    run_id      text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source, ticker, ex_date, kind)
);
COMMENT ON COLUMN corporate_actions.amount IS
    'of a split: shares after it for one before; of a dividend: money for a share, in currency';
