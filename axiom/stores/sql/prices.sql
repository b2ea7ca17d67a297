-- :stage where rows land before they are merged; empty again at the end of the transaction
CREATE TEMP TABLE IF NOT EXISTS staged_prices (
    ticker text, observed_at timestamptz, source text, price double precision,
    open double precision, high double precision, low double precision,
    volume double precision, currency text, flag text, bar_s integer, run_id text
) ON COMMIT DELETE ROWS;

-- :merge what was not there yet; a tick that is there stays as it was
INSERT INTO prices (ticker, observed_at, source, price, open, high, low, volume, currency, flag,
                    bar_s, run_id)
SELECT ticker, observed_at, source, price, open, high, low, volume, currency, flag, bar_s, run_id
FROM staged_prices
ON CONFLICT DO NOTHING;

-- :newest the newest tick of each of these tickers
SELECT wanted.ticker, last.observed_at
FROM unnest(%(tickers)s::text[]) AS wanted(ticker),
     LATERAL (SELECT observed_at FROM prices
              WHERE source = %(market)s AND prices.ticker = wanted.ticker
                AND observed_at <= %(until)s
              ORDER BY observed_at DESC LIMIT 1) AS last;

-- :recent the last prices of each ticker, newest first
SELECT wanted.ticker, last.observed_at, last.price
FROM unnest(%(tickers)s::text[]) AS wanted(ticker),
     LATERAL (SELECT observed_at, price FROM prices
              WHERE source = %(market)s AND prices.ticker = wanted.ticker
                AND observed_at <= %(until)s AND observed_at > %(since)s
              ORDER BY observed_at DESC LIMIT %(n)s) AS last
ORDER BY wanted.ticker, last.observed_at DESC;

-- :closes the last price of each ticker on each day
SELECT DISTINCT ON (ticker, observed_at::date) ticker, observed_at::date AS day, price,
       ingested_at::date AS known_on
FROM prices
WHERE source = %(market)s AND ticker = ANY(%(tickers)s)
  AND observed_at <= %(until)s AND observed_at > %(since)s
ORDER BY ticker, observed_at::date, observed_at DESC;

-- :actions splits and dividends of a span, by ticker
SELECT ticker, kind, ex_date, amount FROM corporate_actions
WHERE source = %(market)s AND ticker = ANY(%(tickers)s) AND ex_date > %(since)s::date
  AND ex_date <= %(until)s::date
ORDER BY ticker, ex_date, kind;

-- :days the last days on which the market has any price
SELECT DISTINCT observed_at::date AS day FROM prices
WHERE source = %(market)s AND observed_at <= %(until)s AND observed_at > %(since)s
ORDER BY day DESC LIMIT %(n)s;

-- :of_run how many rows a run added, and how many of them are flagged
SELECT count(*) AS rows, count(flag) AS flagged FROM prices
WHERE run_id = %(run_id)s AND observed_at >= %(since)s;

-- :count rows of a market
SELECT count(*) AS rows FROM prices WHERE source = %(market)s;
