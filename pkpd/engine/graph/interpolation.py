"""Interpolation between knots, of numbers and of equations alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray

from pkpd.engine.graph.running import clock_unit
from pkpd.errors import ModelError
from pkpd.timegrid import TimeGrid, times_in

__all__ = ["piecewise"]


def piecewise(
    t: Any,
    times: TimeGrid | Sequence[float] | NDArray[Any],
    values: Sequence[Any],
    kind: str,
    where: Callable[[Any, Any, Any], Any],
) -> Any:
    """Return the value at t of what has values at knots; see `pkpd.engine.graph.functions.interpolate`.

    Parameters
    ----------
    t : number or Node
    times : TimeGrid or sequence, shape (n,)
    values : sequence, shape (n,)
    kind : {"linear", "step"}
    where : function (condition, a, b)
        Chooses between two values.

    Raises
    ------
    ModelError
        If the knots do not increase, lengths differ, or the kind is unknown.
    """
    if isinstance(times, TimeGrid):
        times = times_in(times, clock_unit() or times.unit).tolist()
    knots = [float(s) for s in times]
    if len(knots) != len(values) or not knots:
        raise ModelError(f"interpolate: {len(knots)} times for {len(values)} values; give one value for each time")
    if any(b <= a for a, b in pairwise(knots)) or not all(math.isfinite(k) for k in knots):
        raise ModelError(f"interpolate: times must be finite and increase strictly, got {knots}")
    if kind not in ("linear", "step"):
        raise ModelError(f"interpolate: kind must be 'linear' or 'step', got {kind!r}")
    out = values[-1]
    for i in range(len(knots) - 2, -1, -1):
        piece = values[i]
        if kind == "linear":
            piece = values[i] + (values[i + 1] - values[i]) * ((t - knots[i]) / (knots[i + 1] - knots[i]))
        out = where(t < knots[i + 1], piece, out)
    return where(t < knots[0], values[0], out)
