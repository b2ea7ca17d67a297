-- :minute bars of a minute: a tick at the full minute ends the bar before it
SELECT (start_at AT TIME ZONE %(zone)s)::date AS day, start_at,
       start_at + interval '1 minute' AS end_at, currency,
       (array_agg(CASE WHEN bar_s = 60 THEN coalesce(open, price) ELSE price END
                  ORDER BY observed_at))[1] AS open,
       max(greatest(price, CASE WHEN bar_s = 60 THEN high END)) AS high,
       min(least(price, CASE WHEN bar_s = 60 THEN low END)) AS low,
       (array_agg(price ORDER BY observed_at DESC))[1] AS close,
       sum(volume) FILTER (WHERE bar_s = 60) AS volume,
       count(*) AS ticks, count(flag) AS flagged,
       (min(ingested_at) AT TIME ZONE %(zone)s)::date AS known_on
FROM (SELECT *, date_bin('1 minute', observed_at - interval '1 microsecond',
                         timestamptz 'epoch') AS start_at
      FROM prices
      WHERE source = %(market)s AND ticker = %(ticker)s
        AND observed_at > %(since)s AND observed_at <= %(until)s) AS ticks
GROUP BY start_at, currency
ORDER BY start_at DESC, currency LIMIT %(limit)s;

-- :day bars of a day of the exchange; a bar of the whole day speaks for its volume
SELECT day, day::timestamp AT TIME ZONE %(zone)s AS start_at,
       (day + 1)::timestamp AT TIME ZONE %(zone)s AS end_at, currency,
       (array_agg(CASE WHEN bar_s IS NOT NULL THEN coalesce(open, price) ELSE price END
                  ORDER BY bar_s DESC NULLS LAST, observed_at))[1] AS open,
       max(greatest(price, CASE WHEN bar_s IS NOT NULL THEN high END)) AS high,
       min(least(price, CASE WHEN bar_s IS NOT NULL THEN low END)) AS low,
       (array_agg(price ORDER BY observed_at DESC))[1] AS close,
       coalesce(max(volume) FILTER (WHERE bar_s = 86400),
                sum(volume) FILTER (WHERE bar_s = 60)) AS volume,
       count(*) AS ticks, count(flag) AS flagged,
       (min(ingested_at) AT TIME ZONE %(zone)s)::date AS known_on
FROM (SELECT *, ((observed_at - interval '1 microsecond') AT TIME ZONE %(zone)s)::date AS day
      FROM prices
      WHERE source = %(market)s AND ticker = %(ticker)s
        AND observed_at > %(since)s AND observed_at <= %(until)s) AS ticks
GROUP BY day, currency
ORDER BY day DESC, currency LIMIT %(limit)s;

-- :actions splits and dividends of a ticker, each with the last close before its ex-date
SELECT kind, ex_date, amount, actions.currency, last.price AS close_before
FROM corporate_actions AS actions
LEFT JOIN LATERAL (
    SELECT price FROM prices
    WHERE prices.source = actions.source AND prices.ticker = actions.ticker
      AND observed_at <= actions.ex_date::timestamp AT TIME ZONE %(zone)s
      AND observed_at > actions.ex_date::timestamp AT TIME ZONE %(zone)s - interval '14 days'
    ORDER BY observed_at DESC LIMIT 1) AS last ON true
WHERE actions.source = %(market)s AND actions.ticker = %(ticker)s
  AND recorded_at <= %(known_at)s
ORDER BY ex_date, kind;

-- :keep_actions new splits and dividends; one that is there stays
INSERT INTO corporate_actions (ticker, source, kind, ex_date, amount, currency, run_id)
VALUES %s ON CONFLICT DO NOTHING;

-- :quarantined moments of a ticker's quotes that were set aside
SELECT payload ->> 'observed_at' AS observed_at, payload ->> 'timestamp' AS timestamp,
       payload ->> 'regularMarketTime' AS market_time, quarantined_at, reason
FROM quarantine
WHERE pipeline = 'ingestion' AND source = %(market)s
  AND quarantined_at > %(since)s AND quarantined_at <= %(until)s
  AND coalesce(payload ->> 'ticker', payload ->> 'symbol') = %(ticker)s
ORDER BY quarantined_at DESC LIMIT 10000;

-- :sparklines the last ticks of each ticker, newest first
SELECT wanted.ticker, last.observed_at, last.price, last.flag
FROM unnest(%(tickers)s::text[]) AS wanted(ticker),
     LATERAL (SELECT observed_at, price, flag FROM prices
              WHERE source = %(market)s AND prices.ticker = wanted.ticker
                AND observed_at <= %(until)s
              ORDER BY observed_at DESC LIMIT %(points)s) AS last
ORDER BY wanted.ticker, last.observed_at DESC;

-- :ticks of a market in their order, for an export
SELECT ticker, observed_at, price, open, high, low, volume, bar_s, currency, flag, source,
       ingested_at, run_id
FROM prices
WHERE source = %(market)s AND observed_at > %(since)s AND observed_at <= %(until)s
  AND (%(tickers)s::text[] IS NULL OR ticker = ANY(%(tickers)s::text[]))
ORDER BY observed_at, ticker;

-- :standing the last tick of each ticker, and the last one of an earlier day of the exchange
SELECT wanted.ticker, last.observed_at, last.price, last.currency, last.flag, last.source,
       last.ingested_at, earlier.price AS price_before, earlier.observed_at AS before_at
FROM unnest(%(tickers)s::text[]) AS wanted(ticker),
     LATERAL (SELECT * FROM prices
              WHERE source = %(market)s AND prices.ticker = wanted.ticker
                AND observed_at <= %(until)s
              ORDER BY observed_at DESC LIMIT 1) AS last
LEFT JOIN LATERAL (
    SELECT price, observed_at FROM prices
    WHERE source = %(market)s AND prices.ticker = last.ticker
      AND observed_at <= ((last.observed_at - interval '1 microsecond') AT TIME ZONE %(zone)s)
                         ::date::timestamp AT TIME ZONE %(zone)s
      AND observed_at > last.observed_at - interval '30 days'
    ORDER BY observed_at DESC LIMIT 1) AS earlier ON true
ORDER BY wanted.ticker;

-- :known_actions splits and dividends of a ticker, newest first
SELECT kind, ex_date, amount, currency, recorded_at FROM corporate_actions
WHERE source = %(market)s AND ticker = %(ticker)s
ORDER BY ex_date DESC, kind LIMIT %(limit)s;

-- :outliers doubtful ticks of a ticker, newest first
SELECT observed_at, price, flag FROM prices
WHERE source = %(market)s AND ticker = %(ticker)s AND flag IS NOT NULL
  AND observed_at > %(since)s AND observed_at <= %(until)s
ORDER BY observed_at DESC LIMIT %(limit)s;
