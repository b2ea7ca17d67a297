"""`axiom export`: rows to CSV or Parquet, some thousand held at a time."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axiom.cli import show
from axiom.cli.graph import moment
from axiom.errors import AxiomError, ConfigError
from axiom.model import utcnow

if TYPE_CHECKING:
    from axiom.tasks.services import Services

BATCH = 5000
FORMATS = ("csv", "parquet")
FIRST = datetime(1970, 1, 1, tzinfo=UTC)
# what a spreadsheet would run: https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = ("=", "+", "-", "@", "\t", "\r")
TEXT, NUMBER, COUNT, TIME = "string", "double", "int64", "timestamp"
Rows = Iterator[Mapping[str, Any]]
_EVIDENCE = {
    "key": TEXT, "id": TEXT, "source": TEXT, "span": TEXT, "confidence": NUMBER, "analyst": TEXT,
    "prompt_hash": TEXT, "market": TEXT, "run_id": TEXT, "valid_from": TEXT, "recorded_at": TEXT,
}  # fmt: skip
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "prices": {
        "ticker": TEXT, "observed_at": TIME, "price": NUMBER, "open": NUMBER, "high": NUMBER,
        "low": NUMBER, "volume": NUMBER, "bar_s": COUNT, "currency": TEXT, "flag": TEXT,
        "source": TEXT, "ingested_at": TIME, "run_id": TEXT,
    },
    "events": {
        "id": TEXT, "market": TEXT, "published_at": TIME, "type": TEXT, "tickers": TEXT,
        "headline": TEXT, "summary": TEXT, "url": TEXT, "source": TEXT, "sentiment": TEXT,
        "relevance": NUMBER, "novelty": NUMBER, "confidence": NUMBER, "analyst": TEXT,
        "prompt_hash": TEXT, "run_id": TEXT,
    },
    "correlations": {
        "market": TEXT, "logical_at": TIME, "window_days": COUNT, "method": TEXT, "a": TEXT,
        "b": TEXT, "n": COUNT, "r": NUMBER, "low": NUMBER, "high": NUMBER, "p": NUMBER,
        "q": NUMBER, "n_eff": NUMBER, "q_by": NUMBER, "shrunk": NUMBER, "cleaned": NUMBER,
        "break_q": NUMBER, "lag": COUNT, "lag_r": NUMBER, "lag_q": NUMBER, "shown_until": TIME,
        "run_id": TEXT,
    },
    "edges": {"type": TEXT, "head": TEXT, "head_name": TEXT, "tail": TEXT, "tail_name": TEXT}
    | _EVIDENCE,
}  # fmt: skip


def export(
    what: str, output: Path, format: str | None, since: str | None, until: str | None,
    as_of: str | None, *, as_json: bool,
) -> None:  # fmt: skip
    """Write one kind of rows to a file."""
    if what not in COLUMNS:
        raise ConfigError("export", f"{what!r} is none of {', '.join(COLUMNS)}")
    form = format or output.suffix.removeprefix(".")
    if form not in FORMATS:
        raise ConfigError("--format", f"{form!r} is none of {', '.join(FORMATS)}")
    if as_of and what != "edges":
        raise ConfigError("--as-of", f"it is for edges; {what} go by --since and --until")
    if (since or until) and what == "edges":
        raise ConfigError("--since, --until", "edges are of one moment; name it by --as-of")
    from axiom.tasks.services import services

    rows = _rows(services(), what, moment(since) or FIRST, moment(until) or utcnow(), moment(as_of))
    with _whole(output) as path:
        written = (write_csv if form == "csv" else write_parquet)(path, COLUMNS[what], rows)
    told = {"what": what, "rows": written, "file": str(output), "format": form}
    show.say_or_json(f"{written} {what} written to {output}", told, as_json=as_json)


def _rows(
    found: Services, what: str, since: datetime, until: datetime, as_of: datetime | None
) -> Rows:
    from axiom.stores.postgres import named_queries

    market = found.market.name
    if what == "prices":
        return found.bars.stream_ticks(market, since, until)
    if what == "edges":
        edges = found.graph.stream_edges(market, as_of)
        return ({**edge, **edge["evidence"]} for edge in edges)
    asked = {"market": market, "since": since, "until": until}
    return found.postgres.stream(named_queries("export")[what], asked)


def write_csv(path: Path, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as CSV (RFC 4180, UTF-8); return how many."""
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_cell(row.get(name)) for name in columns])
            count += 1
        _sync(file)
    return count


def _cell(value: Any) -> Any:
    plain = _plain(value)
    if isinstance(plain, datetime):
        return plain.isoformat()
    return f"'{plain}" if isinstance(plain, str) and plain.startswith(FORMULA) else plain


def write_parquet(path: Path, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as Parquet, with typed columns; return how many."""
    import pyarrow as pa
    from pyarrow import parquet

    types = {TEXT: pa.string(), NUMBER: pa.float64(), COUNT: pa.int64(),
             TIME: pa.timestamp("us", tz="UTC")}  # fmt: skip
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
    count, left = 0, iter(rows)
    with path.open("wb") as file:
        with parquet.ParquetWriter(file, schema) as writer:
            while part := list(islice(left, BATCH)):
                values = {name: [_plain(row.get(name)) for row in part] for name in columns}
                writer.write_table(pa.table(values, schema=schema))
                count += len(part)
        _sync(file)
    return count


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return ";".join(map(str, value))
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else value


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _whole(output: Path) -> Iterator[Path]:
    """Give a file beside the wanted one, which takes its name when the block ends well."""
    try:
        number, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    except OSError as error:
        raise AxiomError(f"cannot write beside {output}: {error.strerror}") from error
    os.close(number)
    made = Path(name)
    try:
        yield made
        made.chmod(0o666 & ~_umask())
        made.replace(output)
    except OSError as error:
        raise AxiomError(f"cannot write {output}: {error.strerror}") from error
    finally:
        with suppress(FileNotFoundError):
            made.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
