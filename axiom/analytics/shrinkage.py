"""What is left of a correlation matrix when its noise is taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axiom.analytics.tiles import cuts, on_all_processors

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]


def compute_shrinkage(values: ArrayLike) -> float:
    """Return how far to shrink the correlations of (T, N) towards zero, 0 to 1.

    The optimal weight d of the identity in (1-d) R + d I: every r off the diagonal is to
    be multiplied by 1 - d. Columns are made of mean zero and variance one, and missing
    values count as the mean, which shrinks a little more. Equal to scikit-learn's
    `ledoit_wolf_shrinkage` of those columns, but where R is I already and any weight is right;
    no N x N matrix is formed when N > T. Source:
    Ledoit and Wolf, J. Multivariate Analysis 88, 2004, eq. 14.
    """
    import numpy as np

    from axiom.analytics.correlation import standardise

    x = np.asarray(values, dtype=float)
    length, wide = len(x), x.shape[1] > len(x)
    whole = slice(0, x.shape[1])

    def add(part: slice) -> tuple[Array, Array, Any]:
        z = np.empty(x[:, part].shape)
        *_, flat = standardise(x[:, part], z)
        gram = z @ z.T if wide else z.T @ z
        return gram, np.einsum("ti,ti->t", z, z), np.count_nonzero(~flat)  # flat ones are zero

    found = on_all_processors(add, cuts(whole) if wide else [whole])
    gram, day, size = (sum(each) for each in zip(*found, strict=True))
    if size < 2 or length < 1:
        return 0.0
    squared = float(np.einsum("ij,ij->", gram, gram)) / length**2  # of R's entries
    noise = (float(day @ day) / length - squared) / length
    mean = float(day.sum()) / length / size
    distance = squared - size * mean**2
    return 1.0 if distance <= 0 else min(max(noise / distance, 0.0), 1.0)


def compute_cleaned(r: ArrayLike, length: int) -> Array:
    """Return a correlation matrix, (N, N), whose eigenvalues of pure noise are made equal.

    `length` is the number of days. What a random matrix would have as well, up to
    v (1 + √(N/T))² with v the variance that the largest eigenvalue leaves, is replaced by
    its mean; the diagonal is made one again. Pairs without r count as zero, and stay NaN.
    Sources: Marchenko and Pastur, Math. USSR-Sbornik 1, 1967; Laloux, Cizeau, Bouchaud and
    Potters, Phys. Rev. Lett. 83, 1999.
    """
    import numpy as np
    from scipy.linalg import eigh

    given = np.asarray(r, dtype=float)
    size = len(given)
    if size < 2:
        return given.copy()
    filled = np.nan_to_num(given)
    np.fill_diagonal(filled, 1.0)
    values, vectors = eigh(filled)
    noise = values <= compute_noise_edge(values, length)
    # the largest is never noise: without it there is nothing that moves together
    noise[-1] = False
    values = np.where(noise, max(values[noise].mean(), 0.0) if noise.any() else 0.0, values)
    cleaned: Array = (vectors * values) @ vectors.T
    scale = np.sqrt(np.diagonal(cleaned))
    cleaned /= np.outer(scale, scale)
    np.clip(cleaned, -1.0, 1.0, out=cleaned)
    cleaned[np.isnan(given)] = np.nan
    return cleaned


def compute_noise_edge(eigenvalues: ArrayLike, length: int) -> float:
    """Return the largest eigenvalue that noise alone has, of a matrix with these eigenvalues."""
    import numpy as np

    values = np.asarray(eigenvalues, dtype=float)
    left = max(1 - float(values.max()) / len(values), 0.0)
    return left * float(1 + np.sqrt(len(values) / length)) ** 2
