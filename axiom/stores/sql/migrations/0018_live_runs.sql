-- depends: 0017_event_pages
-- A pipeline's own runs, newest first: those of a backfill would have to be stepped over.
CREATE INDEX runs_live ON runs (pipeline, created_at DESC, id DESC) WHERE backfill_id IS NULL;
DROP INDEX runs_last;
