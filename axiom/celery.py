"""The Celery app. Its configuration is `celeryconfig.py`, beside this package."""

from __future__ import annotations

import gc
import sys
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.signals import (
    beat_init,
    before_task_publish,
    celeryd_after_setup,
    setup_logging,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
)

from axiom.config import settings
from axiom.errors import ConfigError
from axiom.importing import without
from axiom.memory import trim

# structlog would use the one for tracebacks, redis the other to measure itself: 3 and 2 MB in
# each process
with without("rich", "opentelemetry"):
    from axiom.resilience import broker_patch
    from axiom.telemetry import log_lines, logs, traces

try:
    settings()
    app = Celery("axiom", config_source="celeryconfig")
    app.conf.broker_url  # noqa: B018  (loads the configuration now, so that a wrong one is told)
except ConfigError as error:
    sys.exit(f"axiom: {error}")

if TYPE_CHECKING:
    from axiom.stores.log_lines import LogLines

broker_patch.apply()
if "flower" in sys.argv[1:]:
    from axiom import flower_access

    flower_access.close(settings())
traces.configure(settings().otlp_endpoint)


@worker_ready.connect(weak=False)
@beat_init.connect(weak=False)
def _tell_ready(**_: Any) -> None:
    if path := settings().ready_file:
        path.touch()


@before_task_publish.connect(weak=False)
def _date(headers: dict[str, Any], **_: Any) -> None:
    headers["sent_at"] = time.time()  # else nobody knows how old the oldest message is


@celeryd_after_setup.connect(weak=False)
def _share_memory(**_: Any) -> None:
    # the collector writes to each object that it looks at, and so unshares its page
    trim()
    gc.freeze()


def keep_log_lines() -> None:
    """Keep what steps say, from now on, in Postgres; a process that has no steps never connects."""
    log_lines.install(log_lines.Sink(lambda lines: _lines().keep(lines), lambda: _lines().rest()))


@lru_cache(maxsize=1)
def _lines() -> LogLines:
    from axiom.stores.log_lines import LogLines
    from axiom.stores.postgres import Postgres

    return LogLines(Postgres(settings().require("postgres_url")))


@worker_process_shutdown.connect(weak=False)
@worker_shutdown.connect(weak=False)
def _tell_the_rest(**_: Any) -> None:
    log_lines.flush()
    traces.flush()


def configure_logs() -> None:
    """Have this process log as the settings say."""
    wanted = settings()
    logs.configure(wanted.log_format, wanted.log_level, secrets=wanted.secrets())


@setup_logging.connect(weak=False)
def _set_up_logging(**_: Any) -> None:
    configure_logs()
    keep_log_lines()
