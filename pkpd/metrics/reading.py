"""Largest and smallest values, areas and means of any output, doses known: what `sensitivity` asks of a curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pkpd.metrics.block import CurveBlock
from pkpd.metrics.cases import blocks_of
from pkpd.metrics.curve import Curve, highest
from pkpd.metrics.sources import Asked, grid_cases

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["KINDS", "area_gradient", "read_off"]

KINDS = ("max", "min", "tmax", "auc", "mean")
_RULE = "linear-up log-down"


def read_off(output: xr.DataArray, kind: str, window: tuple[float, float] | None = None) -> xr.DataArray:
    """Return a number of each curve, over all times or those of a window.

    Values right before and after doses count as they do for `exposure`; an area is by the same trapezoidal rule, linear
    where the output rises or is not positive, logarithmic where it falls.

    Parameters
    ----------
    output : DataArray, dims (..., time)
        Of `simulate`; it may be negative.
    kind : {"max", "min", "tmax", "auc", "mean"}
    window : tuple of (float, float), optional
        Two of the times.
    """
    import xarray as xr

    cases = grid_cases(output, Asked(window=window), None, negative=True)
    subjects = len(cases[0].conc)
    found = np.full((len(cases), subjects), np.nan)
    for k, case in enumerate(cases):
        for rows, block in blocks_of(case, max((1 << 15) // len(case.time), 1), whole=True):
            found[k, rows] = _number(block, kind)
    dims = [d for d in output.dims if d != "time"]
    order = [d for d in dims if d == "regimen"] + [d for d in dims if d != "regimen"]
    array = xr.DataArray(
        found.reshape([output.sizes[d] for d in order]), {d: output[d] for d in order if d in output.coords}, order
    )
    return array.transpose(*dims)


def _number(block: CurveBlock, kind: str) -> np.ndarray:
    curve = Curve(block.time, block.conc, _RULE)
    if block.corner_time.size:
        curve = curve.with_corners(block.corner_time, block.before, block.after)
    elif block.jumps.size:
        curve = curve.with_boluses(block.jumps)
    doses = block.plan.doses
    if doses is not None and doses.begins_steady(float(curve.time[0]), 1e-9) and curve.time[1] == curve.time[0]:
        # what was there before a steady state began is nobody's concentration
        curve = Curve(curve.time[1:], curve.conc[:, 1:], _RULE)
    if kind == "max":
        return curve.conc.max(axis=1)
    if kind == "min":
        return curve.conc.min(axis=1)
    if kind == "tmax":
        return curve.time[highest(curve.conc)]
    area = curve.area()[:, -1]
    return area if kind == "auc" else area / (curve.time[-1] - curve.time[0])


def area_gradient(time: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the area under curves by the rule of `read_off`, and its derivatives by each of the values.

    Of a segment with :math:`a > b > 0` and :math:`\ell = \ln(a / b)` the area is :math:`\Delta t (a - b) / \ell`, its
    derivatives are :math:`\Delta t (1/\ell - (a - b) / (a \ell^2))` and
    :math:`\Delta t ((a - b) / (b \ell^2) - 1 / \ell)`; elsewhere both are :math:`\Delta t / 2`.

    Parameters
    ----------
    time : ndarray, shape (time,)
    values : ndarray, shape (curves, time)

    Returns
    -------
    area : ndarray, shape (curves,)
    slope : ndarray, shape (curves, time)
    """
    step = np.diff(time)
    a, b = values[:, :-1], values[:, 1:]
    curved = (b > 0) & (b < a)
    with np.errstate(divide="ignore", invalid="ignore"):
        s = np.where(curved, (a - b) / (a + b), 0.0)
        log = 2.0 * np.arctanh(s)
        left = 1.0 / log - (a - b) / (a * log**2)
        right = (a - b) / (b * log**2) - 1.0 / log
    flat = s < 1e-3  # where a quotient of small differences has no digits, its series
    left = np.where(flat, 0.5 - s / 3 + s**2 / 6, left) * step
    right = np.where(flat, 0.5 + s / 3 + s**2 / 6, right) * step
    slope = np.zeros(values.shape)
    slope[:, :-1] += left
    slope[:, 1:] += right
    area = Curve(time, np.ascontiguousarray(values), _RULE).area()[:, -1]
    return area, slope
