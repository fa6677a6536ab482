"""How many dosing intervals pass until equations that depend on time are the same again.

Doses every 12 h under a rhythm of 24 h repeat after two intervals: the steady state is that of two doses, not of one.
"""

from __future__ import annotations

import functools

import numpy as np

from pkpd.solve.kernel import Kernel
from pkpd.solve.observe import rates_at

__all__ = ["MOST_TURNS", "turns"]

MOST_TURNS = 168  # the hours of a week
_POINTS = 509  # of an interval, at which rates are compared
_LIKE = 1e-9  # relative difference of rates that are the same


def turns(kernel: Kernel, P: np.ndarray, column: int, period: float, end: float) -> int:
    """Return the smallest number of dosing intervals before a time after which the rates of change repeat.

    A night longer than two intervals looks as if nothing changed: what repeats is to repeat over as many intervals as a
    rhythm may have, or as far back as any number of intervals does, where the rhythm has a beginning.

    Equations that follow no rhythm, as a disease that ends, repeat after none: their steady state is that of the last
    interval, 1.

    Parameters
    ----------
    column : int
        Column of P of the subject.
    period : float
        Dosing interval.
    end : float
        Time of the steady state.

    Returns
    -------
    int
        From 1 to ``MOST_TURNS``.
    """
    random = np.random.default_rng(0)
    back = (np.arange(_POINTS) + 0.5) / _POINTS
    states = np.exp(random.uniform(np.log(0.1), np.log(100.0), (kernel.n, _POINTS)))
    clocks = kernel.marks[kernel.marks[:, 2] == 0, 0]  # states that hold times of doses

    @functools.cache
    def rates(interval: int) -> np.ndarray:
        times = end - period * (interval + back)
        moved = states.copy()
        moved[clocks] = times - states[clocks]
        return rates_at(kernel, P, np.full(_POINTS, column), times, moved)

    best, reach = 1, 0
    for count in range(1, MOST_TURNS + 1):
        agree = 0
        while agree < MOST_TURNS and _same(rates(agree + count), rates(agree)):
            agree += 1
        if agree == MOST_TURNS:
            return count
        if agree > count and agree + count > reach:
            best, reach = count, agree + count
    return best


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    scale = np.maximum(np.abs(a), np.abs(b)).max(axis=1, keepdims=True)
    known = np.isfinite(a) & np.isfinite(b)
    with np.errstate(invalid="ignore"):
        away = np.where(known, np.abs(a - b), 0.0) > _LIKE * np.where(np.isfinite(scale), scale, 0.0)
    # a switch right at a point may fall to either side of it
    return int(away.any(axis=0).sum()) <= 1
