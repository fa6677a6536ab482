"""Intervals of samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["between_quantiles"]


def between_quantiles(labels: Sequence[str], values: np.ndarray, level: float) -> dict[str, tuple[float, float]]:
    """Return by label the interval that leaves as many samples below as above.

    Parameters
    ----------
    labels : sequence of str, (n,)
    values : float array, (k, n)
        Samples.
    level : float
        Between 0 and 1.
    """
    tail = 0.5 - 0.5 * level
    low, high = np.quantile(values, [tail, 1.0 - tail], axis=0)
    return {n: (float(a), float(b)) for n, a, b in zip(labels, low, high, strict=True)}
