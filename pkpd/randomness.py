"""Random numbers by position: each subject has its own place in a counter-based stream (Philox 4x64-10).

The number at (seed, stream, subject, column) is a function of these four alone, so results do not depend on how
subjects are grouped in chunks or threads, on how many there are, or on how many columns are asked for (Salmon et al.
2011, SC11, doi:10.1145/2063384.2063405).
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PopulationError

__all__ = [
    "COVARIATES",
    "ETAS",
    "KAPPAS",
    "PARAMETERS",
    "RESAMPLING",
    "RESIDUALS",
    "check_seed",
    "correlate",
    "normals",
    "uniforms",
    "uniforms_at",
]

Numbers = NDArray[np.floating[Any]]

#: streams, one for each purpose
ETAS, COVARIATES, RESIDUALS, RESAMPLING, KAPPAS, PARAMETERS = range(6)

_WORDS = 4  # one Philox counter gives four 64-bit words
_DENSE = 8  # a span up to this many times the subjects asked for is drawn whole and picked from


def check_seed(seed: object) -> int:
    """Return the seed as an int.

    Raises
    ------
    PopulationError
        Unless it is a whole number >= 0.
    """
    try:
        number = operator.index(seed)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if number < 0 or isinstance(seed, bool):
        raise PopulationError(f"seed must be a whole number >= 0, got {seed!r}")
    return number


def uniforms(seed: int, start: int, stop: int, columns: int, stream: int = 0) -> NDArray[np.float64]:
    """Return uniform numbers of the subjects start to stop - 1.

    Parameters
    ----------
    seed : int
        Whole number >= 0.
    start, stop : int
        Positions of subjects.
    columns : int
        Numbers per subject.
    stream : int
        Purpose; different streams of one seed are independent.

    Returns
    -------
    array, shape (stop - start, columns)
        Strictly between 0 and 1, multiples of 2^-53.

    Examples
    --------
    >>> bool((uniforms(0, 0, 100, 3)[40:60, :2] == uniforms(0, 40, 60, 2)).all())
    True
    """
    key = np.random.SeedSequence(check_seed(seed), spawn_key=(stream,)).generate_state(2, np.uint64)
    out = np.empty((max(stop - start, 0), columns))
    for group in range(0, columns, _WORDS):
        # the subject stands in the lowest counter word, so neighbours follow each other in the stream
        counter = np.array([start, group // _WORDS, 0, 0], dtype=np.uint64)
        raw = np.random.Philox(key=key, counter=counter).random_raw(_WORDS * len(out)).reshape(-1, _WORDS)
        width = min(_WORDS, columns - group)
        # 52 bits and a half step: neither 0 nor 1 can occur
        out[:, group : group + width] = ((raw[:, :width] >> np.uint64(12)) + 0.5) * 2.0**-52
    return out


def uniforms_at(seed: int, index: NDArray[np.int64], columns: int, stream: int = 0) -> NDArray[np.float64]:
    """Return uniform numbers of the subjects at the given positions, shape (len(index), columns)."""
    if not len(index):
        return np.empty((0, columns))
    low, high = int(index.min()), int(index.max()) + 1
    if high - low <= _DENSE * len(index):
        span = uniforms(seed, low, high, columns, stream)
        return span if high - low == len(index) and bool(np.all(np.diff(index) == 1)) else span[index - low]
    breaks = np.flatnonzero(np.diff(index) != 1) + 1
    runs = np.split(index, breaks)
    return np.concatenate([uniforms(seed, int(r[0]), int(r[-1]) + 1, columns, stream) for r in runs])


def normals(seed: int, index: NDArray[np.int64], factor: Numbers, stream: int) -> NDArray[np.float64]:
    """Return normal numbers with mean 0 and covariance ``factor @ factor.T``.

    Parameters
    ----------
    seed : int
        Whole number >= 0.
    index : array, shape (n,)
        Positions of subjects.
    factor : array, shape (k, k)
        Lower triangle, as Cholesky's.
    stream : int
        Purpose.

    Returns
    -------
    array, shape (n, k)
    """
    from scipy.special import ndtri

    return correlate(ndtri(uniforms_at(seed, index, len(factor), stream)), factor)


def correlate(scores: Numbers, factor: Numbers) -> NDArray[np.float64]:
    """Return ``scores @ factor.T``, each row by the same sums whatever the number of rows.

    A matrix product of the linear algebra library rounds differently for different sizes.
    """
    out = np.empty(scores.shape)
    for row in range(len(factor)):
        total = scores[:, 0] * factor[row, 0]
        for column in range(1, row + 1):
            if factor[row, column] != 0:
                total += scores[:, column] * factor[row, column]
        out[:, row] = total
    return out
