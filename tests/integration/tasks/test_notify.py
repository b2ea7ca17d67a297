"""Telling people: a real SMTP server and a real web server, which check what they are sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from axiom.config import load_settings
from axiom.errors import ConfigError
from axiom.stores.alerts import AlertStore, Finding, Policy
from axiom.stores.postgres import Postgres
from axiom.tasks.alerting import notify
from axiom.tasks.alerting.notify import Mail, Message, NotDelivered, Webhook
from tests.fakes.hook import Hook
from tests.fakes.mail import MailServer, with_login

AT = datetime(2026, 1, 5, 15, tzinfo=UTC)
MESSAGE = Message("k1", "a1", "[axiom] CRITICAL: Zoë is gone", "It is gone: 株\n", "critical", AT)
EVIL = "it failed\r\nBcc: eve@example.org\r\n\r\n<!channel> <http://evil|your bank> & co\x00\x1b[2J"
FOUND = Finding("run_failed", "run_failed/graph", "warning", EVIL, "axiom runs", "graph")


@pytest.fixture
def server() -> Iterator[MailServer]:
    made = MailServer()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


@pytest.fixture
def alerts(postgres_url: str) -> AlertStore:
    return AlertStore(Postgres(postgres_url))


def mail(server: MailServer, user: str = "") -> Mail:
    to = ("ann@example.org", "bob@example.org")
    return Mail(f"smtp://{user}127.0.0.1:{server.port}", "axiom@example.org", to)


def look(alerts: AlertStore, *found: Finding, ways: list[Any]) -> None:
    number = alerts.take_round("me", timedelta(0))
    assert number
    policy = Policy([way.name for way in ways], clear_after=timedelta(0))
    alerts.reconcile(number, found, ["run_failed"], policy)


def test_a_mail_says_what_happened_to_all_recipients_in_one_message(server: MailServer) -> None:
    mail(server).send(MESSAGE)
    [got] = server.inbox.mails
    assert got["Subject"] == "[axiom] CRITICAL: Zoë is gone"
    assert (got["From"], got["To"]) == ("axiom@example.org", "ann@example.org, bob@example.org")
    assert (got["Message-ID"], got["References"]) == ("<k1@axiom>", "<a1@axiom>")
    assert got["Auto-Submitted"] == "auto-generated"
    assert got.get_content().strip() == "It is gone: 株"
    assert server.inbox.recipients == [["ann@example.org", "bob@example.org"]]


def test_a_subject_that_others_wrote_cannot_add_a_header_or_a_recipient(
    server: MailServer, alerts: AlertStore
) -> None:
    look(alerts, FOUND, ways=[mail(server)])
    assert notify.deliver(alerts, [mail(server)]) == 1
    [got] = server.inbox.mails
    assert got["Bcc"] is None
    assert server.inbox.recipients == [["ann@example.org", "bob@example.org"]]
    assert server.inbox.subjects[0].startswith("[axiom] WARNING: it failed Bcc: eve@example.org")
    assert "\x1b" not in str(got["Subject"])


def test_a_long_reason_makes_a_subject_of_bounded_length(server: MailServer) -> None:
    mail(server).send(replace(MESSAGE, subject="株" * 5000))
    assert len(server.inbox.subjects[0]) <= notify.LONGEST_LINE


def test_a_server_that_wants_a_login_gets_one_and_a_wrong_one_is_told() -> None:
    made = with_login("ann", "p@ss/word")
    made.start()
    try:
        mail(made, "ann:p%40ss%2Fword@").send(MESSAGE)
        assert len(made.inbox.mails) == 1
        with pytest.raises(NotDelivered) as told:
            mail(made, "ann:sec-ret@").send(MESSAGE)
        assert "sec-ret" not in str(told.value)
    finally:
        made.stop()


def test_a_mail_server_without_encryption_is_not_told_a_password_where_it_was_asked_for(
    server: MailServer,
) -> None:
    way = Mail(f"smtp+starttls://ann:pw@127.0.0.1:{server.port}", "a@b", ["c@d"])
    with pytest.raises(NotDelivered, match="STARTTLS"):
        way.send(MESSAGE)


@pytest.mark.parametrize("url", ["smtp://127.0.0.1:1", "smtps://127.0.0.1:1"])
def test_a_mail_server_that_is_away_is_told(url: str) -> None:
    with pytest.raises(NotDelivered, match="refused"):
        Mail(url, "a@b", ["c@d"]).send(MESSAGE)


def test_a_webhook_gets_what_slack_takes_and_no_text_can_mention_or_link(
    hook: Hook, alerts: AlertStore
) -> None:
    look(alerts, FOUND, ways=[Webhook(hook.url)])
    assert notify.deliver(alerts, [Webhook(hook.url)]) == 1
    [post] = hook.posts
    assert "&lt;!channel&gt;" in post["text"]
    assert "<" not in str(post).replace("\\n", "")
    assert "axiom runs" in post["attachments"][0]["text"]


@pytest.mark.parametrize("status", [301, 302, 307, 404, 500])
def test_a_webhook_that_does_not_take_it_is_told_without_its_address(
    hook: Hook, status: int
) -> None:
    hook.status, hook.location = status, hook.url
    with pytest.raises(NotDelivered, match=str(status)) as told:
        Webhook(hook.url).send(MESSAGE)
    assert "sec-ret" not in str(told.value)


def test_what_cannot_be_sent_waits_and_holds_up_no_other_channel(
    server: MailServer, hook: Hook, alerts: AlertStore
) -> None:
    ways = [mail(server), Webhook(hook.url)]
    server.inbox.refuse = "451 later"
    look(alerts, FOUND, ways=ways)
    assert notify.deliver(alerts, ways) == 1
    assert len(hook.posts) == 1
    [row] = alerts.unsent()
    assert (row["channel"], "451" in row["error"]) == ("email", True)
    server.inbox.refuse = None
    alerts._db.execute("UPDATE notifications SET due_at = clock_timestamp()")
    assert notify.deliver(alerts, ways) == 1
    assert (len(server.inbox.mails), alerts.unsent()) == (1, [])


def test_one_who_died_before_the_mark_sends_the_same_message_once_more(
    server: MailServer, alerts: AlertStore
) -> None:
    ways = [mail(server)]
    look(alerts, FOUND, ways=ways)
    row = alerts.claim_notification(timedelta(0))
    assert row
    ways[0].send(notify.render(row["alert"], row["kind"], f"{row['alert_id']}.{row['id']}"))
    assert notify.deliver(alerts, ways) == 1
    assert notify.deliver(alerts, ways) == 0
    first, second = server.inbox.mails
    assert first["Message-ID"] == second["Message-ID"]


def test_a_channel_that_was_taken_out_of_the_settings_is_given_up(
    server: MailServer, alerts: AlertStore
) -> None:
    look(alerts, FOUND, ways=[mail(server)])
    assert notify.deliver(alerts, []) == 0
    assert alerts.claim_notification(timedelta(0)) is None


def test_the_all_clear_says_how_long_it_lasted(server: MailServer, alerts: AlertStore) -> None:
    ways = [mail(server)]
    look(alerts, FOUND, ways=ways)
    look(alerts, ways=ways)
    assert notify.deliver(alerts, ways) == 2
    assert server.inbox.subjects[1].startswith("[axiom] RESOLVED: it failed")
    assert "until" in server.inbox.mails[1].get_content()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("alert_to", "ann@example.org", "AXIOM_SMTP_URL"),
        ("alert_to", "ann@example.org\nBcc: eve@example.org", "mail addresses"),
        ("alert_from", "Ann <ann@example.org>", "mail addresses"),
        ("smtp_url", "http://x", "smtp://"),
        ("smtp_url", "smtp://", "smtp://"),
        ("alert_webhook", "ftp://hooks/sec-ret", "http://"),
    ],
)
def test_settings_that_cannot_work_stop_the_start(name: str, value: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as told:
        load_settings(**{name: value})
    assert "sec-ret" not in str(told.value)


def test_the_settings_name_the_channels() -> None:
    wanted = load_settings(
        smtp_url="smtp://h", alert_to="a@b, c@d", alert_webhook="http://h/1,http://h/2"
    )
    names = [way.name for way in notify.channels(wanted)]
    assert names[0] == "email"
    assert len(set(names)) == 3
    assert notify.channels(load_settings()) == []
