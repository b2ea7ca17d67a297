"""What to say of a change: a sentence made of its own statistics."""

from __future__ import annotations

from axiom.model import Correlation, content_hash
from axiom.pipelines.changes import Change, Explanation

_TEXTS = {
    "new": "{a} and {b} now move together: {now}.",
    "lost": "{a} and {b} no longer move together reliably: {now}.",
    "moved": "{a} and {b} still move together, but not as before: {now}.",
}
_NOW = (
    "{method} correlation {r:.2f} (95% interval {low:.2f} to {high:.2f}) over {n} days, q {q:.3f}"
)
_BEFORE = " Before it was {r:.2f}, q {q:.3f}."
PROMPT_HASH = content_hash("local_explain", _TEXTS, _NOW, _BEFORE)[:16]


def explain(change: Change) -> Explanation:
    """Return a sentence; every number and ticker in it is one of the change's own."""
    now = change.now
    text = _TEXTS[change.kind].format(a=now.a, b=now.b, now=_NOW.format(**_statistics(now)))
    if change.before:
        text += _BEFORE.format(r=change.before.r, q=change.before.q)
    return Explanation(
        now.a, now.b, now.window, now.method, change.kind, text, "local", PROMPT_HASH
    )


def _statistics(c: Correlation) -> dict[str, object]:
    return {
        "method": c.method.title(), "r": c.r, "low": c.low, "high": c.high, "n": c.n, "q": c.q,
    }  # fmt: skip
