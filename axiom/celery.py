"""The Celery app. Its configuration is `celeryconfig.py`, beside this package."""

from __future__ import annotations

import gc
import sys
import time
from typing import Any

from celery import Celery
from celery.signals import (
    beat_init,
    before_task_publish,
    celeryd_after_setup,
    setup_logging,
    worker_ready,
)

from axiom.config import settings
from axiom.errors import ConfigError
from axiom.importing import without

with without("rich"):  # structlog would use it for tracebacks; 3 MB in each process
    from axiom.resilience import broker_patch
    from axiom.telemetry import logs

try:
    settings()
    app = Celery("axiom", config_source="celeryconfig")
    app.conf.broker_url  # noqa: B018  (loads the configuration now, so that a wrong one is told)
except ConfigError as error:
    sys.exit(f"axiom: {error}")

broker_patch.apply()


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
    gc.collect()
    gc.freeze()


@setup_logging.connect(weak=False)
def _set_up_logging(**_: Any) -> None:
    logs.configure(settings().log_format, settings().log_level)
