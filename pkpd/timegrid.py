"""Grids of observation times that know their unit."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pkpd.errors import DataError, RegimenError, UnitError
from pkpd.units.time import canonical_time, convert_time

__all__ = ["Span", "TimeGrid", "days", "hours", "one_time", "read_span", "times_in"]

_KEEPING = (np.add, np.subtract, np.maximum, np.minimum, np.negative, np.positive, np.absolute, np.floor, np.ceil)
"""Functions of times whose values are times in the same unit."""

_JOINING = (np.concatenate, np.append, np.hstack, np.union1d, np.unique, np.insert, np.delete, np.intersect1d)
"""Functions that put times together, whose values are times as well."""


_SPAN = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*([A-Za-z]+)\s*")


class TimeGrid(np.ndarray):
    """Times with their unit, an array of floats.

    Verbs put them on the clock of the model; bare numbers are on it already. Slices, sorted and joined grids, and sums
    and differences keep the unit. Products and quotients are bare numbers, as only their author knows what they mean.

    Parameters
    ----------
    values : array, shape (times,)
    unit : str
        Unit of time: ``s min h d w``.

    Raises
    ------
    UnitError
        If that is none, or grids in different units are put together.

    Examples
    --------
    >>> grid = TimeGrid([0.0, 30.0, 60.0], "min")
    >>> grid[1:].unit, (grid + 5.0).unit, type(grid / 60.0).__name__
    ('min', 'min', 'ndarray')
    """

    unit: str

    def __new__(cls, values: ArrayLike, unit: str) -> TimeGrid:  # noqa: D102 - the class says it
        grid = np.array(values, dtype=np.float64).view(cls)
        grid.unit = canonical_time(unit)
        return grid

    def __array_finalize__(self, obj: Any) -> None:
        self.unit = getattr(obj, "unit", "h")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        unit = _common_unit(inputs)
        if out is not None:
            options["out"] = tuple(_bare(each) for each in out)
        found = getattr(ufunc, method)(*(_bare(each) for each in inputs), **options)
        if ufunc in _KEEPING and isinstance(found, np.ndarray) and found.dtype == np.float64:
            return TimeGrid(found, unit)
        return found

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        unit = _common_unit((args, kwargs))
        found = super().__array_function__(func, types, args, kwargs)
        if func in _JOINING and isinstance(found, np.ndarray) and found.dtype == np.float64:
            return TimeGrid(found, unit)
        if isinstance(found, TimeGrid):
            found.unit = unit
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return TimeGrid, (np.asarray(self), self.unit)

    def in_time(self, unit: str) -> TimeGrid:
        """Return the same times on another clock.

        Examples
        --------
        >>> days(0, 2).in_time("d").tolist()
        [0.0, 1.0, 2.0]
        """
        return TimeGrid(convert_time(np.asarray(self), self.unit, unit), canonical_time(unit))


Span = float | str | timedelta | np.ndarray
"""A length of time: a number in the model's unit, text such as ``"12 h"``, a time difference, or a grid of one time."""


def hours(start: float, stop: float, step: float = 1.0) -> TimeGrid:
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
    TimeGrid, shape (n_times,)
        Times, h. A model on another clock observes at the same times: ``simulate`` and the other verbs convert them.

    Raises
    ------
    DataError
        If a number is not finite, `step` is not positive or `stop` lies before `start`.

    Examples
    --------
    >>> hours(0, 24, 6).tolist()
    [0.0, 6.0, 12.0, 18.0, 24.0]
    """
    return TimeGrid(_grid("hours", start, stop, step), "h")


def days(start: float, stop: float, step: float = 1.0) -> TimeGrid:
    """Return times in hours from day `start` to day `stop`, both included, every `step` days.

    Parameters
    ----------
    start, stop : float
        First and last time, d.
    step : float
        Distance between times, d.

    Returns
    -------
    TimeGrid, shape (n_times,)
        Times, **h**; for a model in days the verbs make days of them.

    Raises
    ------
    DataError
        As for `hours`.

    Examples
    --------
    >>> days(0, 2, 0.5).tolist(), days(0, 2).unit
    ([0.0, 12.0, 24.0, 36.0, 48.0], 'h')
    """
    return TimeGrid(24.0 * _grid("days", start, stop, step), "h")


def times_in(values: Any, unit: str) -> Any:
    """Return the times of a grid in another unit as bare numbers; anything else comes back as it is.

    Examples
    --------
    >>> times_in(days(0, 2), "d").tolist(), times_in([0, 24], "d")
    ([0.0, 1.0, 2.0], [0, 24])
    """
    return np.asarray(values.in_time(unit)) if isinstance(values, TimeGrid) else values


def one_time(given: Any, unit: str, who: str, *, positive: bool = False) -> float:
    """Return a single time in a unit: a bare number is in it already, a grid of one time is converted.

    Raises
    ------
    RegimenError
        If it is no finite number, or is not > 0 where it must be.

    Examples
    --------
    >>> one_time(5, "h", "regimen: every"), one_time(days(1, 1), "h", "regimen: every")
    (5.0, 24.0)
    """
    try:
        found = np.asarray(times_in(given, unit), np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    if isinstance(given, str) or found.size != 1 or not np.isfinite(found).all() or (positive and not found.item() > 0):
        limit = "> 0 " if positive else "one time in "
        raise RegimenError(f"{who} must be {limit}{unit}, got {given!r}")
    return float(found.item())


def read_span(given: Any) -> Any:
    """Return a length of time that was given as text or as a time difference as a grid of one; anything else as it is.

    Examples
    --------
    >>> read_span("12 h").in_time("d").tolist(), read_span(6.0)
    ([0.5], 6.0)
    """
    if isinstance(given, timedelta):
        return TimeGrid([given.total_seconds()], "s")
    if not isinstance(given, str) or not (found := _SPAN.fullmatch(given)):
        return given
    try:
        return TimeGrid([float(found[1])], canonical_time(found[2]))
    except UnitError:
        return given


def _bare(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, TimeGrid) else value


def _common_unit(values: Any) -> str:
    """Return the unit of all grids within nested arguments, which must be one."""
    units = dict.fromkeys(_units_in(values))
    if len(units) > 1:
        raise UnitError(f"times in {' and in '.join(units)} cannot be put together; give all in one unit")
    return next(iter(units), "h")


def _units_in(value: Any) -> list[str]:
    if isinstance(value, TimeGrid):
        return [value.unit]
    if isinstance(value, dict):
        value = list(value.values())
    return [unit for each in value for unit in _units_in(each)] if isinstance(value, (list, tuple)) else []


def _grid(caller: str, start: float, stop: float, step: float) -> NDArray[np.float64]:
    call = f"{caller}({start!r}, {stop!r}, {step!r})"
    if not all(isinstance(number, (int, float, np.number)) and math.isfinite(number) for number in (start, stop, step)):
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
