-- depends: 0008_control
-- Totals: what counters say. They only grow, whatever retention deletes: a run or call that
-- ended is added once, in the transaction that marks it as counted.
CREATE TABLE totals (
    name   text NOT NULL,
    labels jsonb NOT NULL,       -- of a histogram's bucket with its bound "le"; "sum" for the sum
    value  numeric NOT NULL,
    PRIMARY KEY (name, labels)
);
ALTER TABLE runs ADD COLUMN counted_at timestamptz;   -- the end that was counted: a run may end again
CREATE INDEX runs_uncounted ON runs (ended_at)
    WHERE ended_at IS NOT NULL AND counted_at IS DISTINCT FROM ended_at;
ALTER TABLE calls ADD COLUMN counted boolean NOT NULL DEFAULT false;
CREATE INDEX calls_uncounted ON calls (ended_at) WHERE ended_at IS NOT NULL AND NOT counted;

-- What steps said while they ran, by month.
CREATE SEQUENCE log_lines_n;
CREATE TABLE log_lines (
    run_id  text NOT NULL,
    n       bigint NOT NULL DEFAULT nextval('log_lines_n'),
    at      timestamptz NOT NULL,
    step    text NOT NULL,       -- empty: said by the run itself
    item    text NOT NULL,
    attempt integer NOT NULL,
    level   text NOT NULL,
    text    text NOT NULL,
    worker  text,
    facts   jsonb NOT NULL,
    PRIMARY KEY (run_id, n, at)
) PARTITION BY RANGE (at);
CREATE INDEX log_lines_newest ON log_lines (n);
