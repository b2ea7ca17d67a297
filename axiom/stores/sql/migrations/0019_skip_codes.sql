-- depends: 0018_live_runs 0018_alert_rounds
-- Why a run was not made, for programs; the reason is for people, and may be reworded.
ALTER TABLE runs ADD COLUMN skip_code text
    CHECK (skip_code IN ('closed', 'ended', 'taken', 'busy'));
UPDATE runs SET skip_code = CASE
        WHEN reason LIKE 'run % has this logical time already%' THEN 'taken'
        WHEN reason LIKE 'run % is still active' OR reason LIKE 'another run%' THEN 'busy'
        ELSE 'closed' END
WHERE state = 'skipped';
