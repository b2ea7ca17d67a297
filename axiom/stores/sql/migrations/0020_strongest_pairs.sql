-- depends: 0019_skip_codes
-- The strongest pairs of a result, without a look at all of them: 1,000 instruments have 499,500.
CREATE INDEX correlations_strongest
    ON correlations (market, window_days, method, logical_at, abs(r) DESC, a, b);
