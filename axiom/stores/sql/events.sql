-- :tellings what was told in a span of time
SELECT headline_id, event_id, headline FROM tellings
WHERE market = %(market)s AND published_at BETWEEN %(since)s AND %(until)s
ORDER BY published_at, headline_id;

-- :left tellings that a run stored which ended badly, or that is the same run, begun once more
SELECT headline_id, event_id FROM tellings
WHERE market = %(market)s AND published_at BETWEEN %(since)s AND %(until)s
  AND (run_id = %(run)s OR EXISTS (SELECT FROM runs WHERE runs.id = tellings.run_id
                                   AND runs.state IN ('partial', 'failed', 'cancelled')))
ORDER BY published_at, headline_id;

-- :stored some stories as they were stored
SELECT * FROM events WHERE market = %(market)s AND id = ANY(%(events)s)
ORDER BY published_at, id;

-- :insert_events new stories
INSERT INTO events (id, market, headline, summary, url, source, published_at, type, tickers,
                    sentiment, relevance, novelty, confidence, analyst, prompt_hash, run_id,
                    first_told_at, line_id)
VALUES %s ON CONFLICT DO NOTHING;

-- :insert_tellings who told a story, and how that was found
INSERT INTO tellings (headline_id, event_id, market, text_hash, headline, source, published_at,
                      similarity, found_by, run_id)
VALUES %s ON CONFLICT DO NOTHING;

-- :take_over this run finishes what others left
UPDATE tellings SET run_id = %(run)s WHERE headline_id = ANY(%(left)s) AND run_id <> %(run)s;

-- :correct_times an older telling that arrived late makes its story older
UPDATE events SET first_told_at = told.earliest
FROM (SELECT event_id, min(published_at) AS earliest FROM tellings
      WHERE event_id = ANY(%(events)s) GROUP BY event_id) AS told
WHERE id = told.event_id AND first_told_at > told.earliest;

-- :lines_to_join lines of related stories: of one market, about one company, within two weeks
SELECT DISTINCT a.line_id AS one, b.line_id AS other
FROM unnest(%(ones)s::text[], %(others)s::text[]) AS related (one, other)
JOIN events AS a ON a.id = related.one
JOIN events AS b ON b.id = related.other
WHERE a.market = b.market AND a.tickers && b.tickers AND a.line_id <> b.line_id
  AND a.published_at - b.published_at BETWEEN '-14 days' AND '14 days';

-- :join_lines stories of one line go over to another
UPDATE events SET line_id = joined.name FROM (VALUES %s) AS joined (line_id, name)
WHERE events.line_id = joined.line_id;

-- :newest stories with their corroborations: other sources, each counted once
SELECT events.*, (SELECT count(DISTINCT tellings.source) FROM tellings
                  WHERE event_id = events.id AND tellings.source <> events.source)
       AS corroborations
FROM events WHERE market = %(market)s ORDER BY published_at DESC, id LIMIT %(limit)s;

-- :told_by the tellings of a story, the earliest first
SELECT headline_id, headline, source, published_at, similarity, found_by FROM tellings
WHERE event_id = %(event)s ORDER BY published_at, headline_id LIMIT %(limit)s;

-- :story_line the stories of the line that one belongs to, the newest first
SELECT events.* FROM events
JOIN events AS one ON one.market = events.market AND one.line_id = events.line_id
WHERE one.id = %(event)s ORDER BY events.published_at DESC, events.id LIMIT %(limit)s;

-- :lines story lines that went on lately, among the newest thousand stories
SELECT line_id, count(*) AS stories, min(first_told_at) AS began_at, max(published_at) AS last_at,
       (array_agg(headline ORDER BY published_at DESC, id))[1] AS headline
FROM events WHERE market = %(market)s AND line_id IN (
    SELECT line_id FROM events WHERE market = %(market)s AND published_at >= %(since)s
    ORDER BY published_at DESC, id DESC LIMIT 1000)
GROUP BY line_id HAVING count(*) > 1
ORDER BY max(published_at) DESC, line_id LIMIT %(limit)s;

-- :counts stories and tellings of a market
SELECT (SELECT count(*) FROM events WHERE market = %(market)s) AS events,
       (SELECT count(*) FROM tellings WHERE market = %(market)s) AS tellings;

-- :looked_at a page of stories as they are filtered, newest first; of a sentiment: those of the
-- next two thousand that have it
WITH looked AS MATERIALIZED (
    SELECT * FROM events
    WHERE market = %(market)s AND published_at >= %(since)s
      AND (published_at, id) < (%(before)s, %(before_id)s)
      AND (%(type)s::text IS NULL OR type = %(type)s)
      AND (%(ticker)s::text IS NULL OR tickers @> ARRAY[%(ticker)s::text])
    ORDER BY published_at DESC, id DESC LIMIT %(look)s)
SELECT looked.*, (SELECT count(DISTINCT tellings.source) FROM tellings
                  WHERE event_id = looked.id AND tellings.source <> looked.source)
       AS corroborations
FROM looked
WHERE %(sign)s::text IS NULL OR EXISTS (
    SELECT FROM jsonb_each(sentiment) AS each (ticker, said)
    WHERE (%(ticker)s::text IS NULL OR each.ticker = %(ticker)s)
      AND (said ->> %(sign)s)::float >= greatest((said ->> 'positive')::float,
           (said ->> 'neutral')::float, (said ->> 'negative')::float))
ORDER BY published_at DESC, id DESC LIMIT %(limit)s;

-- :looked_to the last of the stories that such a page has looked at
SELECT published_at, id FROM events
WHERE market = %(market)s AND published_at >= %(since)s
  AND (published_at, id) < (%(before)s, %(before_id)s)
  AND (%(type)s::text IS NULL OR type = %(type)s)
  AND (%(ticker)s::text IS NULL OR tickers @> ARRAY[%(ticker)s::text])
ORDER BY published_at DESC, id DESC OFFSET %(look)s - 1 LIMIT 1;

-- :one story, with its corroborations
SELECT events.*, (SELECT count(DISTINCT tellings.source) FROM tellings
                  WHERE event_id = events.id AND tellings.source <> events.source)
       AS corroborations
FROM events WHERE market = %(market)s AND id = %(event)s;
