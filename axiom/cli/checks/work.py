"""Checks of what Axiom itself does: is somebody at work, by schedule, within the budget?"""

from __future__ import annotations

from axiom.cli.checks.finding import Check, fail, ok, warn
from axiom.config import Settings

KINDS_NEEDED = ("beat", "worker")
LOOKED_S = 60.0
NOBODY = "nobody looks after alerts"


def queues(wanted: Settings) -> Check:
    """Each queue has a living worker, and is not full."""
    from axiom.tasks import state

    found, workers = state.queues(), state.workers()
    alone = [q.name for q in found if not any(w.alive and q.name in w.queues for w in workers)]
    waiting = ", ".join(f"{each.name} {each.depth}" for each in found)
    if alone:
        hint = f"axiom up; or: celery -A axiom worker -Q {','.join(alone)}"
        return fail("queues", f"nobody works on {', '.join(alone)}", hint)
    if old := [q.name for q in found if (q.oldest_s or 0) >= wanted.alert_queue_old_s]:
        return warn("queues", f"messages of {', '.join(old)} wait for long", "axiom queues")
    return ok("queues", f"each has a worker; waiting: {waiting}")


def processes(wanted: Settings) -> Check:
    """Beat lives, and nobody was killed."""
    from axiom.tasks import state

    found = state.workers()
    gone = [each.name for each in found if not each.alive]
    kinds = {each.kind for each in found if each.alive}
    if missing := [kind for kind in KINDS_NEEDED if kind not in kinds]:
        hint = "axiom up; or: celery -A axiom beat, celery -A axiom worker"
        return fail("processes", f"no {' and no '.join(missing)} runs", hint)
    if gone:
        hint = f"start it again; or, if it went for good: axiom workers --forget {gone[0]}"
        return fail("processes", f"gone without a word: {', '.join(gone)}", hint)
    return ok("processes", ", ".join(each.name for each in found))


def watch(wanted: Settings) -> Check:
    """Somebody looks after alerts, and what they say gets out."""
    from axiom.tasks.services import services

    store = services().alerts
    last, unsent = store.last_round(), store.unsent()
    if unsent:
        row = unsent[0]
        hint = "axiom alerts test"
        return fail("watch", f"{row['n']} by {row['channel']} unsent: {row['error']}", hint)
    if wanted.alerts == "off":
        return warn("watch", "AXIOM_ALERTS is off: nobody is told of anything", "set it to on")
    if last is None or last["age_s"] > LOOKED_S:
        said = f"no look after alerts has ended for {last['age_s']:.0f} s" if last else NOBODY
        return fail("watch", said, "start beat: celery -A axiom beat; its log")
    return ok("watch", f"a look ended {last['age_s']:.0f} s ago; the newest is by {last['by']}")


def schedules(wanted: Settings) -> Check:
    """The pipelines run by their schedules."""
    from axiom.tasks.services import services

    paused = sorted(services().ledger.pauses())
    if wanted.schedules == "off":
        return warn("schedules", "are off (AXIOM_SCHEDULES)", "set AXIOM_SCHEDULES=on")
    if paused:
        return warn("schedules", f"paused: {', '.join(paused)}", f"axiom resume {paused[0]}")
    return ok("schedules", "on, and no pipeline is paused")


def analyst(wanted: Settings) -> Check:
    """Who reads and explains; a key is never shown."""
    if wanted.analyst == "local":
        return ok("analyst", "local: no key, no network")
    if wanted.claude_imitation:
        return warn("analyst", "an imitation of Claude answers", "axiom up, without --fake-claude")
    return ok("analyst", f"Claude: {wanted.claude_small}, {wanted.claude_large}; a key is set")


def budget(wanted: Settings) -> Check:
    """Dollars are left, and the breaker is closed."""
    from axiom.tasks import state
    from axiom.tasks.services import services

    if wanted.analyst == "local":
        return ok("budget", "nothing is paid: the analyst is local")
    standing = services().claude.standing()
    spent = [row["budget"] for row in standing if row["left_usd"] == 0]
    breaker = state.breaker()
    if spent:
        hint = "axiom costs; raise it: axiom budget --day USD"
        return fail("budget", f"spent: {', '.join(spent)}", hint)
    if breaker.state != "closed":
        return warn(
            "budget", f"the breaker is {breaker.state}", "work waits, and goes on by itself"
        )
    day = next(row for row in standing if row["budget"] == "day")
    return ok("budget", f"${day['left_usd']:.2f} of ${day['limit_usd']:.2f} are left today")


def alerts(wanted: Settings) -> Check:
    """What is open."""
    from axiom.cli.alerts import is_grave
    from axiom.tasks.services import services

    rows = services().alerts.open_alerts()
    if any(map(is_grave, rows)):
        return fail("alerts", f"{len(rows)} are open; {rows[0]['subject']}", "axiom alerts")
    if rows:
        return warn("alerts", f"{len(rows)} are open; {rows[0]['subject']}", "axiom alerts")
    return ok("alerts", "none is open")
