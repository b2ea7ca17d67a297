"""`axiom graph`: what it holds, now or as it was known, with the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from axiom.cli import show
from axiom.errors import AxiomError, ConfigError, UnknownName
from axiom.inputs import parse_moment
from axiom.model import Label

if TYPE_CHECKING:
    from rich.table import Table

    from axiom.tasks.services import Services

FIGURES = ("degree", "strength", "pagerank")
EMPTY = "The graph holds nothing of that; fill it: axiom trigger graph"


def moment(text: str | None) -> datetime | None:
    """Read a time; None stays None.

    Raises:
        ConfigError: it is no ISO 8601 time.
    """
    return parse_moment(text) if text else None


def overview(as_of: str | None, *, as_json: bool) -> None:
    """Show how much there is, by label and by type."""
    found, at = _services(), moment(as_of)
    market = found.market.name
    counts = found.graph.counts(market, at)
    if as_json:
        edges = list(found.graph.stream_edges(market, at))
        show.print_json({"market": market, "as_of": at, "counts": counts, "edges": edges})
        return
    nodes, edges_n = sum(counts["nodes"].values()), sum(counts["edges"].values())
    if not nodes:
        show.say(EMPTY)
        return
    table = _table("nodes", ">", "edges", ">")
    rows = [[(k, n) for k, n in counts[what].items() if n] for what in ("nodes", "edges")]
    for n in range(max(map(len, rows))):
        cells = [each[n] if n < len(each) else ("", "") for each in rows]
        table.add_row(*(str(cell) for pair in cells for cell in pair))
    show.console().print(table)
    show.say(f"{nodes} nodes and {edges_n} edges of {market}, {_when(at)}.")
    for snapshot in found.analyses.snapshots(market, at):
        _say_last_run(snapshot)


def _say_last_run(snapshot: Mapping[str, Any]) -> None:
    changes, structure = snapshot["changes"], snapshot["structure"]
    show.say(
        f"The run at {show.moment(snapshot['logical_at'])} recorded {changes.get('created', 0)} "
        f"and closed {changes.get('closed', 0)}."
    )
    show.say(
        f"Density {snapshot['density']:.4f}, {structure.get('communities', 0)} communities, "
        f"modularity {structure.get('modularity', 0):.2f}."
    )


def show_company(
    text: str, as_of: str | None, valid_at: str | None, depth: int, limit: int, *, as_json: bool
) -> None:
    """Show the edges around a company; each type has its turn, the surest first."""
    from axiom.stores.graph_around import around

    found, at, valid = _services(), moment(as_of), moment(valid_at)
    company = resolve(found, text)
    asked = (found.graph, found.market.name, company, Label.COMPANY, (), depth, at, limit)
    edges, _ = around(*asked, valid_at=valid)
    if as_json:
        show.print_json({"company": company, "as_of": at, "valid_at": valid, "edges": edges})
        return
    if not edges:
        show.say(f"{company} has no edge, {_when(at)}.")
        return
    table = _table("edge", "from", "to", ">sure", "evidence")
    for edge in edges:
        more = f" (+{edge['told'] - 1})" if edge["told"] > 1 else ""
        table.add_row(
            edge["type"].lower().replace("_", " ") + more, *_ends(edge),
            f"{edge['evidence']['confidence']:.2f}", show.shorten(edge["evidence"]["span"], 60),
        )  # fmt: skip
    show.console().print(table)
    show.say(f"{len(edges)} edges around {company}, {_when(at)}. All they rest on: --json")
    if any(edge["told"] > 1 for edge in edges):
        show.say("(+1): one more claim says the same; the surest is shown.")


def history(text: str, as_of: str | None, limit: int, *, as_json: bool) -> None:
    """Show what changed at a company."""
    found, at = _services(), moment(as_of)
    company = resolve(found, text)
    rows = found.graph.timeline(company, found.market.name, at, limit)
    if as_json:
        show.print_json({"company": company, "as_of": at, "changes": rows})
        return
    table = _table("recorded at", "what", "edge", "from", "to")
    for row in rows:
        at_ = datetime.fromisoformat(row["at"])
        kind = row["type"].lower().replace("_", " ")
        table.add_row(show.moment(at_), row["what"], kind, *_ends(row))
    show.console().print(table)


def path(text: str, other: str, as_of: str | None, *, as_json: bool) -> None:
    """Show how two companies are linked."""
    from axiom.stores.graph_path import LONGEST, explained_path

    found, at = _services(), moment(as_of)
    a, b = resolve(found, text), resolve(found, other)
    if a == b:
        raise AxiomError(f"{text!r} and {other!r} are one company, {a}")
    steps = explained_path(found.graph, a, b, found.market.name, at)
    if as_json:
        show.print_json({"from": a, "to": b, "as_of": at, "path": steps})
        return
    if steps is None:
        show.say(f"No path of at most {LONGEST} edges from {a} to {b}, {_when(at)}.")
        return
    for n, step in enumerate(steps, 1):
        evidence, (head, tail) = step["evidence"], _ends(step)
        show.say(f"{n}. {head} {step['type'].lower().replace('_', ' ')} {tail}")
        show.say(f"   “{show.shorten(evidence['span'], 70)}”")
        show.say(f"   {evidence['confidence']:.2f}, {evidence['analyst']}, {evidence['source']}")


def top(by: str, as_of: str | None, limit: int, *, as_json: bool) -> None:
    """Show the best linked companies."""
    if by not in FIGURES:
        raise ConfigError("--by", f"{by!r} is none of {', '.join(FIGURES)}")
    snapshot, names = _structure(as_of)
    companies = snapshot["structure"]["companies"]
    keys = sorted(companies, key=lambda key: (-companies[key][by], key))[:limit]
    if as_json:
        rows = [{"company": key, **companies[key]} for key in keys]
        show.print_json({"by": by, "at": snapshot["logical_at"], "companies": rows})
        return
    table = _table("company", "name", ">degree", ">strength", ">pagerank", "community")
    for key in keys:
        each = companies[key]
        table.add_row(
            key, names.get(key, key), str(each["degree"]), f"{each['strength']:.2f}",
            f"{each['pagerank']:.4f}", each["community"],
        )  # fmt: skip
    show.console().print(table)
    show.say(f"As of the run at {show.moment(snapshot['logical_at'])}.")


def communities(as_of: str | None, *, as_json: bool) -> None:
    """Show which companies belong together."""
    snapshot, names = _structure(as_of)
    members: dict[str, list[str]] = {}
    for key, each in sorted(snapshot["structure"]["companies"].items()):
        members.setdefault(each["community"], []).append(key)
    ordered = sorted(members.values(), key=lambda keys: (-len(keys), keys))
    if as_json:
        show.print_json({"at": snapshot["logical_at"], "communities": ordered})
        return
    table = _table(">companies", "who")
    alone = [keys[0] for keys in ordered if len(keys) == 1]
    for keys in ordered:
        if len(keys) > 1:
            table.add_row(str(len(keys)), ", ".join(names.get(key, key) for key in keys))
    show.console().print(table)
    if alone:
        show.say(f"Alone: {', '.join(alone)}.")
    show.say(
        f"As of the run at {show.moment(snapshot['logical_at'])}; "
        f"modularity {snapshot['structure']['modularity']:.2f}."
    )


def _structure(as_of: str | None) -> tuple[dict[str, Any], dict[str, str]]:
    found = _services()
    kept = found.analyses.snapshots(found.market.name, moment(as_of))
    if not kept or not kept[0]["structure"].get("companies"):
        raise AxiomError("no run of the graph is kept from then; run one: axiom trigger graph")
    return kept[0], {each.ticker: each.name for each in found.universe.companies}


def resolve(found: Services, text: str) -> str:
    """Return the key of the company that is meant.

    Raises:
        UnknownName: none is.
        AxiomError: several are.
    """
    from axiom.pipelines.entities import company_keys, normal

    if known := company_keys(found.universe.companies).get(normal(text)):
        return known
    rows = found.graph.companies(text)
    if len(rows) == 1:
        return str(rows[0]["key"])
    if not rows:
        raise UnknownName(f"no company {text!r}; list what is watched: axiom universe")
    several = ", ".join(f"{row['key']} ({row['name']})" for row in rows[:5])
    raise AxiomError(f"{text!r} may be {several}; say which")


def _ends(edge: Mapping[str, Any]) -> tuple[str, str]:
    return tuple(str(edge[f"{end}_name"] or edge[end]) for end in ("head", "tail"))  # type: ignore[return-value]


def _when(at: datetime | None) -> str:
    return f"as known at {show.moment(at)}" if at else "now"


def _services() -> Services:
    from axiom.tasks.services import services

    return services()


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    wide: Sequence[str] = ("evidence", "who", "from", "to", "name")
    for name in columns:
        plain = name.removeprefix(">")
        table.add_column(
            plain, justify="right" if name.startswith(">") else "left",
            no_wrap=plain not in wide, overflow="fold" if plain in wide else "ellipsis",
        )  # fmt: skip
    return table
