"""Derivatives of graphs against central differences and known values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from graph_value import value
from hypothesis import given
from hypothesis import strategies as st

from pkpd.engine.graph import functions as f
from pkpd.engine.graph.derivative import depends_on, derivative, jacobian, substitute
from pkpd.engine.graph.nodes import Node, const, symbol

x, y = symbol("x", "state"), symbol("y", "theta")
EXPRESSIONS = [
    x + 2 * y, x - y * x, x * x * y, x / (y + x), -x * y, x**y, x**3, 2.0**x, y**-x, f.exp(-x * y), f.log(x + y),
    f.log10(x), f.sqrt(x * y), f.tanh(x - y), f.erf(x * y), f.sin(x) * f.cos(y), f.lgamma(x + 0.3),
    f.absolute(x - 2 * y), f.minimum(x, 2 * y), f.maximum(x * x, y), f.where(x < y, x * y, x**2),
    f.expit(x - y), f.logit(x / (x + y)), x**y / (1.5**y + x**y),
]  # fmt: skip


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
@given(a=st.floats(0.2, 3), b=st.floats(0.2, 3))
def test_derivatives_match_central_differences(expression: Node, a: float, b: float):
    if min(abs(a - b), abs(a - 2 * b), abs(a * a - b)) < 1e-3:  # kinks of min, max, abs, where
        return
    at = {"x": a, "y": b}
    for node, name in ((x, "x"), (y, "y")):
        h = 1e-5 * at[name]
        up, down = (value(expression, {**at, name: at[name] + s * h}) for s in (1, -1))
        scale = max(abs(up), 1.0)
        exact = value(derivative([expression], node)[0], at)
        assert exact == pytest.approx((up - down) / (2 * h), rel=1e-6, abs=1e-8 * scale)


def test_second_derivative_of_lgamma_has_the_trigamma_value():
    # psi_1(1) = pi^2 / 6 (DLMF 5.4.13)
    second = derivative(derivative([f.lgamma(x)], x), x)[0]
    assert value(second, {"x": 1.0}) == pytest.approx(math.pi**2 / 6, rel=1e-9)


def test_digamma_value():
    # psi(1) = -Euler's constant (DLMF 5.4.12)
    assert value(derivative([f.lgamma(x)], x)[0], {"x": 1.0}) == pytest.approx(-0.5772156649015329, rel=1e-9)


def test_power_is_differentiable_at_base_zero():
    slope_base, slope_exponent = (derivative([x**y], s)[0] for s in (x, y))
    at = {"x": 0.0, "y": 2.0}
    assert value(slope_base, at) == 0.0
    assert value(slope_exponent, at) == 0.0


@pytest.mark.parametrize("at", [-1e6, -800.0, -708.0, -350.0, -30.0, 0.0, 30.0, 800.0, 1e6])
def test_slope_of_a_logistic_keeps_its_digits_and_is_finite_where_its_exponential_overflows(at: float):
    # s' = 1 / (4 cosh(x / 2)^2); a times it for a / (1 + exp(-x))
    exact = 0.0 if abs(at) > 400 else (0.5 / math.cosh(at / 2)) ** 2  # below 1e-160 it may be 0
    with np.errstate(over="ignore"):
        for a, node in ((1.0, f.expit(x)), (3.0, 3 / (1 + f.exp(-x))), (3.0, 3 / (f.exp(-x) + 1))):
            assert value(derivative([node], x)[0], {"x": at}) == pytest.approx(a * exact, rel=1e-12, abs=0)
        by_product = derivative([y * x / (1 + f.exp(-x))], y)[0]
        assert value(by_product, {"x": at, "y": 2.0}) == pytest.approx(at / (1 + np.exp(-at)), rel=1e-12)


def test_derivative_of_what_does_not_depend_is_zero():
    assert derivative([y * 3, const(2)], x) == [const(0), const(0)]


def test_derivative_of_floor_is_zero():
    assert derivative([f.floor(x)], x) == [const(0)]


def test_jacobian_of_a_linear_system_is_its_matrix():
    matrix = np.array([[-1.0, 2.0], [0.5, -3.0]])
    rows = [float(r[0]) * x + float(r[1]) * y for r in matrix]
    found = [[n.value for n in row] for row in jacobian(rows, [x, y])]
    assert found == matrix.tolist()


def test_depends_on_marks_every_node_above_a_chosen_symbol():
    inner, outer = y * 2, y * 2 + x
    marks = depends_on([outer], lambda n: n is x)
    assert marks[outer]
    assert marks[x]
    assert not marks[inner]


def test_substitute_replaces_nodes_and_keeps_sharing():
    new = substitute([x * y + f.exp(x)], {x: const(2)})[0]
    assert value(new, {"y": 3.0}) == pytest.approx(6 + math.exp(2))
    untouched = f.exp(y)
    assert substitute([untouched], {x: y})[0] is untouched
