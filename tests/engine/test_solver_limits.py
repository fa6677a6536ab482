"""Every solve ends: limits of work, people outside of the equations, numbers that are not finite, small amounts."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
from engine_tools import METHODS, equations, solve

import pkpd
from pkpd import Covariate, Model, Output, Parameter, Population, Regimen, State
from pkpd.engine.graph.functions import log, sqrt
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.status import Status
from pkpd.errors import PkpdError, RegimenError
from pkpd.math import where
from pkpd.simulation.failures import SolverWarning

EVERY = ("auto", "cascade", *METHODS)


@functools.cache
def turnover() -> Kernel:
    """Return a drug that inhibits the production of a marker: linear equations that drive others."""
    rhs = lambda t, y, k, kout, v: [-k / v * y[0], kout * (1.0 / (1.0 + y[0] / v) - y[1])]  # noqa: E731
    return Kernel(equations(rhs, [0.0, 1.0], ["k", "kout", "v"]))


@functools.cache
def weighted() -> Model:
    """Return one vessel whose size goes with weight, with its concentration and the logarithm of that."""
    return Model(
        "weighted",
        states=[State("A", "mg")],
        covariates=[Covariate("S", "kg", 70.0, bounds=(-1e3, 1e3))],
        parameters=[Parameter("k", 0.1, "1/h"), Parameter("one", 1.0, "mg/L"), Parameter("V", 70.0, "L")],
        outputs=[Output("C", "mg/L"), Output("logC", "")],
        individual=lambda p, cov: {"V": p.V * (cov.S / 70)},
        dosing=lambda p, cov: {"A": {"F": (cov.S / 70)}},
        dynamics=lambda t, x, p: {"A": -p.k * x.A},
        calculate=lambda t, x, p: {"C": x.A / p.V, "logC": log(x.A / p.V / p.one)},
    )


def rows(**columns: list[float]) -> pkpd.EventTable:
    return pkpd.read_events(pd.DataFrame({"ID": 1} | columns))


# --- limits of work ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", EVERY)
def test_a_person_outside_fails_at_once_and_the_others_are_solved(method):
    """Rates of 0/0, infinity, and so fast that steps would have no end."""
    inputs = np.array([[0.1, 0.0, 0.1, 0.2], [0.05, 0.05, 1.0, 0.05], [1.0, 0.0, 0.0, 1.0]])
    dose = {"time": 0.0, "amt": 5.0, "ii": 12.0, "addl": 3}
    found = solve(turnover(), [6.0, 48.0], inputs, dose, method=method)
    assert found.status.tolist() == [0, 3, 3, 0]
    assert (found.steps[1:3] < 20).all()
    assert np.isnan(found.outputs[:, 1:3]).all()
    assert np.isfinite(found.outputs[:, [0, 3]]).all()


@pytest.mark.parametrize("method", EVERY)
def test_steps_have_a_limit_whatever_the_method(method):
    dose = {"time": 0.0, "amt": 5.0, "ii": 12.0, "addl": 3}
    found = solve(turnover(), [48.0], [0.1, 0.05, 1.0], dose, method=method, max_steps=3)
    assert found.status.tolist() == [Status.TOO_MANY_STEPS]
    assert found.steps[0] <= 4


def test_rates_that_keep_panels_short_go_to_the_stiff_method():
    """kout of 1e-2 to 1e8 per hour: the work does not grow with it, and the marker follows its quasi-steady state."""
    kout = 10.0 ** np.arange(-2, 9)
    inputs = np.vstack([np.full(kout.size, 0.1), kout, np.ones(kout.size)])
    dose = {"time": 0.0, "amt": 5.0, "ii": 24.0, "addl": 4}
    found = solve(turnover(), [30.0, 119.0], inputs, dose, rtol=1e-7)
    assert found.status.tolist() == [0] * kout.size
    assert found.steps.max() < 3000
    np.testing.assert_allclose(found.outputs[1, 7:], 1.0 / (1.0 + found.outputs[0, 7:]), rtol=1e-4)
    exact = solve(turnover(), [30.0, 119.0], inputs[:, :5], dose, method="dop853", rtol=1e-10)
    np.testing.assert_allclose(found.outputs[:, :5], exact.outputs, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_steps": 0}, "max_steps must be a whole number of at least 1, got 0"),
        ({"max_steps": -5}, "max_steps must be a whole number of at least 1, got -5"),
        ({"max_steps": 10.5}, r"max_steps must be a whole number of at least 1, got 10\.5"),
        ({"max_steps": np.inf}, "max_steps must be a whole number of at least 1, got inf"),
        ({"max_steps": True}, "max_steps must be a whole number of at least 1, got True"),
        ({"rtol": 0.0}, r"rtol must be > 0, got 0\.0"),
        ({"rtol": np.nan}, "rtol must be > 0, got nan"),
        ({"atol": np.inf}, "atol must be finite, got inf"),
        ({"h_max": 0.0}, r"h_max must be > 0, got 0\.0"),
    ],
)
def test_limits_that_allow_nothing_are_refused(options, text):
    with pytest.raises(PkpdError, match=rf"^simulate: {text}"):
        pkpd.simulate(weighted(), Regimen(amt=1), times=[1.0], **options)


# --- numbers that are not finite --------------------------------------------------------------------------------------
@pytest.mark.parametrize("later", [0.0, 2.0])
def test_an_output_that_is_not_finite_is_a_failure_also_where_no_step_is_taken(later):
    table = rows(TIME=[0.0, later], AMT=[100.0, 0.0], S=[0.0, 0.0])
    with pytest.warns(
        SolverWarning, match=r"ID 1, t = 0 h: an output is infinite.*\(k=0\.1, .*V=0.*; S=0\); the numbers"
    ):
        found = pkpd.simulate(weighted(), table, outputs=["C"])
    assert found["status"].values.tolist() == [Status.OUTPUT_NOT_FINITE]
    assert np.isnan(found["C"].values).all()


def test_a_logarithm_of_nothing_is_told_and_what_can_be_computed_is_kept():
    with pytest.warns(SolverWarning, match="t = 0 h: an output is infinite"):
        found = pkpd.simulate(weighted(), Regimen(amt=70, time=1.0), times=[0.0, 1.0, 11.0], outputs=["C", "logC"])
    assert int(found["status"]) == Status.OUTPUT_NOT_FINITE
    np.testing.assert_allclose(found["logC"], [np.nan, np.nan, -1.0], rtol=1e-9)
    np.testing.assert_allclose(found["C"], [0.0, 0.0, np.exp(-1.0)], rtol=1e-9)


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_a_rate_that_is_not_finite_is_a_failure_even_if_no_time_passes(method):
    kernel = Kernel(equations(lambda t, y, k: [-y[0] / k * (1.0 + y[0])], [2.0], ["k"]))
    found = solve(kernel, [0.0], np.array([[1.0, 0.0, np.nan]]), method=method)
    assert found.status.tolist() == [0, 3, 3]


@pytest.mark.parametrize("method", METHODS)
def test_a_number_that_is_infinite_but_never_met_does_no_harm(method):
    """A second phase of no length at an amount of nothing, 0/0, that is never on; a half-effect level of infinity."""
    rhs = lambda t, y, f, d, i50: [where(t < d, f / d, 0.0) - 0.1 * y[0] / (1.0 + y[0] / i50)]  # noqa: E731
    kernel = Kernel(equations(rhs, [1.0], ["f", "d", "i50"]))
    found = solve(kernel, [0.0, 10.0], np.array([[0.0], [0.0], [np.inf]]), method=method)
    assert found.status.tolist() == [0]
    np.testing.assert_allclose(found.outputs[0, 0], [1.0, np.exp(-1.0)], rtol=1e-6)


def test_outputs_are_blank_where_the_states_are():
    """A floor under an output hides that there is no state."""
    kernel = Kernel(
        equations(
            lambda t, y, k: [k * y[0] ** 2], [1.0], ["k"], lambda t, y, k: [where(y[0] > 0.0, y[0], 0.0), k + 0.0 * t]
        )
    )
    found = solve(kernel, [0.0, 1.0, 3.0], np.array([[0.5]]), max_steps=2000)
    assert found.status[0] != 0
    assert np.isnan(found.outputs[:, 0, 2]).all()


# --- messages ---------------------------------------------------------------------------------------------------------
def test_a_message_quotes_the_values_of_that_person_at_that_time():
    table = pkpd.read_events(
        pd.DataFrame(
            {"ID": [1, 1, 2, 2, 2], "TIME": [0, 5, 0, 5, 9], "AMT": [100, 0, 100, 0, 0], "S": [70, 70, 80, 80, 0]}
        )
    )
    with pytest.warns(SolverWarning, match=r"ID 2, t = 9 h: .*\(k=0\.1, one=1, V=0; S=0\)"):
        pkpd.simulate(weighted(), table, outputs=["C"])


def test_the_message_of_a_failed_steady_state_quotes_the_person():
    people = Population.from_table(weighted(), {"ID": ["a", "b"], "S": [70.0, 35.0], "k": [0.1, 0.0]})
    with pytest.warns(SolverWarning, match=r"subject b, t = 0 h: no steady state .*\(k=0, one=1, V=35; S=35\)"):
        pkpd.simulate(weighted(), Regimen(amt=10, ii=12, ss=1), people, [1.0], outputs=["C"])


def test_the_message_of_an_impossible_dose_quotes_the_row():
    table = pkpd.read_events(
        pd.DataFrame({"ID": [1, 2, 2], "TIME": [0, 0, 24], "AMT": [100, 100, 50], "S": [70, 70, -35]})
    )
    with pytest.raises(
        RegimenError,
        match=r"ID 2: dose into 'A': .*F must .* >= 0, got F = -0\.5 \(t = 24 h: k=0\.1, one=1, V=-35; S=-35\)",
    ):
        pkpd.simulate(weighted(), table, outputs=["C"])


def test_a_switch_that_holds_the_solution_is_named():
    model = Model(
        "thermostat",
        states=[State("A", "mg")],
        parameters=[Parameter("th", 5.0, "mg"), Parameter("R", 2.0, "mg/h"), Parameter("k", 0.1, "1/h")],
        dynamics=lambda t, x, p: {"A": where(p.th > x.A, p.R, 0 * p.R) - p.k * x.A},
    )
    with pytest.warns(SolverWarning, match=r"the equations switch at A < th: .*smooth transition"):
        found = pkpd.simulate(model, times=[1.0, 24.0], outputs=["A"])
    assert int(found["status"]) != 0


# --- small amounts ----------------------------------------------------------------------------------------------------
def own(t, y, s):
    return [-0.7 * y[0], 0.7 * y[0] - y[1] / (s + y[1]) * s, 0.3 * (1.0 - y[2])]


def driven(t, y, s):
    return [-0.7 * y[0], 0.7 * y[0] * y[0] / (s + y[0]) - 0.2 * y[1], 0.3 * (1.0 - y[2])]


@pytest.mark.parametrize(("rhs", "method"), [*((own, m) for m in METHODS), (driven, "cascade")])
@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1e-4])
def test_small_amounts_are_solved_as_well_as_others(rhs, method, scale):
    """Equations in which all amounts scale together, beside a marker at 1 that nothing moves."""
    kernel = Kernel(equations(rhs, [0.0, 0.0, 1.0], ["s"]))
    times = [0.5, 1.0, 4.0, 12.0]
    for dose in (
        {"amt": 1.0}, {"amt": 1.0, "rate": 0.8}, {"amt": 1.0, "ii": 12.0, "ss": 1},
        {"amt": 1.0, "rate": 0.8, "ii": 12.0, "ss": 1}, {"amt": 0.0, "rate": 0.1, "ss": 1}, {"amt": 1.0, "evid": 8},
    ):  # fmt: skip
        small = {"time": 0.0} | dose | {"amt": scale * dose["amt"], "rate": scale * dose.get("rate", 0.0)}
        one = solve(kernel, times, [1.0], {"time": 0.0} | dose, method=method, rtol=1e-8, atol=1e-11)
        other = solve(kernel, times, [scale], small, method=method, rtol=1e-8, atol=1e-11)
        assert other.status.tolist() == [0]
        np.testing.assert_allclose(other.outputs[:2] / scale, one.outputs[:2], rtol=1e-6)


@pytest.mark.parametrize("method", ["auto", "dop853"])
def test_a_small_marker_that_a_drug_drives_is_solved_as_well(method):
    rhs = lambda t, y, s: [-0.2 * y[0], 0.3 * (s / (1.0 + y[0]) - y[1]), 0.1 * sqrt(y[1] * s) - 0.1 * y[2]]  # noqa: E731
    kernel, times, dose = Kernel(equations(rhs, [0.0, "s", 0.0], ["s"])), [1.0, 8.0, 30.0], {"time": 0.0, "amt": 100.0}
    found = [
        solve(kernel, times, [s], dose, method=method, rtol=1e-8, atol=1e-11).outputs[1:] / s for s in (1.0, 1e-12)
    ]
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_auto_solves_whom_rounding_takes_out_of_the_equations():
    """Of a drug that is long gone rounding may leave less than nothing, of which a broken power is no number."""
    model = pkpd.models["pk2_oral_irm3"].replace(values={"gamma": 1.5})
    people, times = Population.draw(model, 60, seed=0), pkpd.hours(0, 1000, 2)
    regimen = Regimen(amt=100.0, cmt="depot", ii=24.0, addl=2)
    with pytest.warns(SolverWarning):
        lost = pkpd.simulate(model, regimen, people, times, method="dop853").status.to_numpy()
    assert (lost == Status.NOT_FINITE).any()
    found, exact = (pkpd.simulate(model, regimen, people, times, method=how) for how in ("auto", "cascade"))
    assert not found.status.any()
    np.testing.assert_allclose(found.R.to_numpy(), exact.R.to_numpy(), rtol=1e-6)
