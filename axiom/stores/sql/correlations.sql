-- :clear a logical time of a market, so that a run that is repeated replaces its own rows;
-- whoever else replaces them waits, and then replaces these
SELECT pg_advisory_xact_lock(hashtextextended(%(market)s || %(logical_at)s::timestamptz, 0));
DELETE FROM correlations WHERE market = %(market)s AND logical_at = %(logical_at)s;
DELETE FROM explanations WHERE market = %(market)s AND logical_at = %(logical_at)s;

-- :insert_correlations one row a pair
INSERT INTO correlations (market, logical_at, window_days, method, a, b, n, r, low, high, p, q,
                          n_eff, q_by, shrunk, cleaned, break_q, lag, lag_r, lag_q,
                          shown_until, run_id) VALUES %s;

-- :insert_explanations of what changed
INSERT INTO explanations (market, logical_at, window_days, method, a, b, kind, text, analyst,
                          prompt_hash, run_id) VALUES %s;

-- :before the last result of a window and method before a logical time
SELECT a, b, window_days AS "window", method, n, r, low, high, p, q, n_eff, q_by, shrunk, cleaned,
       break_q, lag, lag_r, lag_q
FROM correlations
WHERE market = %(market)s AND window_days = %(window)s AND method = %(method)s
  AND logical_at = (SELECT max(logical_at) FROM correlations
                    WHERE market = %(market)s AND window_days = %(window)s
                      AND method = %(method)s AND logical_at < %(before)s);

-- :count rows of a market, and how many of them are significant
SELECT count(*) AS rows, count(*) FILTER (WHERE q < 0.05) AS significant
FROM correlations WHERE market = %(market)s;
