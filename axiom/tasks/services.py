"""Compose stores, providers and analysts, once per process and only when used.

This is the one place that knows concrete classes; pipelines see Protocols.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axiom.config import Settings, settings
from axiom.engines.execute import Engine
from axiom.ledger.ledger import Ledger
from axiom.stores.postgres import Postgres

if TYPE_CHECKING:
    from axiom.flow import Artifacts


class Services:
    """Everything that steps may need; satisfies the `Services` Protocol of each pipeline."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def postgres(self) -> Postgres:
        """The database."""
        return Postgres(self.settings.require("postgres_url"))

    @cached_property
    def ledger(self) -> Ledger:
        """Runs and steps."""
        return Ledger(self.postgres)


@lru_cache(maxsize=1)
def services() -> Services:
    """The services of this process."""
    return Services(settings())


def celery_engine(hostname: str) -> Engine:
    """The queue engine, for the worker of that name."""
    return Engine(services().ledger, services(), services().artifacts, "celery", hostname)
