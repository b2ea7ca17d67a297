-- Times are compared with statement_timestamp(): a clock that moves can use no index.

-- :note keep news that a person should know; a cause is noted once
INSERT INTO alerts (id, cause, severity, subject, detail)
VALUES (%(id)s, %(cause)s, %(severity)s, %(subject)s, %(detail)s)
ON CONFLICT DO NOTHING
RETURNING id;

-- :newest alerts of every kind
SELECT * FROM alerts ORDER BY raised_at DESC LIMIT %(limit)s;

-- :open what is not resolved, the gravest and then the newest first
SELECT alerts.*, EXISTS (
           SELECT FROM mutes WHERE until_at > statement_timestamp()
             AND what IN (alerts.cause, alerts.rule, alerts.pipeline)) AS muted
FROM alerts WHERE state IN ('open', 'acknowledged')
ORDER BY severity = 'critical' DESC, raised_at DESC LIMIT %(limit)s;

-- :news what was noted and is no alarm, the newest first
SELECT * FROM alerts WHERE state = 'noted' ORDER BY raised_at DESC LIMIT %(limit)s;

-- :history what there was, of a rule or of all, a page at a time
SELECT * FROM alerts
WHERE (%(rule)s::text IS NULL OR rule = %(rule)s)
  AND (%(before)s::timestamptz IS NULL OR raised_at < %(before)s)
ORDER BY raised_at DESC LIMIT %(limit)s;

-- :like alerts whose id starts so, or with this cause while it is open
SELECT * FROM alerts
WHERE starts_with(id, %(name)s) OR (cause = %(name)s AND state IN ('open', 'acknowledged'))
ORDER BY raised_at DESC LIMIT 2;

-- :acknowledge somebody looks after it
UPDATE alerts SET state = 'acknowledged', acknowledged_at = clock_timestamp(),
       acknowledged_by = %(by)s
WHERE id = %(id)s AND state = 'open' RETURNING id;

-- :mute tell nobody of it until then
INSERT INTO mutes (what, until_at, by) VALUES (%(what)s, %(until)s, %(by)s)
ON CONFLICT (what) DO UPDATE
SET until_at = excluded.until_at, by = excluded.by, set_at = clock_timestamp();

-- :unmute tell of it again
DELETE FROM mutes WHERE what = %(what)s RETURNING what;

-- :mutes what is muted now
SELECT * FROM mutes WHERE until_at > statement_timestamp() ORDER BY what;

-- :take_round be the one who looks, unless somebody did a moment ago; the number is the fence
UPDATE alert_round SET number = number + 1, claimed_at = clock_timestamp(), by = %(by)s
WHERE claimed_at <= statement_timestamp() - %(every)s
RETURNING number;

-- :fence go on unless a later look has ended; one that only began may never end
UPDATE alert_round SET ended = %(number)s, ended_at = clock_timestamp()
WHERE ended < %(number)s
RETURNING ended;

-- :last_round when the newest look ended, and who began the newest
SELECT ended_at, by, EXTRACT(epoch FROM clock_timestamp() - ended_at) AS age_s
FROM alert_round WHERE ended_at > '-infinity';

-- :see open an alert, or note that its cause is still there; what became critical is told again
INSERT INTO alerts (id, cause, rule, pipeline, severity, subject, detail, hint, state, seen_at)
VALUES (%(id)s, %(cause)s, %(rule)s, %(pipeline)s, %(severity)s, %(subject)s, %(detail)s,
        %(hint)s, 'open', clock_timestamp())
ON CONFLICT (cause) WHERE state IN ('open', 'acknowledged') DO UPDATE
SET seen_at = clock_timestamp(), count = alerts.count + 1, subject = excluded.subject,
    detail = excluded.detail, severity = excluded.severity, hint = excluded.hint,
    told_at = CASE WHEN excluded.severity = 'critical' AND alerts.severity <> 'critical'
                   THEN NULL ELSE alerts.told_at END
RETURNING id, count = 1 AS opened;

-- :clear resolve what was judged and not seen for a while; longer, for what came back of late
UPDATE alerts SET state = 'resolved', cleared_at = clock_timestamp()
WHERE state IN ('open', 'acknowledged') AND rule = ANY(%(judged)s) AND cause <> ALL(%(seen)s)
  AND seen_at <= statement_timestamp() - least(%(after)s * power(2, (
      SELECT count(*) FROM alerts AS earlier
      WHERE earlier.cause = alerts.cause AND earlier.state = 'resolved'
        AND earlier.cleared_at > statement_timestamp() - interval '1 hour'
  )), interval '15 minutes')
RETURNING *;

