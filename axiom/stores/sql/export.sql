-- :events stories of a market in the order of their time
SELECT id, market, published_at, type, tickers, headline, summary, url, source, sentiment,
       relevance, novelty, confidence, analyst, prompt_hash, run_id
FROM events
WHERE market = %(market)s AND published_at > %(since)s AND published_at <= %(until)s
ORDER BY published_at, id;

-- :correlations of a market in the order of their runs
SELECT market, logical_at, window_days, method, a, b, n, r, low, high, p, q, n_eff, q_by,
       shrunk, cleaned, break_q, lag, lag_r, lag_q, shown_until, run_id
FROM correlations
WHERE market = %(market)s AND logical_at > %(since)s AND logical_at <= %(until)s
ORDER BY logical_at, window_days, method, a, b;
