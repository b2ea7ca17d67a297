"""What is watched: instruments and companies, from a JSON file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from axiom.errors import ConfigError
from axiom.model import Instrument


@dataclass(frozen=True, slots=True)
class Watched:
    """A company whose profile and news are read."""

    ticker: str
    name: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Universe:
    """The instruments that are priced and the companies that are read about."""

    instruments: tuple[Instrument, ...]
    companies: tuple[Watched, ...]


def load_universe(path: Path | None = None) -> Universe:
    """Read a universe; the shipped one has 25 instruments and 30 companies.

    Raises:
        ConfigError: the file is missing, is not JSON, or lacks a field.
    """
    source = path or files("axiom.data").joinpath("universe.json")
    try:
        found = json.loads(source.read_text())
        return Universe(
            tuple(Instrument(**each) for each in found["instruments"]),
            tuple(
                Watched(each["ticker"], each["name"], tuple(each.get("aliases", ())))
                for each in found["companies"]
            ),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"{source} is not a universe: {type(error).__name__}: {error}"
        raise ConfigError("AXIOM_UNIVERSE", problem) from error
