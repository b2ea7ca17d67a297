"""Queues, routes, limits and schedules of Axiom's Celery, on one screen.

What is set here was chosen after breaking it; `axiom/config.py` has the
settings that differ from place to place.
"""

from celery.schedules import crontab
from kombu.entity import Exchange, Queue

from axiom.config import settings

broker_url = result_backend = settings().require("redis_url")

# --- queues: who waits behind whom ------------------------------------------
task_default_queue = "io"
task_queues = [
    Queue(name, Exchange(name), routing_key=name)  # a shared exchange would deliver to all four
    for name in ("control", "io", "cpu", "claude")
]
# the local analyst computes here; Claude is waited for
_analyst = "cpu" if settings().analyst == "local" else "claude"
task_routes = {
    "axiom.tasks.*.run": "control",  # entry points never wait behind work
    "axiom.tasks.watch.*": "control",
    "axiom.tasks.backfill.*": "control",
    "axiom.tasks.retention.*": "io",  # may take its time
    "axiom.tasks.batches.*": "control",
    "axiom.tasks.graph.analyse_company": _analyst,
    "axiom.tasks.events.classify": _analyst,
    "axiom.tasks.correlation.explain": _analyst,
    "axiom.tasks.search.find": "cpu",
    "axiom.tasks.events.drop_known": "cpu",
    "axiom.tasks.events.embed_events": "cpu",
    "axiom.tasks.graph.embed_profiles": "cpu",
    "axiom.tasks.correlation.correlate": "cpu",
    "axiom.tasks.correlation.find_changes": "cpu",
    "axiom.tasks.correlation.render_report": "cpu",
}

# --- delivery: at least once, and the ledger makes it count once -------------
task_acks_late = True
task_reject_on_worker_lost = True  # a killed child's task comes back at once; the ledger counts
task_retry_on_worker_lost = False  # its attempts, so a poison task ends. This would wait 3 minutes
worker_prefetch_multiplier = 1
worker_disable_prefetch = True  # a busy worker holds nothing that another could run
task_inherit_parent_priority = True  # else a chain's second task would be live work again
worker_deduplicate_successful_tasks = False  # it makes chords stall for ever after a kill
task_serializer = result_serializer = event_serializer = "json"
accept_content = ["json"]
task_send_sent_event = worker_send_task_events = True  # for Flower
task_track_started = True

# --- limits -------------------------------------------------------------------
task_soft_time_limit, task_time_limit = 840, 900
_redis = {"global_keyprefix": "axiom:", "socket_keepalive": True, "socket_timeout": 30}
broker_transport_options = _redis | {
    # never renewed, so above the hard limit + the longest countdown + grace
    "visibility_timeout": 1500,
    "unacked_restore_throttle": 1,  # looks every 10 s instead of every 100 s
    "priority_steps": [0, 9],  # live work, and behind it what is made up for
}
result_backend_transport_options = _redis
redis_socket_keepalive, redis_socket_timeout = True, 30
result_expires = 86_400
result_chord_expires = 604_800  # shorter than a stage would lose the chord's body silently
result_chord_join_timeout = 30
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
worker_soft_shutdown_timeout = 5  # a second signal hands messages back this soon
worker_eta_task_limit = 1000  # ETA messages must not flood a worker
worker_max_memory_per_child = 500_000  # KiB: heavy libraries leave with their child
worker_cancel_long_running_tasks_on_connection_loss = False  # the step's lock guards it

# --- the beat -------------------------------------------------------------------
# RedBeat, and the pipelines' schedules from the ledger: they may be changed while it runs
beat_scheduler = "axiom.tasks.beat.LedgerScheduler"
redbeat_redis_url = broker_url
redbeat_key_prefix = "axiom:beat:"
beat_max_loop_interval = 4  # within 5 s a changed schedule is followed
redbeat_lock_timeout = 30  # a standby beat takes over after this long
beat_enable_remote_control = True
timezone = "UTC"


def _every(pipeline: str, schedule: crontab) -> dict[str, object]:
    task = f"axiom.tasks.{pipeline}.run"
    return {"task": task, "schedule": schedule, "kwargs": {"trigger": "schedule"}}


# what a person set goes first: axiom schedule
beat_schedule = {
    "ingestion": _every("ingestion", crontab()),
    "events": _every("events", crontab(minute="*/5")),
    "graph": _every("graph", crontab(minute="0")),
    "correlation": _every("correlation", crontab(minute="0")),
}
# Slots that were missed: none, latest, or all:N, the newest N, behind live work. The latest run
# of each does what the missed ones would have done: prices and headlines are fetched from where
# the last ones ended, and what did not change is not analysed again.
catch_up = dict.fromkeys(beat_schedule, "latest")
if settings().schedules == "off":
    beat_schedule = {}
beat_schedule["watch"] = {
    "task": "axiom.tasks.watch.resume_stalled",
    "schedule": 5.0,
    "options": {"expires": 5, "ignore_result": True},
}
beat_schedule["retention"] = {
    "task": "axiom.tasks.retention.prune",
    "schedule": crontab(hour="3", minute="17"),
    "options": {"expires": 3600, "ignore_result": True},
}
if settings().analyst == "claude":
    # switched off, what is out already still comes back, and was paid
    _period_s = 10.0 if settings().claude_batch == "on" else 60.0
    beat_schedule["batches"] = {
        "task": "axiom.tasks.batches.work",
        "schedule": _period_s,
        "options": {"expires": _period_s, "ignore_result": True},
    }

imports = [
    f"axiom.tasks.{name}"
    for name in (
        *("ingestion", "graph", "events", "correlation"),
        *("watch", "backfill", "retention", "batches", "pulse", "canary", "health", "search"),
    )
]
