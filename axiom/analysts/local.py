"""The local analyst: deterministic, on this machine, without a network.

It answers the same questions as Claude will, behind the Protocols that the
pipelines declare. What it says is marked `local` and never shown as anyone else's.
"""

from __future__ import annotations

from collections.abc import Sequence

from axiom.analysts import local_company, local_events, local_explain
from axiom.model import Classification, Earlier, Headline, Profile, Said
from axiom.pipelines.changes import Change, Explanation
from axiom.pipelines.findings import Finding
from axiom.pipelines.linking import Company, EntityFinder


class LocalAnalyst:
    """Rules, templates and a small trained model.

    By the names of the companies given it knows what a headline says of which.
    """

    name = "local"
    company_prompt_hash = local_company.PROMPT_HASH

    def __init__(self, companies: Sequence[Company] = ()) -> None:
        self._finder = EntityFinder(companies) if companies else None

    def analyse_company(self, profile: Profile) -> Said[Finding]:
        """Return what a profile's lines state outright."""
        return Said(local_company.analyse_company(profile))

    def classify(
        self, headlines: Sequence[tuple[Headline, Sequence[str]]], earlier: Earlier | None = None
    ) -> Said[Classification]:
        """Return the type and the sentiment of headlines.

        Whether one tells an `earlier` event again was judged before, by the same means.
        """
        return Said(local_events.classify(headlines, self._finder))

    def explain(self, changes: Sequence[Change]) -> Said[Explanation]:
        """Return a sentence for each change, made from its statistics."""
        return Said([local_explain.explain(change) for change in changes])
