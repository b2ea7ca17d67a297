-- :active_since when the runs that have not ended began
SELECT created_at FROM runs WHERE state IN ('queued', 'running');

-- :old_runs some runs that ended and are old. The newest of each pipeline stay, whatever their
-- age: what never ran would be fired at once
DELETE FROM runs WHERE id = ANY(ARRAY(
    SELECT id FROM runs
    WHERE created_at < %(until)s AND state NOT IN ('queued', 'running')
      AND id <> ALL(ARRAY(SELECT DISTINCT ON (pipeline) id FROM runs
                          WHERE state <> 'skipped' ORDER BY pipeline, created_at DESC))
      AND id <> ALL(ARRAY(SELECT DISTINCT ON (pipeline) id FROM runs
                          WHERE state = 'succeeded' ORDER BY pipeline, logical_at DESC))
    LIMIT %(limit)s));

-- :old_backfills some backfills that ended and are old
DELETE FROM backfills WHERE id = ANY(ARRAY(
    SELECT id FROM backfills WHERE created_at < %(until)s AND state <> 'running' LIMIT %(limit)s));

-- :old_quarantine some raw input that was set aside long ago
DELETE FROM quarantine WHERE id = ANY(ARRAY(
    SELECT id FROM quarantine WHERE quarantined_at < %(until)s LIMIT %(limit)s));

-- :old_audit some of what persons did long ago
DELETE FROM audit WHERE id = ANY(ARRAY(
    SELECT id FROM audit WHERE at < %(until)s ORDER BY id LIMIT %(limit)s));

-- :old_alerts some alerts and news of long ago; what was sent of them goes with them
DELETE FROM alerts WHERE id = ANY(ARRAY(
    SELECT id FROM alerts
    WHERE raised_at < %(until)s AND state NOT IN ('open', 'acknowledged') LIMIT %(limit)s));
