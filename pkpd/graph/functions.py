"""Functions for equations: they take symbols, numbers and arrays alike, so a model runs traced or in a debugger."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from pkpd.errors import ModelError
from pkpd.graph.nodes import Node, as_node, make

__all__ = [
    "absolute", "cos", "erf", "exp", "expit", "floor", "interpolate", "lgamma", "log", "log10", "logit", "maximum",
    "minimum", "power", "sin", "sqrt", "tanh", "where",
]  # fmt: skip


def _unary(op: str, x: Any, plain: Any) -> Any:
    return make(op, x) if isinstance(x, Node) else plain(x)


def exp(x: Any) -> Any:
    """Return e to the power x (x dimensionless)."""
    return _unary("exp", x, np.exp)


def log(x: Any) -> Any:
    """Return the natural logarithm of x (x dimensionless and positive)."""
    return _unary("log", x, np.log)


def log10(x: Any) -> Any:
    """Return the decimal logarithm of x (x dimensionless and positive)."""
    return make("log", x) * (1 / math.log(10)) if isinstance(x, Node) else np.log10(x)


def sqrt(x: Any) -> Any:
    """Return the square root of x."""
    return _unary("sqrt", x, np.sqrt)


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent of x (dimensionless)."""
    return _unary("tanh", x, np.tanh)


def sin(x: Any) -> Any:
    """Return the sine of x (dimensionless, radians)."""
    return _unary("sin", x, np.sin)


def cos(x: Any) -> Any:
    """Return the cosine of x (dimensionless, radians)."""
    return _unary("cos", x, np.cos)


def floor(x: Any) -> Any:
    """Return the largest whole number not above x; its derivative is taken as 0."""
    return _unary("floor", x, np.floor)


def absolute(x: Any) -> Any:
    """Return the absolute value of x."""
    return _unary("abs", x, np.abs)


def erf(x: Any) -> Any:
    """Return the error function ``2/sqrt(pi) int_0^x exp(-s^2) ds`` of x (dimensionless)."""
    if isinstance(x, Node):
        return make("erf", x)
    from scipy.special import erf as plain

    return plain(x)


def lgamma(x: Any) -> Any:
    """Return the natural logarithm of the gamma function at x > 0 (dimensionless), e.g. for transit absorption."""
    if isinstance(x, Node):
        return make("lgamma", x)
    from scipy.special import gammaln

    return gammaln(x)


def minimum(a: Any, b: Any) -> Any:
    """Return the smaller of a and b, which share a unit."""
    if isinstance(a, Node) or isinstance(b, Node):
        return make("min", as_node(a), as_node(b))
    return np.minimum(a, b)


def maximum(a: Any, b: Any) -> Any:
    """Return the larger of a and b, which share a unit."""
    if isinstance(a, Node) or isinstance(b, Node):
        return make("max", as_node(a), as_node(b))
    return np.maximum(a, b)


def power(base: Any, exponent: Any) -> Any:
    """Return base to the power exponent; the exponent is dimensionless."""
    if isinstance(base, Node) or isinstance(exponent, Node):
        return make("pow", as_node(base), as_node(exponent))
    return np.power(base, exponent)


def where(condition: Any, a: Any, b: Any) -> Any:
    """Return a where the condition holds and b elsewhere; a and b share a unit.

    A condition on time alone (``t < p.onset``) is a discontinuity that the solvers hit exactly.
    """
    if not isinstance(condition, Node):
        if isinstance(a, Node) or isinstance(b, Node):
            return a if bool(condition) else b
        return np.where(condition, a, b)
    return make("where", condition, as_node(a), as_node(b))


def logit(x: Any) -> Any:
    """Return ``log(x / (1 - x))`` for 0 < x < 1."""
    return log(x / (1 - x))


def expit(x: Any) -> Any:
    """Return ``1 / (1 + exp(-x))``, the inverse of :func:`logit`."""
    return 1 / (1 + exp(-x))


def interpolate(t: Any, times: Sequence[float], values: Sequence[Any], kind: str = "linear") -> Any:
    """Return a forcing function known at given times.

    Parameters
    ----------
    t : time
        The first argument of ``dynamics`` (or of ``outputs``), h.
    times : sequence of float, shape (n,)
        Knots, strictly increasing, h. The solvers stop exactly at each.
    values : sequence, shape (n,)
        Numbers or parameters of one unit; before the first and after the last knot the end value holds.
    kind : {"linear", "step"}
        ``step`` carries each value forward to the next knot.

    Raises
    ------
    ModelError
        If the knots do not increase, lengths differ, or the kind is unknown.
    """
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
