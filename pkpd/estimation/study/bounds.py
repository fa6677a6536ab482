"""Bounds of the model's parameters and what a study says about them: known values, and priors that reach beyond."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from pkpd.estimation.spreads import HalfNormal
from pkpd.estimation.study.priors import Free
from pkpd.model.scales import Pair, to_scale
from pkpd.people.columns import allowed_range

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["check_fixed", "check_free", "reaches"]

#: share of a prior that may lie outside of the model's bounds, where there is no density
BEYOND = 1e-3


def check_free(f: Free, model: Model) -> list[str]:
    """Return locations outside of what the model allows, and priors that reach beyond it."""
    if f.name not in model.parameters:
        return []
    low, high, closed = allowed_range(model, f.name)
    who, span = f"free '{f.name}'", f"({low:g}, {high:g})"
    if f.scale == "logit" and (f.limits[0] < low or f.limits[1] > high):
        return [f"{who}: bounds {f.limits} reach beyond the model's {span}"]
    out = []
    for key, (value, sd) in f.pairs.items():
        where = f" of '{key}'" if key else ""
        if not _is_inside(value, low, high, closed):
            out.append(f"{who}: location{where} {value:g} lies outside the model's bounds {span}")
        elif (share := _share_outside(f, value, sd, (low, high))) > BEYOND:
            out.append(
                f"{who}: {share:.2g} of the prior{where} lies outside the model's bounds {span}; "
                f"{_remedy(f, low, high)}"
            )
    return out


def _remedy(f: Free, low: float, high: float) -> str:
    if math.isfinite(high - low):
        return (
            f"take scale='logit' with bounds=({low:g}, {high:g}), whose sd is on the logit scale, or widen the model's"
        )
    log = " scale='log'," if low == 0 and f.scale == "identity" else ""
    return f"take{log} a smaller sd, or widen the model's"


def check_fixed(name: str, given: float | Mapping[str, float], model: Model) -> list[str]:
    """Return known values that the model does not allow."""
    if name not in model.parameters:
        return []
    low, high, closed = allowed_range(model, name)
    values = given.items() if isinstance(given, Mapping) else [("", given)]
    return [
        f"fixed '{name}'{f' of {key}' if key else ''}: {v:g} lies outside the model's bounds ({low:g}, {high:g})"
        for key, v in values
        if not _is_inside(v, low, high, closed)
    ]


def reaches(f: Free, model: Model) -> Pair | None:
    """Return the values that a parameter can have, where its prior could leave them; None where it cannot."""
    low, high, _ = allowed_range(model, f.name)
    inside = f.scale == "logit" or (high == math.inf and (low == -math.inf or (f.scale == "log" and low <= 0)))
    return None if inside else (low, high)


def _is_inside(value: float, low: float, high: float, closed: bool) -> bool:
    return low <= value <= high if closed else low < value < high


def _share_outside(f: Free, value: float, sd: float, bounds: Pair) -> float:
    """Return the probability, before the data, of a value outside of bounds."""
    if f.scale == "logit":
        return 0.0
    centre = to_scale(value, f.scale)
    a, b = (to_scale(max(v, 0.0) if f.scale == "log" else v, f.scale) for v in bounds)
    spread = np.array([f.spread or 0.0]) if not isinstance(f.spread, HalfNormal) else _quantiles(f.spread)
    total = np.maximum(np.hypot(sd, spread), 1e-300)
    return float(np.mean(ndtr((a - centre) / total) + ndtr((centre - b) / total)))


def _quantiles(spread: HalfNormal) -> np.ndarray:
    """Return values of a standard deviation, each as probable as the others before the data."""
    return spread.scale * ndtri(0.5 + (np.arange(1000) + 0.5) / 2000)
