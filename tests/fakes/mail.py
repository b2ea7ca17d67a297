"""A real SMTP server in this process, which keeps what it is sent, and can be told to refuse."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


class Inbox:
    """What came in; `refuse` is the answer to the next messages, such as `451 later`."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.logins: list[tuple[str, str]] = []
        self.refuse: str | None = None

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.refuse:
            return self.refuse
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        assert not mail.defects
        self.mails.append(mail)
        self.recipients.append(envelope.rcpt_tos)
        return "250 OK"

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]).strip() for mail in self.mails]  # folded after the name


class MailServer(Controller):
    """Listens on a free port of 127.0.0.1."""

    def __init__(self, **options: Any) -> None:
        self.inbox = Inbox()
        super().__init__(self.inbox, hostname="127.0.0.1", port=0, **options)

    def _trigger_server(self) -> None:  # it is on whatever port the system gave
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def with_login(user: str, password: str) -> MailServer:
    """Make a server that wants a login."""

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        good = (data.login.decode(), data.password.decode()) == (user, password)
        return AuthResult(success=good)

    return MailServer(authenticator=check, auth_required=True, auth_require_tls=False)
