"""What a pipeline can be told for one run: declared beside its FLOW, checked before it runs.

    Param("hours", float, "how far back to look", default=0.0)

Terminal, console and API read the declaration to offer it and to refuse the rest, so that a
misspelt name never runs as if nothing had been said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from axiom.errors import ConfigError
from axiom.model import Json

if TYPE_CHECKING:
    from pydantic import TypeAdapter

TYPES: Mapping[Any, str] = {
    str: "text", int: "whole number", float: "number", bool: "true or false",
    list[str]: "names, comma-separated", list[int]: "whole numbers, comma-separated",
}  # fmt: skip

SHOWN = 30  # of what it may be


@dataclass(frozen=True, slots=True)
class Param:
    """One thing that a run can be told.

    `choices(services)` gives what it may be, or what each in a list may be; `least` and `most`
    are the numbers that make sense.
    """

    name: str
    type: Any  # a key of TYPES
    help: str
    default: Json
    least: float | None = None
    most: float | None = None
    choices: Callable[[Any], Sequence[str]] | None = None

    @property
    def kind(self) -> str:
        """Its type, in words."""
        return TYPES[self.type]

    def read(self, value: Json, services: Any) -> Json:
        """Return a value as what it is to be.

        Raises:
            ConfigError: it cannot be that; says what it could.
        """
        from pydantic import ValidationError

        many = self.type in (list[str], list[int])
        if many and not isinstance(value, list):
            value = [part.strip() for part in str(value).split(",") if part.strip()]
        try:
            read: Json = _adapter(self.type).validate_python(value)
        except ValidationError:
            problem = f"are not {self.kind}" if many else f"is no {self.kind}"
            raise self._wrong(value, problem) from None
        for each in read if many else [read]:
            if self.least is not None and not each >= self.least:
                raise self._wrong(each, f"is less than {self.least:g}")
            if self.most is not None and not each <= self.most:
                raise self._wrong(each, f"is more than {self.most:g}")
            if self.choices and each not in (known := self.choices(services)):
                more = ", …" if len(known) > SHOWN else ""
                raise self._wrong(each, f"is none of {', '.join(known[:SHOWN])}{more}")
        return read

    def _wrong(self, value: Json, problem: str) -> ConfigError:
        return ConfigError(f"params.{self.name}", f"{str(value)[:60]!r} {problem}")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False))


def checked(given: Mapping[str, Json], declared: Sequence[Param], services: Any) -> dict[str, Json]:
    """Return the parameters of a run, each as its declaration has it.

    Raises:
        ConfigError: one is not declared, or is not what it is to be; names those that are.
    """
    known = {each.name: each for each in declared}
    for name in given:
        if name not in known:
            raise ConfigError("params", f"no parameter {name[:60]!r}; {told(declared)}")
    return {name: known[name].read(value, services) for name, value in given.items()}


def told(declared: Sequence[Param]) -> str:
    """Say in a sentence what can be given."""
    if not declared:
        return "this pipeline takes none"
    return "known: " + "; ".join(f"{each.name} ({each.kind})" for each in declared)
