"""Grids of observation times."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import DataError

__all__ = ["days", "hours"]


def hours(start: float, stop: float, step: float = 1.0) -> NDArray[np.float64]:
    """Return times from `start` to `stop`, both included, every `step`.

    Each time is ``start + step * k``, so no error adds up along the grid. Where `stop` is not a whole number of steps
    away, the grid ends at the last time before it.

    Parameters
    ----------
    start, stop : float
        First and last time, h.
    step : float
        Distance between times, h.

    Returns
    -------
    ndarray, shape (n_times,)
        Times, h.

    Raises
    ------
    DataError
        If a number is not finite, `step` is not positive or `stop` lies before `start`.

    Examples
    --------
    >>> hours(0, 24, 6)
    array([ 0.,  6., 12., 18., 24.])
    """
    return _grid("hours", start, stop, step)


def days(start: float, stop: float, step: float = 1.0) -> NDArray[np.float64]:
    """Return times in hours from day `start` to day `stop`, both included, every `step` days.

    Parameters
    ----------
    start, stop : float
        First and last time, d.
    step : float
        Distance between times, d.

    Returns
    -------
    ndarray, shape (n_times,)
        Times, **h**.

    Raises
    ------
    DataError
        As for `hours`.

    Examples
    --------
    >>> days(0, 2, 0.5)
    array([ 0., 12., 24., 36., 48.])
    """
    return 24.0 * _grid("days", start, stop, step)


def _grid(caller: str, start: float, stop: float, step: float) -> NDArray[np.float64]:
    call = f"{caller}({start!r}, {stop!r}, {step!r})"
    if not all(math.isfinite(number) for number in (start, stop, step)):
        raise DataError(f"{call}: start, stop and step must be finite numbers")
    if step <= 0:
        raise DataError(f"{call}: step must be > 0, got {step!r}")
    if stop < start:
        raise DataError(f"{call}: stop must not lie before start, got {stop!r} < {start!r}")
    steps = (stop - start) / step
    whole = round(steps)
    # 0.3 / 0.1 is 2.9999999999999996: within rounding of a whole number the end belongs to the grid, exactly.
    ends = abs(steps - whole) <= 1e-9 * max(1.0, steps)
    grid = start + step * np.arange((whole if ends else math.floor(steps)) + 1, dtype=np.float64)
    if ends:
        grid[-1] = stop
    return grid
