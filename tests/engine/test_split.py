"""Sorting of equations: what is constant between events gets a place, products are regrouped, switch times found."""

from __future__ import annotations

import math

import pytest
from graph_value import value
from hypothesis import assume, given
from hypothesis import strategies as st

from pkpd.engine.graph.functions import absolute, exp, floor, log, maximum, minimum, sin, where
from pkpd.engine.graph.nodes import MASKS, Node, const, make, symbol
from pkpd.engine.graph.tree import walk
from pkpd.engine.machine.split import PIECE, TIME, Slots, is_dynamic, rearrange, switches

X, Y = symbol("x", "state"), symbol("y", "state")
A, B, C = (symbol(n, "theta") for n in "abc")
ETA, WT = symbol("a", "eta"), symbol("WT", "covariate")


def placed(*roots: Node) -> list[str]:
    slots = Slots()
    slots.place_leaves(roots)
    return [repr(n) for n in slots.nodes]


# --- places -----------------------------------------------------------------------------------------------------------
def test_only_time_and_states_change_while_the_solver_steps():
    assert [is_dynamic(s) for s in (TIME, X, A, ETA, WT, symbol("a", "kappa"))] == [True, True, *[False] * 4]


def test_the_largest_constant_expressions_get_one_place_each():
    clearance = A * exp(ETA) * (WT / 70)
    assert placed(clearance / B * X, X / (clearance / B) - Y) == [repr(clearance / B)]
    assert placed(clearance * X / B) == [repr(clearance), repr(B)]
    assert placed(*rearrange([clearance * X / B])) == [repr(clearance / B)]
    assert placed((A + B) * X, A * Y) == [repr(A + B), repr(A)]


def test_numbers_and_what_changes_get_no_place():
    assert placed(2 * X + TIME, const(3), X / Y) == []


def test_a_place_is_given_once():
    slots = Slots()
    assert [slots.place(A), slots.place(B), slots.place(A)] == [0, 1, 0]
    assert slots.nodes == [A, B]


def test_a_condition_is_no_number_so_what_it_compares_gets_the_place():
    """A whole choice that is constant is a number; a constant condition of a changing choice is not."""
    assert placed(X * where(A < B, A, C)) == [repr(where(A < B, A, C))]
    nodes = Slots()
    nodes.place_leaves([where(~((A < 2 * B) | (B < C)), X, Y)])
    assert set(nodes.nodes) == {A, 2 * B, B, C}
    assert not any(n.op in MASKS for n in nodes.nodes)


def test_several_powers_of_multiples_of_one_state_share_its_logarithm():
    """log |c x| is log |c| + log |x|; one power alone gains nothing, and numbers need no place."""
    assert placed((A * X) ** B + (C * X) ** B)[3:] == [repr(log(absolute(A))), repr(log(absolute(C)))]
    assert placed((A * X) ** B + X**C)[3:] == [repr(log(absolute(A)))]
    assert placed((A * X) ** B, (C * Y) ** B) == [repr(A), repr(B), repr(C)]
    assert placed((2 * X) ** B + (3 * X) ** B) == [repr(B)]


# --- regrouping -------------------------------------------------------------------------------------------------------
def test_a_division_by_a_constant_becomes_one_product():
    (out,) = rearrange([-(A * X) / B * Y / C])
    assert out.op == "mul"
    fixed, moving = out.args
    assert {s.name for s in walk([fixed]) if s.op == "symbol"} == {"a", "b", "c"}
    assert {s.name for s in walk([moving]) if s.op == "symbol"} == {"x", "y"}
    assert not any(n.op == "div" for n in walk([moving]))


def test_a_product_that_is_asked_for_itself_stays_one_where_another_uses_it():
    flow = A * X / B
    first, second = rearrange([flow, flow * Y])
    at = {A: 3.0, B: 2.0, X: 5.0, Y: 7.0}
    assert [value(first, at), value(second, at)] == [7.5, 52.5]


def test_a_product_used_twice_is_not_computed_twice():
    flow = A * X / (B + X)
    first, second = rearrange([flow - Y, -flow])
    shared = set(walk([first])) & set(walk([second]))
    assert any(n.op == "div" for n in shared)
    assert sum(n.op == "div" for n in walk([first, second])) == 1


