"""The interval after the last dose, and how often doses come round: one rule for the whole library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Cycle", "dosing_cycle"]

_LONGEST = 64
"""Most doses of a cycle that is looked for."""


class Cycle(NamedTuple):
    """How doses go on after the last one; zeros where that is not known.

    Attributes
    ----------
    length : float
        Time after which the last doses come round again: 24 h for a dose in the morning and one in the evening.
    after : float
        Time from the last dose to the one that would follow it.
    """

    length: float = 0.0
    after: float = 0.0


def dosing_cycle(
    time: Sequence[float] | np.ndarray, amt: Sequence[float] | np.ndarray, ii: Sequence[float] | np.ndarray
) -> Cycle:
    """Return how doses go on after the last one.

    What is said counts first: with ``ii`` the last dose comes again after that time, and so do the doses before it
    that have the same ``ii``, so that two records a day make a cycle of one day. Where nothing is said, the pattern of
    the times (and of the amounts, where they repeat as well) goes on if it was seen to repeat: two equal gaps between
    doses, or a longer pattern that came round almost twice. Two doses, or a lone one, show no pattern.

    Parameters
    ----------
    time : sequence of float, shape (doses,)
        Ascending times of all doses, one by one.
    amt, ii : sequence of float, shape (doses,)
        Amount of each dose, and its interval or 0.

    Returns
    -------
    Cycle
        In the unit of ``time``.

    Examples
    --------
    >>> dosing_cycle([0, 24, 48], [100, 100, 100], [24, 24, 24])
    Cycle(length=24.0, after=24.0)
    >>> dosing_cycle([0, 8, 24, 32], [50] * 4, [0] * 4)
    Cycle(length=24.0, after=16.0)
    >>> dosing_cycle([0], [100], [0])
    Cycle(length=0.0, after=0.0)
    """
    every, which = np.unique(np.asarray(time, float), return_inverse=True)
    if not len(every):
        return Cycle()
    given = np.asarray(ii, float)
    spacing = np.zeros(len(every))
    np.maximum.at(spacing, which, given)
    last = float(every[-1])
    slack = 1e-9 * max(1.0, abs(last))
    if spacing[-1] > 0:
        length = float(spacing[-1])
        own = (every > last - length + slack) & (np.abs(spacing - length) <= 1e-9 * length)
        return Cycle(length, float(every[own][0]) + length - last)
    total = np.bincount(which, weights=np.asarray(amt, float), minlength=len(every))
    gaps = np.diff(every)
    return _repeating(gaps, total, slack) or _repeating(gaps, np.zeros(len(every)), slack) or Cycle()


def _repeating(gaps: np.ndarray, amt: np.ndarray, slack: float) -> Cycle | None:
    """Return the pattern that explains most of the last gaps, the shortest among equals; None if nothing repeats."""
    best: tuple[int, int] | None = None
    for m in range(1, min((len(gaps) + 1) // 2, _LONGEST) + 1):
        same = np.abs(gaps[m:] - gaps[:-m]) <= slack
        level = np.abs(amt[m:] - amt[:-m]) <= 1e-9 * np.abs(amt[m:])
        agree = same & level[:-1] & level[1:]
        differ = np.flatnonzero(~agree)
        start = int(differ[-1]) + 1 if len(differ) else 0
        enough = len(gaps) - start >= max(2 * m - 1, 2)
        if enough and (best is None or start < best[0]):
            best = (start, m)
    if best is None:
        return None
    m = best[1]
    return Cycle(float(gaps[-m:].sum()), float(gaps[len(gaps) - m]))
