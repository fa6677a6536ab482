"""Nodes: sharing, folding, and what cannot be traced."""

from __future__ import annotations

import gc
import math
from typing import Any, cast

import numpy as np
import pytest
from graph_value import value

from pkpd.engine.graph.nodes import as_node, const, make, symbol
from pkpd.engine.graph.tree import symbols_of, walk
from pkpd.errors import ModelError

x, y = symbol("x", "state"), symbol("y", "state")


def test_equal_expressions_are_one_object():
    assert x * y + 1 is x * y + 1
    assert symbol("x", "state") is x
    assert symbol("x", "theta") is not x
    assert const(2) is const(2.0)


def test_operators_build_what_they_say():
    at = {"x": 3.0, "y": 0.5}
    for expression, expected in [
        (x + y, 3.5), (x - y, 2.5), (x * y, 1.5), (x / y, 6.0), (x**y, 3.0**0.5), (-x, -3.0), (+x, 3.0), (abs(-x), 3.0),
        (1 + x, 4.0), (1 - x, -2.0), (2 * x, 6.0), (1 / x, 1 / 3), (2**x, 8.0),
    ]:  # fmt: skip
        assert value(expression, at) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(("a", "b"), [(1.0, 2.0), (2.0, 1.0), (1.0, 1.0)])
def test_comparisons(a: float, b: float):
    at = {"x": a, "y": b}
    for condition, expected in [(x < y, a < b), (x <= y, a <= b), (x > y, a > b), (x >= y, a >= b)]:
        assert value(condition, at) == expected
        assert value(~condition, at) == (not expected)
    assert value((x < y) & (x <= y), at) == (a < b)
    assert value((x < y) | (x > y), at) == (a != b)


def test_numbers_fold_and_neutral_elements_vanish():
    assert const(2) * const(3) is const(6)
    for same in (x + 0, 0 + x, x - 0, x * 1, 1 * x, x / 1, x**1, (-x).__neg__(), x * 1.0):
        assert same is x
    for zero in (x * 0, 0 * x, x - x, 0 / x):
        assert zero is const(0)
    assert x**0 is const(1)
    assert x * -1 is -x
    assert x + -y is x - y
    assert x - -y is x + y
    assert x**0.5 is make("sqrt", x)
    assert make("where", x < y, x, x) is x


def test_folding_outside_the_domain_keeps_the_expression():
    assert make("log", const(-1)).op == "log"
    assert (const(1) / const(0)).op == "div"
    assert (const(-8) ** const(1 / 3)).op == "pow"


def test_numpy_functions_and_scalars_trace():
    assert np.exp(x) is make("exp", x)
    assert np.float64(2) * x is const(2) * x
    assert (np.float64(2) > x) is (x < 2)
    assert (np.float64(2) >= x) is (x <= 2)
    assert np.maximum(cast(Any, x), 1.0) is make("max", x, const(1))


def test_numpy_function_without_meaning_is_refused():
    with pytest.raises(ModelError, match=r"numpy\.arctan cannot be traced; .* \(functions of pkpd\)"):
        np.arctan(x)


def test_yes_no_use_names_where():
    with pytest.raises(ModelError, match=r"used as a yes/no value.*write where\(condition"):
        bool(x > 0)


def test_equality_with_a_number_is_refused():
    with pytest.raises(ModelError, match=r"compared with ==.*write <= or >="):
        _ = x == 0
    assert x == x
    assert x != y


def test_functions_of_math_are_refused():
    with pytest.raises(ModelError, match="turned into a number; use the functions of pkpd"):
        math.exp(x)


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (np.ones(3), r"holds an array of shape \(3,\)"),
        ("CL", "holds 'CL', which is neither a number nor"),
        (None, "None"),
    ],
)
def test_what_is_no_equation_is_refused(bad: object, text: str):
    with pytest.raises(ModelError, match=text):
        as_node(bad)


def test_conditions_and_values_do_not_mix():
    with pytest.raises(ModelError, match="add: a condition where a value is needed"):
        _ = (x < y) + 1
    with pytest.raises(ModelError, match="where: a value where a condition is needed"):
        make("where", x, x, y)
    with pytest.raises(ModelError, match="and: a value where a condition is needed"):
        _ = (x < y) & y


def test_walk_gives_each_node_once_and_arguments_first():
    root = (x + y) * (x + y) + x
    order = list(walk([root, x]))
    assert len(order) == len(set(order))
    for i, n in enumerate(order):
        assert all(a in order[:i] for a in n.args)
    assert symbols_of([root]) == [x, y]


def test_deep_expressions_need_no_recursion():
    total = x
    for i in range(5000):
        total = total * y + i
    assert value(total, {"x": 1.0, "y": 0.0}) == 4999.0


def test_unused_nodes_are_freed():
    from pkpd.engine.graph.nodes import _TABLE

    before = len(_TABLE)
    total = symbol("gone", "state")
    for i in range(100):
        total = total * 1.5 + i
    assert len(_TABLE) > before
    del total
    gc.collect()
    assert len(_TABLE) <= before + 1
