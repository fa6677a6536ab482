"""Functions for equations: they take symbols, numbers and arrays alike, so a model runs traced or in a debugger."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pkpd.engine.graph.interpolation import piecewise
from pkpd.engine.graph.nodes import Node, as_node, make, symbol
from pkpd.engine.graph.running import clock
from pkpd.errors import ModelError

__all__ = [
    "absolute", "cos", "during", "erf", "exp", "expit", "floor", "interpolate", "last_dose", "lgamma", "log",
    "log1mexp", "log10", "logit", "maximum", "minimum", "mod", "power", "sin", "sqrt", "tad", "tanh", "where",
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


def mod(x: Any, period: Any) -> Any:
    """Return what is left of x after whole periods, in [0, period): ``x - period * floor(x / period)``.

    ``mod(t, 24)`` is the time of day, in h, if the model's clock began at midnight; ``t % 24`` is the same.
    x and the period share a unit.
    """
    return x - period * floor(x / period)


def during(t: Any, start: Any, stop: Any, every: Any = None) -> Any:
    """Return the condition ``start <= t < stop``, once or in each period.

    Parameters
    ----------
    t : time
        The first argument of ``dynamics`` or ``calculate``, or a function of it such as ``tad()``.
    start, stop : time
        Numbers or parameters, in the model's time unit.
    every : time, optional
        Length of the period. The window lies at ``start + i * every <= t < stop + i * every`` for all whole i, before
        time 0 as well; it may reach beyond the period's end (``during(t, 22, 30, every=24)`` is 22:00 to 6:00).

    Returns
    -------
    condition
        For :func:`where`; the solvers hit its edges exactly.

    Raises
    ------
    ModelError
        If numbers are given with start >= stop, with every <= 0, or with a window longer than the period.

    Examples
    --------
    >>> [bool(during(t, 8, 20, every=24)) for t in (7.9, 8.0, 19.9, 20.0, 32.0)]
    [False, True, True, False, True]
    """
    length = stop - start
    for value, rule in ((length, "start must lie before stop"), (every, "every must be above 0")):
        number = as_node(value) if value is not None else None
        if number is not None and number.op == "const" and not number.value > 0:
            raise ModelError(f"during: {rule}, got start={start!r}, stop={stop!r}, every={every!r}")
    if every is None:
        return (t >= start) & (t < stop)
    excess = as_node(length - every)
    if excess.op == "const" and excess.value > 0:
        raise ModelError(
            f"during: the window from {start!r} to {stop!r} is longer than the period {every!r}; it would never end"
        )
    return mod(t - start, every) < length


#: stands for the time of a dose that was not given yet
NEVER = 1e300


def _dose_symbol(what: str, function: str, compartment: Any) -> Node | None:
    """Return the symbol of the last dose's time or amount; None where the model runs on numbers, without doses."""
    if clock() is None:
        raise ModelError(f"{function} is asked for outside dynamics, calculate and connect; only there doses are given")
    if not isinstance(clock(), Node):
        return None
    if compartment is None:
        return symbol(what, "dose")
    if getattr(compartment, "kind", "") != "state":
        raise ModelError(f"{function} takes a state, as in {function[:-2]}(x.depot), got {compartment!r}")
    return symbol(f"{what}>{compartment.name}", "dose")


def tad(compartment: Any = None) -> Any:
    """Return the time after the last dose, in the model's time unit; 0 before the first one.

    A dose counts from the moment at which it, or its infusion, begins: after its lag, and each additional dose and each
    dose of a steady state anew. A reset (EVID 3 or 4) forgets the doses before it. Equations see the new dose from its
    time on; an observation that precedes the dose at its time still sees the one before.

    Parameters
    ----------
    compartment : state, optional
        ``x.depot``: only doses into that state count; all doses by default.

    Returns
    -------
    time
        For ``dynamics``, ``calculate`` and ``connect``. Conditions on it (``tad() < 2``) are hit exactly. In a function
        that runs on floats (``Model.rhs``) no dose was given.

    Raises
    ------
    ModelError
        Outside those functions, or if the compartment is no state.

    See Also
    --------
    last_dose : The amount, for absorption models: with ``F`` of the depot set to 0 in ``dosing``, nothing arrives but
        ``last_dose() * density(tad())``, the dose times the density of the times at which it is absorbed.
    """
    given = _dose_symbol("time", "tad()", compartment)
    return 0.0 if given is None else where(given < NEVER, clock() - given, 0)


