"""The company graph, hourly: read profiles, find facts, keep each with its evidence."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from axiom.errors import AxiomError
from axiom.flow import Context, Each, Flow
from axiom.model import (
    ALLOWED_ENDS,
    Edge,
    EdgeType,
    Json,
    Label,
    NodeRef,
    Profile,
    Said,
    storable,
    to_json,
    utcnow,
)

NARROW = 3  # an industry that more companies share than this does not make rivals
RIVAL_CONFIDENCE = 0.4


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim about the company that was read: `other` is what it is related to."""

    type: EdgeType
    other: str
    span: str
    confidence: float


class Market(Protocol):
    """Which world, and what of it can be known at a logical time."""

    @property
    def name(self) -> str: ...  # noqa: D102
    def visible_at(self, logical_at: datetime) -> datetime: ...  # noqa: D102


class ProfileProvider(Protocol):
    """Where profiles come from."""

    def fetch_profile(self, ticker: str) -> Profile: ...  # noqa: D102


class Analyst(Protocol):
    """Reads a profile; `company_prompt_hash` changes when it would answer otherwise."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def company_prompt_hash(self) -> str: ...  # noqa: D102
    def analyse_company(self, profile: Profile) -> Said[Finding]: ...  # noqa: D102


class Analyses(Protocol):
    """Where answers and snapshots are kept."""

    def known(self, question: Mapping[str, str]) -> Mapping[str, Json] | None: ...  # noqa: D102
    def keep(  # noqa: D102
        self, question: Mapping[str, str], findings: Json, rejected: int, run_id: str
    ) -> None: ...
    def last_snapshot(  # noqa: D102
        self, market: str, run_id: str, logical_at: datetime
    ) -> Mapping[str, Json] | None: ...
    def keep_snapshot(  # noqa: D102
        self,
        run_id: str,
        market: str,
        logical_at: datetime,
        counts: Mapping[str, Mapping[str, int]],
        density: float,
        changes: Mapping[str, int],
    ) -> None: ...


class Graph(Protocol):
    """Where nodes and edges are kept."""

    def upsert_edges(  # noqa: D102
        self, edges: Sequence[Edge], run_id: str, now: datetime
    ) -> dict[str, int]: ...
    def close_missing(  # noqa: D102
        self, sources: Sequence[str], market: str, kept: Sequence[str], at: datetime
    ) -> int: ...
    def counts(self) -> dict[str, dict[str, int]]: ...  # noqa: D102
    def violations(self) -> list[str]: ...  # noqa: D102


class Company(Protocol):
    """A company of the universe."""

    @property
    def ticker(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def aliases(self) -> tuple[str, ...]: ...  # noqa: D102


class Universe(Protocol):
    """What is read about."""

    @property
    def companies(self) -> Sequence[Company]: ...  # noqa: D102


class Services(Protocol):
    """What the steps of this pipeline need."""

    @property
    def market(self) -> Market: ...  # noqa: D102
    @property
    def profiles(self) -> ProfileProvider: ...  # noqa: D102
    @property
    def analyst(self) -> Analyst: ...  # noqa: D102
    @property
    def analyses(self) -> Analyses: ...  # noqa: D102
    @property
    def graph(self) -> Graph: ...  # noqa: D102
    @property
    def universe(self) -> Universe: ...  # noqa: D102


def select_companies(ctx: Context[Services]) -> Json:
    """Choose the companies to read about."""
    return [company.ticker for company in ctx.services.universe.companies]


def fetch_profile(ctx: Context[Services]) -> Json:
    """Fetch one company's profile."""
    raw = ctx.services.profiles.fetch_profile(ctx.item)
    profile = replace(raw, name=storable(raw.name), text=storable(raw.text))
    return {
        "profile": ctx.artifacts.put(ctx.run_id, f"profile-{ctx.item}", to_json(profile)),
        "input_hash": profile.input_hash,
        "source": profile.source,
        "name": profile.name,
    }


def analyse_company(ctx: Context[Services]) -> Json:
    """Ask the analyst about one company, unless it was asked the same before."""
    services, fetched = ctx.services, ctx.inputs["fetch_profile"][ctx.item]
    question = {
        "market": services.market.name,
        "ticker": ctx.item,
        "input_hash": fetched["input_hash"],
        "analyst": services.analyst.name,
        "prompt_hash": services.analyst.company_prompt_hash,
    }
    known = services.analyses.known(question)
    if known is None:
        profile = Profile(**ctx.artifacts.get(fetched["profile"]))
        said = services.analyst.analyse_company(profile)
        question |= said.stand_in or {}  # kept as the stand-in's: the analyst is asked next time
        good, ungrounded = validate_findings(said.results, profile.text)
        rejected = ungrounded + sum(said.dropped.values())
        if said.refused is None:  # what was refused is not known: the next run tries again
            services.analyses.keep(question, [to_json(each) for each in good], rejected, ctx.run_id)
        known = services.analyses.known(question) or {"findings": [], "rejected": rejected}
        asked, dropped, refused = True, dict(said.dropped), said.refused
    else:
        asked, dropped, refused = False, {}, None
    return {
        "findings": known["findings"],
        "rejected": known["rejected"],
        "asked": asked,
        "dropped": dropped,
        "refused": refused,
        "analyst": question["analyst"],
        "prompt_hash": question["prompt_hash"],
    }


