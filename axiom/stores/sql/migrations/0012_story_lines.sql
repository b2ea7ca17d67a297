-- depends: 0004_events
-- A story is as old as its earliest telling, however late that one arrived. Stories that follow
-- from each other are one line, named by the least id of its stories.
ALTER TABLE events
    ADD COLUMN first_told_at timestamptz,
    ADD COLUMN line_id       text;
UPDATE events SET line_id = id, first_told_at = LEAST(
    published_at, (SELECT min(tellings.published_at) FROM tellings WHERE event_id = events.id));
ALTER TABLE events
    ALTER COLUMN first_told_at SET NOT NULL,
    ALTER COLUMN line_id SET NOT NULL;
CREATE INDEX events_line ON events (market, line_id, published_at DESC);
