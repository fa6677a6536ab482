"""Laws of dosing that hold whatever the numbers are, on the exact and on every stepping solver, and random cases."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from engine_tools import METHODS, columns, equations, grid, one
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from twin import records
from twin import simulate as slow

from pkpd.dosing.rules import NAMED
from pkpd.engine.solve.block import Settings
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.run import solve_block

TIGHT: dict[str, Any] = {"rtol": 1e-11, "atol": 1e-13}
TIMES = np.array([0.0, 0.4, 2.0, 3.0, 5.5, 8.0, 11.0, 16.0, 24.0, 25.0, 40.0])
CLOSE: dict[str, Any] = {"rtol": 3e-9, "atol": 1e-10}

# --- the models -------------------------------------------------------------------------------------------------------
LINEAR_VALUES = {"ka": 0.8, "k": 0.15, "kcp": 0.3, "kpc": 0.2, "F": 0.7, "lag": 0.6, "rate": 9.0, "tinf": 2.5}
SATURABLE_VALUES = {"ka": 0.8, "vmax": 8.0, "km": 20.0, "F": 0.7, "lag": 0.6, "rate": 9.0, "tinf": 2.5}


def linear_rhs(t: Any, y: Any, ka: Any, k: Any, kcp: Any, kpc: Any, *_: Any) -> list[Any]:
    """Depot, centre, periphery and what has left the body."""
    return [-ka * y[0], ka * y[0] - (k + kcp) * y[1] + kpc * y[2], kcp * y[1] - kpc * y[2], k * y[1]]


def saturable_rhs(t: Any, y: Any, ka: Any, vmax: Any, km: Any, *_: Any) -> list[Any]:
    """Depot, centre and what has left the body."""
    out = vmax * y[1] / (km + y[1])
    return [-ka * y[0], ka * y[0] - out, out]


RULES = {0: {"F": "F", "tlag": "lag"}, 1: {"rate": "rate", "duration": "tinf"}}


@functools.cache
def linear_kernel(rules: bool = False) -> Kernel:
    return Kernel(equations(linear_rhs, [0.0] * 4, list(LINEAR_VALUES), dosing=RULES if rules else None))


@functools.cache
def saturable_kernel(rules: bool = False) -> Kernel:
    return Kernel(equations(saturable_rhs, [0.0] * 3, list(SATURABLE_VALUES), dosing=RULES if rules else None))


SOLVERS = [("linear", m) for m in ("linear", *METHODS)] + [("saturable", m) for m in METHODS]
BOTH = pytest.mark.parametrize(("model", "method"), SOLVERS)


def run(
    model: str, method: str, *doses: dict[str, float], times: Any = TIMES, rules: bool = False, start: float = 0.0
) -> np.ndarray:
    kernel = (linear_kernel if model == "linear" else saturable_kernel)(rules)
    values = LINEAR_VALUES if model == "linear" else SATURABLE_VALUES
    return one(kernel, times, list(values.values()), *doses, start=start, method=method, **TIGHT)


def dose(time: float, amt: float, cmt: int = 0, **more: float) -> dict[str, float]:
    return {"time": time, "amt": amt, "cmt": cmt, **more}


# --- one schedule said in two ways ------------------------------------------------------------------------------------
@BOTH
def test_consecutive_infusions_are_one_long(model, method):
    short = [dose(2.0 * i, 30.0, 1, rate=15.0) for i in range(4)]
    np.testing.assert_allclose(run(model, method, *short), run(model, method, dose(0.0, 120.0, 1, rate=15.0)), **CLOSE)


@BOTH
@pytest.mark.parametrize("rules", [False, True])
@pytest.mark.parametrize("more", [{}, {"rate": 25.0}, {"rate": 5.0}])
def test_additional_doses_are_explicit_doses(model, method, more, rules):
    explicit = [dose(1.0 + 7.0 * i, 50.0, **more) for i in range(4)]
    found = run(model, method, dose(1.0, 50.0, ii=7.0, addl=3, **more), rules=rules)
    np.testing.assert_allclose(found, run(model, method, *explicit, rules=rules), **CLOSE)


@BOTH
@pytest.mark.parametrize("more", [{}, {"rate": 10.0}, {"cmt": 1, "rate": 4.0}])
def test_two_halves_are_one(model, method, more):
    halves = {**more, "rate": more["rate"] / 2} if "rate" in more else more
    whole = run(model, method, dose(3.0, 50.0, **more))
    np.testing.assert_allclose(run(model, method, dose(3.0, 25.0, **halves), dose(3.0, 25.0, **halves)), whole, **CLOSE)


@BOTH
@pytest.mark.parametrize("shift", [-100.0, 0.3, 1e4])
def test_a_shift_in_time_shifts_the_result(model, method, shift):
    doses = [dose(0.0, 50.0, ii=8.0, addl=2), dose(5.0, 40.0, 1, rate=16.0)]
    later = [d | {"time": d["time"] + shift} for d in doses]
    found = run(model, method, *later, times=TIMES + shift, start=shift)
    np.testing.assert_allclose(found, run(model, method, *doses), **CLOSE)


@BOTH
def test_doses_in_another_order_at_one_time_are_the_same(model, method):
    doses = [dose(2.0, 50.0), dose(2.0, 20.0, 1), dose(2.0, 30.0, 1, rate=10.0)]
    np.testing.assert_allclose(run(model, method, *doses[::-1]), run(model, method, *doses), **CLOSE)


@BOTH
def test_a_modelled_rate_or_duration_is_the_same_as_one_in_the_data(model, method):
    said = run(model, method, dose(1.0, 45.0, 1, rate=9.0), dose(9.0, 45.0, 1, rate=18.0))
    modelled = run(model, method, dose(1.0, 45.0, 1, rate=-1), dose(9.0, 45.0, 1, rate=-2), rules=True)
    np.testing.assert_allclose(modelled, said, **CLOSE)


@BOTH
def test_bioavailability_and_lag_are_a_smaller_and_later_dose(model, method):
    found = run(model, method, dose(1.0, 100.0, ii=9.0, addl=2), rules=True)
    np.testing.assert_allclose(found, run(model, method, dose(1.6, 70.0, ii=9.0, addl=2)), **CLOSE)


@BOTH
def test_a_reset_forgets_what_was_before(model, method):
    before = [dose(0.0, 80.0), dose(1.0, 90.0, 1, rate=10.0)]
    after = dose(5.5, 40.0, 1)
    found = run(model, method, *before, {"time": 5.5, "evid": 3}, after)
    alone = run(model, method, after)
    np.testing.assert_allclose(found[TIMES > 5.5], alone[TIMES > 5.5], **CLOSE)
    np.testing.assert_array_equal(found, run(model, method, *before, after | {"evid": 4}))


@BOTH
def test_observations_do_not_change_the_result(model, method):
    doses = [dose(0.0, 50.0, ii=8.0, addl=2), dose(5.0, 40.0, 1, rate=16.0)]
    many = np.sort(np.concatenate([TIMES, np.linspace(0.0, 40.0, 333)]))
    found = run(model, method, *doses, times=many)[np.searchsorted(many, TIMES)]
    np.testing.assert_allclose(found, run(model, method, *doses), **CLOSE)


# --- balance, linearity, steady state ---------------------------------------------------------------------------------
@BOTH
def test_nothing_is_lost(model, method):
    doses = [dose(0.0, 50.0, ii=8.0, addl=2), dose(5.0, 40.0, 1, rate=16.0)]
    total = run(model, method, *doses).sum(axis=1)
    given_by = [50.0 * sum(t > s for s in (0.0, 8.0, 16.0)) + 16.0 * min(max(t - 5.0, 0.0), 2.5) for t in TIMES]
    np.testing.assert_allclose(total, given_by, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("method", ["linear", *METHODS])
def test_a_linear_model_is_linear(method):
    a, b = [dose(0.0, 50.0, ii=8.0, addl=2)], [dose(5.0, 40.0, 1, rate=16.0), dose(11.0, 1.0, 2)]
    parts = 3 * run("linear", method, *a) + 0.5 * run("linear", method, *b)
    scaled = [d | {"amt": 3 * d["amt"]} for d in a] + [
        d | {"amt": d["amt"] / 2, "rate": d.get("rate", 0) / 2} for d in b
    ]
    np.testing.assert_allclose(run("linear", method, *scaled), parts, **CLOSE)


@pytest.mark.parametrize("method", METHODS)
def test_a_saturable_model_is_not(method):
    single, double = (run("saturable", method, dose(0.0, amt, 1))[4, 1] for amt in (50.0, 100.0))
    assert double > 2.2 * single


@BOTH
@pytest.mark.parametrize("more", [{}, {"cmt": 1}, {"cmt": 1, "rate": 30.0}, {"cmt": 1, "rate": 4.0}])
@pytest.mark.parametrize("rules", [False, True])
def test_steady_state_is_what_two_hundred_doses_lead_to(model, method, more, rules):
    times = np.array([0.01, 0.4, 0.61, 2.0, 5.9, 7.0, 20.0])
    repeated = {"ii": 6.0, **more}
    steady = run(model, method, dose(0.0, 24.0, ss=1, **repeated), times=times, rules=rules)
    many = run(model, method, dose(-1200.0, 24.0, addl=200, **repeated), times=times, rules=rules, start=-1200.0)
    np.testing.assert_allclose(steady[:, :-1], many[:, :-1], rtol=2e-8)


@BOTH
def test_infusion_at_steady_state_goes_out_as_fast_as_it_comes_in(model, method):
    found = run(
        model,
        method,
        {"time": 0.0, "rate": 5.0, "cmt": 1, "ss": 1},
        dose(0.0, 30.0, 1, rate=5.0),
        times=[1.0, 3.0, 5.0],
    )
    values = LINEAR_VALUES if model == "linear" else SATURABLE_VALUES
    level = 5.0 / values["k"] if model == "linear" else values["km"] * 5.0 / (values["vmax"] - 5.0)
    np.testing.assert_allclose(found[:, 1], level, rtol=1e-8)
    np.testing.assert_allclose(found[:, -1], [5.0, 15.0, 25.0], rtol=1e-8)


@pytest.mark.parametrize("method", ["linear", *METHODS])
def test_steady_states_of_a_linear_model_add_up(method):
    a, b = dose(0.0, 24.0, ii=6.0), dose(0.0, 20.0, 1, rate=8.0, ii=12.0)
    both = run("linear", method, a | {"ss": 1}, b | {"ss": 2})
    parts = run("linear", method, a | {"ss": 1}) + run("linear", method, b | {"ss": 1})
    np.testing.assert_allclose(both[:, :-1], parts[:, :-1], **CLOSE)


@pytest.mark.parametrize("method", METHODS)
def test_a_steady_state_added_does_not_add_the_baseline_twice(method):
    """A marker begins at 9, above its baseline kin/kout = 6; to its course comes what the repeated doses alone make."""
    rhs = lambda t, y, k: [-k * y[0], 3.0 - 0.5 * y[1] + k * y[0]]  # noqa: E731
    kernel = Kernel(equations(rhs, [0.0, 9.0], ["k"]))
    times, k, tau = np.array([0.0, 5.0, 5.5, 8.0]), 0.3, 6.0
    found = one(kernel, times, [k], dose(5.0, 10.0, ii=tau, ss=2), method=method, **TIGHT)
    since = times[2:] - 5.0
    drug, gone = (np.exp(-r * since) / -math.expm1(-r * tau) for r in (k, 0.5))
    baseline = 6.0 + 3.0 * np.exp(-0.5 * times)
    np.testing.assert_allclose(found[2:, 0], 10.0 * drug, rtol=1e-9)
    np.testing.assert_allclose(found[:2, 1], baseline[:2], rtol=1e-9)
    np.testing.assert_allclose(found[2:, 1], baseline[2:] + 10.0 * k / (0.5 - k) * (drug - gone), rtol=1e-9)


@BOTH
def test_a_state_that_only_counts_does_not_hinder_a_steady_state(model, method):
    found = run(model, method, dose(0.0, 24.0, ii=6.0, ss=1), dose(6.0, 24.0), times=[6.0, 12.0])
    assert found[0, -1] == pytest.approx(24.0, rel=1e-8)  # what is eliminated in an interval is the dose
    np.testing.assert_allclose(found[0, :-1], found[1, :-1], rtol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_a_steady_state_that_is_far_off_is_extrapolated(method):
    """A half-life of 30 intervals: repeated without help it takes a thousand of them."""
    kernel = Kernel(equations(lambda t, y, k: [-k * y[0] * (1 + 1e-12 * y[0])], [0.0], ["k"]))
    rate = math.log(2) / 30
    result = solve_block(
        kernel,
        grid(1, [0.5], dose(0.0, 1.0, ii=1.0, ss=1), start=0.0),
        np.array([[rate]]),
        Settings(method, 1e-9, 1e-12),
    )
    assert result.outputs[0, 0, 0] == pytest.approx(math.exp(-rate / 2) / -math.expm1(-rate), rel=1e-8)
    assert result.steps[0] < 2000


@pytest.mark.parametrize("model", ["linear", "saturable"])
def test_a_dose_that_accumulates_without_limit_has_no_steady_state(model):
    rhs = (lambda t, y, k: [k - k]) if model == "linear" else (lambda t, y, k: [-k * y[0] / (1 + y[0])])
    stuck = Kernel(equations(lambda t, y, k: [rhs(t, y, k)[0], y[0]], [0.0, 0.0], ["k"]))
    block = grid(1, [1.0], dose(0.0, 10.0, ii=1.0, ss=1), start=0.0)
    result = solve_block(stuck, block, np.array([[0.5]]), Settings(rtol=1e-6, atol=1e-9))
    assert result.status.tolist() == [4]
    assert np.isnan(result.outputs).all()


# --- random regimens and models ---------------------------------------------------------------------------------------
@st.composite
def regimens(draw: st.DrawFn, states: int, steady: tuple[int, ...] = (1,)) -> list[dict[str, float]]:
    """Rows of one subject in order of time: doses of every kind, resets, replacements and observations."""
    clock = st.integers(0, 120).map(lambda x: x / 4)
    rows = [{"time": draw(clock), "evid": 0} for _ in range(draw(st.integers(3, 8)))]
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["bolus", "infusion", "modelled", "steady", "reset", "replace", "other"]))
        row: dict[str, float] = {
            "time": draw(clock),
            "evid": 1,
            "cmt": draw(st.integers(0, states - 1)),
            "amt": draw(st.integers(1, 80)),
        }
        if kind in ("infusion", "steady") and draw(st.booleans()):
            row["rate"] = draw(st.sampled_from([2.0, 10.0, 40.0]))
        if kind == "modelled":
            row |= {"cmt": 1, "rate": draw(st.sampled_from([-1, -2]))}
        if kind == "steady":
            row |= {"ss": draw(st.sampled_from(steady)), "ii": draw(st.sampled_from([6.0, 12.0]))}
        if kind in ("bolus", "infusion", "modelled", "steady") and draw(st.booleans()):
            row |= {"addl": draw(st.integers(1, 4)), "ii": row.get("ii", 0.0) or draw(st.sampled_from([1.5, 4.0, 8.0]))}
        if kind == "bolus" and draw(st.booleans()):
            row["evid"] = 4
        if kind in ("reset", "replace", "other"):
            row["evid"] = {"reset": 3, "replace": 8, "other": 2}[kind]
        rows.append(row)
    return sorted(rows, key=lambda r: r["time"])


#: records that no data set has read are a regimen's: its doses go on after a reset
AS_REGIMENS = NAMED["mrgsolve"]


def rows_of(kernel: Kernel, inputs: np.ndarray, rows: list[dict[str, float]], method: str) -> np.ndarray:
    """Return the engine's states at every row of one subject, as a data set asks for them."""
    block = grid(1, [0.0])
    time = np.array([r["time"] for r in rows])
    n = np.array([len(rows)])
    block = replace(
        block, origin=time[:1], records=columns(*rows), rec_last=n, obs_time=time, obs_last=n,
        obs_rank=np.arange(len(rows)) + 0.4, shared=False,
    )  # fmt: skip
    result = solve_block(kernel, block, inputs[:, None], Settings(method, 1e-10, 1e-12))
    assert result.status.tolist() == [0]
    return result.outputs.T


