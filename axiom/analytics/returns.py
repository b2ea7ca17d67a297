"""Returns from prices, by day and by minute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]


def compute_log_returns(prices: ArrayLike) -> Array:
    """Return ln(p[t] / p[t-1]).

    `prices` is (T, N), one column per instrument; the result is (T-1, N). It is
    NaN wherever one of the two prices is missing, not finite, or not positive.
    Source: Campbell, Lo and MacKinlay, The Econometrics of Financial Markets, 1997, sec. 1.4.
    """
    import numpy as np

    logs = np.log(_usable(prices))
    found: Array = logs[1:] - logs[:-1]
    return found


def list_sessions(first: date, last: date, exchange: str = "XNYS") -> list[date]:
    """Return the trading days of an exchange, both ends included."""
    import exchange_calendars

    calendar = exchange_calendars.get_calendar(exchange, start=first.isoformat())
    return [each.date() for each in calendar.sessions_in_range(first.isoformat(), last.isoformat())]


def align(days: Sequence[date], prices: ArrayLike, sessions: Sequence[date]) -> Array:
    """Return prices on the sessions of an exchange, (S, N) from (T, N); NaN where there is none.

    A session without prices stays a row, so that no return spans two days; a price
    outside of every session (a feed's holiday) is left out.
    """
    import numpy as np

    values = np.asarray(prices, dtype=float)
    place: Mapping[date, int] = {day: n for n, day in enumerate(days)}
    found = np.full((len(sessions), values.shape[1]), np.nan)
    known = [(n, place[day]) for n, day in enumerate(sessions) if day in place]
    if known:
        to, of = zip(*known, strict=True)
        found[list(to)] = values[list(of)]
    return found


def compute_previous_tick(prices: ArrayLike) -> Array:
    """Return log returns between the last known prices, (T-1, N) from (T, N).

    A minute without a price repeats the last one, NaN before the first. Correlations of
    such returns are biased towards zero, the more so the rarer the prices (Epps, J. Am.
    Stat. Assoc. 74, 1979; Zhang, J. Econometrics 160, 2011): with independent ticks in a
    share f of the minutes, by about f / (2 - f). `compute_hayashi_yoshida` is not.
    """
    import bottleneck
    import numpy as np

    logs = np.log(bottleneck.push(_usable(prices), axis=0))
    found: Array = logs[1:] - logs[:-1]
    return found


def compute_hayashi_yoshida(prices: ArrayLike) -> Array:
    """Return correlations of prices that are not seen at the same minutes, (N, N) from (T, N).

    The sum of the products of all returns whose intervals overlap, over the root of the
    realised variances; nothing is filled in, and nothing is biased by what is missing. It
    is no Gram matrix, so it need not be positive semidefinite, and noise can take it beyond
    [-1, 1]. NaN for columns with fewer than two prices, or that do not move. Source: Hayashi
    and Yoshida, Bernoulli 11, 2005.
    """
    import bottleneck
    import numpy as np

    usable = _usable(prices)
    logs = np.log(usable)
    before = bottleneck.push(logs, axis=0)  # the last price known, and the next one
    after = bottleneck.push(logs[::-1], axis=0)[::-1]
    before, after = (np.where(np.isnan(a), b, a) for a, b in ((before, after), (after, before)))
    ends, starts = _returns_at_their_ends(logs)
    # r over (s, t] overlaps what the other makes between its last price at s and its next at t
    covariance = ends.T @ np.nan_to_num(after) - starts.T @ np.nan_to_num(before)
    scale = np.sqrt((ends**2).sum(axis=0))
    scale = np.where(scale > 0, scale, np.nan)
    found: Array = (covariance + covariance.T) / 2 / np.outer(scale, scale)
    return found


def _returns_at_their_ends(logs: Array) -> tuple[Array, Array]:
    """Each return at the minute of its later price, and at that of its earlier one."""
    import bottleneck
    import numpy as np

    last = np.vstack([np.full(logs.shape[1], np.nan), bottleneck.push(logs, axis=0)[:-1]])
    following = np.vstack(
        [bottleneck.push(logs[::-1], axis=0)[::-1][1:], np.full(logs.shape[1], np.nan)]
    )
    return np.nan_to_num(logs - last), np.nan_to_num(following - logs)


def _usable(prices: ArrayLike) -> Array:
    import numpy as np

    values = np.asarray(prices, dtype=float)
    found: Array = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    return found
