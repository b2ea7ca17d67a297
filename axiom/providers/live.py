"""The live market: quotes, bars, profiles and news by yfinance, headlines by RSS.

yfinance hides many faults (facts checked with 1.7: `download` never raises), so
only the calls that raise are used, and every fault becomes one of ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from axiom.config import Settings
from axiom.errors import AxiomError, ProviderDataError, ProviderUnavailable, RateLimited
from axiom.model import Headline, Profile, Quote, Rejected, chunked
from axiom.providers.replay import render_profile
from axiom.providers.rss import Rss
from axiom.providers.universe import Universe

QUOTE_URL = "https://query1.finance.yahoo.com/v7/finance/quote"
STALE = timedelta(minutes=15)
WARM_UP = "400d"
NEWS_AGE = timedelta(hours=24)


class Live:
    """Market, quotes, profiles and headlines of the world as it is now.

    `session` is for tests: what yfinance sends its requests with.
    """

    name = "yfinance"

    def __init__(self, settings: Settings, universe: Universe, session: Any = None) -> None:
        self._settings, self._universe, self._session = settings, universe, session

    # --- the market ---

    def visible_at(self, logical_at: datetime) -> datetime:
        """Return the logical time itself: live, nothing is known beyond it."""
        return logical_at

    def closed_reason(self, logical_at: datetime) -> str | None:
        """Say why the exchange is closed; None while it is open."""
        if self._calendar.is_open_on_minute(logical_at.replace(second=0, microsecond=0)):
            return None
        return f"the exchange XNYS is closed at {logical_at:%Y-%m-%d %H:%M} UTC"

    @cached_property
    def _calendar(self) -> Any:
        import exchange_calendars

        return exchange_calendars.get_calendar("XNYS")

    # --- quotes ---

    def fetch_quotes(
        self, tickers: Sequence[str], logical_at: datetime
    ) -> tuple[list[Quote], list[Rejected]]:
        """Return last prices, many tickers in a request.

        Raises:
            ProviderUnavailable: Yahoo is down, slow, or answers what is not JSON.
            RateLimited: it asks us to slow down.
            ProviderDataError: it answers without any quote.
        """
        rows: list[Mapping[str, Any]] = []
        for part in chunked(tuple(tickers), self._settings.quote_chunk):
            rows += self._quote_rows(part)
        if not rows:
            raise ProviderDataError(f"Yahoo gave no quote for {len(tickers)} tickers")
        is_open = self.closed_reason(logical_at) is None
        return parse_quotes(rows, logical_at if is_open else None)

    def _quote_rows(self, tickers: Sequence[str]) -> list[Mapping[str, Any]]:
        with _yahoo():
            answer = self._data.get_raw_json(
                QUOTE_URL,
                params={"symbols": ",".join(tickers), "formatted": "false"},
                timeout=self._settings.provider_timeout_s,
            )
        found: list[Mapping[str, Any]] = (answer.get("quoteResponse") or {}).get("result") or []
        return found

    def fetch_history(
        self, tickers: Sequence[str], since: datetime | None, until: datetime
    ) -> tuple[list[Quote], list[Rejected]]:
        """Return minute bars since the last tick; at first, daily closes for the windows."""
        if since is not None and until - since <= timedelta(minutes=2):
            return [], []
        good: list[Quote] = []
        bad: list[Rejected] = []
        for ticker in tickers:
            for quote in self._bars(ticker, since):
                if not (since and quote.observed_at <= since) and quote.observed_at <= until:
                    good.append(quote)
        return good, bad

    def _bars(self, ticker: str, since: datetime | None) -> Iterator[Quote]:
        asked: dict[str, Any] = (
            {"period": WARM_UP, "interval": "1d"}
            if since is None
            else {"start": max(since, datetime.now(UTC) - timedelta(days=6)), "interval": "1m"}
        )
        with _yahoo():
            table = self._yf.Ticker(ticker, session=self._session).history(
                **asked, raise_errors=True, timeout=self._settings.provider_timeout_s
            )
        for at, row in table.iterrows():
            observed_at = at.to_pydatetime().astimezone(UTC)
            if since is None:
                observed_at += timedelta(hours=16)  # a day's bar is stamped with its midnight
            yield Quote(
                ticker, float(row["Close"]), observed_at, self.name, open=float(row["Open"]),
                high=float(row["High"]), low=float(row["Low"]), volume=float(row["Volume"]),
            )  # fmt: skip

    # --- profiles and news ---

    def fetch_profile(self, ticker: str) -> Profile:
        """Return what Yahoo says of a company.

        Raises:
            ProviderDataError: it knows none of that ticker.
        """
        with _yahoo():
            info = self._yf.Ticker(ticker, session=self._session).get_info()
        name = (info or {}).get("longName")
        if not name:
            raise ProviderDataError(f"Yahoo has no profile of {ticker}")
        row = {
            "ticker": ticker, "name": name,
            "industries": [v for v in (info.get("industry"), info.get("sector")) if v],
            "headquarters": ", ".join(str(info[k]) for k in ("city", "state", "country")
                                      if info.get(k)),
            "key_people": " ".join(f"{o['name']} ( {o['title']} )"
                                   for o in info.get("companyOfficers") or ()
                                   if o.get("name") and o.get("title")),
        }  # fmt: skip
        text = render_profile(row) + "\n" + str(info.get("longBusinessSummary") or "")
        return Profile(ticker, name, text.strip(), f"yahoo:{ticker}", row)

    def fetch_headlines(self, since: datetime | None, logical_at: datetime) -> list[Headline]:
        """Return the news of the last day, by RSS where feeds are set, else by Yahoo.

        Raises:
            ProviderUnavailable: none of the sources answers.
        """
        found = self._rss.fetch() if self._settings.rss_feeds else self._yahoo_news()
        oldest = logical_at - NEWS_AGE
        return [each for each in found if oldest <= each.published_at <= logical_at]

    @cached_property
    def _rss(self) -> Rss:
        return Rss(self._settings.rss_feeds, self._settings.provider_timeout_s)

    def _yahoo_news(self) -> list[Headline]:
        found: list[Headline] = []
        for company in self._universe.companies:
            with _yahoo():
                rows = self._yf.Ticker(company.ticker, session=self._session).get_news()
            found += parse_news(rows or [], company.ticker)
        return found

    # --- yfinance ---

    @cached_property
    def _yf(self) -> Any:
        import yfinance

        cache = self._settings.data_dir / "yfinance"
        cache.mkdir(parents=True, exist_ok=True)
        yfinance.set_tz_cache_location(str(cache))
        return yfinance

    @cached_property
    def _data(self) -> Any:
        from yfinance.data import YfData

        _ = self._yf
        return YfData(session=self._session) if self._session else YfData()


@contextmanager
def _yahoo() -> Iterator[None]:
    from curl_cffi.requests.exceptions import HTTPError, RequestException
    from yfinance.exceptions import YFException, YFRateLimitError

    try:
        yield
    except YFRateLimitError as error:
        raise RateLimited("Yahoo asks us to slow down (429)", retry_after_s=30) from error
    except HTTPError as error:
        status = getattr(error.response, "status_code", "?")
        if status == 429:
            raise RateLimited("Yahoo asks us to slow down (429)", retry_after_s=30) from error
        raise ProviderUnavailable(f"Yahoo fails with status {status}") from error
    except RequestException as error:
        raise ProviderUnavailable(f"Yahoo cannot be reached: {_line(error)}") from error
    except YFException as error:
        raise ProviderDataError(f"Yahoo: {_line(error)}") from error
    except AxiomError:
        raise
    except ValueError as error:  # what is not JSON
        raise ProviderUnavailable("Yahoo answers what is not JSON; it may be down") from error


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


def parse_quotes(
    rows: Sequence[Mapping[str, Any]], open_at: datetime | None
) -> tuple[list[Quote], list[Rejected]]:
    """Part Yahoo's rows into quotes and what cannot be one.

    While the market is open (`open_at`), a price older than a quarter of an hour is stale.
    """
    good: list[Quote] = []
    bad: list[Rejected] = []
    for row in rows:
        if reason := _fault(row, open_at):
            bad.append(Rejected(reason, Live.name, dict(row)))
        else:
            good.append(_quote(row))
    return good, bad


def _fault(row: Mapping[str, Any], open_at: datetime | None) -> str | None:
    price, at = row.get("regularMarketPrice"), row.get("regularMarketTime")
    if not isinstance(row.get("symbol"), str):
        return "no symbol"
    if not isinstance(price, int | float) or not math.isfinite(price):
        return "price is not a finite number"
    if not isinstance(at, int | float):
        return "no market time"
    if open_at and open_at - datetime.fromtimestamp(at, UTC) > STALE:
        return f"stale: observed at {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
    return None


def _quote(row: Mapping[str, Any]) -> Quote:
    return Quote(
        ticker=row["symbol"],
        price=float(row["regularMarketPrice"]),
        observed_at=datetime.fromtimestamp(row["regularMarketTime"], UTC),
        source=Live.name,
        currency=row.get("currency") or "USD",
        open=row.get("regularMarketOpen"),
        high=row.get("regularMarketDayHigh"),
        low=row.get("regularMarketDayLow"),
        volume=row.get("regularMarketVolume"),
    )


def parse_news(rows: Sequence[Mapping[str, Any]], ticker: str) -> list[Headline]:
    """Return the headlines of Yahoo's news rows; those without title or date are left out."""
    contents = [row.get("content") or {} for row in rows]
    return [
        Headline(
            text=content["title"],
            published_at=datetime.fromisoformat(content["pubDate"]),
            source=(content.get("provider") or {}).get("displayName") or "Yahoo",
            url=(content.get("canonicalUrl") or {}).get("url") or "",
            summary=content.get("summary") or "",
            tickers=(ticker,),
        )
        for content in contents
        if content.get("title") and content.get("pubDate")
    ]
