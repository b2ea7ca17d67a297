-- :schedules every change of a schedule, and what beat has dealt with
SELECT pipeline, spec, catch_up, changed_by, changed_at, fired_at, settled_at,
       paused_at IS NOT NULL AS paused
FROM schedules FULL JOIN pipelines USING (pipeline);

-- :set_schedule change when a pipeline runs, from its next slot on, and keep who did
WITH before AS (
    SELECT spec, catch_up FROM schedules WHERE pipeline = %(pipeline)s
), changed AS (
    INSERT INTO schedules AS kept
        (pipeline, spec, catch_up, changed_by, changed_at, fired_at, settled_at)
    VALUES (%(pipeline)s, %(spec)s, %(catch_up)s, %(by)s, clock_timestamp(), clock_timestamp(),
            clock_timestamp())
    ON CONFLICT (pipeline) DO UPDATE
    SET spec = CASE WHEN %(set_spec)s THEN excluded.spec ELSE kept.spec END,
        catch_up = CASE WHEN %(set_catch_up)s THEN excluded.catch_up ELSE kept.catch_up END,
        fired_at = CASE WHEN %(set_spec)s THEN excluded.fired_at ELSE kept.fired_at END,
        changed_by = excluded.changed_by, changed_at = excluded.changed_at,
        settled_at = excluded.settled_at
    RETURNING *
)
INSERT INTO audit (by, action, pipeline, details)
SELECT %(by)s, 'schedule', pipeline, jsonb_build_object(
    'spec', changed.spec, 'catch_up', changed.catch_up,
    'spec_was', (SELECT spec FROM before), 'catch_up_was', (SELECT catch_up FROM before))
FROM changed;

-- :fired keep the slot that beat has dealt with; it never goes back
INSERT INTO schedules (pipeline, fired_at) VALUES (%(pipeline)s, %(slot_at)s)
ON CONFLICT (pipeline) DO UPDATE SET fired_at = greatest(schedules.fired_at, excluded.fired_at);

-- :settled slots up to a moment are dealt with; no row back means that someone else was first
INSERT INTO schedules AS kept (pipeline, settled_at) VALUES (%(pipeline)s, %(settled_at)s)
ON CONFLICT (pipeline) DO UPDATE SET settled_at = excluded.settled_at
WHERE kept.settled_at IS NOT DISTINCT FROM %(was)s
RETURNING pipeline;
