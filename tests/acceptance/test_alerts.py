"""Processes and the broker are killed; somebody is told, and told again when they are back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from axiom.embedded.servers import free_port
from tests.acceptance.conftest import Stack, end, wait_for
from tests.fakes.hook import Hook
from tests.fakes.mail import MailServer

SETTINGS = {
    "AXIOM_HEARTBEAT_S": "0.5", "AXIOM_GONE_AFTER_S": "4", "AXIOM_ALERT_EVERY_S": "0.5",
    "AXIOM_ALERT_CLEAR_AFTER_S": "0", "AXIOM_ALERT_SETTLED_S": "4",
    "AXIOM_ALERT_TO": "ann@example.org", "FLOWER_ADDRESS": "127.0.0.1",
}  # fmt: skip
COMMANDS = {
    "control@here": ["worker", "-Q", "control", "-n", "control@here", "-c", "1"],
    "io@here": ["worker", "-Q", "io", "-n", "io@here", "-P", "threads", "-c", "1"],
    "beat": ["beat", "--max-interval", "1"],
    "flower": ["flower"],
}


class People:
    """What the people were told, by mail and by webhook."""

    def __init__(self, mail: MailServer, hook: Hook) -> None:
        self.mail, self.hook = mail, hook

    def told(self, word: str, what: str) -> bool:
        return any(
            word in subject and what in subject
            for subject in self.mail.inbox.subjects
        ) and any(word in text and what in text for text in self.hook.texts)  # fmt: skip


@pytest.fixture(scope="module")
def people() -> Iterator[People]:
    mail, hook = MailServer(), Hook()
    mail.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        patch.setenv("AXIOM_SMTP_URL", f"smtp://127.0.0.1:{mail.port}")
        patch.setenv("AXIOM_ALERT_WEBHOOK", hook.url)
        patch.setenv("FLOWER_PORT", str(free_port()))
        yield People(mail, hook)
    mail.stop()
    hook.close()


@pytest.fixture(scope="module")
def processes(people: People, stack: Stack) -> dict[str, subprocess.Popen[bytes]]:
    started = {name: stack.celery(*command) for name, command in COMMANDS.items()}
    wait_for(lambda: len(alive(stack)) == len(COMMANDS), what="all processes alive")
    return started


def all_back(stack: Stack, processes: dict[str, subprocess.Popen[bytes]]) -> bool:
    """Start again what has ended, as a supervisor does: a beat that found no broker."""
    for name, process in processes.items():
        if process.poll() is not None:
            processes[name] = stack.celery(*COMMANDS[name])
    return len(alive(stack)) == len(COMMANDS)


def alive(stack: Stack) -> list[str]:
    done = stack.run("axiom", "workers", "--json", check=False).stdout
    return [each["name"] for each in (json.loads(done) if done else []) if each["alive"]]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_process_that_is_killed_is_told_and_so_is_its_return(
    name: str, stack: Stack, people: People, processes: dict[str, subprocess.Popen[bytes]]
) -> None:
    end(processes[name])
    wait_for(lambda: people.told("CRITICAL", f"{name}"), what=f"the alert of {name}")
    processes[name] = stack.celery(*COMMANDS[name])
    wait_for(lambda: people.told("RESOLVED", f"{name}"), what=f"the all-clear of {name}")


def test_a_broker_that_is_killed_is_told_and_nobody_who_lives_is_said_to_be_gone(
    stack: Stack, people: People, processes: dict[str, subprocess.Popen[bytes]]
) -> None:
    before = len(people.mail.inbox.subjects)
    stack.processes["redis"].kill()
    stack.processes["redis"].wait()
    wait_for(lambda: people.told("CRITICAL", "the broker (Redis)"), what="the alert of the broker")
    stack.restart("redis")
    wait_for(lambda: people.told("RESOLVED", "the broker (Redis)"), what="its all-clear")
    wait_for(lambda: all_back(stack, processes), what="all heard of again")
    told = people.mail.inbox.subjects[before:]
    assert [each for each in told if "is gone" in each and "beat" not in each] == []


def test_a_server_that_hangs_is_told_and_so_is_its_return(
    stack: Stack, people: People, processes: dict[str, subprocess.Popen[bytes]]
) -> None:
    # of four watchers there is always one whose look began later
    names = ("control2@here", "control3@here")
    more = [stack.celery("worker", "-Q", "control", "-n", name, "-c", "1") for name in names]
    wait_for(lambda: set(names) <= set(alive(stack)), what="more watchers")
    with frozen(stack.processes["graph"]):
        wait_for(lambda: people.told("CRITICAL", "the graph server"), what="the alert of the graph")
        said = json.loads(stack.run("axiom", "doctor", "--json", check=False).stdout)
        checks = {each["name"]: each["status"] for each in said["checks"]}
        assert (checks["watch"], checks["graph"]) == ("ok", "fail")
    wait_for(lambda: people.told("RESOLVED", "the graph server"), what="its all-clear")
    for each in more:
        each.terminate()
        assert each.wait(30) == 0


@contextmanager
def frozen(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop a process and those below it, as SIGSTOP does, until the block ends."""
    found = psutil.Process(process.pid)
    family = [found, *found.children(recursive=True)]
    for each in family:
        each.suspend()
    try:
        yield
    finally:
        for each in family:
            each.resume()


def test_one_who_stops_cleanly_is_no_alert(
    stack: Stack, people: People, processes: dict[str, subprocess.Popen[bytes]]
) -> None:
    wait_for(lambda: stack.run("axiom", "alerts", check=False).returncode == 0, what="quiet")
    before = len(people.mail.inbox.subjects)
    for name, process in processes.items():
        process.terminate()
        assert process.wait(30) == 0, name
    assert stack.axiom("workers") == []
    # an all-clear of what was killed before may still come
    told = people.mail.inbox.subjects[before:]
    assert [each for each in told if "RESOLVED" not in each] == []
