-- depends: 0001_ledger
CREATE TABLE events (
    id              text PRIMARY KEY,
    market          text NOT NULL,
    headline        text NOT NULL,
    summary         text NOT NULL,
    url             text NOT NULL,
    source          text NOT NULL,
    published_at    timestamptz NOT NULL,
    type            text NOT NULL,
    tickers         text[] NOT NULL,
    sentiment       jsonb NOT NULL,
    relevance       double precision NOT NULL,
    novelty         double precision NOT NULL,
    confidence      double precision NOT NULL,
    analyst         text NOT NULL,
    prompt_hash     text NOT NULL,
    run_id          text NOT NULL,
    stored_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX events_newest ON events (market, published_at DESC);
CREATE INDEX events_tickers ON events USING gin (tickers);

-- Every telling of a story, the first included; a story's corroborations are its other tellings.
CREATE TABLE tellings (
    headline_id  text PRIMARY KEY,
    event_id     text NOT NULL,
    market       text NOT NULL,
    text_hash    text NOT NULL,
    headline     text NOT NULL,
    source       text NOT NULL,
    published_at timestamptz NOT NULL,
    similarity   double precision NOT NULL,
    found_by     text NOT NULL,
    run_id       text NOT NULL
);
CREATE INDEX tellings_newest ON tellings (market, published_at DESC);
CREATE INDEX tellings_event ON tellings (event_id);

CREATE TABLE alerts (
    id         text PRIMARY KEY,
    cause      text NOT NULL,
    severity   text NOT NULL,
    subject    text NOT NULL,
    detail     jsonb NOT NULL,
    raised_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    cleared_at timestamptz
);
CREATE INDEX alerts_newest ON alerts (raised_at DESC);
