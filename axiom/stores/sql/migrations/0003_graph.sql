-- depends: 0001_ledger
-- What an analyst said of a company, by what it was asked: the same question is not asked twice.
CREATE TABLE analyses (
    ticker      text NOT NULL,
    market      text NOT NULL,
    input_hash  text NOT NULL,
    analyst     text NOT NULL,
    prompt_hash text NOT NULL,
    run_id      text NOT NULL,
    analysed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    findings    jsonb NOT NULL,
    rejected    integer NOT NULL DEFAULT 0,
    PRIMARY KEY (market, ticker, input_hash, analyst, prompt_hash)
);

-- The graph's size after each run of its pipeline.
CREATE TABLE graph_snapshots (
    run_id     text PRIMARY KEY,
    market     text NOT NULL,
    logical_at timestamptz NOT NULL,
    nodes      jsonb NOT NULL,
    edges      jsonb NOT NULL,
    density    double precision NOT NULL,
    changes    jsonb NOT NULL,
    taken_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
