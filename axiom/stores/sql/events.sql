-- :tellings what was told in a span of time; what a run left unfinished is told anew
SELECT headline_id, event_id, text_hash, headline FROM tellings
WHERE market = %(market)s AND published_at BETWEEN %(since)s AND %(until)s
  AND NOT EXISTS (SELECT FROM runs WHERE runs.id = tellings.run_id
                  AND runs.state IN ('partial', 'failed', 'cancelled'))
ORDER BY published_at, headline_id;

-- :insert_events new stories
INSERT INTO events (id, market, headline, summary, url, source, published_at, type, tickers,
                    sentiment, relevance, novelty, confidence, analyst, prompt_hash, run_id)
VALUES %s ON CONFLICT DO NOTHING;

-- :insert_tellings who told a story, and how that was found
INSERT INTO tellings (headline_id, event_id, market, text_hash, headline, source, published_at,
                      similarity, found_by, run_id)
VALUES %s ON CONFLICT DO NOTHING;

-- :newest stories with their corroborations
SELECT events.*, (SELECT count(*) - 1 FROM tellings WHERE event_id = events.id) AS corroborations
FROM events WHERE market = %(market)s ORDER BY published_at DESC, id LIMIT %(limit)s;

-- :counts stories and tellings of a market
SELECT (SELECT count(*) FROM events WHERE market = %(market)s) AS events,
       (SELECT count(*) FROM tellings WHERE market = %(market)s) AS tellings;
