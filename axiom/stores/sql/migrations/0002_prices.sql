-- depends: 0001_ledger
-- Ticks, by month of observation; months are made when the first of their rows arrives.
CREATE TABLE prices (
    ticker      text NOT NULL,
    observed_at timestamptz NOT NULL,
    source      text NOT NULL,
    price       double precision NOT NULL,
    open        double precision,
    high        double precision,
    low         double precision,
    volume      double precision,
    currency    text NOT NULL,
    flag        text,
    run_id      text NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source, ticker, observed_at)
) PARTITION BY RANGE (observed_at);
