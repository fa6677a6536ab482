"""Whether ranks are uniform: by bins, and by the whole of their distribution."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, chi2

__all__ = ["chi_squared", "ecdf_band", "ecdf_probability", "holm"]

Floats = NDArray[np.float64]
#: simulated sets of uniform ranks, by which the band is made simultaneous
SIMULATED = 10_000


def chi_squared(counts: NDArray[np.int64], expected: Floats) -> tuple[Floats, Floats]:
    """Return the statistic and its p-value of counts (..., bins)."""
    statistic = ((counts - expected) ** 2 / expected).sum(axis=-1)
    return statistic, chi2.sf(statistic, expected.size - 1)


def holm(p: Floats) -> Floats:
    """Return p-values adjusted for their number by Holm's method.

    Examples
    --------
    >>> holm(np.array([0.01, 0.5, 0.03])).round(3).tolist()
    [0.03, 0.5, 0.06]
    """
    order = np.argsort(p)
    out = np.empty(p.size)
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return out


def _points(draws: int) -> Floats:
    return np.arange(1, draws + 1) / (draws + 1.0)


def _least(counts: NDArray[np.int64], n: int, draws: int) -> Floats:
    """Return ``2 min_k min(P(X_k <= c_k), P(X_k >= c_k))`` of counts up to each point, (..., draws)."""
    every, z = np.arange(n + 1)[:, None], _points(draws)
    tail = np.minimum(binom.cdf(every, n, z), binom.sf(every - 1, n, z))
    return np.asarray(2.0 * tail[counts, np.arange(draws)].min(axis=-1), np.float64)


@functools.lru_cache(maxsize=8)
def _reference(n: int, draws: int) -> Floats:
    """Return that number of simulated sets of n uniform ranks, in order."""
    rng = np.random.default_rng([n, draws, 12])
    counts = rng.multinomial(n, np.full(draws + 1, 1.0 / (draws + 1)), size=SIMULATED)
    return np.sort(_least(np.cumsum(counts, axis=1)[:, :-1], n, draws))


def ecdf_probability(ranks: NDArray[np.int64], draws: int) -> Floats:
    """Return how probable uniform ranks are that leave their expected distribution as far somewhere, (numbers,).

    The distance is the least probable point of the empirical distribution function, each binomial (Säilynoja T,
    Bürkner P-C, Vehtari A. Stat Comput 2022;32:32); its distribution is simulated.

    Parameters
    ----------
    ranks : int array, (n, numbers)
        From 0 to draws.
    draws : int
    """
    n = len(ranks)
    counts = (ranks[:, :, None] < np.arange(1, draws + 1)).sum(axis=0)
    found = _least(counts, n, draws)
    nearer = np.searchsorted(_reference(n, draws), found, side="right").astype(np.float64)
    return (1.0 + nearer) / (1.0 + SIMULATED)


def ecdf_band(n: int, draws: int, level: float) -> tuple[Floats, Floats, Floats]:
    """Return the simultaneous band of the empirical distribution of n uniform ranks: where, lower and upper edge.

    A set of uniform ranks lies within it everywhere with probability ``level``.
    """
    z = _points(draws)
    at = _reference(n, draws)[math.floor((1.0 - level) * SIMULATED)]
    # counts whose tail is not below that of the least probable point
    return z, binom.ppf(0.5 * at, n, z) / n, binom.isf(0.5 * at, n, z) / n
