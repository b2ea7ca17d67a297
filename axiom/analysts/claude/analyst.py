"""The analyst that asks Claude, behind the Protocols that the pipelines declare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from axiom.analysts.claude import company, events, explain, prompt
from axiom.analysts.claude.explain import Names
from axiom.analysts.question import Ask, Effort
from axiom.errors import InBatch
from axiom.model import Classification, Earlier, Headline, Profile, Said, T
from axiom.pipelines.changes import Change, Explanation
from axiom.pipelines.findings import Finding

Named = TypeVar("Named", Classification, Explanation)


@dataclass(frozen=True)
class Models:
    """Who is asked: the small model first classifies; the large one does the rest."""

    small: str = "claude-haiku-5-5"
    large: str = "claude-sonnet-5-5"
    effort: Effort | None = "low"  # of the small model
    escalate_below: float = 0.6  # confidence of the small model; 0 never escalates


class ClaudeAnalyst:
    """Asks through `ask`, and lets through only what holds.

    `names` are the names of the companies by ticker: an explanation may use
    those of its own pair. What is dropped is counted by reason; `Refused`
    of `ask` goes to the caller, who tries the step again. `label` makes of a model's id
    what results are to be marked with: an imitation's are not Claude's.
    """

    def __init__(
        self,
        ask: Ask,
        models: Models | None = None,
        names: Names | None = None,
        label: Callable[[str], str] = str,
    ) -> None:
        self._ask = ask
        self._models = models or Models()
        self._names = names or {}
        self._label = label

    @property
    def name(self) -> str:
        """The model that reads companies, as results are marked."""
        return self._label(self._models.large)

    @property
    def company_prompt_hash(self) -> str:
        """Changes with the words, the form of the answer, or the model."""
        return prompt.company().hash(self._models.large)

    def analyse_company(self, profile: Profile) -> Said[Finding]:
        """Return what a profile states."""
        return company.analyse_company(self._ask, self._models.large, None, profile)

    def classify(
        self, headlines: Sequence[tuple[Headline, Sequence[str]]], earlier: Earlier | None = None
    ) -> Said[Classification]:
        """Return type and sentiment of headlines, and whether one tells an earlier event again.

        Each names the model that said it.
        """
        m, told = self._models, events.as_told(headlines, earlier or {})
        desk = events.Desk(self._ask, m.small, m.large, m.effort, m.escalate_below)
        said = _together(partial(desk.classify, batch) for batch in events.batches(told))
        return self._labelled(said)

    def explain(self, changes: Sequence[Change]) -> Said[Explanation]:
        """Return a text for each change; `analyst` is `local` where Claude's did not hold."""
        starts = range(0, len(changes), explain.BATCH)
        said = _together(
            partial(
                explain.explain,
                self._ask,
                self._models.large,
                None,
                changes[n : n + explain.BATCH],
                self._names,
            )
            for n in starts
        )
        return self._labelled(said)

    def _labelled(self, said: Said[Named]) -> Said[Named]:
        asked = (self._models.small, self._models.large)  # not the local analyst's
        return replace(
            said,
            results=[
                replace(result, analyst=self._label(result.analyst))
                if result.analyst in asked
                else result
                for result in said.results
            ],
        )


def _together(parts: Iterable[Callable[[], Said[T]]]) -> Said[T]:
    results: list[T] = []
    dropped = Counter[str]()
    refused, waits = None, None
    for say in parts:
        try:
            part = say()
        except InBatch as error:  # the other parts go in the same batch
            waits = error
            continue
        results += part.results
        dropped.update(part.dropped)
        refused = refused or part.refused
    if waits:
        raise waits
    return Said(results, dict(dropped), refused)
