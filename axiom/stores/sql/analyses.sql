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

-- :keep_snapshot of a run; a run that is repeated replaces its own
INSERT INTO graph_snapshots (run_id, market, logical_at, nodes, edges, density, changes)
VALUES (%(run_id)s, %(market)s, %(logical_at)s, %(nodes)s, %(edges)s, %(density)s, %(changes)s)
ON CONFLICT (run_id) DO UPDATE
SET nodes = excluded.nodes, edges = excluded.edges, density = excluded.density,
    changes = excluded.changes, taken_at = excluded.taken_at;
