"""Conditions on time are hit exactly by every method, in fits and in sensitivities, whatever they are made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from engine_tools import equations, one

import pkpd
from pkpd import Covariate, Model, Output, Parameter, Population, Proportional, Regimen, State
from pkpd.engine.solve.kernel import Kernel
from pkpd.errors import SolverError
from pkpd.math import absolute, cos, during, exp, floor, interpolate, log, maximum, minimum, mod, sin, sqrt, where

METHODS = ("auto", "cascade", "dop853", "tsit5", "rodas5p")


def clipped(t: float, *edges: float) -> float:
    """Return how much of [0, t] lies in the windows between each two edges."""
    return sum(max(0.0, min(t, b) - min(t, a)) for a, b in zip(edges[::2], edges[1::2], strict=True))


def repeated(t: float, start: float, stop: float, every: float) -> float:
    """Return how much of [0, t] lies in a window that comes again before and after."""
    return sum(
        clipped(t, max(start + i * every, 0.0), max(stop + i * every, 0.0))
        for i in range(-int(stop / every) - 1, int(t / every) + 2)
    )


def waves(t: float, level: float, period: float) -> float:
    """Return how long cos(2 pi s / period) > level in [0, t]."""
    half = math.acos(level) / (2 * math.pi) * period
    return repeated(t, -half, half, period)


#: condition (time, parameters, covariates) and the time that it held until t; p.a = 3.3, p.b = 7.7, p.q = 10.1
WINDOWS: dict[str, tuple[Callable[[Any, Any, Any], Any], Callable[[float], float]]] = {
    "time of day": (lambda t, p, c: mod(t, 24) < 12, lambda t: repeated(t, 0, 12, 24)),
    "remainder": (lambda t, p, c: t % 7 < 5, lambda t: repeated(t, 0, 5, 7)),
    "written out": (lambda t, p, c: t / 7 - floor(t / 7) < 0.5, lambda t: repeated(t, 0, 3.5, 7)),
    "tenths": (lambda t, p, c: mod(t, 4.9) < 0.7, lambda t: repeated(t, 0, 0.7, 4.9)),
    "over midnight": (lambda t, p, c: during(t, 22, 30, every=24), lambda t: repeated(t, -2, 6, 24)),
    "edges": (lambda t, p, c: during(t, p.a, p.b, every=p.q), lambda t: repeated(t, 3.3, 7.7, 10.1)),
    "hours as numbers": (lambda t, p, c: during(t, p.a, p.b, every=1000), lambda t: clipped(t, 3.3, 7.7)),
    "once": (lambda t, p, c: during(t, p.a, p.b), lambda t: clipped(t, 3.3, 7.7)),
    "unit period": (lambda t, p, c: mod(t - p.a, 1) < 0.25, lambda t: repeated(t, 3.3, 3.55, 1)),
    "days": (lambda t, p, c: t // 24 >= 2, lambda t: clipped(t, 48, 1e9)),
    "every third day": (lambda t, p, c: mod(floor(t / 24), 3) < 1, lambda t: repeated(t, 0, 24, 72)),
    "magnitude": (lambda t, p, c: absolute(t - 250.4) <= 0.15, lambda t: clipped(t, 250.25, 250.55)),
    "square": (lambda t, p, c: (t - 41.0) ** 2 < 2.25, lambda t: clipped(t, 39.5, 42.5)),
    "square of p": (lambda t, p, c: (t - p.q) * (t - p.q) < 0.01 * p.q * p.q, lambda t: clipped(t, 9.09, 11.11)),
    "quadratic": (lambda t, p, c: (t - 40) * (60 - t) > 0, lambda t: clipped(t, 40, 60)),
    "powers of two": (lambda t, p, c: (t - 64) * (t - 128) > 0, lambda t: clipped(t, 0, 64, 128, 1e9)),
    "cosine": (lambda t, p, c: cos(2 * np.pi * t / 12) > 0.8, lambda t: waves(t, 0.8, 12)),
    "sine": (
        lambda t, p, c: sin(2 * np.pi * (t - p.a) / p.q) > 0.5,
        lambda t: repeated(t, 3.3 + 10.1 / 12, 3.3 + 5 * 10.1 / 12, 10.1),
    ),
    "exponential": (lambda t, p, c: exp(-t / p.q) < 0.5, lambda t: clipped(t, 10.1 * math.log(2), 1e9)),
    "root": (lambda t, p, c: sqrt(t / 25) + log(1 + t / 25) < 1 + math.log(2), lambda t: clipped(t, 0, 25)),
    "choice of limits": (
        lambda t, p, c: t < where(t < 48, 10, where(t // 24 >= 4, 102, 50)),
        lambda t: clipped(t, 0, 10, 48, 50, 96, 102),
    ),
    "smallest": (lambda t, p, c: minimum(maximum(t, 20), 60 - t) < 25, lambda t: clipped(t, 0, 25, 35, 1e9)),
    "wave of the day": (
        lambda t, p, c: interpolate(mod(t, 24), [0, 6, 18, 24], [0, 1, 1, 0]) > 0.5,
        lambda t: repeated(t, 3, 21, 24),
    ),
    "either or not": (
        lambda t, p, c: ~((t < p.a) | (mod(t, 10) >= 5)), lambda t: repeated(t, 0, 5, 10) - clipped(t, 0, 3.3)
    ),
    "level": (lambda t, p, c: (c.SEX == 1) & (c.SEX != 2) & (t < 5), lambda t: clipped(t, 0, 5)),
}  # fmt: skip
#: rates that change their slope, and what came in until t
RATES: dict[str, tuple[Callable[[Any, Any], Any], Callable[[float], float]]] = {
    "days": (lambda t, p: t // 24, lambda t: 24 * sum(range(int(t // 24))) + (t // 24) * (t % 24)),
    "saw": (lambda t, p: mod(t, 24) / 24, lambda t: 12 * (t // 24) + (t % 24) ** 2 / 48),
    "steps of a day": (
        lambda t, p: interpolate(t - 12 * floor(t / 12), [0, 2.9, 3.1, 12], [0, 0, 1, 1]),
        lambda t: 9 * (t // 12) + min(max(t % 12 - 2.9, 0), 0.2) ** 2 / 0.4 + max(t % 12 - 3.1, 0),
    ),
    "ramp": (
        lambda t, p: minimum(maximum((t - p.a) / 10, 0), 1),
        lambda t: min(max(t - 3.3, 0), 10) ** 2 / 20 + max(t - 13.3, 0),
    ),
}  # fmt: skip
LONG = [3.5, 5.0, 7.0, 10.5, 12.0, 14.0, 24.0, 47.3, 100.0, 333.3, 500.0]


def name(text: str) -> str:
    return text.replace(" ", "_")


def inputs(t: Any, p: Any, cov: Any) -> dict[str, Any]:
    on = {name(n): where(c(t, p, cov), p.r, 0 * p.r) for n, (c, _) in WINDOWS.items()}
    return on | {f"rate_{name(n)}": p.r * g(t, p) for n, (g, _) in RATES.items()}


STATES = [*(name(n) for n in WINDOWS), *(f"rate_{name(n)}" for n in RATES)]
TRUE = [f for _, f in [*WINDOWS.values(), *RATES.values()]]
PARAMETERS = [
    Parameter("r", 30.0, "mg/h"),
    Parameter("a", 3.3, "h"),
    Parameter("b", 7.7, "h"),
    Parameter("q", 10.1, "h"),
]


@pytest.fixture(scope="module")
def filling() -> Model:
    """One vessel for each condition, filled while it holds; and one that is emptied by all that flows in the first."""
    return Model(
        "filling", states=[*(State(n, "mg") for n in STATES), State("sink", "mg")],
        parameters=[*PARAMETERS, Parameter("k", 1e-3, "1/h")], covariates=[Covariate("SEX", "", 1.0)],
        dynamics=lambda t, x, p, cov: {**inputs(t, p, cov), "sink": p.k * x.time_of_day},
    )  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_every_method_hits_every_condition(filling, method):
    got = pkpd.simulate(filling, Regimen(amt=1e-12, cmt="sink"), times=LONG, outputs=STATES, method=method)
    for state, true in zip(STATES, TRUE, strict=True):
        expected = [30 * true(t) for t in LONG]
        np.testing.assert_allclose(
            got[state].values.ravel(), expected, rtol=1e-9, atol=1e-6, err_msg=f"{state}, {method}"
        )


def test_long_steps_and_one_observation_at_the_end_change_nothing(filling):
    got = pkpd.simulate(
        filling, Regimen(amt=1e-12, cmt="sink"), times=[500.0], outputs=STATES, method="dop853", rtol=1e-2
    )
    assert [float(got[s].squeeze()) for s in STATES] == pytest.approx([30 * f(500.0) for f in TRUE], rel=1e-9)


@pytest.fixture(scope="module")
def shift() -> Model:
    """Loss by day only; the clearance of one day is exp(-12 k)."""
    return Model(
        "shift", states=[State("A", "mg")],
        parameters=[Parameter("k", 0.1, "1/h", cv=0.2), Parameter("V", 10.0, "L")],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.1)), Output("night", "")],
        dynamics=lambda t, x, p: {"A": -where(mod(t, 24) < 12, p.k, 0 * p.k) * x.A},
        calculate=lambda t, x, p: {"Cc": x.A / p.V, "night": where(during(t, 12, 24, every=24), 1.0, 0.0)},
    )  # fmt: skip


def lit(t: float) -> float:
    return repeated(t, 0, 12, 24)


@pytest.mark.parametrize("method", ["auto", "dop853", "tsit5", "rodas5p"])
def test_a_loss_by_day_follows_its_closed_form_and_its_sensitivities(shift, method):
    times = [4.0, 12.0, 20.0, 24.0, 30.0, 60.0, 240.0]
    got = pkpd.simulate(shift, Regimen(amt=100, cmt="A"), times=times, derivatives=["k"], outputs=["Cc"], method=method)
    exact = np.array([10 * math.exp(-0.1 * lit(t)) for t in times])
    np.testing.assert_allclose(got["Cc"].values.ravel(), exact, rtol=1e-6)
    np.testing.assert_allclose(
        got["dCc"].values.ravel(), [-lit(t) * c for t, c in zip(times, exact, strict=True)], rtol=1e-6
    )


def test_an_output_takes_the_condition_of_its_time(shift):
    times = [0.0, 11.9, 12.0, 23.9, 24.0, 36.0]
    night = pkpd.simulate(shift, Regimen(amt=100, cmt="A"), times=times)["night"].values.ravel()
    assert night.tolist() == [0, 0, 1, 1, 0, 1]


@pytest.mark.parametrize("method", ["auto", "dop853", "rodas5p"])
def test_the_cycle_of_a_steady_state_switches_as_well(shift, method):
    """A dose every day at time 0: what is left of it after a day is exp(-12 k)."""
    dose = Regimen(amt=100, cmt="A", ii=24, ss=1)
    got = pkpd.simulate(shift, dose, times=[6.0, 12.0, 24.0], outputs=["A"], method=method)["A"].values.ravel()
    peak = 100 / (1 - math.exp(-1.2))
    assert got == pytest.approx([peak * math.exp(-0.6), peak * math.exp(-1.2), peak * math.exp(-1.2)], rel=1e-6)
    infusion = Regimen(amt=240, cmt="A", tinf=24, ii=24, ss=1)
    at_dawn, at_dusk, rate = 0.0, 0.0, 10.0
    for _ in range(200):
        at_dusk = at_dawn * math.exp(-1.2) + rate / 0.1 * (1 - math.exp(-1.2))
        at_dawn = at_dusk + 12 * rate
    at_six = at_dawn * math.exp(-0.6) + rate / 0.1 * (1 - math.exp(-0.6))
    got = pkpd.simulate(shift, infusion, times=[6.0, 12.0], outputs=["A"], method=method)["A"].values.ravel()
    assert got == pytest.approx([at_six, at_dusk], rel=1e-6)


def test_each_person_has_switch_times_of_his_own(filling):
    people = Population.draw(filling.without_variability(), 3, seed=1, covariates={"SEX": [1.0, 0.0, 1.0]})
    got = pkpd.simulate(filling, Regimen(amt=1e-12, cmt="sink"), times=[24.0], outputs=["level"], population=people)
    assert got["level"].values.ravel().tolist() == pytest.approx([150, 0, 150])


def test_switch_times_follow_covariates_that_change_and_that_are_interpolated():
    """Intake stops when the covariate passes 5: carried forward from record to record, and as a straight line."""

    def eats(carry: Any) -> Model:
        return Model(
            "eats", states=[State("A", "mg")], parameters=[Parameter("r", 1.0, "mg/h")],
            covariates=[Covariate("W", "", 0.0, carry=carry)],
            dynamics=lambda t, x, p, cov: {"A": where(cov.W + mod(t, 24) / 24 < 5, p.r, 0 * p.r)},
        )  # fmt: skip

    data = pd.DataFrame({"ID": 1, "TIME": [0.0, 24.0, 48.0, 72.0], "AMT": [1e-12, 0, 0, 0], "W": [0.0, 4.5, 4.5, 9.0]})
    for carry, expected in (("forward", [24.0, 36.0, 48.0]), ("linear", [None, None, None])):
        got = pkpd.simulate(eats(carry), pkpd.read_events(data), outputs=["A"])["A"].values.ravel()[1:]
        if carry == "linear":  # 4.5 t / 24 + t / 24, 4.5 + (t - 24) / 24, 4.5 + 4.5 (t - 48) / 24 + (t - 48) / 24 = 5
            first = 5 * 24 / 5.5
            expected = [first, first + 12, first + 12 + 0.5 * 24 / 5.5]
        assert got == pytest.approx(expected, rel=1e-8)


def test_a_year_of_switches_takes_a_time_that_grows_with_their_number(shift):
    times = [8760.0]
    model = shift.with_values(k=1e-4)
    got = pkpd.simulate(model, Regimen(amt=100, cmt="A"), times=times, outputs=["A"])["A"].squeeze()
    assert float(got) == pytest.approx(100 * math.exp(-1e-4 * 4380), rel=1e-6)


def test_a_condition_that_cannot_be_followed_is_refused_with_the_remedy():
    buzz = Model(
        "buzz", states=[State("A", "mg")], parameters=[Parameter("r", 1.0, "mg/h"), Parameter("q", 1e-6, "h")],
        dynamics=lambda t, x, p: {"A": where(mod(t, p.q) < p.q / 2, p.r, 0 * p.r)},
    )  # fmt: skip
    with pytest.raises(SolverError, match=r"'buzz', subject.*floor\(t / q\).*more than 1,000,000 times.*q=1e-06"):
        pkpd.simulate(buzz, Regimen(amt=1, cmt="A"), times=[10.0], outputs=["A"])


def test_a_gap_that_touches_zero_without_passing_it_costs_a_stop_only():
    touching = Model(
        "touching", states=[State("A", "mg")], parameters=[Parameter("r", 1.0, "mg/h")],
        dynamics=lambda t, x, p: {"A": where(sin(t / 10) <= 1, p.r, 0 * p.r) + where((t - 7) ** 2 > 0, p.r, 0 * p.r)},
    )  # fmt: skip
    got = pkpd.simulate(touching, Regimen(amt=1e-12, cmt="A"), times=[100.0], outputs=["A"])["A"]
    assert float(got.squeeze()) == pytest.approx(200.0, rel=1e-9)


def test_a_fit_of_a_loss_by_day_finds_it(shift):
    rng, rows = np.random.default_rng(3), []
    for i in range(1, 21):
        k = 0.05 * np.exp(0.2 * rng.standard_normal())
        rows.append((i, 0.0, 100.0, None))
        rows += [
            (i, h, 0.0, 10 * math.exp(-k * lit(h)) * (1 + 0.1 * rng.standard_normal()))
            for h in (4.0, 12.0, 20.0, 30.0, 36.0, 44.0, 54.0, 60.0)
        ]
    model = Model(
        "one output", states=[State("A", "mg")], parameters=list(shift.parameters.values()),
        outputs=[Output("Cc", "mg/L", error=Proportional(0.1))],
        dynamics=lambda t, x, p: {"A": -where(t - 24 * floor(t / 24) < 12, p.k, 0 * p.k) * x.A},
        calculate=lambda t, x, p: {"Cc": x.A / p.V},
    )  # fmt: skip
    found = pkpd.fit(model, pkpd.read_events(pd.DataFrame(rows, columns=["ID", "TIME", "AMT", "DV"])), fixed=["V"])
    assert found.theta["k"] == pytest.approx(0.05, rel=0.15)


def test_the_method_of_fits_hits_conditions_as_well():
    """Chains of states: a loss by day of what a first state feeds, each with its own rate."""
    kernel = Kernel(
        equations(
            lambda t, y, k, on: [
                where(during(t, on, on + 12, every=24), 3 * k, 0 * k),
                -where(mod(t - on, 24) < 12, k, 0) * y[1],
            ],
            [0.0, 100.0], ["k", "on"],
        )
    )  # fmt: skip
    assert kernel.chain is not None
    times = [3.3, 15.3, 20.0, 27.3, 100.0, 240.0]
    for method in ("chain", "cascade") if kernel.cascade else ("chain",):
        found = one(kernel, times, [0.1, 3.3], start=0.0, method=method, rtol=1e-9, atol=1e-12)
        on = [repeated(t, 3.3, 15.3, 24) for t in times]
        np.testing.assert_allclose(found[:, 0], [0.3 * o for o in on], rtol=1e-9)
        np.testing.assert_allclose(found[:, 1], [100 * math.exp(-0.1 * o) for o in on], rtol=1e-7)


@pytest.mark.parametrize(
    ("window", "problem"),
    [
        ((5, 5, None), "start must lie before stop"), ((5, 6, 0), "every must be above 0"),
        ((0, 30, 24), "longer than the period 24"),
    ],
)  # fmt: skip
def test_windows_that_cannot_be_are_refused(window, problem):
    start, stop, every = window
    with pytest.raises(pkpd.errors.ModelError, match=problem):
        during(1.0, start, stop, every=every)


def test_functions_of_time_take_numbers_and_arrays():
    t = np.array([-1.0, 0.0, 23.0, 24.0, 25.5])
    assert mod(t, 24).tolist() == [23.0, 0.0, 23.0, 0.0, 1.5]
    assert during(t, 22, 25, every=24).tolist() == [True, True, True, True, False]
    assert during(t, 22, 25).tolist() == [False, False, True, True, False]
