"""Checks of what `exposure` is given, and the arrays behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from pkpd.errors import DataError, UnitError, nearest
from pkpd.metrics.block import Rules
from pkpd.metrics.curve import METHODS
from pkpd.units import conversion
from pkpd.units.time import HOURS, convert_time

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "area_values",
    "check_output",
    "curve_values",
    "in_window",
    "is_number",
    "rules_from",
    "threshold_value",
    "without_noise",
]

_NOISE = 1e-6


def _arranged(values: xr.DataArray) -> np.ndarray:
    """Values as (regimen, everything else, time)."""
    dims = [d for d in values.dims if d not in ("regimen", "time")]
    regimens = values.sizes.get("regimen", 1)
    lead = ["regimen"] if "regimen" in values.dims else []
    return values.transpose(*lead, *dims, "time").values.reshape(regimens, -1, values.sizes["time"])


def check_output(concentration: xr.DataArray) -> None:
    """Raise DataError unless something is one output of a simulation, or a curve like one."""
    import xarray as xr

    if isinstance(concentration, xr.Dataset):
        names = ", ".join(map(str, concentration.data_vars))
        raise DataError(f"exposure takes one output, such as sims['Cc'], got a Dataset; it has {names}")
    if not isinstance(concentration, xr.DataArray):
        raise DataError(f"exposure takes a DataArray with dim 'time', got {type(concentration).__name__}")


def curve_values(concentration: xr.DataArray, negative: bool = False) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Check a concentration and return regimen names, times, and values of shape (regimen, subject, time).

    Raises
    ------
    DataError
        If it has no increasing coordinate `time`, or a value is negative and may not be.
    """
    label = concentration.name or "concentration"
    if "time" not in concentration.dims or "time" not in concentration.coords:
        dims = [str(d) for d in concentration.dims]
        raise DataError(f"{label}: needs a dim and coordinate 'time', has dims {tuple(dims)}")
    time = np.asarray(concentration["time"].values, float)
    bad = np.flatnonzero(~np.isfinite(time))
    if len(bad):
        raise DataError(f"{label}: time is not finite at {len(bad)} positions (first: {bad[0]})")
    steps = np.flatnonzero(np.diff(time) <= 0)
    if len(steps):
        i = int(steps[0])
        raise DataError(f"{label}: time must increase, position {i + 1} has {time[i + 1]:g} after {time[i]:g}")
    if len(time) < 2:
        raise DataError(f"{label}: needs at least 2 times, has {len(time)}")
    regimens = [""]
    if "regimen" in concentration.dims:
        regimens = [str(name) for name in concentration["regimen"].values]
    elif "regimen" in concentration.coords:
        regimens = [str(concentration["regimen"].values)]
    values = _arranged(concentration)
    return regimens, time, values if negative else without_noise(concentration, values, str(label))


def without_noise(concentration: xr.DataArray, values: np.ndarray, label: str) -> np.ndarray:
    """Refuse negative values, except those within an integrator's error of zero, which become zero."""
    if not (values < 0).any():
        return values
    largest = np.where(np.isnan(values), -np.inf, values).max(axis=-1, keepdims=True)
    negative = values < -_NOISE * np.maximum(largest, 0.0)
    if negative.any():
        count = int(negative.any(axis=-1).sum())
        regimen, subject, at = (int(i[0]) for i in np.nonzero(negative))
        where = f"t = {float(concentration['time'].values[at]):g}, value {float(values[regimen, subject, at]):g}"
        others = [d for d in concentration.dims if d not in ("regimen", "time")]
        if "regimen" in concentration.dims:
            where = f"regimen '{concentration['regimen'].values[regimen]}', {where}"
        if others:
            place = np.unravel_index(subject, [concentration.sizes[d] for d in others])
            keys = [f"{d} {concentration[d].values[i]}" for d, i in zip(others, place, strict=True)]
            where = f"{', '.join(keys)}, {where}"
        raise DataError(
            f"{label}: negative in {count} curves (first: {where}); "
            "use the output without residual error, or .clip(min=0)"
        )
    return np.where(values < 0, 0.0, values)


