"""Cascades: which models are one, the quadrature against stepping solvers and SciPy, error, dosing, steady state."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from engine_tools import equations, grid, one, solve
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from pkpd.engine.graph.functions import cos, exp, floor, maximum, sqrt, where
from pkpd.engine.solve.block import Settings
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.panel import NODES, lobatto
from pkpd.engine.solve.run import solve_block
from pkpd.errors import ModelError, RegimenError

TIGHT = {"rtol": 1e-12, "atol": 1e-14}
TIMES = np.array([0.0, 0.5, 2.0, 3.0, 7.5, 12.0, 13.0, 24.0, 30.0, 36.0, 60.0])
VALUES = {"ka": 0.8, "k": 0.15, "ke0": 0.3, "kin": 10.0, "kout": 0.2, "emax": 0.9, "ec50": 0.7, "hill": 1.6, "on": 5.3}
NAMES = list(VALUES)
DOSE = {"time": 0.0, "amt": 10.0, "ii": 12.0, "addl": 3}


def response(effect: Callable[..., Any], driver: int = 1) -> Callable[..., list[Any]]:
    """Return the equations of depot, centre, effect site, a response formed at kin (1 - effect), two transits."""

    def rhs(t: Any, y: Any, ka: Any, k: Any, ke0: Any, kin: Any, kout: Any, *more: Any) -> list[Any]:
        formed = kin * (1.0 - effect(t, y[driver], *more))
        transits = [kout * (y[3] - y[4]), kout * (y[4] - y[5])]
        return [-ka * y[0], ka * y[0] - k * y[1], ke0 * (y[1] - y[2]), formed - kout * y[3], *transits]

    return rhs


def sigmoid(t: Any, c: Any, emax: Any, ec50: Any, hill: Any, on: Any) -> Any:
    """Return the sigmoid effect of a concentration that rounding may leave below zero."""
    raised = maximum(c, 0.0) ** hill
    return emax * raised / (ec50**hill + raised)


EFFECTS: dict[str, tuple[Callable[..., Any], int]] = {
    "inhibited": (sigmoid, 1),
    "stimulated": (lambda *a: -2.0 * sigmoid(*a), 1),
    "effect site": (sigmoid, 2),
    "kink": (lambda t, c, emax, ec50, hill, on: emax * exp(-maximum(c - ec50, 0.0)), 1),
    "switched": (lambda t, c, emax, ec50, hill, on: where(t < on, sigmoid(t, c, emax, ec50, hill, on), 0.0), 1),
    "clock": (lambda t, c, emax, ec50, hill, on: sigmoid(t, c, emax, ec50, hill, on) * cos(0.2618 * (t - on)), 1),
}


@functools.cache
def kernel(name: str, dosed: bool = False) -> Kernel:
    effect, driver = EFFECTS[name]
    rules = {0: {"tlag": 0.4, "F": 0.7}} if dosed else None
    return Kernel(equations(response(effect, driver), [0.0, 0.0, 0.0, 50.0, 50.0, 50.0], NAMES, dosing=rules))


def kind(rhs: Callable[..., Sequence[Any]], states: int) -> str:
    """Return how the solver sees a system."""
    k = Kernel(equations(rhs, [0.0] * states))
    return "linear" if k.linear else "cascade" if k.cascade else "other"


# --- which models are cascades ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", EFFECTS)
def test_responses_whose_formation_is_driven_are_cascades(name):
    found = kernel(name)
    assert found.cascade
    assert not found.linear
    assert found.structure is not None
    assert list(found.structure.forcing) == [3]


CASES: dict[str, tuple[Callable[..., Sequence[Any]], int, str]] = {
    "indirect response II": (lambda t, y: [-y[0], 2.0 - y[1] * (1.0 - y[0] / (1.0 + y[0]))], 2, "other"),
    "indirect response IV": (lambda t, y: [-y[0], 2.0 - y[1] * (1.0 + y[0])], 2, "other"),
    "saturable elimination": (lambda t, y: [-y[0] / (1.0 + y[0]), 2.0 / (1.0 + y[0]) - y[1]], 2, "other"),
    "target-mediated": (lambda t, y: [-y[0] * y[1] + y[2], 1.0 - y[1] - y[0] * y[1], y[0] * y[1] - y[2]], 3, "other"),
    "feedback on formation": (lambda t, y: [-y[0], 1.0 / (1.0 + y[0] + y[2]) - y[1], y[1] - y[2]], 3, "other"),
    "time in a coefficient": (lambda t, y: [-t * y[0], y[0] ** 2 - y[1]], 2, "other"),
    "a condition on the state": (lambda t, y: [-y[0], where(y[1] < 1.0, 1.0, 0.0) - y[1]], 2, "other"),
    "a floor of the state": (lambda t, y: [-y[0], floor(y[1]) - y[1]], 2, "other"),
    "two compartments": (lambda t, y: [-y[0] + y[1] / 2, (y[0] - y[1]) * 3], 2, "linear"),
    "a rest that cancels": (lambda t, y: [-y[0], (y[0] - y[1]) / 2 - (-y[1])], 2, "linear"),
    "input over time": (lambda t, y: [exp(-t) - y[0]], 1, "cascade"),
    "two responses": (lambda t, y: [-y[0], y[0] ** 2 - y[1], 1 / (1 + y[0]) - y[2]], 3, "cascade"),
    "state downstream of a state": (lambda t, y: [-y[0], y[0] ** 2 - y[1], y[1] + y[0] - y[2]], 3, "cascade"),
}


@pytest.mark.parametrize("name", CASES)
def test_systems_are_recognised(name):
    rhs, states, expected = CASES[name]
    assert kind(rhs, states) == expected


def test_a_model_that_is_no_cascade_says_so():
    rhs, states, _ = CASES["indirect response II"]
    with pytest.raises(ModelError, match="cascade"):
        one(Kernel(equations(rhs, [1.0] * states)), [0.0, 1.0], method="cascade")


# --- the rule ---------------------------------------------------------------------------------------------------------
def test_the_rule_is_exact_to_degree_thirteen_and_the_coefficients_are_legendres():
    nodes, rows = lobatto()
    np.testing.assert_allclose(nodes, 1 - nodes[::-1], atol=1e-16)
    powers = np.arange(2 * NODES - 2)
    np.testing.assert_allclose(rows[0] @ nodes[:, None] ** powers, 1 / (powers + 1), rtol=1e-14)
    legendre = np.polynomial.legendre.legvander(2 * nodes - 1, NODES - 1)
    np.testing.assert_allclose(rows[1:] @ legendre, np.eye(NODES)[4:], atol=1e-14)


# --- against other solvers --------------------------------------------------------------------------------------------
DOSES = {
    "boluses": (DOSE,),
    "infusions": (DOSE | {"rate": 3.0}, {"time": 2.0, "cmt": 1, "amt": 5.0, "rate": 1.25}),
    "reset": (DOSE, {"time": 6.5, "evid": 3}, {"time": 20.0, "evid": 4, "cmt": 1, "amt": 2.0, "rate": 0.3}),
    "set": (DOSE, {"time": 4.0, "evid": 8, "cmt": 3, "amt": 7.0}, {"time": 13.0, "evid": 8, "cmt": 1, "amt": 1.0}),
    "into the response": ({"time": 1.0, "cmt": 3, "amt": 30.0, "rate": 6.0}, DOSE),
}


@pytest.mark.parametrize("doses", DOSES)
@pytest.mark.parametrize("name", EFFECTS)
def test_agrees_with_a_stepping_solver(name, doses):
    k, values = kernel(name, dosed=True), list(VALUES.values())
    panels = one(k, TIMES, values, *DOSES[doses], method="cascade", **TIGHT)
    steps = one(k, TIMES, values, *DOSES[doses], method="dop853", **TIGHT)
    np.testing.assert_allclose(panels, steps, rtol=1e-9, atol=1e-9)


def test_panels_are_not_short_for_ever_where_rounding_is_all_that_varies():
    # once the switch is over the forcing is a constant, and its coefficients are rounding errors that do not fall
    k = kernel("switched", dosed=True)
    for rtol in (1e-11, 1e-12):
        result = solve(k, TIMES, list(VALUES.values()), DOSE, method="cascade", rtol=rtol, atol=rtol / 100)
        assert result.status[0] == 0
        assert result.steps[0] < 200  # each of 13 intervals between events and observations takes one, a few some


@pytest.mark.parametrize("lanes", ["1", "2", "4"])
def test_sums_over_nodes_do_not_depend_on_the_width_of_registers(lanes, monkeypatch):
    wide = one(kernel("effect site"), TIMES, list(VALUES.values()), DOSE, method="cascade", rtol=1e-6, atol=1e-8)
    monkeypatch.setenv("PKPD_LANES", lanes)
    k = Kernel(equations(response(*EFFECTS["effect site"]), [0.0, 0.0, 0.0, 50.0, 50.0, 50.0], NAMES))
    narrow = one(k, TIMES, list(VALUES.values()), DOSE, method="cascade", rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(narrow, wide, rtol=1e-13)


def test_agrees_with_scipy_after_a_bolus():
    def rhs(t: float, y: np.ndarray) -> list[float]:
        ka, k, ke0, kin, kout, emax, ec50, hill, _ = VALUES.values()
        effect = emax * max(y[2], 0.0) ** hill / (ec50**hill + max(y[2], 0.0) ** hill)
        formed = kin * (1 - effect) - kout * y[3]
        return [
            -ka * y[0],
            ka * y[0] - k * y[1],
            ke0 * (y[1] - y[2]),
            formed,
            kout * (y[3] - y[4]),
            kout * (y[4] - y[5]),
        ]

    expected = solve_ivp(rhs, (0, 60), [10, 0, 0, 50, 50, 50], "LSODA", TIMES, rtol=1e-11, atol=1e-12).y.T
    bolus = {"time": 0.0, "amt": 10.0}
    found = one(kernel("effect site"), TIMES, list(VALUES.values()), bolus, method="cascade", **TIGHT)
    np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-7, atol=1e-8)


def test_a_squared_driver_has_a_closed_form():
    """u = e^-t drives y' = u^2 - y / 2, so y = (e^(-t/2) - e^(-2t)) 2 / 3."""
    k = Kernel(equations(lambda t, y: [-y[0], y[0] ** 2 - 0.5 * y[1]], [1.0, 0.0]))
    times = np.array([0.0, 0.3, 4.0, 40.0])
    found = one(k, times, method="cascade", rtol=1e-11, atol=1e-15)[:, 1]
    np.testing.assert_allclose(found, (np.exp(-times / 2) - np.exp(-2 * times)) * 2 / 3, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("method", ["cascade", "dop853", "rodas5p"])
def test_powers_of_multiples_of_one_state_are_right_for_any_sign_and_size(method):
    """x' = (a u)^g and y' = (b u)^h of a constant u: x(1) and y(1) are the powers, also where a^g alone vanishes.

    log |a| is rounded, which is g |log a| 2^-53 of the power: 3.3e-13 for 5e-5^300.
    """
    cases = np.array([
        [2.5, 0.4, 1.3, 3.0, 0.7],
        [0.0, 1.0, 2.0, 3.0, 0.5],
        [-2.0, 1.5, 3.0, 0.5, 2.0],
        [1e4, 5e-5, 300.0, 2e-4, 0.1],
        [1.0, 1.0, 5.0, -1.0, 3.0],
        [3.0, 0.0, 2.0, 1.0, 0.0],
        [-1e-12, 2.0, 2.0, 3.0, 4.0],
        [7.0, 1e-3, 1.0, 1e3, 1.0],
        [0.03, 11.0, 0.8, 2.0, 2.5],
    ])  # fmt: skip
    rhs = lambda t, y, u, a, g, b, h: [0.0, (a * y[0]) ** g, (b * y[0]) ** h]  # noqa: E731
    kernel = Kernel(equations(rhs, ["u", 0.0, 0.0], ["u", "a", "g", "b", "h"]))
    found = solve(kernel, [0.0, 1.0], cases.T, method=method)
    expected = [[(a * u) ** g, (b * u) ** h] for u, a, g, b, h in cases]
    assert not found.status.any()
    np.testing.assert_allclose(found.outputs[1:, :, 1].T, expected, rtol=4e-13)
    undefined = solve(kernel, [0.0, 1.0], [-1.0, 1.0, 0.5, 1.0, 2.0], method=method)
    assert undefined.status.all()


@pytest.mark.parametrize("rate", [40.0, 4000.0])
def test_what_is_over_long_before_the_next_observation_is_not_missed(rate):
    """u = e^(-rate t), y' = u / (0.01 + u): y grows by log(1.01 / 0.01) / rate in a moment of 24 h."""
    k = Kernel(equations(lambda t, y, k: [-k * y[0], y[0] / (0.01 + y[0])], [1.0, 0.0], ["k"]))
    y = one(k, [0.0, 24.0], [rate], method="cascade", rtol=1e-8, atol=1e-12)[1, 1]
    assert y == pytest.approx(math.log(101.0) / rate, rel=1e-6)


def test_a_fast_response_follows_its_driver():
    """At kout = 1e4 / h, y = g - g' / kout + ... with g the forcing over kout."""
    k = Kernel(equations(lambda t, y, k: [-0.1 * y[0], k * sqrt(y[0]) - k * y[1]], [1.0, 1.0], ["k"]))
    y = one(k, [0.0, 5.0], [1e4], method="cascade", rtol=1e-8, atol=1e-12)[1, 1]
    slow = math.exp(-0.25)
    assert y == pytest.approx(slow * (1 + 0.05e-4), rel=1e-7)


# --- the error --------------------------------------------------------------------------------------------------------
rates = st.floats(-1.0, 1.0).map(lambda x: 10.0**x)


@settings(max_examples=60)
@given(
    st.sampled_from(["inhibited", "stimulated", "effect site", "clock"]),
    st.tuples(rates, rates, rates, rates, rates),
    st.floats(-2.0, 1.0), st.floats(0.5, 8.0), st.sampled_from([0.0, 3.0]), st.sampled_from([1e-4, 1e-6, 1e-8]),
)  # fmt: skip
def test_errors_are_of_the_size_that_is_allowed(name, speeds, log_ec50, hill, rate, rtol):
    """Within 30 tolerances of the largest value of the state: local errors of tens of panels, amplified downstream."""
    ka, k, ke0, kin, kout = speeds
    values = [ka, k, ke0, kin, kout, 0.9, 10.0**log_ec50, hill, 5.3]
    dose = DOSE | {"rate": rate}
    found, exact = (
        one(kernel(name), TIMES, values, dose, method="cascade", rtol=r, atol=r * 1e-2) for r in (rtol, 1e-13)
    )
    assert (np.abs(found - exact) <= 30 * rtol * (1e-2 + np.abs(exact).max(axis=0))).all()


def test_fewer_panels_than_a_stepping_solver_takes_steps_and_none_without_need():
    k, values = kernel("effect site"), list(VALUES.values())
    times = np.arange(0.0, 49.0, 4.0)
    panels = solve(k, times, values, DOSE, method="cascade", rtol=1e-6, atol=1e-8).steps[0]
    steps = solve(k, times, values, DOSE, method="dop853", rtol=1e-6, atol=1e-8).steps[0]
    assert times.size - 1 <= panels < steps


# --- steady state -----------------------------------------------------------------------------------------------------
STEADY = {
    "bolus": {"amt": 10.0, "ii": 6.0, "ss": 1, "addl": 2},
    "infusion": {"amt": 10.0, "rate": 4.0, "ii": 6.0, "ss": 1, "addl": 2},
    "overlapping infusion": {"amt": 40.0, "rate": 4.0, "ii": 6.0, "ss": 1},
    "constant infusion": {"amt": 0.0, "rate": 4.0, "ss": 1},
}


@pytest.mark.parametrize("dose", STEADY)
@pytest.mark.parametrize("name", ["inhibited", "effect site", "kink"])
def test_the_steady_state_is_what_repeated_cycles_lead_to(name, dose):
    k, values = kernel(name, dosed="constant" not in dose), list(VALUES.values())
    doses = {"time": 0.0, "amt": 5.0}, {"time": 2.0} | STEADY[dose]
    times = [1.0, 2.5, 5.0, 8.0, 20.0]
    closed = one(k, times, values, *doses, method="cascade", **TIGHT)
    cycled = one(k, times, values, *doses, method="dop853", rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(closed, cycled, rtol=2e-8, atol=1e-8)


@pytest.mark.parametrize("method", ["auto", "cascade", "dop853"])
def test_a_steady_state_is_not_added_where_sums_of_solutions_are_none(method):
    doses = {"time": 0.0, "amt": 5.0}, {"time": 2.0, "amt": 10.0, "ii": 6.0, "ss": 2}
    with pytest.raises(RegimenError, match=r"SS=2 \(into '.*' at time 2\) .* linear equations only, .*ADDL and II"):
        solve(kernel("inhibited"), [1.0, 3.0], list(VALUES.values()), *doses, method=method)


def test_a_clock_has_no_constant_steady_state():
    dose = {"time": 0.0} | STEADY["constant infusion"]
    result = solve(kernel("clock"), [0.0, 1.0], list(VALUES.values()), dose, method="cascade")
    assert result.status.tolist() == [4]


# --- failures and the choice of solver --------------------------------------------------------------------------------
def test_a_subject_that_fails_does_not_spoil_the_next():
    k = Kernel(equations(lambda t, y, a: [-y[0], sqrt(y[0] - a) - y[1]], [1.0, 0.0], ["a"]))
    result = solve(k, [0.0, 0.5, 1.0, 2.0], np.array([[0.0, 0.5, 0.0]]), method="cascade")
    assert result.status.tolist() == [0, 3, 0]
    assert np.isnan(result.outputs[:, 1, -1]).all()
    np.testing.assert_array_equal(result.outputs[:, 0], result.outputs[:, 2])
    assert result.when[1] <= 1.0


def test_the_number_of_panels_is_bounded():
    result = solve(kernel("inhibited"), TIMES, list(VALUES.values()), DOSE, method="cascade", max_steps=5)
    assert result.status.tolist() == [2]
    assert result.steps.tolist() == [5]


def test_panels_are_no_longer_than_h_max():
    result = solve(kernel("inhibited"), [0.0, 40.0], list(VALUES.values()), DOSE, method="cascade", h_max=0.5)
    assert result.steps[0] >= 80


def test_auto_takes_panels_where_observations_are_few_and_steps_where_they_are_many():
    k, values = kernel("inhibited"), list(VALUES.values())
    for times, chosen in ((TIMES, "cascade"), (np.linspace(0.0, 48.0, 400), "dop853")):
        auto, same = (solve(k, times, values, DOSE, method=m) for m in ("auto", chosen))
        np.testing.assert_array_equal(auto.outputs, same.outputs)
        np.testing.assert_array_equal(auto.steps, same.steps)


@pytest.mark.parametrize("width", [1, 2, 8])
def test_the_width_of_the_vectors_changes_nothing_but_rounding(width):
    values = list(VALUES.values())
    wide, narrow = (
        one(
            Kernel(equations(response(sigmoid, 2), [0.0] * 3 + [50.0] * 3, NAMES), w),
            TIMES,
            values,
            DOSE,
            method="cascade",
        )
        for w in (4, width)
    )
    np.testing.assert_allclose(wide, narrow, rtol=1e-11, atol=1e-13)


def test_a_subject_does_not_depend_on_those_beside_it():
    k = kernel("effect site")
    values = np.array(list(VALUES.values()))[:, None] * np.array([1.0, 0.5, 2.0])
    together = solve_block(k, grid(3, TIMES, DOSE), values, Settings("cascade")).outputs
    for i in range(3):
        alone = solve_block(k, grid(1, TIMES, DOSE), values[:, i : i + 1], Settings("cascade")).outputs
        np.testing.assert_array_equal(together[:, i], alone[:, 0])
