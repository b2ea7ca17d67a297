-- :known what this analyst said when asked the same
SELECT findings, rejected FROM analyses
WHERE market = %(market)s AND ticker = %(ticker)s AND input_hash = %(input_hash)s
  AND analyst = %(analyst)s AND prompt_hash = %(prompt_hash)s;

-- :keep an answer, once
INSERT INTO analyses (ticker, market, input_hash, analyst, prompt_hash, run_id, findings, rejected)
VALUES (%(ticker)s, %(market)s, %(input_hash)s, %(analyst)s, %(prompt_hash)s, %(run_id)s,
        %(findings)s, %(rejected)s)
ON CONFLICT DO NOTHING;

-- :last_snapshot of a market, before a logical time
SELECT nodes, edges FROM graph_snapshots
WHERE market = %(market)s AND run_id <> %(run_id)s AND logical_at < %(logical_at)s
ORDER BY logical_at DESC LIMIT 1;

-- :keep_snapshot of a run; one that is there stays as it was
INSERT INTO graph_snapshots (run_id, market, logical_at, nodes, edges, density, changes, structure)
VALUES (%(run_id)s, %(market)s, %(logical_at)s, %(nodes)s, %(edges)s, %(density)s, %(changes)s,
        %(structure)s)
ON CONFLICT DO NOTHING;

-- :snapshots the newest of a market, up to a moment
SELECT run_id, logical_at, nodes, edges, density, changes, structure FROM graph_snapshots
WHERE market = %(market)s AND logical_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
ORDER BY logical_at DESC LIMIT %(limit)s;

-- :keep_readings which sources were read at a moment
INSERT INTO graph_readings (market, source, read_at)
SELECT %(market)s, source, %(read_at)s FROM unnest(%(sources)s::text[]) AS source
ON CONFLICT DO NOTHING;

-- :next_readings the first one of each source after a moment
SELECT wanted.source, later.read_at
FROM unnest(%(sources)s::text[]) AS wanted(source),
     LATERAL (SELECT read_at FROM graph_readings
              WHERE market = %(market)s AND graph_readings.source = wanted.source
                AND read_at > %(after)s
              ORDER BY read_at LIMIT 1) AS later;
