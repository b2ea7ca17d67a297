"""Axiom: market intelligence on a Celery task queue.

`celery -A axiom ...` finds the app here. It is made on first use, so that
`import axiom` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery import Celery

__version__ = "0.1.0"

app: Celery


def __getattr__(name: str) -> Any:
    if name == "app":
        from axiom.celery import app

        return app
    raise AttributeError(name)
