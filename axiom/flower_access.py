"""Flower behind the console's login.

As it comes, Flower is open without a password; with one, its `/metrics` and `/healthcheck`
are still open; its cookies are signed with a secret made at each start; it listens on every
address; and `FLOWER_UNAUTHENTICATED_API` opens what acts. Here it gets the login of
`axiom.login` before its own settings are read (what those say goes first), every page of it
asks who is there, and only `/live` and `/ready` answer everybody. The password is never an
argument, which all on the machine could read.
"""

from __future__ import annotations

import hashlib
from typing import Any

from axiom.config import Settings
from axiom.login import built_in


def close(settings: Settings) -> None:
    """Have a Flower that starts in this process ask for the login."""
    import flower.options  # noqa: F401  (its options are there to be set from here on)
    from flower import urls
    from tornado.options import options

    login = built_in(settings)
    options.basic_auth = [f"{login.user}:{login.password}"]
    options.cookie_secret = hashlib.sha256(f"flower/{login.password}".encode()).hexdigest()
    options.address = "127.0.0.1"
    options.port = settings.flower_port
    urls.handlers[:] = _closed(urls.handlers)


def _closed(handlers: list[Any]) -> list[Any]:
    """Return Flower's pages with a lock on each, and probes that are open."""
    from flower import urls
    from flower.api import BaseApiHandler
    from flower.views import BaseHandler
    from tornado.web import HTTPError, RequestHandler, StaticFileHandler

    def asking(self: Any) -> None:
        if not self.application.options.auth and not self.get_current_user():
            raise HTTPError(401)

    BaseHandler.prepare = BaseApiHandler.prepare = asking

    class Static(StaticFileHandler, BaseHandler):  # type: ignore[misc]  # Flower has no types
        """Files, for those who may see the pages."""

    class Probe(RequestHandler):
        def get(self) -> None:
            self.finish("ok")

    urls.settings["static_handler_class"] = Static
    return [(r"/(?:live|ready)", Probe), *(each for each in handlers if not _is_static(each))]


def _is_static(handler: Any) -> bool:
    # Tornado adds it itself, by the class in the settings
    return isinstance(handler, tuple) and str(handler[0]).startswith("/static/")
