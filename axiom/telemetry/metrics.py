"""Metrics in Prometheus' text form. Names: `axiom_<what>_<unit>`, counters end in `_total`.

A process tells of itself only what it alone knows (its memory, its pool, whether it lives);
what happened is counted from the ledger (`axiom/stores/totals.py`), so that neither a pool's
children, nor a restart, nor another host changes a figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Family:
    """Samples of one name. A histogram's samples have their bucket's bound as the label `le`."""

    name: str
    help: str
    kind: Literal["gauge", "counter", "histogram"]
    samples: Iterable[tuple[Labels, float]]


def gauge(name: str, help: str, *samples: tuple[Labels, float]) -> Family:
    """Return a gauge's family."""
    return Family(name, help, "gauge", samples)


def render(families: Iterable[Family]) -> bytes:
    """Return this process' own figures and these families, as Prometheus reads them."""
    # imported when first asked for: a process that nobody scrapes does not pay for it
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Collected(families))
    return generate_latest(registry)


class _Collected:
    """What `prometheus_client` asks for samples."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = list(families)

    def describe(self) -> Iterable[Metric]:
        """Say nothing in advance."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield each family once."""
        for family in self._families:
            yield _metric(family)


def _metric(family: Family) -> Metric:
    from prometheus_client.metrics_core import Metric

    name = family.name.removesuffix("_total") if family.kind == "counter" else family.name
    metric = Metric(name, family.help, family.kind)
    if family.kind == "histogram":
        _add_buckets(metric, family)
    else:
        for labels, value in family.samples:
            metric.add_sample(family.name, dict(labels), value)
    return metric


def _add_buckets(metric: Metric, family: Family) -> None:
    """Add cumulative buckets, sum and count; the sum is the sample with `le` = "sum"."""
    series: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
    for labels, value in family.samples:
        rest = tuple(sorted((key, each) for key, each in labels.items() if key != "le"))
        series.setdefault(rest, {})[labels["le"]] = value
    for rest, buckets in series.items():
        total_s, count = buckets.pop("sum", 0.0), 0.0
        for bound in sorted(buckets, key=float):
            count += buckets[bound]
            metric.add_sample(f"{metric.name}_bucket", {**dict(rest), "le": bound}, count)
        if "+Inf" not in buckets:
            metric.add_sample(f"{metric.name}_bucket", {**dict(rest), "le": "+Inf"}, count)
        metric.add_sample(f"{metric.name}_sum", dict(rest), total_s)
        metric.add_sample(f"{metric.name}_count", dict(rest), count)
