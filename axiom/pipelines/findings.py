"""What is claimed of a company, and what is left of it: grounded, settled, and rivals. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from axiom.model import Edge, EdgeType

NARROW = 3  # an industry that more companies share than this does not make rivals
RIVAL_CONFIDENCE = 0.4


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim about the company that was read: `other` is what it is related to."""

    type: EdgeType
    other: str
    span: str
    confidence: float


def validate_findings(found: Sequence[Finding], text: str) -> tuple[list[Finding], int]:
    """Keep the findings whose span is in the text; return them and how many were rejected."""
    good = [each for each in found if _is_grounded(each, text)]
    return good, len(found) - len(good)


def _is_grounded(finding: Finding, text: str) -> bool:
    return bool(
        finding.span.strip()
        and finding.span in text
        and finding.other.strip()
        and 0.0 <= finding.confidence <= 1.0
    )


def settle(edges: Sequence[Edge]) -> list[Edge]:
    """Leave one edge of each claim, none of a thing to itself, and one country for a company.

    Of what a company has one, the surest stays; among equals the first.
    """
    claims: dict[str, Edge] = {}
    places: dict[str, Edge] = {}
    for edge in edges:
        if (edge.head.label, edge.head.key) == (edge.tail.label, edge.tail.key):
            continue
        if edge.type is not EdgeType.HEADQUARTERED_IN:
            claims.setdefault(edge.id, edge)
        elif edge.confidence > getattr(places.get(edge.head.key), "confidence", -1.0):
            places[edge.head.key] = edge
    return [*claims.values(), *places.values()]


def find_rivals(edges: Sequence[Edge]) -> list[Edge]:
    """Companies that state one narrow industry compete, with little confidence.

    The evidence is the industry as the first company's profile states it.
    """
    by_industry: dict[str, dict[str, Edge]] = {}
    for edge in edges:
        if edge.type is EdgeType.IN_INDUSTRY:
            by_industry.setdefault(edge.tail.key, {})[edge.head.key] = edge
    rivals = []
    for members in by_industry.values():
        if 2 <= len(members) <= NARROW:
            ordered = [members[key] for key in sorted(members)]
            rivals += [_rival(a, b) for n, a in enumerate(ordered) for b in ordered[n + 1 :]]
    return rivals


def _rival(a: Edge, b: Edge) -> Edge:
    return Edge(
        EdgeType.COMPETES_WITH, a.head, b.head, a.source, a.span, RIVAL_CONFIDENCE,
        a.analyst, a.prompt_hash, a.market, a.valid_from,
    )  # fmt: skip