def agree(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8 * max(1.0, float(np.abs(expected).max())))


@settings(max_examples=20)
@given(data=st.data(), solver=st.sampled_from(SOLVERS))
def test_random_regimens_agree_with_the_twin(data, solver):
    model, method = solver
    kernel = (linear_kernel if model == "linear" else saturable_kernel)(True)
    values = LINEAR_VALUES if model == "linear" else SATURABLE_VALUES
    rows = data.draw(regimens(kernel.n, (1, 2) if model == "linear" else (1,)))
    if model == "saturable":  # no steady state above the largest rate of elimination
        assume(all(r["amt"] <= 6.5 * r["ii"] for r in rows if "ss" in r))
    plain: Callable[..., Any] = linear_rhs if model == "linear" else saturable_rhs
    dosing = {i: {k: values[v] for k, v in entry.items()} for i, entry in RULES.items()}
    expected = slow(
        lambda t, y, p: plain(t, y, *p), lambda p: [0.0] * kernel.n, list(values.values()), records(*rows), dosing,
        rules=AS_REGIMENS,
    )  # fmt: skip
    agree(rows_of(kernel, np.array(list(values.values())), rows, method), expected)


LAWS: dict[str, Callable[[Any, Any], Any]] = {
    "linear": lambda x, partner: x,
    "saturable": lambda x, partner: x / (1 + x),
    "sigmoid": lambda x, partner: x * x / (4 + x * x),
    "product": lambda x, partner: x * partner / (10 + x),
}
FLOWS = st.tuples(st.integers(0, 3), st.integers(0, 4), st.sampled_from(sorted(LAWS)), st.floats(0.05, 2.0))
NETWORKS = st.lists(FLOWS, min_size=2, max_size=6)


