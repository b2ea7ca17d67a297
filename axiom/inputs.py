"""What people and programs write: moments, parameters, names; read the same way everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from axiom.errors import ConfigError

MOST_PARAMS_BYTES = 64 * 1024
MOST_REASON = 500
MOST_NAME = 64


def as_utc(moment: datetime) -> datetime:
    """Return it in UTC; one without an offset is UTC already.

    Raises:
        ValueError: its day in UTC lies outside the calendar.
    """
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError("its day in UTC lies outside the calendar") from error


def parse_moment(text: str, name: str = "time") -> datetime:
    """Read an ISO 8601 time or day; without an offset it is UTC.

    Raises:
        ConfigError: it is none; says so of `name`.
    """
    try:
        return as_utc(datetime.fromisoformat(text.strip()))
    except ValueError:
        raise ConfigError(
            name, f"{text[:40]!r} is not a time; write it as 2026-01-31T14:00:00Z"
        ) from None


def require_past(moment: datetime) -> datetime:
    """Return it in UTC, or raise `ConfigError` where a logical time has not come yet."""
    if (at := as_utc(moment)) > datetime.now(UTC):
        raise ConfigError("at", f"{at.isoformat()} lies in the future; leave it out for now")
    return at


def parse_params(lines: Iterable[str], name: str = "params") -> dict[str, Any]:
    """Read `key=value` lines; a value that is JSON is taken as such, any other as text.

    Raises:
        ConfigError: a line has no key or no value.
    """
    found: dict[str, Any] = {}
    for line in filter(None, map(str.strip, lines)):
        key, _, value = map(str.strip, line.partition("="))
        if not key or not value:
            raise ConfigError(name, f"{line[:60]!r} is no parameter; write key=value")
        found[key] = _json_or_text(value)
    return found


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return value


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are no JSON, and Postgres takes neither


def require_small(params: object) -> None:
    """Raise `ConfigError` where parameters are larger than any that is meant, or no JSON."""
    try:
        text = json.dumps(params, allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
    except (ValueError, RecursionError):
        raise ConfigError("params", "hold what JSON has not, such as NaN") from None
    if "\\u0000" in text:
        raise ConfigError("params", "hold a character that is none (NUL)")
    if size > MOST_PARAMS_BYTES:
        raise ConfigError("params", f"{size:,} bytes; at most {MOST_PARAMS_BYTES:,} are taken")


def require_reason(reason: str | None) -> str | None:
    """Return it, or raise `ConfigError` where it is longer than a reason."""
    if reason and "\0" in reason:
        raise ConfigError("reason", "holds a character that is none (NUL)")
    if reason and len(reason) > MOST_REASON:
        raise ConfigError("reason", f"{len(reason):,} characters; at most {MOST_REASON} are kept")
    return reason


def require_name(name: str) -> str:
    """Return it, or raise `ConfigError` where it is no name of an account or a token."""
    if not name.strip() or not name.isprintable() or name != name.strip():
        raise ConfigError("name", "is empty, or holds what cannot be printed")
    if len(name) > MOST_NAME:
        raise ConfigError("name", f"{len(name)} characters; at most {MOST_NAME} are taken")
    return name
