"""An answering function of one's own, as a test's configuration names it."""

from __future__ import annotations

from typing import Any


def shout(request: dict[str, Any]) -> str:
    """Say the last message in capitals; fail when asked to."""
    text = request["messages"][-1]["content"]
    if text == "fail":
        raise RuntimeError("as asked")
    return str(text).upper()