LEAVES = st.sampled_from([TIME, X, Y, A, B, C, ETA, WT, const(2), const(0.5), const(-3)])


@st.composite
def expressions(draw: st.DrawFn, depth: int = 5) -> Node:
    """Trees rich in products, quotients and signs."""
    if depth == 0 or draw(st.integers(0, 5)) == 0:
        return draw(LEAVES)
    op = draw(st.sampled_from(["mul", "mul", "div", "div", "neg", "add", "sub", "where", "max", "exp"]))
    args = [draw(expressions(depth - 1)) for _ in range(1 if op in ("neg", "exp") else 2)]
    if op == "where":
        return where(args[0] < args[1], args[0], args[1] / 3)
    return exp(args[0] / (1 + args[0] * args[0])) if op == "exp" else make(op, *args)


NUMBERS = st.floats(0.3, 3.0).map(lambda v: round(v, 3))


@given(roots=st.lists(expressions(), min_size=1, max_size=4), numbers=st.lists(NUMBERS, min_size=8, max_size=8))
def test_regrouping_leaves_every_value_as_it_was(roots, numbers):
    at = dict(zip((TIME, X, Y, A, B, C, ETA, WT), numbers, strict=True))
    for before, after in zip(roots, rearrange(roots), strict=True):
        old, new = value(before, at), value(after, at)
        assume(math.isfinite(old) and abs(old) < 1e12)
        assert new == pytest.approx(old, rel=1e-9, abs=1e-9 * _size(before, at))


def _size(root: Node, at: dict[Node, float]) -> float:
    """Return the largest term below a root: a difference of terms is known to their rounding only."""
    sizes = [abs(value(n, at)) for n in walk([root]) if n.op not in MASKS]
    return max([s for s in sizes if math.isfinite(s)], default=1.0)


@given(roots=st.lists(expressions(), min_size=1, max_size=4), numbers=st.lists(NUMBERS, min_size=8, max_size=8))
def test_places_and_what_changes_give_back_every_value(roots, numbers):
    """Evaluating the places first and the rest from them alone is the same as evaluating everything."""
    at = dict(zip((TIME, X, Y, A, B, C, ETA, WT), numbers, strict=True))
    slots = Slots()
    slots.place_leaves(roots)
    known = {TIME: at[TIME], X: at[X], Y: at[Y]} | {n: value(n, at) for n in slots.nodes}
    for root in roots:
        expected = value(root, at)
        assume(not math.isnan(expected))
        assert _from_places(root, known) == pytest.approx(expected, rel=1e-12)


def _from_places(root: Node, known: dict[Node, float]) -> float:
    if root in known:
        return known[root]
    values = {a: a.value if a.op == "const" else _from_places(a, known) for a in root.args}
    if root.op == "const":
        return root.value
    assert root.op != "symbol", f"{root!r} has no place"
    stand_in = {a: symbol(f"arg{i}", "state") for i, a in enumerate(values) if a.op not in MASKS}
    if root.op == "where":
        return values[root.args[1]] if values[root.args[0]] else values[root.args[2]]
    if root.op in MASKS:
        left, *right = (values[a] for a in root.args)
        return {"lt": lambda: left < right[0], "le": lambda: left <= right[0]}[root.op]()
    rebuilt = make(root.op, *(stand_in[a] for a in root.args))
    return value(rebuilt, {stand_in[a]: values[a] for a in stand_in})


# --- switch times -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("condition", "time"),
    [
        (TIME < A, A), (TIME <= A, A), (A < TIME, A), (A <= TIME, A), (TIME > A, A), (TIME >= A, A),
        (2 * TIME < A, A / 2), (A - TIME < B, A - B), (TIME / B < A, A * B), (TIME - A < B - TIME, (A + B) / 2),
    ],
    ids=repr,
)  # fmt: skip
def test_a_condition_that_is_linear_in_time_has_one_switch_time(condition, time):
    _, (kink,) = switches([where(condition, X, Y)])
    at = {A: 3.7, B: 1.9}
    assert kink.when is not None
    assert value(kink.when, at) == pytest.approx(value(time, at), rel=1e-15)


