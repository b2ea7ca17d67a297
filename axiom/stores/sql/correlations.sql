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

-- :groups the newest result of each window and method; `written_by`: the transaction that wrote
-- it, so that another result is never taken for it, also not for the same logical time
SELECT %(market)s AS market, wanted.window_days AS "window", wanted.method, last.logical_at,
       last.shown_until, last.run_id, last.written_by
FROM unnest(%(windows)s::int[], %(methods)s::text[]) AS wanted (window_days, method),
     LATERAL (SELECT logical_at, shown_until, run_id, xmin::text AS written_by FROM correlations
              WHERE market = %(market)s AND window_days = wanted.window_days
                AND method = wanted.method
              ORDER BY logical_at DESC LIMIT 1) AS last;

-- :tickers_of a result, each once; it stops where there are too many for a drawing
WITH RECURSIVE found AS (
    (SELECT a FROM correlations WHERE market = %(market)s AND window_days = %(window)s
       AND method = %(method)s AND logical_at = %(logical_at)s ORDER BY a LIMIT 1)
    UNION ALL
    SELECT (SELECT c.a FROM correlations AS c
            WHERE c.market = %(market)s AND c.window_days = %(window)s AND c.method = %(method)s
              AND c.logical_at = %(logical_at)s AND c.a > found.a ORDER BY c.a LIMIT 1)
    FROM found WHERE found.a IS NOT NULL)
SELECT a AS ticker FROM found WHERE a IS NOT NULL LIMIT %(limit)s;

-- :last_of the tickers of a result, the one that is never first in a pair
SELECT max(b) AS ticker FROM correlations
WHERE market = %(market)s AND window_days = %(window)s AND method = %(method)s
  AND logical_at = %(logical_at)s HAVING max(b) IS NOT NULL;

-- :among the pairs of a result that lie among some tickers
SELECT a, b, window_days AS "window", method, n, r, low, high, p, q, n_eff, q_by, shrunk, cleaned,
       break_q, lag, lag_r, lag_q
FROM correlations
WHERE market = %(market)s AND window_days = %(window)s AND method = %(method)s
  AND logical_at = %(logical_at)s AND a = ANY(%(tickers)s) AND b = ANY(%(tickers)s)
LIMIT %(limit)s;

-- :strongest pairs of a result, of a ticker if one is given
SELECT a, b, window_days AS "window", method, n, r, low, high, p, q, n_eff, q_by, shrunk, cleaned,
       break_q, lag, lag_r, lag_q
FROM correlations
WHERE market = %(market)s AND window_days = %(window)s AND method = %(method)s
  AND logical_at = %(logical_at)s
  AND (%(ticker)s::text IS NULL OR a = %(ticker)s OR b = %(ticker)s)
ORDER BY abs(r) DESC, a, b LIMIT %(limit)s;

-- :explained what was said of changes of some windows and methods, newest first, with the
-- pair's numbers at that time
SELECT told.*, c.r, c.low, c.high, c.q, c.n
FROM unnest(%(windows)s::int[], %(methods)s::text[]) AS wanted (window_days, method)
CROSS JOIN LATERAL (
    SELECT * FROM explanations
    WHERE explanations.market = %(market)s AND explanations.window_days = wanted.window_days
      AND explanations.method = wanted.method
    ORDER BY logical_at DESC, a, b LIMIT %(limit)s) AS told
LEFT JOIN correlations AS c
    ON c.market = told.market AND c.window_days = told.window_days AND c.method = told.method
   AND c.logical_at = told.logical_at AND c.a = told.a AND c.b = told.b
ORDER BY told.logical_at DESC, told.window_days, told.method, told.a, told.b LIMIT %(limit)s;
