"""The gateway under load: real workers, killed and cut off, against the imitation's own books.

    python benchmarks/claude_load.py [limits|budget|crashes|outage ...] [--short] [--json]

Embedded Redis and Postgres, four worker processes of four threads, and the imitation of the
API with limits, latency and faults. Every figure stands beside its bound; the exit status is 1
when one is not met. `--short` is what the tests run.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from axiom.analysts.question import Question

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.harness.load import (
    LATENCY,
    OUTPUT_PER_MINUTE,
    THREADS,
    WORKERS,
    Load,
    loading,
)
from benchmarks.harness.load_app import LARGE, make_app, make_question
from benchmarks.harness.waiting import until


def usd(nano: int) -> Decimal:
    """Return dollars."""
    return Decimal(nano) / 10**9


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, and whether it is within its bound; a note has none."""

    name: str
    value: Any
    bound: str = ""
    holds: bool = True


# --- 1: limits ----------------------------------------------------------------------------


def limits(load: Load, *, short: bool) -> list[Figure]:
    """More work than the limit allows: it is used up, never overrun, and shared out fairly.

    All tasks come at once and cost the same, so a fair queue lets the k-th begin k/R after
    they came, where R is what the binding limit allows per second.
    """
    seconds, per_minute, tokens = 10.0 if short else 120.0, OUTPUT_PER_MINUTE, 100
    rate = per_minute / tokens / 60
    allowed = {"requests": 4000, "input_tokens": 2_000_000, "output_tokens": per_minute}
    tasks = int(rate * (seconds + 13))  # the burst is 10 s of them
    load.begin(model_limits={LARGE: allowed})
    run = load.send(range(tasks), model=LARGE, max_tokens=1000, output_tokens=tokens)
    states = load.wait_ended([run], seconds * 2 + 60)
    rows, calls = load.fake.books(), load.calls([run])
    planned = "SELECT ended_at FROM steps WHERE name = 'plan' AND run_id = %s"
    came_at = load.db.query(planned, [run])[0]["ended_at"].timestamp()
    began_at = min(row["at"] for row in rows)
    late = [row for row in rows if row["status"] == 429 and row["at"] > began_at + 5]
    part = _part_used(rows, began_at, seconds, per_minute)
    # without what was saved up before
    steady = _part_used(rows, began_at + seconds / 6, seconds * 5 / 6, per_minute)
    shares = sorted(
        (at - came_at) / ((place + 1) / rate) for place, at in enumerate(_as_they_came(calls))
    )
    return [
        Figure("tasks", tasks),
        Figure("runs succeeded", states["succeeded"], "1", states["succeeded"] == 1),
        Figure("429 in the first 5 s", sum(row["status"] == 429 for row in rows) - len(late)),
        Figure("429 after the first 5 s", len(late), "0", not late),
        Figure(f"part of {seconds:.0f} s of the limit used", round(part, 3), ">= 0.9", part >= 0.9),
        Figure("the same, without its first sixth", round(steady, 3), ">= 0.9", steady >= 0.9),
        Figure("wait by fair share, median", round(shares[len(shares) // 2], 2)),
        Figure("wait by fair share, worst", round(shares[-1], 2), "<= 2", shares[-1] <= 2),
    ]


def _as_they_came(calls: Sequence[Any]) -> list[float]:
    """When calls began, in the order in which their tasks came.

    That is the order of their numbers, in which their messages were published; but the first
    are taken by all threads at once, and of them who reaches the limit first came first.
    """
    answered = [call for call in calls if call["state"] == "answered"]
    began = [call["at"] for call in sorted(answered, key=lambda call: int(call["subjects"][0]))]
    at_once = WORKERS * THREADS
    return [*sorted(began[:at_once]), *began[at_once:]]


def _part_used(rows: Sequence[Any], from_s: float, seconds: float, per_minute: float) -> float:
    used = sum(row["output_tokens"] for row in rows if from_s <= row["at"] < from_s + seconds)
    return float(used / (per_minute * seconds / 60))


# --- 2: budget ----------------------------------------------------------------------------


def budget(load: Load, *, short: bool) -> list[Figure]:
    """Twice the work that a day's dollar pays: the rest waits until somebody raises it."""
    tasks, limit = 200, Decimal("1.00")
    load.begin(latency=0.1 if short else LATENCY)
    load.book.set_limit("day", limit, by="benchmark")
    run = load.send(range(tasks), model=LARGE, max_tokens=1200, output_tokens=900)
    with suppress(TimeoutError):
        until(lambda: _all_asked(load, run, tasks), "all questions", 120)
        until(_quiet(load, 5), "quiet")  # several looks at the budget
    seen = _at_rest(load, run)
    spent = usd(sum(row["nano_dollars"] for row in load.paid()))
    answered = len(load.paid())
    steps = Counter(
        "deferred" if (step["error"] or "").startswith("deferred: the budget") else step["state"]
        for step in seen
    )
    load.book.set_limit("day", Decimal(10), by="benchmark")
    states = load.wait_ended([run], 120)
    again = load.fake.summary()["requests_asked_again"]
    attempts = max(step["attempt"] for step in load.steps([run]))
    paid = len(load.paid())
    rest = tasks - answered
    return [
        Figure("dollars by the imitation's books", float(spent), "<= 1.00", spent <= limit),
        Figure("tasks answered", answered, "some", 0 < answered < tasks),
        Figure("tasks deferred", steps["deferred"], str(rest), steps["deferred"] == rest),
        Figure("tasks failed", steps["failed"], "0", not steps["failed"]),
        Figure("attempts counted of a deferred task", attempts, "1", attempts == 1),
        Figure("runs succeeded after a raise", states["succeeded"], "1", states["succeeded"] == 1),
        Figure("answers in all", paid, str(tasks), paid == tasks),
        Figure("asked twice", again, "0", again == 0),
    ]


def _all_asked(load: Load, run: str, tasks: int) -> bool:
    over = ("succeeded", "failed", "retrying")
    return sum(step["state"] in over for step in load.steps([run])) == tasks


def _at_rest(load: Load, run: str) -> list[dict[str, Any]]:
    """Return the steps in a moment in which none looks at the budget, which is to be running."""
    deadline = time.monotonic() + 30
    while True:
        steps = load.steps([run])
        if not any(step["state"] == "running" for step in steps) or time.monotonic() > deadline:
            return steps


def _quiet(load: Load, for_s: float) -> Callable[[], bool]:
    seen, since = -1, time.monotonic()

    def look() -> bool:
        nonlocal seen, since
        if (now := len(load.fake.books())) != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since > for_s

    return look


# --- 3: crashes ---------------------------------------------------------------------------


def crashes(load: Load, *, short: bool) -> list[Figure]:
    """Workers die at random, messages come twice, the broker goes away: the books agree."""
    runs, each, kills = (6, 15, 3) if short else (10, 30, 15)
    params = {"model": LARGE, "max_tokens": 400, "output_tokens": 150}
    load.begin()
    with load.watched():
        sent = [
            # a few questions are those of the run before, too
            load.send(range(max(0, n * each - 2), (n + 1) * each), times=2, **params)
            for n in range(runs)
        ]
        _harm(load, kills, random.Random(7))
        states = load.wait_ended(sent, 60 if short else 240)
        with suppress(TimeoutError):
            until(lambda: not _unsettled(load), "settled books", 30)
    return [
        Figure("runs succeeded", states["succeeded"], str(runs), states["succeeded"] == runs),
        Figure("workers killed", kills),
        *_compared(load, sent, [make_question(n, params) for n in range(runs * each)]),
    ]


def _harm(load: Load, kills: int, rng: random.Random) -> None:
    for number in range(kills):
        time.sleep(rng.uniform(0.5, 2.5))
        until(load.ready_workers, "a worker to kill")
        load.kill_and_restart(rng.choice(load.ready_workers()))
        if number == kills // 2:
            load.servers.restart_broker()


def _unsettled(load: Load) -> list[Any]:
    opened = load.db.query("SELECT id FROM calls WHERE state = 'open'")
    return [*opened, *load.budget.open_calls()]


def _compared(load: Load, runs: Sequence[str], questions: Sequence[Question]) -> list[Figure]:
    from axiom.analysts.sdk import make_request
    from axiom.embedded.fake_claude.books import question_hash

    calls, paid = load.calls(runs), load.paid()
    by_state = Counter(call["state"] for call in calls)
    paid_usd = {row["request_id"]: usd(row["nano_dollars"]) for row in paid}
    answered = {call["request_id"]: call["usd"] for call in calls if call["state"] == "answered"}
    wrong = [name for name, cost in answered.items() if paid_usd.get(name) != cost]
    # what was paid and not answered to us must have been in flight with a process that died
    name_of = {question_hash(make_request(q)): f"imitation-{q.hash}" for q in questions}
    lost = Counter(call["question_hash"] for call in calls if call["state"] == "lost")
    in_flight = Counter(
        name_of[row["prompt_hash"]] for row in paid if row["request_id"] not in answered
    )
    ours, theirs = sum(call["usd"] or 0 for call in calls), sum(paid_usd.values())
    lost_usd = sum(call["usd"] for call in calls if call["state"] == "lost")
    stored = {
        row["question_hash"]: row["at"]
        for row in load.db.query(
            "SELECT question_hash, EXTRACT(epoch FROM stored_at)::float AS at FROM answers"
        )
    }
    again = [
        row
        for row in load.fake.books()
        if row["prompt_hash"] and row["at"] > stored.get(name_of[row["prompt_hash"]], 1e12)
    ]
    attempts = max(step["attempt"] for step in load.steps(runs))
    everything = load.db.query("SELECT sum(usd) AS usd FROM calls")[0]["usd"]
    day = load.budget.spent(f"day:{datetime.now(UTC).date()}")
    # rounded up to whole micro-dollars, call by call
    off = Decimal(str(day.settled_usd)) - everything
    same = 0 <= off < Decimal("0.001") and not day.reserved_usd
    off_usd = ours - lost_usd - sum(paid_usd.get(name, 0) for name in answered)
    return [
        Figure("most attempts at a step", attempts),
        Figure("calls answered", by_state["answered"], str(len(questions)),
               by_state["answered"] == len(questions)),
        Figure("calls lost, at their worst", by_state["lost"]),
        *(
            Figure(f"  of them: {outcome}", count)
            for outcome, count in Counter(
                call["outcome"] for call in calls if call["state"] == "lost"
            ).items()
        ),
        Figure("calls still open", by_state["open"], "0", not by_state["open"]),
        Figure("answers booked at another price", len(wrong), "0", not wrong),
        Figure("dollars off on what was answered", float(off_usd), "< 0.01",
               abs(off_usd) < Decimal("0.01")),
        Figure("paid, and neither answered nor lost", (in_flight - lost).total(), "0",
               not in_flight - lost),
        Figure("dollars by our book", float(ours), f">= {theirs:.4f}, theirs", ours >= theirs),
        Figure("asked again after its answer was kept", len(again), "0", not again),
        Figure("Redis's budget above our book, USD", round(float(off), 6), "0 to 0.001", same),
    ]  # fmt: skip


# --- 4: outage ----------------------------------------------------------------------------


def outage(load: Load, *, short: bool) -> list[Figure]:
    """The service goes down while all are busy: they fall silent, and come back by themselves."""
    from axiom.resilience.breaker import Policy, State

    policy = Policy()
    runs, each, down_s = (3, 25, 6.0) if short else (10, 60, 60.0)
    params = {"model": LARGE, "max_tokens": 400, "output_tokens": 150}
    load.begin()
    with load.watched():
        sent = [load.send(range(n * each, (n + 1) * each), **params) for n in range(runs)]
        until(lambda: len(load.paid()) > WORKERS * THREADS, "busy workers", 30)
        load.fake.control(down="unavailable")
        until(lambda: load.breaker.status().state is State.OPEN, "an open breaker", 30)
        seen_open_at = time.time()
        time.sleep(down_s)
        load.fake.control(down=None)
        back_at = time.time()
        until(lambda: load.breaker.status().state is State.CLOSED, "a closed breaker", 150)
        closed_at = time.time()
        states = load.wait_ended(sent, 180)
    steps = Counter(step["state"] for step in load.steps(sent))
    failed = [row["at"] for row in load.fake.books() if row["status"] == 503]
    after = [row["at"] for row in load.fake.books() if row["at"] >= back_at]
    threshold_at = failed[policy.failures - 1]
    stragglers = [at for at in failed[policy.failures :] if at <= threshold_at + policy.cool_down_s]
    probes = [at for at in failed if at > threshold_at + policy.cool_down_s * 0.9]
    silent_after = max((at - threshold_at for at in stragglers), default=0.0)
    gaps = [b - a for a, b in zip([threshold_at, *probes], [*probes, after[0]], strict=True)]
    alone = all(gap >= policy.cool_down_s * 0.9 for gap in gaps)
    return [
        Figure("failures before it opened", policy.failures),
        Figure("open after the threshold, s", round(max(0.0, seen_open_at - threshold_at), 2),
               "<= 1", seen_open_at - threshold_at <= 1),
        Figure("calls after the threshold", len(stragglers)),
        Figure("last of them after, s", round(silent_after, 2), "<= 1", silent_after <= 1),
        Figure(f"probes in {down_s:.0f} s", len(probes), ">= 1", bool(probes)),
        Figure("shortest time between probes, s", round(min(gaps), 1), ">= 4.5", alone),
        Figure("closed after the service was back, s", round(closed_at - back_at, 1), "by itself"),
        Figure("runs succeeded", states["succeeded"], str(runs), states["succeeded"] == runs),
        Figure("tasks failed", steps["failed"], "0", not steps["failed"]),
    ]  # fmt: skip


SCENARIOS: Mapping[str, Callable[..., list[Figure]]] = {
    "limits": limits, "budget": budget, "crashes": crashes, "outage": outage,
}  # fmt: skip


def main() -> None:
    from rich.console import Console
    from rich.table import Table

    options = [word for word in sys.argv[1:] if word.startswith("--")]
    wanted = [word for word in sys.argv[1:] if word in SCENARIOS] or list(SCENARIOS)
    found: dict[str, list[Figure]] = {}
    with loading() as load:
        for name in wanted:
            found[name] = SCENARIOS[name](load, short="--short" in options)
            table = Table(name, "measured", "bound", "")
            for figure in found[name]:
                mark = ("met" if figure.holds else "NOT MET") if figure.bound else ""
                table.add_row(figure.name, f"{figure.value}", figure.bound, mark)
            Console().print(table)
    if "--json" in options:
        told = {
            name: {each.name: {"value": each.value, "bound": each.bound, "met": each.holds}
                   for each in figures}
            for name, figures in found.items()
        }  # fmt: skip
        print(json.dumps(told))
    sys.exit(not all(each.holds for figures in found.values() for each in figures))


if os.environ.get("LOAD_WORKER"):
    app = make_app()
if __name__ == "__main__":
    main()
