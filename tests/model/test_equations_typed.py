"""What everybody types in a model's functions: it traces, or is refused with what to write instead."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pkpd import Covariate, Model, Parameter, State
from pkpd.engine.graph.printing import latex, text
from pkpd.errors import ModelError
from pkpd.math import interpolate, where


def made(dynamics: Callable[..., Any], **more: Any) -> Model:
    return Model(
        "typed", states=[State("A", "mg")], parameters=[Parameter("k", 0.1, "1/h"), Parameter("m", 5.0, "mg")],
        covariates=[Covariate("SEX", "", 1.0), Covariate("Z", "", 2.0)], dynamics=dynamics, **more,
    )  # fmt: skip


def slope(dynamics: Callable[..., Any]) -> float:
    """Return the derivative of the traced equations at t = 30 h, A = 8 mg, by the numbers in its text."""
    node = made(dynamics).trace.derivatives[0]
    names: dict[str, Any] = {"t": 30.0, "A": 8.0, "k": 0.1, "m": 5.0, "SEX": 1.0, "Z": 2.0}
    names |= {"where": lambda c, a, b: a if c else b, "no": lambda c: not c, "min": min, "max": max}
    names |= {f: getattr(math, f) for f in ("floor", "log", "exp", "sqrt", "sin", "cos")}
    return float(eval(text(node).replace("not(", "no("), {"__builtins__": {}}, names))


def twice(value: Any) -> Any:
    return 2 * value


#: the rate of loss k A, as a function of time, states, parameters, covariates, and what it is as a multiple of 0.8 mg/h
TRACED: dict[str, tuple[Callable[..., Any], float]] = {
    "%": (lambda t, x, p, c: where(t % 24 < 12, p.k, 0 * p.k) * x.A, 1),
    "//": (lambda t, x, p, c: p.k * (t // 24) * x.A, 1),
    "divmod": (lambda t, x, p, c: p.k * (divmod(t, 24)[0] + divmod(t, 24)[1] / 6) * x.A, 2),
    "math.floor": (lambda t, x, p, c: p.k * math.floor(t / 24) * x.A, 1),
    "math.ceil": (lambda t, x, p, c: p.k * math.ceil(t / 24) * x.A, 2),
    "np.mod": (lambda t, x, p, c: p.k * (np.mod(t, 24) / 6) * x.A, 1),
    "np.floor_divide": (lambda t, x, p, c: p.k * np.floor_divide(t, 24) * x.A, 1),
    "np.where": (lambda t, x, p, c: np.where(t < 24, p.k, 2 * p.k) * x.A, 2),
    "np.logical_and": (lambda t, x, p, c: np.where(np.logical_and(t > 24, p.m < x.A), p.k, 0 * p.k) * x.A, 1),
    "np.clip": (lambda t, x, p, c: p.k * np.clip(x.A, 0, 4), 0.5),
    "np.interp": (lambda t, x, p, c: p.k * np.interp(t, [0, 20, 40], [0, 1, 2]) * x.A, 1.5),
    "interpolate by the hour": (lambda t, x, p, c: p.k * interpolate(t, [29, 30, 31], [0, 1, 3]) * x.A, 1),
    "interpolate from a time on": (lambda t, x, p, c: p.k * interpolate(t - 2 / p.k, [0, 10], [1, 3]) * x.A, 3),
    "np.square": (lambda t, x, p, c: p.k * np.square(x.A / p.m) * p.m, 1.6),
    "np.log10": (lambda t, x, p, c: p.k * np.log10(x.A / p.m * 6.25) * x.A, 1),
    "np.ceil": (lambda t, x, p, c: p.k * np.ceil(t / 24) * x.A, 2),
    "np.sign": (lambda t, x, p, c: p.k * np.sign(x.A / p.m) * x.A, 1),
    "np.sum": (lambda t, x, p, c: np.sum([p.k * x.A, p.k * x.A]), 2),
    "==": (lambda t, x, p, c: where(c.SEX == 1, p.k, 0 * p.k) * x.A, 1),
    "!=": (lambda t, x, p, c: where(c.SEX != 1, p.k, 2 * p.k) * x.A, 2),
    "np.int64 ==": (lambda t, x, p, c: where(np.int64(1) == c.SEX, p.k, 0 * p.k) * x.A, 1),
    "== between covariates": (lambda t, x, p, c: where(c.SEX == c.Z, p.k, 0 * p.k) * x.A, 0),
}  # fmt: skip


@pytest.mark.parametrize("what", TRACED)
def test_it_traces_to_what_it_says(what):
    rate, multiple = TRACED[what]
    assert slope(lambda t, x, p, cov: {"A": -rate(t, x, p, cov)}) == pytest.approx(-0.8 * multiple, rel=1e-10)


def test_only_what_a_function_asks_for_is_given_to_it():
    assert slope(lambda t, x, p, f=twice: {"A": -f(p.k) * x.A}) == pytest.approx(-1.6)
    assert slope(lambda t, x, p, *, f=twice, n=2: {"A": -f(p.k) * n * x.A}) == pytest.approx(-3.2)
    assert slope(lambda t, x, p, c: {"A": -p.k * c.Z * x.A}) == pytest.approx(-1.6)
    assert slope(lambda t, x, p, c, f=twice: {"A": -f(p.k) * c.Z * x.A}) == pytest.approx(-3.2)
    assert slope(lambda *a: {"A": -a[2].k * a[3].Z * a[1].A}) == pytest.approx(-1.6)

    def with_default(t: Any, x: Any, p: Any, cov: Any = None) -> dict[str, Any]:
        return {"A": -p.k * cov.Z * x.A}

    assert slope(with_default) == pytest.approx(-1.6)
    with pytest.raises(ModelError, match=r"dynamics must be written dynamics\(t, x, p\) or dynamics\(t, x, p, cov\)"):
        made(lambda t, x: {"A": 0})


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "== of a state": (lambda t, x, p, c: where(x.A == 1, p.k, 0 * p.k), r"state 'A' is compared with ==.*during"),
    "!= of time": (lambda t, x, p, c: where(t != 1, p.k, 0 * p.k), "time is compared with == or !=.*write <= or >="),
    "== of a text": (lambda t, x, p, c: where(c.SEX == "F", p.k, 0 * p.k), "with the text 'F'; covariates are numbers"),
    "a delay": (lambda t, x, p, c: p.k * x.A(t - 2), r"'A' at another time: delays are not supported;.*transit"),
    "min": (lambda t, x, p, c: p.k * min(x.A, p.m), "yes/no value.*minimum and maximum"),
    "two comparisons": (lambda t, x, p, c: where(0 < t < 5, p.k, 0 * p.k), "'0 < t < 5'.*& | ~"),
    "np.arctan": (lambda t, x, p, c: p.k * np.arctan(x.A / p.m), r"numpy.arctan cannot be traced;.*absolute, cos"),
    "np.isclose": (lambda t, x, p, c: where(np.isclose(t, 1), p.k, p.k), r"isclose cannot be traced; write absolute\("),
    "np.maximum.reduce": (lambda t, x, p, c: np.maximum.reduce(x.A), r"numpy.maximum.reduce cannot be traced"),
    "np.exp where": (lambda t, x, p, c: np.exp(x.A / p.m, where=True), "numpy.exp with where cannot be traced"),
    "round": (lambda t, x, p, c: p.k * round(t / 3), r"write floor\(x \+ 0.5\)"),
    "int": (lambda t, x, p, c: p.k * int(t), r"whole number; write floor\(x\)"),
    "math.exp": (lambda t, x, p, c: p.k * math.exp(t), "use the functions of pkpd"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_with_the_remedy(what):
    rate, message = REFUSED[what]
    with pytest.raises(ModelError, match=message):
        made(lambda t, x, p, cov: {"A": -rate(t, x, p, cov) * x.A})


def test_outside_a_models_functions_equations_are_compared_as_objects():
    node = made(lambda t, x, p: {"A": -p.k * x.A}).trace.derivatives[0]
    assert (node == node.args[0]) is False
    assert (node != node.args[0]) is True
    assert node in [node.args[0], node]


def test_a_level_is_printed_as_a_level():
    model = made(lambda t, x, p, cov: {"A": -where(cov.SEX == 1, p.k, 0 * p.k) * x.A})
    assert "where(SEX == 1, k, 0)" in str(model)
    assert "\\mathrm{SEX} = 1" in model.to_latex()


def test_groups_are_told_apart_in_every_function():
    model = made(
        lambda t, x, p, cov: {"A": -where(cov.SEX == 2, p.k2, p.k) * x.A},
        individual=lambda p, cov: {"k2": where(cov.SEX == 2, 3 * p.k, p.k)},
        initial=lambda p, cov: {"A": where(cov.SEX == 2, p.m, 0 * p.m)},
        dosing=lambda p, cov: {"A": {"F": where((cov.SEX != 1) & (cov.Z > 1), 0.5, 1.0)}},
    )
    assert text(model.trace.dosing[0]["F"]) == "where(not(SEX == 1) & (1 < Z), 0.5, 1)"
    for sex, start, rate in ((1.0, 0.0, -0.8), (2.0, 5.0, -2.4)):
        person = model.person(covariates={"SEX": sex})
        assert person.initial() == {"A": start}
        assert person.rhs(0.0, {"A": 8.0})["A"] == pytest.approx(rate)


# --- deep equations ---------------------------------------------------------------------------------------------------
def sums(t: Any, x: Any, p: Any) -> dict[str, Any]:
    return {"A": -sum(p.k * x.A * (1 + i / 1000) for i in range(500))}


def fractions(t: Any, x: Any, p: Any) -> dict[str, Any]:
    y = x.A / p.m
    for _ in range(1200):
        y = 1 / (1 + y)
    return {"A": -p.k * p.m * y}


def products(t: Any, x: Any, p: Any) -> dict[str, Any]:
    y = x.A
    for i in range(600):
        y = y * (1 + i) / (2.0 + i)
    return {"A": -p.k * y}


def powers(t: Any, x: Any, p: Any) -> dict[str, Any]:
    exponent = p.m / p.m
    for i in range(600):
        exponent = exponent + i * p.m / p.m
    return {"A": -p.k * p.m * (x.A / p.m) ** exponent}


def choices(t: Any, x: Any, p: Any) -> dict[str, Any]:
    rate = p.k
    for i in range(600):
        rate = where(t < i, rate, p.k * i)
    return {"A": -rate * x.A}


def doubled(t: Any, x: Any, p: Any) -> dict[str, Any]:
    y = x.A / p.m
    for _ in range(100):
        y = y * (1 - y)
    return {"A": -p.k * p.m * (1 - y)}


@pytest.mark.parametrize("dynamics", [sums, fractions, products, powers, choices, doubled])
def test_deep_equations_are_checked_printed_and_told_apart(dynamics):
    model = made(dynamics)
    assert "d/dt A = " in str(model)
    assert "\\frac{d A}{d t} &=" in model.to_latex()
    assert "$$" in model.to_markdown()
    assert "<h4>" in model._repr_html_()
    assert len(model.fingerprint) == 64
    root = model.trace.derivatives[0]
    assert "A" in repr(root) or "..." in repr(root)
    assert "A" in latex(root) or "ldots" in latex(root)
    assert len(repr(root)) < 500_000
    assert made(dynamics).fingerprint == model.fingerprint
