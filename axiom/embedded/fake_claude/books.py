"""The imitation's own books: every request, what it cost, and whether it arrived."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from axiom.embedded.fake_claude.prices import Usage

_SUMS = ("input_tokens", "output_tokens", "cache_write_5m", "cache_write_1h", "cache_read")


@dataclass
class Row:
    """One request; an item of a batch is one too."""

    at: float  # when it came
    request_id: str
    endpoint: str
    model: str | None = None
    prompt_hash: str | None = None
    repeat: bool = False  # the same question was answered, and the answer arrived, before
    status: int = 0  # 0: the connection was closed without a status
    error: str | None = None
    fault: str | None = None
    answered: bool = False  # an answer was made, so it is paid, whether it arrived or not
    delivered: bool = False  # the whole of it was written to a client that was there
    stop_reason: str | None = None
    batch_id: str | None = None
    custom_id: str | None = None
    usage: Usage = field(default_factory=Usage)
    nano_dollars: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Flat, with dollars in millionths too."""
        row = asdict(self)
        row.update(row.pop("usage"))
        row["micro_dollars"] = self.nano_dollars / 1000
        return row


class Books:
    """Rows in memory, and a line for each in a file.

    A line is written when a request is over. An item of a batch has a second line
    when its result is fetched: of a request id, the last line counts.
    """

    def __init__(self, path: Path | None) -> None:
        self.rows: list[Row] = []
        self._answered = set[str]()
        self._file: TextIO | None = path.open("a", buffering=1) if path else None

    def open(self, row: Row) -> Row:
        """Begin a row for a request that came."""
        self.rows.append(row)
        return row

    def asks(self, row: Row, request: Mapping[str, Any]) -> None:
        """Note what is asked, and whether that was answered before."""
        row.prompt_hash = question_hash(request)
        row.repeat = row.prompt_hash in self._answered

    def arrived(self, row: Row, *carried: Row) -> None:
        """Note that an answer arrived, and the results of a batch that it carried."""
        for each in (row, *carried):
            each.delivered = True
            if each.prompt_hash and each.answered:
                self._answered.add(each.prompt_hash)
        for each in carried:
            self.close_row(each)

    def close_row(self, row: Row) -> None:
        """Write a row to the file."""
        if self._file:
            self._file.write(json.dumps(row.as_dict()) + "\n")

    def forget(self) -> None:
        """Empty the books in memory; the file keeps what it has."""
        self.rows.clear()
        self._answered.clear()

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def summary(self) -> dict[str, Any]:
        """Totals, by model and in all."""
        by_model = defaultdict[str, list[Row]](list)
        for row in self.rows:
            if row.model:
                by_model[row.model].append(row)
        again = [row.prompt_hash for row in self.rows if row.repeat]
        return {
            "total": _totals(self.rows),
            "by_model": {model: _totals(rows) for model, rows in sorted(by_model.items())},
            "by_status": dict(Counter(str(row.status) for row in self.rows)),
            "by_fault": dict(Counter(row.fault for row in self.rows if row.fault)),
            "questions_asked_again": len(set(again)),
            "requests_asked_again": len(again),
        }


def _totals(rows: Iterable[Row]) -> dict[str, Any]:
    rows = list(rows)
    nano = sum(row.nano_dollars for row in rows)
    return {
        "requests": len(rows),
        "answered": sum(row.answered for row in rows),
        "delivered": sum(row.delivered and row.answered for row in rows),
        **{name: sum(getattr(row.usage, name) for row in rows) for name in _SUMS},
        "nano_dollars": nano,
        "micro_dollars": nano / 1000,
    }


def question_hash(request: Mapping[str, Any]) -> str:
    """What makes two questions the same: all of the body but how it is delivered."""
    body = {key: value for key, value in request.items() if key != "stream"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
