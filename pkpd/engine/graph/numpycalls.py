"""Calls of numpy on equations: those that have a meaning for one number trace, the others say what to write."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pkpd.engine.graph import functions as f
from pkpd.engine.graph.nodes import as_node, make
from pkpd.errors import ModelError

__all__ = ["function", "ufunc"]

_SAME = {
    "add": "add", "subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div", "power": "pow",
    "float_power": "pow", "negative": "neg", "exp": "exp", "log": "log", "sqrt": "sqrt", "tanh": "tanh", "sin": "sin",
    "cos": "cos", "absolute": "abs", "fabs": "abs", "floor": "floor", "minimum": "min", "maximum": "max", "fmin": "min",
    "fmax": "max", "less": "lt", "less_equal": "le", "logical_and": "and", "logical_or": "or", "logical_not": "not",
    "bitwise_and": "and", "bitwise_or": "or", "invert": "not",
}  # fmt: skip

_UFUNCS: dict[str, Callable[..., Any]] = {
    "greater": lambda a, b: b < a,
    "greater_equal": lambda a, b: b <= a,
    "equal": lambda a, b: a == b,
    "not_equal": lambda a, b: a != b,
    "positive": lambda a: a,
    "remainder": f.mod,
    "floor_divide": lambda a, b: a // b,
    "divmod": divmod,
    "square": lambda a: a * a,
    "reciprocal": lambda a: 1 / a,
    "ceil": lambda a: -f.floor(-a),
    "trunc": lambda a: f.where(a < 0, -f.floor(-a), f.floor(a)),
    "sign": lambda a: f.where(a < 0, -1.0, f.where(a > 0, 1.0, 0.0)),
    "heaviside": lambda a, b: f.where(a < 0, 0.0, f.where(a > 0, 1.0, b)),
    "log10": f.log10,
    "log2": lambda a: f.log(a) * (1 / math.log(2)),
    "log1p": lambda a: f.log(1 + a),
    "exp2": lambda a: f.exp(a * math.log(2)),
    "expm1": lambda a: f.exp(a) - 1,
    "tan": lambda a: f.sin(a) / f.cos(a),
    "sinh": lambda a: (f.exp(a) - f.exp(-a)) / 2,
    "cosh": lambda a: (f.exp(a) + f.exp(-a)) / 2,
    "hypot": lambda a, b: f.sqrt(a * a + b * b),
}

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "where": f.where,
    "clip": lambda a, low, high: f.minimum(f.maximum(a, low), high),
    "interp": f.interpolate,
}

_REMEDIES = {
    "fmod": "write mod(x, period)",
    "rint": "write floor(x + 0.5)",
    "round": "write floor(x + 0.5)",
    "around": "write floor(x + 0.5)",
    "cbrt": "write x ** (1 / 3)",
    "isclose": "write absolute(a - b) < tolerance",
    "select": "write where(condition, a, where(other_condition, b, c))",
    "piecewise": "write where(condition, a, where(other_condition, b, c))",
    "isnan": "equations have a value everywhere; guard the argument with maximum or where",
    "isfinite": "equations have a value everywhere; guard the argument with maximum or where",
    "nan_to_num": "equations have a value everywhere; guard the argument with maximum or where",
}


def _refuse(name: str, why: str = "") -> ModelError:
    remedy = _REMEDIES.get(name, f"equations are made of + - * / ** % //, of < <= & | ~, and of {', '.join(f.__all__)}")
    return ModelError(f"numpy.{name}{why} cannot be traced; {remedy} (functions of pkpd)")


def ufunc(called: Callable[..., object], method: str, inputs: Sequence[object], options: Mapping[str, object]) -> Any:
    """Return the equation that a ufunc of numpy means.

    Raises
    ------
    ModelError
        If it has no meaning here; the text says what to write.
    """
    name = getattr(called, "__name__", str(called))
    if method != "__call__" or options:
        raise _refuse(name, f".{method}" if method != "__call__" else f" with {', '.join(options)}")
    args = [as_node(i) for i in inputs]
    if name in _SAME:
        return make(_SAME[name], *args)
    if name in _UFUNCS:
        return _UFUNCS[name](*args)
    raise _refuse(name)


def function(called: Callable[..., object], inputs: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Return the equation that another function of numpy means; raise as :func:`ufunc` does."""
    name = getattr(called, "__name__", str(called))
    if name not in _FUNCTIONS or options:
        raise _refuse(name, f" with {', '.join(options)}" if name in _FUNCTIONS else "")
    try:
        return _FUNCTIONS[name](*inputs)
    except TypeError as error:
        raise ModelError(f"numpy.{name}: {error}; use the function of pkpd") from None
