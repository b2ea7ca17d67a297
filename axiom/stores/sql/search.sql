-- :events stories by id
SELECT id, headline AS text, published_at AS at, type, tickers, source, url
FROM events WHERE market = %(market)s AND id = ANY(%(ids)s);
