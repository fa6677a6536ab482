"""Scales on which numbers are estimated: the logarithm, the logit between bounds, or the number itself."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Bounds", "Pair", "from_scale", "scale_slope", "to_scale"]

Pair = tuple[float, float]
Bounds = Pair | tuple[np.ndarray, np.ndarray]


def to_scale(value: Any, scale: str, bounds: Bounds | None = None) -> Any:
    """Return values on a scale; any other than ``log`` and ``logit`` is that of the number itself.

    Parameters
    ----------
    value : float or array
    scale : str
    bounds : (float, float) or (array, array), optional
        Of the logit; 0 and 1 by default.

    Examples
    --------
    >>> to_scale(1.0, "log"), to_scale(0.5, "logit")
    (0.0, 0.0)
    """
    value = np.asarray(value, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "log":
            out = np.log(value)
        elif scale == "logit":
            low, high = bounds or (0.0, 1.0)
            part = (value - low) / (high - low)
            out = np.log(part) - np.log1p(-part)
        else:
            out = value
    return float(out) if out.ndim == 0 else out


def from_scale(x: Any, scale: str, bounds: Bounds | None = None) -> Any:
    """Return values from those on a scale; infinite where a logarithm is that of no number.

    Examples
    --------
    >>> from_scale(0.0, "logit", (2.0, 4.0))
    3.0
    """
    x = np.asarray(x, float)
    with np.errstate(over="ignore"):
        if scale == "log":
            out = np.exp(x)
        elif scale == "logit":
            low, high = bounds or (0.0, 1.0)
            out = low + (high - low) * (0.5 * (1.0 + np.tanh(0.5 * x)))
        else:
            out = x
    return float(out) if out.ndim == 0 else out


def scale_slope(value: Any, scale: str, bounds: Bounds | None = None) -> Any:
    """Return the derivative of values by what they are on a scale.

    Examples
    --------
    >>> scale_slope(3.0, "log"), scale_slope(3.0, "logit", (2.0, 4.0))
    (3.0, 0.5)
    """
    value = np.asarray(value, float)
    if scale == "log":
        out = value
    elif scale == "logit":
        low, high = bounds or (0.0, 1.0)
        out = (value - low) * (high - value) / (high - low)
    else:
        out = np.ones(value.shape)
    return float(out) if out.ndim == 0 else out
