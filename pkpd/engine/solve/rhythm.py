"""How many dosing intervals pass until equations that depend on time are the same again.

Doses every 12 h under a rhythm of 24 h repeat after two intervals: the steady state is that of two doses, not of one.
"""

from __future__ import annotations

import math

import numpy as np

from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.observe import rates_at
from pkpd.errors import RegimenError

__all__ = ["MOST_TURNS", "turns"]

MOST_TURNS = 168  # the hours of a week
_POINTS = 509  # of an interval, at which rates are compared
_LIKE = 1e-9  # relative difference of rates that are the same


def turns(kernel: Kernel, P: np.ndarray, column: int, period: float, end: float) -> int:
    """Return the smallest number of dosing intervals before a time after which the equations repeat.

    The periods of floors, sines and cosines of time tell it. Where one depends on the person, rates of change are
    compared: a night longer than two intervals looks as if nothing changed, so that what repeats is to repeat over as
    many intervals as a rhythm may have, or as far back as any number of intervals does, where the rhythm has a
    beginning.

    Equations that do not repeat, as a disease that ends, have the steady state of the last interval, 1.

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

    Raises
    ------
    RegimenError
        If the equations follow a rhythm with which these doses come round only after more of them.
    """
    if not all(map(math.isfinite, kernel.periods)):
        return _search(kernel, P, column, period, end) or 1
    counts = np.arange(1, MOST_TURNS + 1)
    whole = counts[:, None] * period / np.array(kernel.periods)
    common = np.flatnonzero((np.abs(whole - np.rint(whole)) <= 1e-9 * counts[:, None]).all(axis=1))
    if common.size:
        return int(counts[common[0]])
    own = max(kernel.periods)
    rates = _rates(kernel, P, column, own, end, 8)
    if _alike(rates[1:], rates[:-1]).all():
        raise RegimenError(
            f"doses at steady state every {period:g} under equations that repeat every {own:g} come round only after "
            f"more than {MOST_TURNS} doses; give them one by one from some time before (ADDL and II without SS), or at "
            "another interval"
        )
    return 1


def _search(kernel: Kernel, P: np.ndarray, column: int, period: float, end: float) -> int:
    """Return after how many intervals the rates repeat, 0 if they do not."""
    rates = _rates(kernel, P, column, period, end, 2 * MOST_TURNS)
    repeats = np.flatnonzero(_alike(rates[1:], rates[:1])) + 1  # after how many the last interval was there before
    best, reach = 0, 0
    for count in repeats[repeats <= MOST_TURNS].tolist():
        agree = _alike(rates[count:], rates[:-count])[:MOST_TURNS]
        if agree.all():
            return count
        until = int(np.argmin(agree))
        if until > count and until + count > reach:
            best, reach = count, until + count
    return best


def _rates(kernel: Kernel, P: np.ndarray, column: int, period: float, end: float, intervals: int) -> np.ndarray:
    """Return the rates of change in intervals before a time, the last one first, (intervals, states, points).

    They are those of states that are random, but the same in each interval; times of doses move with the interval.
    """
    random = np.random.default_rng(0)
    back = np.arange(intervals)[:, None] + (np.arange(_POINTS) + 0.5) / _POINTS
    times = (end - period * back).ravel()
    states = np.tile(np.exp(random.uniform(np.log(0.1), np.log(100.0), (kernel.n, _POINTS))), intervals)
    clocks = kernel.marks[kernel.marks[:, 2] == 0, 0]
    states[clocks] = times - states[clocks]
    found = rates_at(kernel, P, np.full(times.size, column), times, states)
    return found.reshape(kernel.n, intervals, _POINTS).transpose(1, 0, 2)


def _alike(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Tell of which intervals the rates are the same, (intervals,)."""
    known = np.isfinite(a) & np.isfinite(b)
    with np.errstate(invalid="ignore"):
        size = np.maximum(np.abs(np.where(known, a, 0.0)), np.abs(np.where(known, b, 0.0))).max(axis=2, keepdims=True)
        away = np.where(known, np.abs(a - b), 0.0) > _LIKE * size
    # a switch right at a point may fall to either side of it
    return np.asarray(away.any(axis=1).sum(axis=1) <= 1)
