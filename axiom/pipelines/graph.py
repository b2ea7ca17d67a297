"""The company graph, hourly: read profiles, find facts, keep each with its evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from axiom.errors import AxiomError
from axiom.flow import Context, Each, Flow, Parallel
from axiom.model import (
    ALLOWED_ENDS,
    COMPARISON,
    Edge,
    EdgeType,
    Json,
    Label,
    NodeRef,
    Profile,
    Reading,
    Said,
    storable,
    to_json,
)
from axiom.params import Param
from axiom.pipelines.entities import Company, company_keys, entity, profile_parts
from axiom.pipelines.findings import Finding, find_rivals, settle, validate_findings


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
        structure: Mapping[str, Json],
    ) -> None: ...
    def next_readings(  # noqa: D102
        self, market: str, sources: Sequence[str], after: datetime
    ) -> dict[str, datetime]: ...
    def keep_readings(  # noqa: D102
        self, market: str, sources: Sequence[str], read_at: datetime
    ) -> None: ...


class Graph(Protocol):
    """Where nodes and edges are kept."""

    def upsert_edges(  # noqa: D102
        self,
        edges: Sequence[Edge],
        readings: Sequence[Reading],
        market: str,
        run_id: str,
        recorded_at: datetime,
        valid_at: datetime,
    ) -> dict[str, int]: ...
    def counts(  # noqa: D102
        self, market: str | None = None, as_of: datetime | None = None
    ) -> dict[str, dict[str, int]]: ...
    def links(  # noqa: D102
        self, market: str, as_of: datetime | None = None
    ) -> list[tuple[str, str, float]]: ...
    def violations(self) -> list[str]: ...  # noqa: D102


class ProfileIndex(Protocol):
    """Where the meanings of profiles are kept."""

    def stale(self, market: str, hashes: Mapping[str, str]) -> list[str]: ...  # noqa: D102
    def put(  # noqa: D102
        self, market: str, ticker: str, input_hash: str, texts: Sequence[str],
        vectors: Sequence[Sequence[float]],
    ) -> None: ...  # fmt: skip


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
    def profile_index(self) -> ProfileIndex: ...  # noqa: D102
    @property
    def embed(self) -> Callable[[Sequence[str]], list[list[float]]]: ...  # noqa: D102
    @property
    def universe(self) -> Universe: ...  # noqa: D102


def select_companies(ctx: Context[Services]) -> Json:
    """Choose the companies to read about."""
    wanted = ctx.params.get("tickers")
    return [t for t in _tickers(ctx.services) if not wanted or t in wanted]


def _tickers(services: Services) -> list[str]:
    return [company.ticker for company in services.universe.companies]


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
    analysed, fetched = ctx.inputs.get("analyse_company", {}), ctx.inputs.get("fetch_profile", {})
    read_names = {ticker: fetched[ticker]["name"] for ticker in analysed}
    names = company_keys(services.universe.companies, read_names)
    valid_from = services.market.visible_at(ctx.logical_at)
    found: list[Edge] = []
    for ticker, answer in analysed.items():
        company = NodeRef(Label.COMPANY, ticker, read_names[ticker])
        source = fetched[ticker]["source"]
        found += [
            _edge(finding, company, names, source, answer, services, valid_from)
            for finding in _findings(answer["findings"])
        ]
    # whoever was not answered keeps its edges
    answered = [ticker for ticker, answer in analysed.items() if not answer.get("refused")]
    unread = sorted(set(ctx.inputs.get("select_companies", ())) - set(answered))
    if not unread:  # else too few would seem to share an industry
        found += find_rivals(found)
    edges = settle(found)
    return {
        "edges": ctx.artifacts.put(ctx.run_id, "edges", [to_json(edge) for edge in edges]),
        "found": len(edges),
        "companies": len(analysed),
        "asked": sum(answer["asked"] for answer in analysed.values()),
        "rejected": sum(answer["rejected"] for answer in analysed.values()),
        "refused": {t: a["refused"] for t, a in analysed.items() if a.get("refused")},
        "unread": unread,
        "sources": {fetched[ticker]["source"]: ticker for ticker in sorted(answered)},
    }


def upsert_graph(ctx: Context[Services]) -> Json:
    """Record the edges at the run's logical time; close those that their source states no more."""
    resolved, services, at = ctx.inputs["resolve_entities"], ctx.services, ctx.logical_at
    edges = [_edge_from(row) for row in ctx.artifacts.get(resolved["edges"])]
    market, sources = services.market.name, dict(resolved["sources"])
    if not resolved["unread"]:
        sources[COMPARISON] = None
    later = services.analyses.next_readings(market, list(sources), at)
    readings = [Reading(source, sources[source], later.get(source)) for source in sources]
    written = services.graph.upsert_edges(
        edges, readings, market, ctx.run_id, at, services.market.visible_at(at)
    )
    services.analyses.keep_readings(market, list(sources), at)
    return written | {"late": len(later)}


