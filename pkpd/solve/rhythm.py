"""How many dosing intervals pass until equations that depend on time are the same again.

Doses every 12 h under a rhythm of 24 h repeat after two intervals: the steady state is that of two doses, not of one.
"""

from __future__ import annotations

import numpy as np

from pkpd.solve.kernel import Kernel
from pkpd.solve.observe import rates_at

__all__ = ["MOST_TURNS", "turns"]

MOST_TURNS = 168  # the hours of a week
_POINTS = 509  # of an interval, at which rates are compared
_FEW = 31  # of an interval, which tell at once that nothing repeats
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
    found = _search(kernel, P, column, period, end, _FEW)
    if found > 1:
        fine = _rates(kernel, P, column, period, end, _POINTS, 2 * found)
        if _alike(fine[found:], fine[:found]).all():
            return found
    return _search(kernel, P, column, period, end, _POINTS)  # a condition may hold between few points


def _search(kernel: Kernel, P: np.ndarray, column: int, period: float, end: float, points: int) -> int:
    rates = _rates(kernel, P, column, period, end, points, 2 * MOST_TURNS)
    repeats = np.flatnonzero(_alike(rates[1:], rates[:1])) + 1  # after how many the last interval was there before
    best, reach = 1, 0
    for count in repeats[repeats <= MOST_TURNS].tolist():
        agree = _alike(rates[count:], rates[:-count])[:MOST_TURNS]
        if agree.all():
            return count
        until = int(np.argmin(agree))
        if until > count and until + count > reach:
            best, reach = count, until + count
    return best


def _rates(
    kernel: Kernel, P: np.ndarray, column: int, period: float, end: float, points: int, intervals: int
) -> np.ndarray:
    """Return the rates of change in intervals before a time, the last one first, (intervals, states, points).

    They are those of states that are random, but the same in each interval; times of doses move with the interval.
    """
    random = np.random.default_rng(0)
    back = np.arange(intervals)[:, None] + (np.arange(points) + 0.5) / points
    times = (end - period * back).ravel()
    states = np.tile(np.exp(random.uniform(np.log(0.1), np.log(100.0), (kernel.n, points))), intervals)
    clocks = kernel.marks[kernel.marks[:, 2] == 0, 0]
    states[clocks] = times - states[clocks]
    found = rates_at(kernel, P, np.full(times.size, column), times, states)
    return found.reshape(kernel.n, intervals, points).transpose(1, 0, 2)


def _alike(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Tell of which intervals the rates are the same, (intervals,)."""
    known = np.isfinite(a) & np.isfinite(b)
    with np.errstate(invalid="ignore"):
        size = np.maximum(np.abs(np.where(known, a, 0.0)), np.abs(np.where(known, b, 0.0))).max(axis=2, keepdims=True)
        away = np.where(known, np.abs(a - b), 0.0) > _LIKE * size
    # a switch right at a point may fall to either side of it
    return np.asarray(away.any(axis=1).sum(axis=1) <= 1)
