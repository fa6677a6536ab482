"""Calls of numpy on equations: those that have a meaning for one number trace, the others say what to write."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pkpd.engine.graph.interpolation import piecewise
from pkpd.errors import ModelError

__all__ = ["OFFERED", "function", "ufunc"]

#: the functions that equations may be made of, `pkpd.engine.graph.functions.__all__`
OFFERED = (
    "absolute", "cos", "during", "erf", "exp", "expit", "floor", "interpolate", "last_dose", "lgamma", "log",
    "log1mexp", "log10", "logit", "maximum", "minimum", "mod", "power", "sin", "sqrt", "tad", "tanh", "where",
)  # fmt: skip

#: function (op, *args) that returns the equation of one operation on equations and numbers
Write = Callable[..., Any]

_SAME = {
    "add": "add", "subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div", "power": "pow",
    "float_power": "pow", "negative": "neg", "exp": "exp", "log": "log", "sqrt": "sqrt", "tanh": "tanh", "sin": "sin",
    "cos": "cos", "absolute": "abs", "fabs": "abs", "floor": "floor", "minimum": "min", "maximum": "max", "fmin": "min",
    "fmax": "max", "less": "lt", "less_equal": "le", "logical_and": "and", "logical_or": "or", "logical_not": "not",
    "bitwise_and": "and", "bitwise_or": "or", "invert": "not",
}  # fmt: skip

_OPERATORS: dict[str, Callable[..., Any]] = {
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "positive": operator.pos,
    "remainder": operator.mod,
    "floor_divide": operator.floordiv,
    "divmod": divmod,
    "ceil": math.ceil,
    "square": lambda a: a * a,
    "reciprocal": lambda a: 1 / a,
}

_FORMULAS: dict[str, Callable[..., Any]] = {
    "trunc": lambda f, a: f("where", a < 0, -f("floor", -a), f("floor", a)),
    "sign": lambda f, a: f("where", a < 0, -1.0, f("where", a > 0, 1.0, 0.0)),
    "heaviside": lambda f, a, b: f("where", a < 0, 0.0, f("where", a > 0, 1.0, b)),
    "log10": lambda f, a: f("log", a) * (1 / math.log(10)),
    "log2": lambda f, a: f("log", a) * (1 / math.log(2)),
    "log1p": lambda f, a: f("log", 1 + a),
    "exp2": lambda f, a: f("exp", a * math.log(2)),
    "expm1": lambda f, a: f("exp", a) - 1,
    "tan": lambda f, a: f("sin", a) / f("cos", a),
    "sinh": lambda f, a: (f("exp", a) - f("exp", -a)) / 2,
    "cosh": lambda f, a: (f("exp", a) + f("exp", -a)) / 2,
    "hypot": lambda f, a, b: f("sqrt", a * a + b * b),
}


def _where(f: Write, condition: Any, a: Any, b: Any) -> Any:
    if isinstance(condition, bool | int | float | np.bool_):  # numbers were compared
        return a if condition else b
    return f("where", condition, a, b)


def _clip(f: Write, a: Any, low: Any, high: Any) -> Any:
    return f("min", f("max", a, low), high)


def _interp(f: Write, t: Any, times: Sequence[float], values: Sequence[Any], kind: str = "linear") -> Any:
    return piecewise(t, times, values, kind, lambda condition, a, b: _where(f, condition, a, b))


_FUNCTIONS: dict[str, Callable[..., Any]] = {"where": _where, "clip": _clip, "interp": _interp}

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
    remedy = _REMEDIES.get(name, f"equations are made of + - * / ** % //, of < <= & | ~, and of {', '.join(OFFERED)}")
    return ModelError(f"numpy.{name}{why} cannot be traced; {remedy} (functions of pkpd)")


def ufunc(
    called: Callable[..., object], method: str, inputs: Sequence[Any], options: Mapping[str, object], write: Write
) -> Any:
    """Return the equation that a ufunc of numpy means.

    Parameters
    ----------
    called : function
        The ufunc.
    method : str
        How it was called: ``__call__``, ``reduce``, ...
    inputs : sequence of Node
    options : mapping
        Keywords of the call.
    write : function (op, *args)
        Returns the equation of one operation.

    Raises
    ------
    ModelError
        If it has no meaning here; the text says what to write.
    """
    name = getattr(called, "__name__", str(called))
    if method != "__call__" or options:
        raise _refuse(name, f".{method}" if method != "__call__" else f" with {', '.join(options)}")
    if name in _SAME:
        return write(_SAME[name], *inputs)
    if name in _OPERATORS:
        return _OPERATORS[name](*inputs)
    if name in _FORMULAS:
        return _FORMULAS[name](write, *inputs)
    raise _refuse(name)


def function(called: Callable[..., object], inputs: Sequence[Any], options: Mapping[str, Any], write: Write) -> Any:
    """Return the equation that another function of numpy means; raise as :func:`ufunc` does."""
    name = getattr(called, "__name__", str(called))
    if name not in _FUNCTIONS or options:
        raise _refuse(name, f" with {', '.join(options)}" if name in _FUNCTIONS else "")
    try:
        return _FUNCTIONS[name](write, *inputs)
    except TypeError as error:
        raise ModelError(f"numpy.{name}: {error}; use the function of pkpd") from None
