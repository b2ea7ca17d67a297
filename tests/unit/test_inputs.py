"""What people write is read the same way everywhere."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from axiom.errors import ConfigError
from axiom.inputs import parse_moment, parse_params, require_name, require_reason, require_small


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-01-31T14:00", 14),
        ("2026-01-31T14:00:00Z", 14),
        ("2026-01-31T14:00+02:00", 12),
        (" 2026-01-31 ", 0),
    ],
)
def test_a_moment_without_an_offset_is_utc(text: str, hour: int) -> None:
    assert parse_moment(text) == datetime(2026, 1, 31, hour, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "9999-12-31T23:59-12:00", "2026-13-01"])
def test_what_is_no_moment_is_told_with_its_name(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--since: .* is not a time"):
        parse_moment(text, "--since")


def test_parameters_are_json_where_they_can_be_and_text_elsewhere() -> None:
    read = parse_params(["n=3", "", 'tickers=["A"]', "as=it is", "nan=NaN", "eq=a=b"])
    assert read == {"n": 3, "tickers": ["A"], "as": "it is", "nan": "NaN", "eq": "a=b"}
    for line in ("n", "n=", "=3"):
        with pytest.raises(ConfigError, match="write key=value"):
            parse_params([line])


@pytest.mark.parametrize("params", [{"a": "x" * 70_000}, {"a": float("nan")}, {"a": "\0"}])
def test_parameters_that_cannot_be_kept_are_refused(params: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        require_small(params)


def test_a_reason_and_a_name_have_limits() -> None:
    assert require_reason(None) is None
    assert require_reason("r" * 500) == "r" * 500
    for refused in ("r" * 501, "\0"):
        with pytest.raises(ConfigError):
            require_reason(refused)
    for name in ("", " ", "a\nb", "n" * 65):
        with pytest.raises(ConfigError):
            require_name(name)