@settings(max_examples=8)
@given(network=NETWORKS, data=st.data(), method=st.sampled_from(METHODS))
def test_random_models_agree_with_the_twin(network, data, method):
    """Four compartments joined at random, with flows that saturate, go by a power or need a partner; 4 is outside."""

    def rhs(t: Any, y: Any, *rates: Any) -> list[Any]:
        slopes: list[Any] = [-0.1 * v for v in y]
        for (source, target, law, _), rate in zip(network, rates, strict=True):
            flow = rate * LAWS[law](y[source], y[(source + 1) % 4])
            slopes[source] = slopes[source] - flow
            if target < 4:
                slopes[target] = slopes[target] + flow
        return slopes

    rates = [rate for *_, rate in network]
    start = [1.0, 0.0, 2.0, 0.5]
    kernel = Kernel(equations(rhs, start, [f"k{i}" for i in range(len(rates))]))
    rows = [r for r in data.draw(regimens(4)) if not r.get("ss") and r.get("rate", 0) >= 0]
    assume(len(rows) > 2)
    expected = slow(lambda t, y, p: rhs(t, y, *p), lambda p: start, rates, records(*rows), rules=AS_REGIMENS)
    agree(rows_of(kernel, np.array(rates), rows, method), expected)
    if kernel.linear:
        agree(rows_of(kernel, np.array(rates), rows, "linear"), expected)
