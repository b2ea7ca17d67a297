"""The live market: quotes, bars, profiles and news by Yahoo, headlines by RSS.

One ticker that fails does not sink the others; a Yahoo that fails does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

import structlog

from axiom.config import Settings
from axiom.errors import AxiomError, ProviderDataError, ProviderUnavailable
from axiom.model import CorporateAction, Headline, Json, Profile, Quote, Rejected, chunked
from axiom.providers.replay import render_profile
from axiom.providers.rss import Rss
from axiom.providers.universe import Universe
from axiom.providers.yahoo import Yahoo
from axiom.providers.yahoo_answers import (
    MINUTE,
    SOURCE,
    STALE,
    parse_actions,
    parse_bars,
    parse_news,
    parse_quotes,
    reading,
)

QUOTE_URL = "https://query1.finance.yahoo.com/v7/finance/quote"
CHART_URL = "https://query2.finance.yahoo.com/v8/finance/chart/"
PROFILE_URL = "https://query2.finance.yahoo.com/v10/finance/quoteSummary/"
NEWS_URL = "https://finance.yahoo.com/xhr/ncp?queryRef=latestNews&serviceKey=ncp_fin"
NO_BARS = "Data doesn't exist"  # Yahoo's words for a range in which nothing was traded
WARM_UP = "400d"
CATCH_UP = timedelta(days=6)  # Yahoo gives minute bars of eight days at most
ACTIONS_SPAN = "1mo"  # asked for each day, so a day that was missed is made good
NEWS_AGE = timedelta(hours=24)
NEWS_COUNT = 10
T = TypeVar("T")
log = structlog.get_logger(__name__)


class Live:
    """Market, quotes, profiles and headlines of the world as it is now.

    `session` is for tests: what requests to Yahoo are sent with.
    """

    name = SOURCE

    def __init__(self, settings: Settings, universe: Universe, session: Any = None) -> None:
        self._settings, self._universe = settings, universe
        self._yahoo = Yahoo(settings, session)

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
        rows: list[Json] = []
        for part in chunked(tuple(tickers), self._settings.quote_chunk):
            answer = self._yahoo.get(
                f"{len(part)} quotes", QUOTE_URL, symbols=",".join(part), formatted="false"
            )
            with reading("quotes"):
                rows += answer["quoteResponse"]["result"] or []
        if not rows:
            raise ProviderDataError(f"Yahoo gave no quote for {len(tickers)} tickers")
        # in the first minutes of a day the last price is rightly the one of the day before
        is_open = not any(map(self.closed_reason, (logical_at - STALE, logical_at)))
        return parse_quotes(rows, logical_at if is_open else None)

    def fetch_history(
        self, tickers: Sequence[str], since: datetime | None, until: datetime
    ) -> tuple[list[Quote], list[Rejected]]:
        """Return minute bars since the last tick; at first, daily closes for the windows.

        Raises:
            ProviderUnavailable, RateLimited: as for quotes.
            ProviderDataError: it has no bars of any ticker.
        """
        if since is not None and until - since <= 2 * MINUTE:
            return [], []
        found, errors = _ask_each(tickers, lambda ticker: self._bars(ticker, since, until))
        good = [quote for quotes, _ in found.values() for quote in quotes]
        bad = [each for _, rejected in found.values() for each in rejected]
        if since and not good and not bad and self._traded(since, until) > STALE:
            raise ProviderDataError(
                f"Yahoo gave no minute bars of {len(tickers)} tickers since {since:%Y-%m-%d %H:%M}"
            )
        asked = {"since": since and since.isoformat(), "until": until.isoformat()}
        bad += [
            Rejected(f"no bars: {error}", self.name, {"ticker": ticker, **asked})
            for ticker, error in errors.items()
        ]
        return good, bad

    def fetch_actions(
        self, tickers: Sequence[str], since: datetime | None
    ) -> list[CorporateAction]:
        """Return splits and dividends of the last month; at first, of the warm-up.

        Raises:
            ProviderUnavailable, RateLimited, ProviderDataError: as for bars.
        """
        span = WARM_UP if since is None else ACTIONS_SPAN
        found, errors = _ask_each(tickers, lambda ticker: self._actions(ticker, span))
        for ticker, error in errors.items():
            log.warning("actions_failed", ticker=ticker, error=str(error))
        return [action for actions in found.values() for action in actions]

    def _actions(self, ticker: str, span: str) -> list[CorporateAction]:
        asked = {"range": span, "interval": "1d", "events": "div,split"}
        answer = self._yahoo.get(ticker, CHART_URL + ticker, includePrePost="false", **asked)
        return parse_actions(answer, ticker)

    def _bars(
        self, ticker: str, since: datetime | None, until: datetime
    ) -> tuple[list[Quote], list[Rejected]]:
        asked: dict[str, object] = {"range": WARM_UP, "interval": "1d"}
        if since is not None:
            start = max(since, until - CATCH_UP).replace(second=0, microsecond=0)
            asked = {"period1": int(start.timestamp()), "period2": int(until.timestamp()),
                     "interval": "1m"}  # fmt: skip
        try:
            answer = self._yahoo.get(ticker, CHART_URL + ticker, includePrePost="false", **asked)
        except ProviderDataError as error:
            if since is not None and NO_BARS in str(error):
                return [], []
            raise
        good, bad = parse_bars(
            answer, ticker, daily=since is None, wanted=self._within(since, until)
        )
        if since is None and not good and not bad:
            raise ProviderDataError(f"Yahoo gave no daily bars of {ticker}")
        return good, bad

    def lost(self, since: datetime | None, until: datetime) -> datetime | None:
        """Say up to when the minutes since a tick are no longer given; None when all are."""
        reach = until - CATCH_UP
        return reach if since is not None and since < reach else None

    def _within(self, since: datetime | None, until: datetime) -> Callable[[datetime], bool]:
        if since is None:
            return lambda at: at <= until
        # Yahoo adds bars from outside market hours, asked or not
        return lambda at: since < at <= until and not self.closed_reason(at - MINUTE)

    def _traded(self, since: datetime, until: datetime) -> timedelta:
        return MINUTE * len(self._calendar.minutes_in_range(since, until))

    # --- profiles and news ---

    def fetch_profile(self, ticker: str) -> Profile:
        """Return what Yahoo says of a company.

        Raises:
            ProviderUnavailable, RateLimited: as for quotes.
            ProviderDataError: it knows none of that ticker.
        """
        answer = self._yahoo.get(
            ticker, PROFILE_URL + ticker, modules="assetProfile,quoteType", formatted="false"
        )
        with reading(f"the profile of {ticker}"):
            result = answer["quoteSummary"]["result"] or [{}]
            kind, info = result[0].get("quoteType") or {}, result[0].get("assetProfile") or {}
            name = kind.get("longName") or kind.get("shortName")
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
            ProviderUnavailable, RateLimited, ProviderDataError: none of the sources answers.
        """
        found = self._rss.fetch() if self._settings.rss_feeds else self._yahoo_news()
        oldest = logical_at - NEWS_AGE
        return [each for each in found if oldest <= each.published_at <= logical_at]

    @cached_property
    def _rss(self) -> Rss:
        return Rss(self._settings.rss_feeds, self._settings.provider_timeout_s)

    def _yahoo_news(self) -> list[Headline]:
        tickers = [company.ticker for company in self._universe.companies]
        found, errors = _ask_each(tickers, self._news)
        for ticker, error in errors.items():
            log.warning("news_failed", ticker=ticker, error=str(error))
        headlines = [headline for each in found.values() for headline in each]
        if tickers and not headlines:  # the newest are given however old they are
            raise ProviderDataError(f"Yahoo gave no news of {len(tickers)} companies")
        return headlines

    def _news(self, ticker: str) -> list[Headline]:
        body = {"serviceConfig": {"snippetCount": NEWS_COUNT, "s": [ticker]}}
        answer = self._yahoo.post(f"the news of {ticker}", NEWS_URL, body)
        with reading(f"the news of {ticker}"):
            rows = answer["data"]["tickerStream"]["stream"] or []
            return parse_news([row for row in rows if not row.get("ad")], ticker)


def _ask_each(
    tickers: Sequence[str], ask: Callable[[str], T]
) -> tuple[dict[str, T], dict[str, AxiomError]]:
    """Ask for each ticker; return the answers, and the errors of those that failed.

    Where Yahoo failed it is asked once more at the end. When it fails for two
    tickers in a row it is down: to ask on would take a time-out for each of them.

    Raises:
        ProviderUnavailable, RateLimited: Yahoo is down, or asks us to slow down.
        ProviderDataError: of the first ticker, when none has an answer.
    """
    answers: dict[str, T] = {}
    errors: dict[str, AxiomError] = {}
    waiting = deque(tickers)
    down: str | None = None  # the ticker that Yahoo failed for just now
    while waiting:
        ticker = waiting.popleft()
        try:
            answers[ticker] = ask(ticker)
            down = None
            errors.pop(ticker, None)
        except ProviderDataError as error:
            errors[ticker], down = error, None
        except ProviderUnavailable as error:
            if down not in (None, ticker):
                raise
            if ticker not in errors:
                waiting.append(ticker)
            errors[ticker], down = error, ticker
    if errors and not answers:
        raise next(iter(errors.values()))
    return answers, errors
