"""Claude while it may be asked, else the local analyst; each result says whose it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import structlog

from axiom.errors import BreakerOpen, BudgetSpent, ServiceDown
from axiom.model import Classification, Earlier, Headline, Profile, Said
from axiom.pipelines.changes import Change, Explanation
from axiom.pipelines.findings import Finding

log = structlog.get_logger(__name__)
T = TypeVar("T")


class Analyst(Protocol):
    """Answers all questions of the pipelines."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def company_prompt_hash(self) -> str: ...  # noqa: D102
    def analyse_company(self, profile: Profile) -> Said[Finding]: ...  # noqa: D102
    def classify(  # noqa: D102
        self, headlines: Sequence[tuple[Headline, Sequence[str]]], earlier: Earlier | None = None
    ) -> Said[Classification]: ...
    def explain(self, changes: Sequence[Change]) -> Said[Explanation]: ...  # noqa: D102


class DegradingAnalyst:
    """Asks the first; where the budget or the breaker refuses, the second answers.

    A wait for the rate limit is no reason: it passes.
    """

    def __init__(self, first: Analyst, second: Analyst) -> None:
        self._first, self._second = first, second

    @property
    def name(self) -> str:
        """The first's."""
        return self._first.name

    @property
    def company_prompt_hash(self) -> str:
        """The first's."""
        return self._first.company_prompt_hash

    def analyse_company(self, profile: Profile) -> Said[Finding]:
        """Return what a profile states; `stand_in` names who said it where it was the second."""
        by = {"analyst": self._second.name, "prompt_hash": self._second.company_prompt_hash}
        return self._either(
            lambda: self._first.analyse_company(profile),
            lambda: replace(self._second.analyse_company(profile), stand_in=by),
        )

    def classify(
        self, headlines: Sequence[tuple[Headline, Sequence[str]]], earlier: Earlier | None = None
    ) -> Said[Classification]:
        """Return type and sentiment of headlines, and which of them tell earlier events again."""
        return self._either(
            lambda: self._first.classify(headlines, earlier),
            lambda: self._second.classify(headlines, earlier),
        )

    def explain(self, changes: Sequence[Change]) -> Said[Explanation]:
        """Return a text for each change."""
        return self._either(
            lambda: self._first.explain(changes), lambda: self._second.explain(changes)
        )

    def _either(self, first: Callable[[], Said[T]], second: Callable[[], Said[T]]) -> Said[T]:
        try:
            return first()
        except (BreakerOpen, BudgetSpent, ServiceDown) as error:
            log.warning("analyst_degraded", to=self._second.name, because=str(error))
            return second()