@pytest.mark.parametrize(
    "condition", [TIME <= A, TIME < A, A > TIME, A >= TIME, ~(A <= TIME), 2 * TIME <= 2 * A, TIME / B < A / B]
)
def test_conditions_are_judged_inside_the_piece_not_at_its_edge(condition):
    (root,), _ = switches([where(condition, const(1), const(2))])
    assert TIME not in walk([root])
    assert [value(root, {A: 4.0, B: 0.3, PIECE: t}) for t in (3.9, 4.1)] == [1.0, 2.0]


def test_what_only_touches_its_limit_is_within_it():
    (root,), _ = switches([where(sin(TIME) <= 1, const(1), const(2))])
    assert value(root, {PIECE: math.pi / 2}) == 1.0
    (root,), _ = switches([where(sin(TIME) < 1, const(1), const(2))])
    assert value(root, {PIECE: math.pi / 2}) == 2.0


def test_smallest_and_largest_choose_their_side_for_the_whole_piece():
    roots, kinks = switches([maximum(TIME - A, 0.0), minimum(2 * TIME, B), absolute(TIME - A)])
    at = {A: 3.0, B: 8.0, TIME: 3.5}
    assert [value(r, at | {PIECE: 3.2}) for r in roots] == [0.5, 7.0, 0.5]
    assert [value(r, at | {PIECE: 2.0}) for r in roots] == [0.0, 7.0, -0.5]
    assert [value(k.when, at) for k in kinks if k.when is not None] == [3.0, 4.0]  # of TIME - A once


def test_the_floor_of_a_floor_and_a_condition_on_it_add_no_times_of_their_own():
    day = floor(TIME / 24)
    (root,), kinks = switches([where((day >= 1) & (floor(day / 7) < 2), day, X)])
    assert [(k.source, k.whole, k.when) for k in kinks] == [(day, True, None)]
    assert TIME not in walk([root])
    assert value(root, {PIECE: 30.0, X: 5.0}) == 1.0


def test_a_condition_within_a_condition_comes_after_it_and_knows_it():
    inner = where(TIME < A, TIME, 2 * TIME)
    _, kinks = switches([where(inner < B, X, Y)])
    assert [k.below for k in kinks] == [frozenset(), frozenset({0})]
    assert kinks[1].when is None
    assert value(kinks[1].gap, {TIME: 5.0, PIECE: 1.0, A: 3.0, B: 8.0}) == -3.0
    assert value(kinks[1].slope, {TIME: 5.0, PIECE: 4.0, A: 3.0, B: 8.0}) == 2.0


@pytest.mark.parametrize("condition", [X < A, TIME < X, A < B, log(TIME + 1) < X, floor(X) < A], ids=repr)
def test_conditions_on_states_and_constants_stay(condition):
    root = where(condition, X, Y)
    assert switches([root]) == ([root], [])


def test_a_condition_that_time_drops_out_of_stays_what_it_is():
    (root,), kinks = switches([where((TIME + 1) - TIME < A, X, Y)])
    assert [k.when for k in kinks] == [None]
    assert value(root, {A: 2.0, X: 1.0, Y: 0.0, PIECE: 3.0}) == 1.0


def test_one_time_is_found_once_however_often_it_is_used():
    _, kinks = switches([where(TIME < A, X, Y), where(TIME < A, A, B) * X, where((TIME >= A) & (TIME < B), X, Y)])
    assert [k.when for k in kinks if k.when in (A, B)] == [A, A, B]  # t - a and a - t


def test_regrouping_leaves_conditions_on_time_as_they_are_written():
    """49 * (1 / 49) is below 1, so the week of 49 would begin an hour late."""
    week = floor(TIME / 49)
    (root,) = rearrange([week * X / A])
    assert week in walk([root])
    assert value(root, {TIME: 49.0, X: 1.0, A: 1.0}) == 1.0


def test_a_product_of_thousands_of_factors_is_regrouped():
    product = X
    for _ in range(2000):
        product = product * A / B
    (root,) = rearrange([product])
    assert value(root, {X: 2.0, A: 1.01, B: 1.01}) == pytest.approx(2.0)
