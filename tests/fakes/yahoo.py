"""A local Yahoo: handshake, quotes, charts, profiles, news; it checks what it is asked.

Prices follow from ticker and time (`price`), so that tests compare values. What
a browser would not send is a fault; `yahoo_server` fails the test over any.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from curl_cffi import requests

OPEN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)  # a Monday
NOW = OPEN + timedelta(minutes=30, seconds=20)
MINUTE = timedelta(minutes=1)
NAN = float("nan")
CRUMB, COOKIE = "cr.umb", "A3=a-cookie"
ADJUSTED = 0.5  # adjusted close : close, of daily bars
DAYS = [  # when trading began; the first in summer time
    datetime(2025, 7, 3, 13, 30, tzinfo=UTC),
    datetime(2025, 12, 31, 14, 30, tzinfo=UTC),
    datetime(2026, 1, 2, 14, 30, tzinfo=UTC),
    NOW,  # the running day is stamped with its last trade
]
CONSENT = b"""<html><form><input name="csrfToken" value="t"/>
<input name="sessionId" value="s"/></form></html>"""
PAGE = b"<html><body>Will be right back</body></html>"


def price(ticker: str, at: datetime) -> float:
    """The price of a ticker at a moment."""
    return len(ticker) * 100 + round((at - OPEN) / MINUTE) / 100


@dataclass
class Yahoo:
    """What the server does, and what it saw."""

    address: str = ""
    mode: str = "ok"
    modes: dict[str, str] = field(default_factory=dict)  # of a ticker, or of "handshake"
    once: set[str] = field(default_factory=set)  # tickers that misbehave only at first
    asked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    let_go: threading.Event = field(default_factory=threading.Event)

    def mode_of(self, name: str) -> str:
        """How to answer about a ticker."""
        mode = self.modes.get(name, self.mode)
        if name in self.once:
            self.modes.pop(name, None)
        return mode


@dataclass(frozen=True)
class Question:
    """One request, taken apart."""

    path: str
    query: dict[str, str]
    body: Any

    @property
    def last(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


# --- the answers of each address: a body, and the same without content ---


def _quotes(q: Question, mode: str) -> Any:
    row = {"NaN": {"regularMarketPrice": NAN}, "no time": {"regularMarketTime": NAN},
           "NaN volume": {"regularMarketVolume": NAN},
           "stale": {"regularMarketTime": (NOW - timedelta(hours=1)).timestamp()}}  # fmt: skip
    found = [
        {
            "symbol": t, "currency": "USD", "regularMarketPrice": price(t, NOW),
            "regularMarketTime": int(NOW.timestamp()), "regularMarketOpen": price(t, OPEN),
            "regularMarketDayHigh": price(t, NOW), "regularMarketDayLow": price(t, OPEN),
            "regularMarketVolume": 1000,
        } | row.get(mode, {})
        for t in q.query["symbols"].split(",")
    ]  # fmt: skip
    return {"quoteResponse": {"result": found if mode != "empty" else [], "error": None}}


def _chart(q: Question, mode: str) -> Any:
    if q.query["interval"] == "1d":
        starts = DAYS
    else:
        asked = [datetime.fromtimestamp(int(q.query[f"period{n}"]), UTC) for n in (1, 2)]
        # one before trading began, as Yahoo gives unasked; the last is the running minute
        minutes = [OPEN + n * MINUTE for n in range(-1, 31)] + [NOW]
        starts = [at for at in minutes if asked[0] <= at and mode != "stale"]
    closes = [price(q.last, at) for at in starts]
    if mode == "NaN":
        closes[1:3] = [NAN, None]  # type: ignore[list-item]
    columns = {name: list(closes) for name in ("open", "high", "low", "close")}
    meta = {"symbol": q.last, "currency": "USD", "exchangeTimezoneName": "America/New_York"}
    result: dict[str, Any] = {"meta": meta, "indicators": {"quote": [{}]}}
    if starts and mode != "empty":
        result["timestamp"] = [int(at.timestamp()) for at in starts]
        result["indicators"]["quote"] = [columns | {"volume": [10] * len(starts)}]
        if q.query["interval"] == "1d":
            adjusted = [close and close * ADJUSTED for close in closes]
            result["indicators"]["adjclose"] = [{"adjclose": adjusted}]
    if "events" in q.query:
        dates = [int(at.timestamp()) for at in DAYS]
        result["events"] = {
            "dividends": {str(dates[1]): {"amount": 0.26, "date": dates[1]},
                          str(dates[0]): {"amount": NAN, "date": dates[0]}},
            "splits": {str(dates[2]): {"date": dates[2], "numerator": 4, "denominator": 1},
                       str(dates[0]): {"date": dates[0], "numerator": 1, "denominator": 0}},
        }  # fmt: skip
    return {"chart": {"result": [result], "error": None}}


def _profile(q: Question, mode: str) -> Any:
    officers = [{"name": "Ada L", "title": "CEO"}, {"name": "Nobody"}]
    found = {
        "quoteType": {"longName": f"{q.last} Inc.", "symbol": q.last},
        "assetProfile": {
            "industry": "Software", "sector": "Technology", "city": "Austin", "state": "TX",
            "country": "United States", "companyOfficers": officers,
            "longBusinessSummary": "It makes things.",
        },
    }  # fmt: skip
    return {"quoteSummary": {"result": [found] if mode != "empty" else [], "error": None}}


def _news(q: Question, mode: str) -> Any:
    [ticker] = q.body["serviceConfig"]["s"]
    content = {
        "title": f"{ticker} rises", "pubDate": f"{NOW - MINUTE:%Y-%m-%dT%H:%M:%SZ}",
        "summary": "More", "provider": {"displayName": "Wire"},
        "canonicalUrl": {"url": f"http://x/{ticker}"},
    }  # fmt: skip
    bad = [{"ad": [1], "content": content}, {"content": None}, {"content": {"title": "undated"}},
           {"content": content | {"pubDate": "soon"}},
           {"content": content | {"title": "old", "pubDate": "2025-12-01T00:00:00Z"}}]  # fmt: skip
    stream = [*bad, {"content": content}] if mode != "empty" else []
    return {"data": {"tickerStream": {"stream": stream}}}


Q1, Q2 = "query1.finance.yahoo.com", "query2.finance.yahoo.com"
CHART, SUMMARY = "/v8/finance/chart", "/v10/finance/quoteSummary"
ADDRESSES: dict[tuple[str, str, str], tuple[Callable[[Question, str], Any], Callable[..., str]]] = {
    ("GET", Q1, "/v7/finance/quote"): (_quotes, lambda q: q.query["symbols"]),
    ("GET", Q2, CHART): (_chart, lambda q: q.last),
    ("GET", Q2, SUMMARY): (_profile, lambda q: q.last),
    ("POST", "finance.yahoo.com", "/xhr/ncp"): (_news, lambda q: q.body["serviceConfig"]["s"][0]),
}
HANDSHAKE = {
    ("GET", "fc.yahoo.com", "/"): b"",
    ("GET", Q1, "/v1/test/getcrumb"): CRUMB.encode(),
    ("GET", Q2, "/v1/test/getcrumb"): CRUMB.encode(),
    ("GET", "guce.yahoo.com", "/consent"): CONSENT,
    ("POST", "consent.yahoo.com", "/v2/collectConsent"): b"",
    ("GET", "guce.yahoo.com", "/copyConsent"): b"",
}
PARAMETERS = {
    _quotes: {"symbols", "formatted"},
    _chart: {"interval", "events", "includePrePost", "range", "period1", "period2"},
    _profile: {"modules", "formatted"},
    _news: {"queryRef", "serviceKey"},
}
STATUS = {"429": 429, "500": 500, "404": 404, "400": 400}
REFUSAL = {"404": "No data found, symbol may be delisted",
           "400": "Data doesn't exist for startDate = 1, endDate = 2"}  # fmt: skip


def _fault(found: Callable[..., Any], q: Question) -> str | None:
    """Say what Yahoo would not understand."""
    unknown = set(q.query) - PARAMETERS[found] - {"crumb"}
    if unknown:
        return f"unknown parameters {sorted(unknown)}"
    if q.query.get("crumb", CRUMB) != CRUMB:
        return "wrong crumb"
    checks: dict[Any, Callable[[], bool]] = {
        _quotes: lambda: not q.query["symbols"],
        _chart: lambda: (
            (q.query["interval"] == "1d") != ("range" in q.query)
            or ("range" in q.query) == ("period1" in q.query)
        ),
        _profile: lambda: "assetProfile" not in q.query["modules"],
        _news: lambda: q.query["queryRef"] != "latestNews" or q.query["serviceKey"] != "ncp_fin",
    }
    return "parameters that do not fit" if checks[found]() else None


class _Handler(BaseHTTPRequestHandler):
    yahoo: Yahoo

    def do_GET(self) -> None:
        host, parts = self.headers.get("X-Host", ""), urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        sent = self.rfile.read(length)
        self.yahoo.asked.append(f"{self.command} {host}{parts.path}")
        if "Mozilla/5.0" not in self.headers.get("User-Agent", ""):
            self._complain("is not from a browser")
        if (step := HANDSHAKE.get((self.command, host, parts.path))) is not None:
            self._shake_hands(step)
            return
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        is_json = self.headers.get("Content-Type", "").startswith("application/json")
        q = Question(parts.path, query, json.loads(sent) if sent and is_json else None)
        base = q.path.rpartition("/")[0] if q.path.startswith((CHART, SUMMARY)) else q.path
        found, name = ADDRESSES.get((self.command, host, base), (None, None))
        if found is None or name is None:
            self._complain("is not known")
            self._send(404, b"")
            return
        try:
            if fault := _fault(found, q):
                self._complain(f"has {fault}")
            self._answer(found, q, self.yahoo.mode_of(name(q)))
        except (KeyError, TypeError, ValueError) as error:
            self._complain(f"cannot be read: {error!r}")
            self._send(400, b"")

    do_POST = do_GET  # noqa: N815

    def _complain(self, fault: str) -> None:
        self.yahoo.faults.append(f"{self.yahoo.asked[-1]} {fault}")

    def _shake_hands(self, body: bytes) -> None:
        mode = self.yahoo.modes.get("handshake", "ok")
        if mode == "slow":
            self.yahoo.let_go.wait(10)
        if body == CRUMB.encode() and COOKIE not in self.headers.get("Cookie", ""):
            self._complain("has no cookie")
        self._send(429 if mode == "429" else 200, b"Too Many Requests" if mode == "429" else body)

    def _answer(self, found: Callable[[Question, str], Any], q: Question, mode: str) -> None:
        if mode == "slow":
            self.yahoo.let_go.wait(10)
        needs_crumb = found in (_quotes, _profile)
        if needs_crumb and "crumb" not in q.query and mode == "ok":
            self._send(401, b'{"finance": {"error": {"description": "Invalid Crumb"}}}')
            return
        body = json.dumps(found(q, mode)).encode()
        if mode in STATUS:
            refusal = {"finance": {"result": None, "error": {"description": REFUSAL.get(mode)}}}
            body = json.dumps(refusal).encode() if mode in REFUSAL else PAGE
        body = {"HTML": PAGE, "cut off": body[:-20], "list": b"[]", "form": b'{"chart": 1}'}.get(
            mode, body
        )
        self._send(STATUS.get(mode, 200), body, len(body) + 100 * (mode == "hung up"))

    def _send(self, status: int, body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Set-Cookie", COOKIE)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: object) -> None:
        pass  # a client that does not wait is what the slow mode is about


class RedirectedSession(requests.Session[Any]):
    """yfinance's session, except that whatever it asks, the local server answers."""

    def __init__(self, address: str) -> None:
        super().__init__(impersonate="chrome")
        self._address = address

    def request(self, method: Any, url: str, **given: Any) -> Any:  # type: ignore[override]
        """Ask the local server; the host that was meant is a header."""
        parts = urlsplit(url)
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        headers = {**(given.pop("headers", None) or {}), "X-Host": parts.netloc}
        return super().request(method, self._address + path, headers=headers, **given)


@contextmanager
def yahoo_server() -> Iterator[Yahoo]:
    """Serve on loopback; complain at the end about requests that Yahoo would not know."""
    yahoo = Yahoo()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"yahoo": yahoo}))
    yahoo.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield yahoo
    finally:
        yahoo.let_go.set()
        server.shutdown()
        thread.join()
        server.server_close()
    assert not yahoo.faults, yahoo.faults
