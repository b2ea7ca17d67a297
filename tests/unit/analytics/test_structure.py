"""What moves together as a whole: noise taken away, leaders, trees and clusters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.covariance import ledoit_wolf_shrinkage

from axiom.analytics.correlation import compute_pearson, prepare
from axiom.analytics.lead_lag import compute_lead_lag
from axiom.analytics.shrinkage import compute_cleaned, compute_noise_edge, compute_shrinkage
from axiom.analytics.significance import compute_q_value
from axiom.analytics.structure import (
    compute_clusters,
    compute_distance,
    compute_order,
    compute_spanning_tree,
)
from tests.unit.analytics.columns import Array, tables


@settings(max_examples=80, deadline=None)
@given(x=tables(least=6, most=60))
@example(x=np.array([[0.0, 1.0], [0.0, 1.0], [1.0, -1.0], [0.0, -1.0], [-1.0, -1.0], [0.0, 0.0]]))
def test_shrinkage_agrees_with_scikit_learn(x: Array) -> None:
    columns = prepare(x)
    z = columns.z[:, ~columns.flat]
    if z.shape[1] > 1:
        expected = ledoit_wolf_shrinkage(z, assume_centered=True)
        r = z.T @ z / len(z)
        if np.abs(r - np.eye(len(r)) * r.diagonal().mean()).max() < 1e-8:
            # it is its own target, so that any weight makes the same of it; both are nothing over
            # nothing, by how that was rounded
            assert 0.0 <= compute_shrinkage(x) <= 1.0
        else:
            assert compute_shrinkage(x) == pytest.approx(expected, abs=1e-10)
    else:
        assert compute_shrinkage(x) == 0.0


@pytest.mark.parametrize("shape", [(60, 200), (500, 25)])
def test_more_columns_than_days_shrink_as_in_scikit_learn(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).normal(size=shape) + np.random.default_rng(1).normal(
        size=(shape[0], 1)
    )
    z = prepare(x).z
    assert compute_shrinkage(x) == pytest.approx(ledoit_wolf_shrinkage(z), abs=1e-10)


def market(size: int = 60, length: int = 120) -> tuple[Array, Array]:
    """Three sectors in a market: what was drawn, and its true correlations."""
    random = np.random.default_rng(3)
    sector = np.arange(size) % 3
    x = random.normal(size=(length, 1)) + random.normal(size=(length, 3))[:, sector]
    x += 1.5 * random.normal(size=(length, size))
    same = sector[:, None] == sector
    true = np.where(same, 2.0, 1.0) / (2 + 2.25)
    np.fill_diagonal(true, 1.0)
    return x, true


def test_cleaning_and_shrinking_come_nearer_to_the_truth() -> None:
    x, true = market()
    r, _ = compute_pearson(x)
    off = ~np.eye(len(r), dtype=bool)

    def error(found: Array) -> float:
        return float(((found - true)[off] ** 2).mean())

    assert error(compute_cleaned(r, len(x))) < 0.6 * error(r)
    assert error(r * (1 - compute_shrinkage(x))) < error(r)


def test_a_cleaned_matrix_is_a_correlation_matrix() -> None:
    x, _ = market()
    cleaned = compute_cleaned(compute_pearson(x)[0], len(x))
    np.testing.assert_allclose(np.diagonal(cleaned), 1.0)
    np.testing.assert_allclose(cleaned, cleaned.T, atol=1e-12)
    assert np.linalg.eigvalsh(cleaned).min() > -1e-10


def test_the_noise_of_a_random_matrix_ends_where_marchenko_and_pastur_say() -> None:
    x = np.random.default_rng(6).normal(size=(1000, 250))
    values = np.linalg.eigvalsh(np.corrcoef(x.T))
    assert compute_noise_edge(values, 1000) == pytest.approx(values.max(), rel=0.05)


def test_pairs_without_a_correlation_stay_without() -> None:
    r = np.eye(3)
    r[0, 1] = r[1, 0] = np.nan
    assert np.isnan(compute_cleaned(r, 50)[0, 1])
    assert compute_cleaned(np.ones((1, 1)), 50).tolist() == [[1.0]]


def test_who_leads_is_found_with_how_far_and_of_noise_hardly_anything() -> None:
    random = np.random.default_rng(7)
    x = random.standard_t(4, (500, 40))
    x[3:, 1] += 0.5 * x[:-3, 0]
    found = compute_lead_lag(x)
    assert (found["lag"][0, 1], found["lag"][1, 0]) == (3, -3)
    assert found["r"][0, 1] == found["r"][1, 0] > 0.3
    above = np.triu_indices(40, 1)
    edges = compute_q_value(found["p"][above]) < 0.05
    assert edges[0]
    assert edges.sum() <= 2


def test_a_lag_agrees_with_a_shifted_frame() -> None:
    x = np.random.default_rng(8).normal(size=(300, 4))
    found = compute_lead_lag(x)
    i, j = 2, 3
    lag = int(found["lag"][i, j])
    early, late = (i, j) if lag > 0 else (j, i)
    shifted = np.corrcoef(x[: -abs(lag), early], x[abs(lag) :, late])[0, 1]
    assert found["r"][i, j] == pytest.approx(shifted, abs=0.05)


def test_a_column_that_does_not_move_leads_nobody() -> None:
    x = np.random.default_rng(9).normal(size=(100, 3))
    x[:, 1] = 4.0
    found = compute_lead_lag(x)
    assert np.isnan(found["p"][1]).all()
    assert (found["lag"][1] == 0).all()


def test_the_tree_joins_all_by_their_nearest() -> None:
    x, _ = market()
    r, _ = compute_pearson(x)
    tree = compute_spanning_tree(r)
    assert len(tree) == len(r) - 1
    assert {node for edge in tree for node in edge} == set(range(len(r)))
    same = np.mean([a % 3 == b % 3 for a, b in tree])
    assert same > 0.8


def test_clusters_are_those_of_the_linkage_and_stand_side_by_side() -> None:
    x, _ = market()
    r, _ = compute_pearson(x)
    found = compute_clusters(r, 0.3)
    tree = linkage(squareform(compute_distance(r), checks=False), "average")
    theirs = fcluster(tree, np.sqrt(2 * 0.7), "distance")
    assert len(set(zip(found, theirs, strict=True))) == len(set(found)) == len(set(theirs))
    in_order = [found[place] for place in compute_order(r)]
    assert in_order == sorted(in_order)
    assert compute_clusters([[1.0]]) == [1]
