-- depends: 0001_ledger
CREATE TABLE correlations (
    market      text NOT NULL,
    logical_at  timestamptz NOT NULL,
    window_days integer NOT NULL,
    method      text NOT NULL,
    a           text NOT NULL,
    b           text NOT NULL,
    n           integer NOT NULL,
    r           double precision NOT NULL,
    low         double precision NOT NULL,
    high        double precision NOT NULL,
    p           double precision NOT NULL,
    q           double precision NOT NULL,
    shown_until timestamptz NOT NULL,
    run_id      text NOT NULL,
    PRIMARY KEY (market, window_days, method, logical_at, a, b)
);

CREATE TABLE explanations (
    market      text NOT NULL,
    logical_at  timestamptz NOT NULL,
    window_days integer NOT NULL,
    method      text NOT NULL,
    a           text NOT NULL,
    b           text NOT NULL,
    kind        text NOT NULL,
    text        text NOT NULL,
    analyst     text NOT NULL,
    prompt_hash text NOT NULL,
    run_id      text NOT NULL,
    PRIMARY KEY (market, window_days, method, logical_at, a, b)
);
