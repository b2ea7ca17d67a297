-- depends: 0005_correlations
-- empty in rows that are older than these statistics
ALTER TABLE correlations
    ADD COLUMN n_eff   double precision,
    ADD COLUMN q_by    double precision,
    ADD COLUMN shrunk  double precision,
    ADD COLUMN cleaned double precision,
    ADD COLUMN break_q double precision,
    ADD COLUMN lag     smallint,
    ADD COLUMN lag_r   double precision,
    ADD COLUMN lag_q   double precision;
