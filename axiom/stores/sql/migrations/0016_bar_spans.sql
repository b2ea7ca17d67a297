-- depends: 0002_prices
-- What a row's open, high, low and volume span: a bar's are its own, a quote's (NULL) are those
-- of the day so far.
ALTER TABLE prices ADD COLUMN bar_s integer;
