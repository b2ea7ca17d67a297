-- depends: 0016_bar_spans
-- The pages of events: newest first, with a place to go on from, and by type.
CREATE INDEX events_page ON events (market, published_at DESC, id DESC);
CREATE INDEX events_type ON events (market, type, published_at DESC, id DESC);
DROP INDEX events_newest;