def resolve_entities(ctx: Context[Services]) -> Json:
    """Turn what was found into edges between things, one thing having one key."""
    services = ctx.services
    names = company_keys(services.universe.companies)
    valid_from = services.market.visible_at(ctx.logical_at)
    edges: dict[str, Edge] = {}
    analysed = ctx.inputs.get("analyse_company", {})
    for ticker, answer in analysed.items():
        read = ctx.inputs["fetch_profile"][ticker]
        company = NodeRef(Label.COMPANY, ticker, read["name"])
        for finding in _findings(answer["findings"]):
            edge = _edge(finding, company, names, read["source"], answer, services, valid_from)
            if edge.head.key != edge.tail.key:
                edges.setdefault(edge.id, edge)
    for edge in find_rivals(list(edges.values())):
        edges.setdefault(edge.id, edge)
    return {
        "edges": ctx.artifacts.put(ctx.run_id, "edges", [to_json(e) for e in edges.values()]),
        "found": len(edges),
        "companies": len(analysed),
        "asked": sum(answer["asked"] for answer in analysed.values()),
        "rejected": sum(answer["rejected"] for answer in analysed.values()),
        "refused": {t: a["refused"] for t, a in analysed.items() if a.get("refused")},
        # whoever was not answered keeps its edges
        "sources": sorted(
            ctx.inputs["fetch_profile"][t]["source"]
            for t, answer in analysed.items()
            if not answer.get("refused")
        ),
    }


def upsert_graph(ctx: Context[Services]) -> Json:
    """Write the edges; close those that their source no longer states."""
    resolved = ctx.inputs["resolve_entities"]
    edges = [_edge_from(row) for row in ctx.artifacts.get(resolved["edges"])]
    services = ctx.services
    written = services.graph.upsert_edges(edges, ctx.run_id, utcnow())
    closed = services.graph.close_missing(
        resolved["sources"],
        services.market.name,
        [edge.id for edge in edges],
        services.market.visible_at(ctx.logical_at),
    )
    return written | {"closed": closed}


def verify_graph(ctx: Context[Services]) -> Json:
    """Check the graph's invariants, and keep its size.

    Raises:
        AxiomError: an invariant is broken; the message lists how.
    """
    services = ctx.services
    if broken := services.graph.violations():
        raise AxiomError("the graph is not sound: " + "; ".join(broken))
    counts, market = services.graph.counts(), services.market.name
    before = services.analyses.last_snapshot(market, ctx.run_id, ctx.logical_at)
    nodes, edges = sum(counts["nodes"].values()), sum(counts["edges"].values())
    changes = {
        "nodes": nodes - (sum(before["nodes"].values()) if before else 0),
        "edges": edges - (sum(before["edges"].values()) if before else 0),
    }
    density = edges / (nodes * (nodes - 1)) if nodes > 1 else 0.0
    services.analyses.keep_snapshot(ctx.run_id, market, ctx.logical_at, counts, density, changes)
    return {"nodes": nodes, "edges": edges, "density": round(density, 6), "changes": changes}


FLOW = Flow(
    "graph",
    select_companies,
    Each("select_companies", fetch_profile, analyse_company),
    resolve_entities,
    upsert_graph,
    verify_graph,
)


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


def _findings(rows: Sequence[Mapping[str, Json]]) -> list[Finding]:
    return [Finding(**{**row, "type": EdgeType(row["type"])}) for row in rows]


def _edge(
    finding: Finding,
    company: NodeRef,
    names: Mapping[str, str],
    source: str,
    answer: Mapping[str, Json],
    services: Services,
    valid_from: datetime,
) -> Edge:
    head_label, tail_label = ALLOWED_ENDS[finding.type]
    incoming = head_label is not Label.COMPANY  # a person leads the company
    other = entity(head_label if incoming else tail_label, finding.other, company.key, names)
    head, tail = (other, company) if incoming else (company, other)
    return Edge(
        type=finding.type,
        head=head,
        tail=tail,
        source=source,
        span=finding.span,
        confidence=finding.confidence,
        analyst=answer["analyst"],
        prompt_hash=answer["prompt_hash"],
        market=services.market.name,
        valid_from=valid_from,
    )


def entity(label: Label, name: str, owner: str, names: Mapping[str, str]) -> NodeRef:
    """Name a thing once.

    A company is known by its ticker under all its names. People and products
    belong to the company that was read: two people of one name at two companies
    are two.
    """
    name = " ".join(name.split())
    if label is Label.COMPANY:
        key = names.get(normal(name), slug(name))
    elif label in (Label.PERSON, Label.PRODUCT):
        key = f"{owner}/{slug(name)}"
    else:
        key = slug(name)
    return NodeRef(label, key, name)


def company_keys(companies: Sequence[Company]) -> dict[str, str]:
    """Every name of every company of the universe, normalised, to its ticker."""
    return {
        normal(name): company.ticker
        for company in companies
        for name in (company.name, company.ticker, *company.aliases)
    }


_SUFFIX = re.compile(
    r"[,\s]+(inc|incorporated|corp|corporation|co|company|ltd|limited|plc|llc|group|holdings)\.?$",
    re.IGNORECASE,
)


def normal(name: str) -> str:
    """A company's name without case, accents, article and legal form."""
    text = _ascii(name).lower().strip()
    while (shorter := _SUFFIX.sub("", text)) != text:
        text = shorter
    return re.sub(r"[^a-z0-9&]+", " ", text.removeprefix("the ")).strip()


def slug(name: str) -> str:
    """A key made of a name: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", _ascii(name).lower()).strip("-") or "unnamed"


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


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


def _edge_from(row: Mapping[str, Json]) -> Edge:
    ends = {
        end: NodeRef(Label(row[end]["label"]), row[end]["key"], row[end]["name"])
        for end in ("head", "tail")
    }
    valid_from = datetime.fromisoformat(row["valid_from"])
    return Edge(**{**row, **ends, "type": EdgeType(row["type"]), "valid_from": valid_from})