def embed_profiles(ctx: Context[Services]) -> Json:
    """Keep the meaning of profiles that changed, a vector for each of their parts."""
    services, fetched = ctx.services, ctx.inputs.get("fetch_profile", {})
    market = services.market.name
    hashes = {ticker: row["input_hash"] for ticker, row in fetched.items()}
    stale, parts = services.profile_index.stale(market, hashes), 0
    for ticker in stale:
        profile = Profile(**ctx.artifacts.get(fetched[ticker]["profile"]))
        texts = profile_parts(profile)
        vectors = services.embed(texts)
        services.profile_index.put(market, ticker, hashes[ticker], texts, vectors)
        parts += len(texts)
    return {"profiles": len(stale), "vectors": parts}


def verify_graph(ctx: Context[Services]) -> Json:
    """Check the graph's invariants; keep its size and its structure as they are at this run.

    Raises:
        AxiomError: an invariant is broken; the message lists how.
    """
    from axiom.analytics.communities import compute_structure

    services, at = ctx.services, ctx.logical_at
    if broken := services.graph.violations():
        raise AxiomError("the graph is not sound: " + "; ".join(broken))
    market = services.market.name
    counts = services.graph.counts(market, at)
    before = services.analyses.last_snapshot(market, ctx.run_id, at)
    nodes, edges = sum(counts["nodes"].values()), sum(counts["edges"].values())
    written = ctx.inputs.get("upsert_graph", {})
    changes = {
        "nodes": nodes - (sum(before["nodes"].values()) if before else 0),
        "edges": edges - (sum(before["edges"].values()) if before else 0),
        "created": written.get("created", 0),
        "closed": written.get("closed", 0),
    }
    density = edges / (nodes * (nodes - 1)) if nodes > 1 else 0.0
    structure = compute_structure(services.graph.links(market, at), f"{Label.COMPANY}:")
    services.analyses.keep_snapshot(ctx.run_id, market, at, counts, density, changes, structure)
    return {
        "nodes": nodes, "edges": edges, "density": round(density, 6), "changes": changes,
        "communities": structure["communities"], "modularity": structure["modularity"],
    }  # fmt: skip


FLOW = Flow(
    "graph",
    select_companies,
    Each("select_companies", fetch_profile, analyse_company),
    resolve_entities,
    Parallel(upsert_graph, embed_profiles),
    verify_graph,
    params=[Param("tickers", list[str], "only these companies; none: all", [], choices=_tickers)],
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


def _edge_from(row: Mapping[str, Json]) -> Edge:
    ends = {
        end: NodeRef(Label(row[end]["label"]), row[end]["key"], row[end]["name"])
        for end in ("head", "tail")
    }
    valid_from = datetime.fromisoformat(row["valid_from"])
    return Edge(**{**row, **ends, "type": EdgeType(row["type"]), "valid_from": valid_from})