-- :to_tell alerts of which nobody was told yet, or of which it is time to remind; late news is old
UPDATE alerts SET told_at = clock_timestamp()
FROM (SELECT id, told_at FROM alerts
      WHERE state IN ('open', 'acknowledged')
         OR (state = 'noted' AND told_at IS NULL
             AND raised_at > statement_timestamp() - interval '10 minutes')
      FOR UPDATE) AS before
WHERE alerts.id = before.id AND severity = ANY(%(severities)s)
  AND (before.told_at IS NULL
       OR (state = 'open' AND before.told_at <= statement_timestamp() - %(remind)s))
  AND NOT EXISTS (SELECT FROM mutes WHERE until_at > statement_timestamp()
                  AND what IN (alerts.cause, alerts.rule, alerts.pipeline))
RETURNING alerts.id, CASE WHEN before.told_at IS NULL THEN 'raised' ELSE 'reminder' END AS kind;

-- :told whether somebody was told of a cleared alert, and wants to know
SELECT id FROM alerts
WHERE id = ANY(%(ids)s) AND told_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM mutes WHERE until_at > statement_timestamp()
                  AND what IN (alerts.cause, alerts.rule, alerts.pipeline));

-- :notify something is to be sent
INSERT INTO notifications (alert_id, kind, channel) VALUES (%(alert_id)s, %(kind)s, %(channel)s);

-- :claim_notification take what is due, for a while; those of an alert go in their order
UPDATE notifications SET attempts = attempts + 1, due_at = clock_timestamp() + %(lease)s
WHERE id = (
    SELECT id FROM notifications AS due
    WHERE sent_at IS NULL AND dropped_at IS NULL AND due_at <= statement_timestamp()
      AND channel <> ALL(%(resting)s)
      AND NOT EXISTS (
          SELECT FROM notifications AS earlier
          WHERE earlier.alert_id = due.alert_id AND earlier.channel = due.channel
            AND earlier.id < due.id AND earlier.sent_at IS NULL AND earlier.dropped_at IS NULL)
    ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, alert_id, kind, channel, attempts, made_at;

-- :alert one alert
SELECT * FROM alerts WHERE id = %(id)s;

-- :sent it is out
UPDATE notifications SET sent_at = clock_timestamp(), error = NULL WHERE id = %(id)s;

-- :not_sent try again later
UPDATE notifications SET due_at = clock_timestamp() + %(delay)s, error = %(error)s
WHERE id = %(id)s;

-- :drop it is not wanted any more, or was tried for too long
UPDATE notifications SET dropped_at = clock_timestamp(), error = %(error)s WHERE id = %(id)s;

-- :unsent what could not be sent so far
SELECT channel, count(*) AS n, max(error) AS error FROM notifications
WHERE sent_at IS NULL AND dropped_at IS NULL AND attempts > 0 GROUP BY channel ORDER BY channel;

-- :late runs past their deadline: active ones, and those that ended too late just now
SELECT id, pipeline, logical_at, deadline_at, state,
       EXTRACT(epoch FROM coalesce(ended_at, statement_timestamp()) - deadline_at) AS late_s
FROM (
    SELECT * FROM runs
    WHERE state IN ('queued', 'running') AND deadline_at < statement_timestamp()
    UNION ALL  -- an OR would read all of the runs
    SELECT * FROM runs
    WHERE ended_at > statement_timestamp() - interval '1 minute' AND ended_at > deadline_at
      AND created_at > statement_timestamp() - interval '1 day'
      AND state NOT IN ('queued', 'running', 'skipped')) AS late
ORDER BY created_at LIMIT 50;

-- :pipelines how the newest run of each ended, and when each last was as it should be
SELECT wanted.name AS pipeline, ended.id AS run_id, ended.state, ended.reason, good.at AS good_at
FROM unnest(%(names)s) AS wanted (name)
LEFT JOIN LATERAL (
    SELECT id, state, reason FROM runs WHERE runs.pipeline = wanted.name AND engine = 'celery'
      AND state IN ('succeeded', 'partial', 'failed') AND backfill_id IS NULL
    ORDER BY created_at DESC LIMIT 1) AS ended ON true
LEFT JOIN LATERAL (
    -- a slot in which the market was closed is as it should be; one that was missed is not
    SELECT logical_at AS at FROM runs WHERE runs.pipeline = wanted.name
      AND (state IN ('succeeded', 'partial') OR skip_code IN ('closed', 'ended'))
    ORDER BY logical_at DESC LIMIT 1) AS good ON true;

-- :quarantined how much was not accepted of late, by pipeline
SELECT pipeline, count(*) AS n, (array_agg(reason))[1] AS reason FROM (
    SELECT pipeline, reason FROM quarantine
    WHERE quarantined_at > statement_timestamp() - %(within)s
    ORDER BY quarantined_at DESC LIMIT 10000) AS late
GROUP BY pipeline ORDER BY pipeline;