def area_values(auc: xr.DataArray | None, concentration: xr.DataArray) -> np.ndarray | None:
    """Check a cumulative area against its concentration and return it as (regimen, subject, time).

    Raises
    ------
    DataError
        If dims or times differ, or the area decreases.
    """
    if auc is None:
        return None
    if dict(auc.sizes) != dict(concentration.sizes):
        raise DataError(f"auc: needs the sizes of the concentration {dict(concentration.sizes)}, has {dict(auc.sizes)}")
    if not np.array_equal(auc["time"].values, concentration["time"].values):
        raise DataError("auc: its times differ from those of the concentration; simulate both together")
    values = _arranged(auc)
    with np.errstate(invalid="ignore"):
        falls = np.diff(values, axis=-1) < -_NOISE * np.abs(values).max(axis=-1, keepdims=True)
    if falls.any():
        at = float(auc["time"].values[np.nonzero(falls)[2][0] + 1])
        raise DataError(
            f"auc: a cumulative area cannot decrease, it does in {int(falls.any(axis=-1).sum())} curves "
            f"(first at t = {at:g}); give the state that integrates the concentration"
        )
    return values


def in_window(time: np.ndarray, window: tuple[float, float] | None) -> np.ndarray:
    """Mark the times from the start to the end of a window, shape (time,).

    Raises
    ------
    DataError
        If the window does not start and end at two of the times.
    """
    if window is None:
        return np.ones(len(time), bool)
    try:
        start, end = (float(x) for x in window)
    except (TypeError, ValueError):
        raise DataError(f"window: give (first time, last time) in the unit of the times, got {window!r}") from None
    if not start < end:
        raise DataError(f"window: must run from an earlier to a later time, got {start:g} to {end:g}")
    for at in (start, end):
        if not (time == at).any():
            near = float(time[np.argmin(np.abs(time - at))])
            raise DataError(f"window: {at:g} is not an observation time; the nearest is {near:g}")
    return (time >= start) & (time <= end)


def is_number(value: object) -> TypeGuard[float]:
    """Return whether something is one finite number.

    Examples
    --------
    >>> is_number(24), is_number("24 h"), is_number([24]), is_number(float("nan"))
    (True, False, False, False)
    """
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and bool(np.isfinite(value))


def rules_from(
    method: str, bolus: bool, threshold: float | None, lloq: float, terminal_points: int | None, time_unit: str
) -> Rules:
    """Check the options that say how a curve is read.

    Raises
    ------
    DataError
        If one of them is out of range or unknown.
    """
    if method not in METHODS:
        raise DataError(f"method '{method}' is unknown; there is {', '.join(METHODS)}{nearest(method, METHODS)}")
    if not (is_number(lloq) and lloq >= 0):
        raise DataError(f"lloq must be finite and >= 0, got {lloq!r}")
    if terminal_points is not None and not (is_number(terminal_points) and terminal_points >= 3):
        raise DataError(f"terminal_points must be at least 3, got {terminal_points!r}")
    if terminal_points is not None and terminal_points != int(terminal_points):
        raise DataError(f"terminal_points must be a whole number, got {terminal_points!r}")
    day = convert_time(24.0, "h", time_unit) if time_unit in HOURS else np.nan
    points = None if terminal_points is None else int(terminal_points)
    return Rules(method, bolus, threshold, float(lloq), points, day)


def threshold_value(threshold: float | str | None, concentration: xr.DataArray) -> float | None:
    """Read a threshold, converting a text with a unit into the unit of the concentration.

    Raises
    ------
    DataError
        If it is negative or not finite, or has a unit and the concentration has none.
    UnitError
        If its unit does not fit that of the concentration.
    """
    if threshold is None:
        return None
    value = _converted(threshold, concentration) if isinstance(threshold, str) else threshold
    if not (is_number(value) and value >= 0):
        raise DataError(f"threshold must be finite and >= 0, got {threshold!r}")
    return float(value)


def _converted(text: str, concentration: xr.DataArray) -> float:
    number, _, unit = text.strip().partition(" ")
    try:
        value = float(number)
    except ValueError:
        raise DataError(f"threshold '{text}': write a number and a unit, such as '0.5 mg/L'") from None
    own, unit = concentration.attrs.get("units"), unit.strip()
    if own is None:
        raise DataError(f"threshold '{text}': the concentration has no units; give a bare number")
    if not unit or unit == own:
        return value
    try:
        return conversion(unit, str(own)) * value
    except UnitError as error:
        raise UnitError(f"threshold '{text}': {error}") from None
