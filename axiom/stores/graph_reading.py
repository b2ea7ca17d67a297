"""Questions to the graph: now, or as it was known at a moment.

`as_of` is a moment of recording: what was in the graph then. Without it, now. What a closing
wrote on a version afterwards is left out of the answer, for it was not known. `valid_at` asks
beside that when a thing held in the world.

Each question is bounded: by the edges of one company, by a limit, or, where it is about the
whole graph, it is asked by `verify_graph` and its answer kept with the run's snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from axiom.model import ALLOWED_ENDS, EdgeType, Label
from axiom.stores.bolt import Bolt, Rows
from axiom.stores.versions import moment

NOW = "9999-12-31T00:00:00+00:00"
KNOWN = (
    "e.market = $market AND e.recorded_at <= $at AND (e.recorded_to IS NULL OR e.recorded_to > $at)"
)
HELD = (
    "e.market = $market AND e.recorded_at <= $at AND e.valid_from <= $valid AND "
    "(e.recorded_to IS NULL OR e.recorded_to > $at OR e.valid_to > $valid)"
)
EDGE = (
    "type(e) AS type, startNode(e).key AS head, startNode(e).name AS head_name, "
    "endNode(e).key AS tail, endNode(e).name AS tail_name, properties(e) AS evidence"
)
# in one row: what a server and the driver do for each row takes longer than what is in it
NEAR = (
    "WITH e, startNode(e) AS head, endNode(e) AS tail "
    "RETURN collect([type(e), head.key, head.name, tail.key, tail.name, {evidence}]) AS found"
)
WHOLE = "properties(e)"
DRAWN = "{key: e.key, confidence: e.confidence, analyst: e.analyst, recorded_at: e.recorded_at}"
# a country is shared by nearly all: to meet there explains nothing
EXPLAINING = [t for t in EdgeType if t is not EdgeType.HEADQUARTERED_IN]
STRUCTURAL = [t for t in EXPLAINING if t is not EdgeType.AFFECTED_BY]
DEAD_ENDS = {Label.COUNTRY, Label.EVENT}
PAGE = 200


class GraphReader(Bolt):
    """What can be asked of the graph."""

    def counts(self, market: str | None = None, as_of: datetime | None = None) -> dict[str, Any]:
        """Return the number of `nodes` by label and of known `edges` by type.

        Of a market: the nodes that an edge of it touches. Without one: everything.
        """
        if market is None:
            nodes = self.query("MATCH (n) RETURN labels(n)[0] AS name, count(n) AS n")
            edges = self.query(
                "MATCH ()-[e]->() WHERE e.recorded_to IS NULL RETURN type(e) AS name, count(e) AS n"
            )
        else:
            asked = {"market": market, "at": _at(as_of)}
            nodes = self.query(
                f"MATCH (a)-[e]->(b) WHERE {KNOWN} WITH a, b UNWIND [a, b] AS n "
                "RETURN labels(n)[0] AS name, count(DISTINCT n) AS n", **asked,
            )  # fmt: skip
            edges = self.query(
                f"MATCH ()-[e]->() WHERE {KNOWN} RETURN type(e) AS name, count(e) AS n", **asked
            )
        return {"nodes": _filled(nodes, Label), "edges": _filled(edges, EdgeType)}

    def violations(self) -> list[str]:
        """Return what breaks the graph's invariants, in words; empty when it is sound."""
        found = [
            f"{row['n']} {label} without any edge"
            for label in Label
            if label is not Label.COMPANY
            for row in self.query(f"MATCH (n:{label}) WHERE NOT (n)--() RETURN count(n) AS n")
            if row["n"]
        ]
        for label in Label:
            for row in self.query(
                f"MATCH (n:{label}) WITH n.key AS key, count(n) AS n WHERE n > 1 RETURN key, n"
            ):
                found.append(f"{row['n']} {label} nodes have the key {row['key']!r}")
        for each, (head, tail) in ALLOWED_ENDS.items():
            for row in self.query(
                f"MATCH (a)-[e:{each}]->(b) WHERE NOT (a:{head} AND b:{tail}) RETURN count(e) AS n"
            ):
                if row["n"]:
                    found.append(f"{row['n']} {each} edges are not {head} to {tail}")
        for row in self.query(
            "MATCH ()-[e]->() WHERE e.recorded_to IS NULL "
            "WITH e.id AS id, count(e) AS n WHERE n > 1 RETURN id, n"
        ):
            found.append(f"{row['n']} open versions of the edge {row['id']}")
        return found

    def edges(self, market: str | None = None, as_of: datetime | None = None) -> Rows:
        """Return edges with their ends and evidence, ordered by claim and moment.

        Without a moment: every version that was ever recorded.
        """
        where = []
        if market:
            where.append("e.market = $market")
        if as_of:
            where.append("e.recorded_at <= $at AND (e.recorded_to IS NULL OR e.recorded_to > $at)")
        rows = self.query(
            f"MATCH (a)-[e]->(b) {'WHERE ' + ' AND '.join(where) if where else ''} "
            "RETURN type(e) AS type, a.key AS head, b.key AS tail, "
            "properties(e) AS evidence ORDER BY e.id, e.recorded_at",
            market=market, at=_at(as_of),
        )  # fmt: skip
        return [_as_known(row, _at(as_of)) for row in rows] if as_of else rows

    def stream_edges(self, market: str, as_of: datetime | None = None) -> Iterator[dict[str, Any]]:
        """Give the known edges, some heads at a time: the whole graph is never held."""
        for label in sorted({head for head, _ in ALLOWED_ENDS.values()}):
            last = ""
            while keys := self.query(
                f"MATCH (a:{label}) WHERE a.key > $last RETURN a.key AS key ORDER BY key LIMIT $n",
                last=last, n=PAGE,
            ):  # fmt: skip
                last = keys[-1]["key"]
                yield from self._known(
                    f"UNWIND $keys AS key MATCH (a:{label} {{key: key}})-[e]->() WHERE {KNOWN} "
                    f"RETURN {EDGE} ORDER BY key, e.key",
                    market, as_of, keys=[row["key"] for row in keys],
                )  # fmt: skip

    def neighbourhood(
        self,
        company: str,
        market: str,
        depth: int = 1,
        as_of: datetime | None = None,
        valid_at: datetime | None = None,
        limit: int = 200,
        label: Label = Label.COMPANY,
        types: Sequence[EdgeType] = tuple(EdgeType),
        *,
        whole: bool = True,
    ) -> Rows:
        """Return the edges within `depth` (1 or 2) steps of a company, the surest first.

        Or of another node, by its key and label. Not `whole`: of the evidence only what a
        picture shows, in half the time.

        The second step goes through the surest of the first, and not through countries.
        """
        asked = (types, market, as_of, valid_at, limit, WHOLE if whole else DRAWN)
        near = self._around(label, [company], *asked)
        if depth < 2:
            return near
        rows = {row["evidence"]["key"]: row for row in near}
        beyond: dict[Label, set[str]] = {}
        for row in near[: limit // 8]:
            for label, key in _ends(row):
                beyond.setdefault(label, set()).add(key)
        second = [each for each in STRUCTURAL if each in types]
        for label in sorted(beyond.keys() - DEAD_ENDS) if second else ():
            if keys := sorted(beyond[label] - {company}):
                for row in self._around(label, keys, second, *asked[1:]):
                    rows.setdefault(row["evidence"]["key"], row)
        return list(rows.values())[:limit]

    def _around(
        self, label: Label, keys: Sequence[str], types: Sequence[EdgeType], market: str,
        as_of: datetime | None, valid_at: datetime | None, limit: int, evidence: str,
    ) -> Rows:  # fmt: skip
        # ranked first, by values that are read once; the rest is read of what is shown only
        [row] = self.query(
            f"UNWIND $keys AS key MATCH (a:{label} {{key: key}})-[e:{'|'.join(types)}]-() "
            f"WHERE {HELD if valid_at else KNOWN} "
            "WITH DISTINCT e, e.confidence AS sure, e.key AS version "
            f"ORDER BY sure DESC, version LIMIT $limit {NEAR.replace('{evidence}', evidence)}",
            market=market, at=_at(as_of), keys=list(keys), limit=limit,
            valid=valid_at and moment(valid_at),
        )  # fmt: skip
        names = ("type", "head", "head_name", "tail", "tail_name", "evidence")
        rows = [_as_known(dict(zip(names, each, strict=True)), _at(as_of)) for each in row["found"]]
        return sorted(rows, key=lambda each: (-each["evidence"]["confidence"], _version(each)))

    def evidence(self, key: str, as_of: datetime | None = None) -> dict[str, Any] | None:
        """Return one version of an edge by its key, and all versions of its claim."""
        kind, head, _ = (key + "||").split("|", 2)
        if kind not in set(EdgeType):
            return None
        found = self.query(
            f"MATCH (a:{ALLOWED_ENDS[EdgeType(kind)][0]} {{key: $head}})-[e:{kind}]->() "
            f"WHERE e.recorded_at <= $at RETURN {EDGE} ORDER BY e.recorded_at",
            head=head, at=_at(as_of),
        )  # fmt: skip
        rows = [_as_known(row, _at(as_of)) for row in found]
        this = next((row for row in rows if row["evidence"]["key"] == key), None)
        if this is None:
            return None
        claim = this["evidence"]["id"]
        return this | {"versions": [r["evidence"] for r in rows if r["evidence"]["id"] == claim]}

    def timeline(
        self,
        company: str,
        market: str,
        as_of: datetime | None = None,
        limit: int = 50,
        label: Label = Label.COMPANY,
    ) -> Rows:
        """Return what was recorded and what ended at a company (or other node), newest first.

        Each row is an edge with `at` and `what`: recorded, superseded or closed.
        """
        found = self.query(
            f"MATCH (a:{label} {{key: $company}})-[e]-() WHERE e.market = $market "
            f"AND e.recorded_at <= $at RETURN {EDGE}",
            company=company, market=market, at=_at(as_of),
        )  # fmt: skip
        rows = [_as_known(row, _at(as_of)) for row in found]
        moments = [row | {"at": row["evidence"]["recorded_at"], "what": "recorded"} for row in rows]
        for row in rows:
            if ended := row["evidence"].get("recorded_to"):
                closed = row["evidence"].get("valid_to")
                moments.append(row | {"at": ended, "what": "closed" if closed else "superseded"})
        moments.sort(key=lambda row: (row["at"], row["evidence"]["key"]), reverse=True)
        return moments[:limit]

    def moments(
        self, company: str, market: str, limit: int, label: Label = Label.COMPANY
    ) -> list[str]:
        """Return the last moments at which something was recorded or ended, oldest first."""
        [row] = self.query(
            f"MATCH (a:{label} {{key: $company}})-[e]-() WHERE e.market = $market "
            "RETURN collect(DISTINCT e.recorded_at) AS begun, collect(DISTINCT e.recorded_to) "
            "AS ended", company=company, market=market,
        )  # fmt: skip
        return sorted({*row["begun"], *row["ended"]} - {None})[-limit:]

    def links(self, market: str, as_of: datetime | None = None) -> list[tuple[str, str, float]]:
        """Return the weighted links that the graph's structure is computed from.

        One row per company and neighbour: both names as `Label:key`, and the sum of the
        confidences of what links them. Countries and events are left out.
        """
        rows = self.query(
            f"MATCH (a:Company)-[e:{'|'.join(STRUCTURAL)}]-(b) WHERE {KNOWN} "
            "AND (NOT b:Company OR a.key < b.key) "
            "WITH a.key AS a, labels(b)[0] AS label, b.key AS b, sum(e.confidence) AS w "
            "RETURN a, collect(label) AS labels, collect(b) AS others, collect(w) AS weights",
            market=market, at=_at(as_of),
        )  # fmt: skip
        return [
            (f"{Label.COMPANY}:{row['a']}", f"{label}:{other}", float(weight))
            for row in rows
            for label, other, weight in zip(
                row["labels"], row["others"], row["weights"], strict=True
            )
        ]

    def companies(self, text: str, limit: int = 10) -> Rows:
        """Return companies by ticker, else by a part of their name: `key` and `name`."""
        exact = self.query(
            "MATCH (n:Company {key: $key}) RETURN n.key AS key, n.name AS name", key=text.upper()
        )
        return exact or self.query(
            "MATCH (n:Company) WHERE toLower(n.name) CONTAINS $text OR n.key = $text "
            "RETURN n.key AS key, n.name AS name ORDER BY size(n.name), key LIMIT $limit",
            text=text.lower(), limit=limit,
        )  # fmt: skip

    def _known(self, cypher: str, market: str, as_of: datetime | None, **params: Any) -> Rows:
        rows = self.query(cypher, market=market, at=_at(as_of), **params)
        return [_as_known(row, _at(as_of)) for row in rows]


def _at(as_of: datetime | None) -> str:
    return moment(as_of) if as_of else NOW


def _as_known(row: dict[str, Any], at: str) -> dict[str, Any]:
    """An edge as it stood at a moment: what was written on it later is left out."""
    evidence = {name: value for name, value in row["evidence"].items() if value is not None}
    if evidence.get("recorded_to", "") > at:
        for name in ("recorded_to", "valid_to", "ended_because"):
            evidence.pop(name, None)
    return row | {"evidence": evidence}


def _version(row: Mapping[str, Any]) -> str:
    return str(row["evidence"]["key"])


def _ends(row: Mapping[str, Any]) -> list[tuple[Label, str]]:
    head, tail = ALLOWED_ENDS[EdgeType(row["type"])]
    return [(head, row["head"]), (tail, row["tail"])]


def _filled(rows: Rows, names: type[Label] | type[EdgeType]) -> dict[str, int]:
    counted = {row["name"]: int(row["n"]) for row in rows}
    return {each.value: counted.get(each.value, 0) for each in names}
