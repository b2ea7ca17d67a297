"""The one place that talks to Yahoo.

yfinance is the transport: it shakes hands as a browser does (cookie, crumb,
consent). Its readers are not used, because they hide faults. Checked with 1.7:
`get_info` and `get_news` swallow a 500 and give nothing, `history` calls it
"possibly delisted", and they wait 10 or 30 s whatever they are told.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import Any

from axiom.config import Settings
from axiom.errors import ProviderDataError, ProviderUnavailable, RateLimited

LEAST_S = 0.001  # to curl, zero means for ever
RETRY_AFTER_S = 30.0  # yfinance does not hand on what Yahoo asks for
_ends_at: ContextVar[float] = ContextVar("ends_at")


class Yahoo:
    """Questions to Yahoo, each answered within `provider_timeout_s` or failed.

    Both methods say what was asked for as `about`, and raise:
        ProviderUnavailable: Yahoo is down, slow, or answers what is not JSON.
        RateLimited: it asks us to slow down.
        ProviderDataError: it has no such thing.
    """

    def __init__(self, settings: Settings, session: Any = None) -> None:
        self._settings, self._session = settings, session

    def get(self, about: str, url: str, **params: object) -> Mapping[str, Any]:
        """Return the JSON object at an address."""
        return self._ask(about, lambda wait_s: self._data.get(url, params, wait_s))

    def post(self, about: str, url: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the JSON object that answers a JSON body."""
        return self._ask(about, lambda wait_s: self._data.post(url, body=body, timeout=wait_s))

    def _ask(self, about: str, send: Callable[[float], Any]) -> Mapping[str, Any]:
        wait_s = self._settings.provider_timeout_s
        token = _ends_at.set(time.monotonic() + wait_s)
        try:
            with _told(about, wait_s):
                answer = send(wait_s)
                answer.raise_for_status()
                return _object(answer.content)
        finally:
            _ends_at.reset(token)

    @cached_property
    def _data(self) -> Any:
        import yfinance
        from curl_cffi.requests import Session
        from yfinance.data import YfData

        cache = self._settings.data_dir / "yfinance"
        cache.mkdir(parents=True, exist_ok=True)
        yfinance.set_tz_cache_location(str(cache))
        session: Any = self._session or Session(impersonate="chrome")
        session.request = _bounded(session.request)
        return YfData(session=session)


def _bounded(request: Callable[..., Any]) -> Callable[..., Any]:
    """Cut each request, those of a handshake too, to what is left of the question's time."""

    def in_time(*args: Any, **given: Any) -> Any:
        left_s = max(_ends_at.get() - time.monotonic(), LEAST_S)
        return request(*args, **given | {"timeout": left_s})

    return in_time


@contextmanager
def _told(about: str, wait_s: float) -> Iterator[None]:
    from curl_cffi.requests.exceptions import HTTPError, IncompleteRead, RequestException, Timeout
    from yfinance.exceptions import YFException, YFRateLimitError

    try:
        yield
    except YFRateLimitError as error:
        raise RateLimited("Yahoo asks us to slow down (429)", RETRY_AFTER_S) from error
    except Timeout as error:
        raise ProviderUnavailable(f"Yahoo did not answer within {wait_s:g} s") from error
    except IncompleteRead as error:
        raise ProviderUnavailable("Yahoo cut its answer off") from error
    except HTTPError as error:
        raise _refusal(about, error.response) from error
    except RequestException as error:
        raise ProviderUnavailable(f"Yahoo cannot be reached: {_words(error)}") from error
    except YFException as error:
        raise ProviderDataError(f"Yahoo: {_words(error)}") from error


def _refusal(about: str, answer: Any) -> Exception:
    status = answer.status_code
    if status not in (400, 404, 422):
        return ProviderUnavailable(f"Yahoo fails with status {status}")
    try:
        [found] = _object(answer.content).values()
        reason = str(found["error"]["description"]).partition("\n")[0][:200]
    except (ProviderUnavailable, ValueError, KeyError, TypeError):
        reason = f"status {status}"
    return ProviderDataError(f"Yahoo has nothing of {about}: {reason}")


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)  # unlike orjson's, it reads NaN, which is for the caller to judge
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ProviderUnavailable("Yahoo answers what is not JSON; it may be down")
    return found


def _words(error: Exception) -> str:
    line = str(error).partition("\n")[0].partition(". See https://")[0]
    return re.sub(r"^Failed to perform, curl: \(\d+\) ", "", line)[:200]
