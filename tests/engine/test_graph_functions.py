"""Functions for equations on symbols, numbers and arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graph_value import value

from pkpd.engine.graph import functions as f
from pkpd.engine.graph.derivative import derivative
from pkpd.engine.graph.nodes import symbol
from pkpd.engine.graph.numpycalls import OFFERED
from pkpd.errors import ModelError

x, y, t = symbol("x", "state"), symbol("y", "state"), symbol("t", "time")
UNARY: list[tuple[Callable[[Any], Any], Callable[[float], float]]] = [
    (f.exp, math.exp), (f.log, math.log), (f.log10, math.log10), (f.sqrt, math.sqrt), (f.tanh, math.tanh),
    (f.sin, math.sin), (f.cos, math.cos), (f.floor, math.floor), (f.absolute, abs), (f.erf, math.erf),
    (f.lgamma, math.lgamma), (f.expit, lambda v: 1 / (1 + math.exp(-v))),
]  # fmt: skip


@pytest.mark.parametrize(("function", "plain"), UNARY, ids=lambda g: getattr(g, "__name__", "?"))
def test_one_function_for_symbols_numbers_and_arrays(function: Callable[[Any], Any], plain: Callable[[float], float]):
    points = np.array([0.3, 1.7, 4.2])
    expected = [plain(v) for v in points]
    assert np.asarray(function(points)) == pytest.approx(expected, rel=1e-14)
    assert float(function(1.7)) == pytest.approx(expected[1], rel=1e-14)
    assert [value(function(x), {"x": v}) for v in points] == pytest.approx(expected, rel=1e-14)


def test_logit_is_the_inverse_of_expit():
    assert value(f.logit(f.expit(x)), {"x": 0.8}) == pytest.approx(0.8, rel=1e-14)
    assert f.logit(0.25) == pytest.approx(math.log(1 / 3))


@pytest.mark.parametrize("at", [-1e-300, -1e-20, -1e-9, -1e-3, -0.5, -0.999999, -1.0, -1.3, -5.0, -40.0, -800.0])
def test_log1mexp_keeps_its_digits(at: float):
    expected = math.log(-math.expm1(at)) if at > -0.7 else math.log1p(-math.exp(at))
    for found in (float(f.log1mexp(at)), f.log1mexp(np.array([at, -1.0]))[0], value(f.log1mexp(x), {"x": at})):
        assert found == pytest.approx(expected, rel=1e-14, abs=1e-16)
    slope = value(derivative([f.log1mexp(x)], x)[0], {"x": at})
    assert slope == pytest.approx(math.exp(at) / math.expm1(at), rel=1e-14)


@pytest.mark.parametrize(("function", "expected"), [(f.minimum, 2.0), (f.maximum, 3.0), (f.power, 8.0)])
def test_two_arguments(function: Callable[[Any, Any], Any], expected: float):
    assert float(function(2.0, 3.0)) == expected
    for a, b in ((x, y), (x, 3.0), (2.0, y)):
        assert value(function(a, b), {"x": 2.0, "y": 3.0}) == expected


def test_where_chooses_for_symbols_and_numbers():
    chosen = f.where(x < 1, 2.0, y)
    assert value(chosen, {"x": 0.0, "y": 5.0}) == 2.0
    assert value(chosen, {"x": 1.0, "y": 5.0}) == 5.0
    assert float(f.where(True, 2.0, 3.0)) == 2.0
    assert f.where(np.array([True, False]), 1.0, 0.0).tolist() == [1.0, 0.0]
    assert f.where(False, x, y) is y


@pytest.mark.parametrize("kind", ["linear", "step"])
def test_interpolate_is_numpy_between_knots_and_flat_outside(kind: str):
    times, values = [0.0, 2.0, 3.0, 7.0], [1.0, 5.0, 2.0, 4.0]
    traced = f.interpolate(t, times, values, kind)
    for at in (-1.0, 0.0, 0.5, 1.999, 2.0, 2.5, 3.0, 6.0, 7.0, 9.0):
        if kind == "linear":
            expected = float(np.interp(at, times, values))
        else:
            expected = values[max(np.searchsorted(times, at, side="right") - 1, 0)]
        assert value(traced, {"t": at}) == pytest.approx(expected, rel=1e-14)
        assert float(f.interpolate(at, times, values, kind)) == pytest.approx(expected, rel=1e-14)


def test_interpolate_takes_parameters_as_values():
    assert value(f.interpolate(t, [0, 2], [x, y]), {"t": 1.0, "x": 1.0, "y": 4.0}) == 2.5


@pytest.mark.parametrize(
    ("times", "values", "kind", "text"),
    [
        ([0, 1], [1], "linear", "2 times for 1 values; give one value for each time"),
        ([], [], "linear", "0 times for 0 values"),
        ([0, 1, 1], [1, 2, 3], "linear", r"times must be finite and increase strictly, got \[0.0, 1.0, 1.0\]"),
        ([0, math.nan], [1, 2], "linear", "times must be finite and increase strictly"),
        ([0, 1], [1, 2], "cubic", "kind must be 'linear' or 'step', got 'cubic'"),
    ],
)
def test_bad_knots(times: list[float], values: list[float], kind: str, text: str):
    with pytest.raises(ModelError, match=text):
        f.interpolate(t, times, values, kind)


def test_what_a_refused_call_of_numpy_offers_is_all_that_there_is():
    assert list(OFFERED) == f.__all__