def last_dose(compartment: Any = None) -> Any:
    """Return the amount of the last dose, as it was given: not multiplied by bioavailability; 0 before the first one.

    It changes when :func:`tad` begins anew. The unit is that of the state.

    Parameters
    ----------
    compartment : state, optional
        ``x.depot``: only doses into that state count; all doses by default, if all states share a unit.

    Raises
    ------
    ModelError
        As for :func:`tad`.
    """
    given = _dose_symbol("amount", "last_dose()", compartment)
    return 0.0 if given is None else given


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

    A condition on time alone is a discontinuity that every solver hits exactly, whatever it is made of:
    ``t < p.onset``, windows (:func:`during`), time of day (:func:`mod`, ``t % 24``, :func:`floor`), time after a dose
    (:func:`tad`), ``absolute(t - 250) < 0.2``, squares, sines, exponentials, :func:`interpolate`, :func:`minimum`,
    and conditions within conditions, with numbers, parameters and covariates. Its switch times up to the last
    observation are found before the person is solved, each between two neighbouring floating-point numbers; one that
    switches more than a million times is refused (SolverError). Of a steady state, the cycle that ends at the dose
    (as many intervals as it takes until doses and a daily rhythm come round) stops at the switch times within it; under
    a constant infusion to steady state, conditions are those at the record.

    A condition on states (``x.A > p.threshold``) switches where the step control finds it: the error of a step that
    straddles the switch is judged like any other, and the step cut. A state that is beyond a threshold for less than
    a step can be missed; ``h_max`` bounds the step.

    Conditions are combined with ``&``, ``|`` and ``~``. Covariates and parameters may be compared with a level by
    ``==`` and ``!=`` (``cov.SEX == 1``); times and states may not, because they are equal at an instant only.
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


def log1mexp(x: Any) -> Any:
    """Return ``log(1 - exp(x))`` for x <= 0: the logarithm of a probability from that of its complement.

    Near 0, where ``1 - exp(x)`` would lose its digits, by ``1 - exp(-2 u) = 2 tanh(u) / (1 + tanh(u))``.

    Examples
    --------
    >>> round(float(log1mexp(-1e-20)), 6), round(float(log1mexp(-2.0)), 6)
    (-46.051702, -0.145413)
    """
    near = tanh(-0.5 * maximum(x, -1))
    return where(x > -1, log(2 * near / (1 + near)), log(1 - exp(minimum(x, -1))))


def interpolate(t: Any, times: Sequence[float] | np.ndarray, values: Sequence[Any], kind: str = "linear") -> Any:
    """Return a forcing function known at given times.

    Parameters
    ----------
    t : time
        The first argument of ``dynamics`` (or of ``calculate``), or a function of it: ``mod(t, 24)`` repeats the
        forcing every day, ``tad()`` after every dose.
    times : sequence of float or array, shape (n,)
        Knots, strictly increasing, in the model's time unit; grids of `hours` and `days` are converted to it. The
        solvers stop exactly at each.
    values : sequence, shape (n,)
        Numbers or parameters of one unit; before the first and after the last knot the end value holds.
    kind : {"linear", "step"}
        ``step`` carries each value forward to the next knot.

    Raises
    ------
    ModelError
        If the knots do not increase, lengths differ, or the kind is unknown.
    """
    return piecewise(t, times, values, kind, where)
