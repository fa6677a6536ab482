"""Simulated curves against closed forms.

Sources: [G] Gibaldi and Perrier, Pharmacokinetics, 2nd ed. (1982), chapters 1 (one compartment), 2 (several
compartments), 3 (repeated doses) and 7 (saturable elimination); [B] Bateman (1910), Proc. Cambridge Philos. Soc.
15:423-427 (chains); [S] Savic et al. (2007), J. Pharmacokinet. Pharmacodyn. 34:711-726 (transit compartments);
[D] Dayneka, Garg and Jusko (1993), J. Pharmacokinet. Biopharm. 21:457-478 (turnover). Reference values that cancel
are computed with mpmath.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import mpmath
import numpy as np
import pytest
from engine_tools import METHODS, equations, one, solve
from hypothesis import given, settings
from hypothesis import strategies as st

import pkpd
from pkpd.dosing.dose import Dose
from pkpd.dosing.regimen import Regimen
from pkpd.engine.solve.kernel import Kernel
from pkpd.model.declare import Output, Parameter, State
from pkpd.model.model import Model
from pkpd.simulation.api import simulate
from pkpd.simulation.arguments import Solver

TIGHT: dict[str, Any] = {"rtol": 1e-11, "atol": 1e-13}
CL, V, KA = 5.0, 40.0, 0.9
K = CL / V
TIMES = np.array([0.0, 0.25, 1.0, 3.5, 6.0, 12.0, 13.0, 24.0, 47.0, 96.0])
ALL = pytest.mark.parametrize("method", ["linear", *METHODS])


@functools.cache
def one_compartment() -> Model:
    return Model(
        "one compartment",
        states=[State("depot", "mg"), State("central", "mg"), State("area", "mg*h/L")],
        parameters=[Parameter("CL", CL, "L/h"), Parameter("V", V, "L"), Parameter("ka", KA, "1/h")],
        outputs=[Output("Cc", "mg/L")],
        dynamics=lambda t, x, p: {
            "depot": -p.ka * x.depot,
            "central": p.ka * x.depot - p.CL / p.V * x.central,
            "area": x.central / p.V,
        },
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


def concentrations(regimen: Regimen, method: Solver, output: str = "Cc", **values: float) -> np.ndarray:
    model = one_compartment().replace(values=values)
    return simulate(model, regimen, times=TIMES, outputs=[output], method=method, **TIGHT)[output].to_numpy()


def bolus(t: np.ndarray) -> np.ndarray:
    return np.where(t >= 0, np.exp(-K * np.maximum(t, 0.0)), 0.0)


def oral(t: np.ndarray) -> np.ndarray:
    """Amount in the centre after a unit dose into the depot at 0, ka not k."""
    t = np.maximum(t, 0.0)
    return KA / (KA - K) * (np.exp(-K * t) - np.exp(-KA * t))


def infusion(t: np.ndarray, duration: float) -> np.ndarray:
    """Amount in the centre after unit rate over a duration."""
    rise = -np.expm1(-K * np.clip(t, 0.0, duration)) / K
    return rise * np.exp(-K * np.maximum(t - duration, 0.0))


# --- [G] chapter 1 ----------------------------------------------------------------------------------------------------
@ALL
def test_bolus(method):
    found = concentrations(Regimen(amt=100, cmt="central"), method)
    np.testing.assert_allclose(found[1:], 100 / V * np.exp(-K * TIMES[1:]), rtol=1e-9)
    assert found[0] == 0.0  # an observation at the time of a dose comes before it


@ALL
def test_infusion(method):
    found = concentrations(Regimen(amt=100, cmt="central", tinf=3.2), method)
    np.testing.assert_allclose(found, 100 / 3.2 / V * infusion(TIMES, 3.2), rtol=1e-9)


@ALL
def test_oral_dose_and_area(method):
    regimen = Regimen(amt=100, cmt="depot")
    np.testing.assert_allclose(concentrations(regimen, method), 100 / V * oral(TIMES), rtol=1e-9)
    area = 100 / CL * (1 - (KA * np.exp(-K * TIMES) - K * np.exp(-KA * TIMES)) / (KA - K))
    np.testing.assert_allclose(concentrations(regimen, method, "area"), area, rtol=1e-9, atol=1e-12)


@ALL
def test_oral_dose_where_both_rate_constants_are_equal(method):
    """The limit of the Bateman function at ka = k is k t exp(-k t), where the formula itself is 0/0."""
    found = concentrations(Regimen(amt=100, cmt="depot"), method, ka=K)
    np.testing.assert_allclose(found, 100 / V * K * TIMES * np.exp(-K * TIMES), rtol=1e-9)


@pytest.mark.parametrize("apart", [1e-3, 1e-6, 1e-9, 1e-12, 1e-15])
def test_oral_dose_where_the_rate_constants_nearly_agree(apart):
    ka = K * (1 + apart)
    found = concentrations(Regimen(amt=100, cmt="depot"), "linear", ka=ka)
    with mpmath.workdps(50):
        a, k = mpmath.mpf(ka), mpmath.mpf(CL) / mpmath.mpf(V)
        exact = [float(100 / V * a / (a - k) * (mpmath.exp(-k * t) - mpmath.exp(-a * t))) for t in map(float, TIMES)]
    np.testing.assert_allclose(found, exact, rtol=1e-9)


@ALL
def test_zero_order_absorption_is_an_infusion_into_the_depot(method):
    found = concentrations(Regimen(amt=100, cmt="depot", tinf=4.0), method, "depot")
    level = 25.0 / KA * -np.expm1(-KA * np.minimum(TIMES, 4.0)) * np.exp(-KA * np.maximum(TIMES - 4.0, 0.0))
    np.testing.assert_allclose(found, level, rtol=1e-9, atol=0.0 if method == "linear" else 1e-12)


# --- [G] chapter 2 ----------------------------------------------------------------------------------------------------
@ALL
def test_two_compartments_bolus_and_infusion(method):
    k10, k12, k21, volume, rate, duration = 0.15, 0.4, 0.25, 12.0, 40.0, 2.5
    kernel = Kernel(
        equations(lambda t, y, a, b, c: [-(a + b) * y[0] + c * y[1], b * y[0] - c * y[1]], [0.0, 0.0], ["a", "b", "c"])
    )
    total, product = k10 + k12 + k21, k10 * k21
    alpha = (total + math.sqrt(total**2 - 4 * product)) / 2
    beta = product / alpha
    weights = [(x, (x - k21) / (x - y)) for x, y in ((alpha, beta), (beta, alpha))]
    times = TIMES[1:]
    found = one(kernel, times, [k10, k12, k21], {"time": 0.0, "amt": 100.0}, start=0.0, method=method, **TIGHT)
    np.testing.assert_allclose(
        found[:, 0] / volume, 100 / volume * sum(w * np.exp(-x * times) for x, w in weights), rtol=1e-9
    )
    dose = {"time": 0.0, "amt": rate * duration, "rate": rate}
    found = one(kernel, times, [k10, k12, k21], dose, start=0.0, method=method, **TIGHT)
    on, since = np.minimum(times, duration), np.maximum(times - duration, 0.0)
    level = rate * sum(w / x * -np.expm1(-x * on) * np.exp(-x * since) for x, w in weights)
    np.testing.assert_allclose(found[:, 0], level, rtol=1e-9)


# --- [B], [S], [D] ----------------------------------------------------------------------------------------------------
@ALL
def test_transit_compartments_follow_the_gamma_function(method):
    """Amount in the n-th of equal compartments: D (k t)^n / n! exp(-k t)."""
    n, k = 8, 1.7
    kernel = Kernel(
        equations(lambda t, y, k: [-k * y[0], *(k * (y[i - 1] - y[i]) for i in range(1, n))], [0.0] * n, ["k"])
    )
    times = np.array([0.1, 0.5, 2.0, 6.0, 10.0])
    found = one(kernel, times, [k], {"time": 0.0, "amt": 50.0}, start=0.0, method=method, rtol=1e-11, atol=1e-18)
    exact = np.stack([50 * (k * times) ** i / math.factorial(i) * np.exp(-k * times) for i in range(n)], axis=1)
    np.testing.assert_allclose(found, exact, rtol=1e-9, atol=0.0 if method == "linear" else 1e-13)


@ALL
def test_chain_with_different_rate_constants(method):
    """Bateman's solution: a sum over the rate constants of the chain."""
    rates = [2.0, 0.3, 0.9, 0.05]
    rhs = lambda t, y, *k: [-k[0] * y[0], *(k[i - 1] * y[i - 1] - k[i] * y[i] for i in range(1, 4))]  # noqa: E731
    kernel = Kernel(equations(rhs, [0.0] * 4, list("abcd")))
    times = np.array([0.5, 3.0, 20.0, 60.0])
    found = one(kernel, times, rates, {"time": 0.0, "amt": 10.0}, start=0.0, method=method, **TIGHT)

    def amount(n: int, t: float) -> float:
        with mpmath.workdps(40):
            k = [mpmath.mpf(r) for r in rates[: n + 1]]
            total = sum(
                mpmath.exp(-k[i] * t) / mpmath.fprod(k[j] - k[i] for j in range(n + 1) if j != i) for i in range(n + 1)
            )
            return float(10 * mpmath.fprod(k[:n]) * total)

    exact = [[amount(n, t) for n in range(4)] for t in times.tolist()]
    np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-12)


@ALL
def test_turnover_under_constant_inhibition(method):
    """R' = kin (1 - I) - kout R from kin/kout: R = kin/kout (1 - I (1 - exp(-kout t)))."""
    kin, kout, inhibition = 9.0, 0.2, 0.7
    kernel = Kernel(equations(lambda t, y, a, b, i, r: [a * (1 - i) - b * y[0]], ["r"], ["a", "b", "i", "r"]))
    found = one(kernel, TIMES, [kin, kout, inhibition, kin / kout], method=method, **TIGHT)
    exact = kin / kout * (1 + inhibition * np.expm1(-kout * TIMES))
    np.testing.assert_allclose(found[:, 0], exact, rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_saturable_elimination_obeys_its_integrated_equation(method):
    """Km ln(C0/C) + C0 - C = Vmax t ([G] chapter 7)."""
    vmax, km = 3.0, 2.0
    kernel = Kernel(equations(lambda t, y, v, k: [-v * y[0] / (k + y[0])], [0.0], ["v", "k"]))
    times = np.array([0.5, 3.0, 10.0, 14.0])
    found = one(kernel, times, [vmax, km], {"time": 0.0, "amt": 30.0}, start=0.0, method=method, **TIGHT)[:, 0]
    np.testing.assert_allclose(km * np.log(30.0 / found) + 30.0 - found, vmax * times, rtol=1e-9)


# --- [G] chapter 3 ----------------------------------------------------------------------------------------------------
@ALL
def test_repeated_oral_doses_are_the_sum_of_single_ones(method):
    found = concentrations(Regimen(amt=100, cmt="depot", ii=8, addl=5), method)
    each = [np.where(8 * i < TIMES, oral(TIMES - 8 * i), 0.0) for i in range(6)]
    np.testing.assert_allclose(found, 100 / V * sum(each), rtol=1e-9)


@ALL
@pytest.mark.parametrize("route", ["bolus", "oral", "infusion"])
def test_steady_state(method, route):
    """Each exponential of the single dose is divided by 1 - exp(-lambda tau)."""
    tau, t = 12.0, np.array([0.5, 1.0, 3.0, 7.0, 11.9])
    gain, gain_a = 1 / -np.expm1(-K * tau), 1 / -np.expm1(-KA * tau)
    if route == "bolus":
        regimen, exact = Regimen(amt=100, cmt="central", ii=tau, ss=1), 100 * np.exp(-K * t) * gain
    elif route == "oral":
        regimen = Regimen(amt=100, cmt="depot", ii=tau, ss=1)
        exact = 100 * KA / (KA - K) * (np.exp(-K * t) * gain - np.exp(-KA * t) * gain_a)
    else:
        regimen = Regimen(amt=100, cmt="central", tinf=2.0, ii=tau, ss=1)
        left = infusion(np.array([tau]), 2.0) * gain  # of all doses before
        exact = 50 * (infusion(t, 2.0) + left * np.exp(-K * t))
    sims = simulate(one_compartment(), regimen, times=t, outputs=["central"], method=method, **TIGHT)
    np.testing.assert_allclose(sims["central"], exact, rtol=1e-9)


@ALL
def test_overlapping_infusions_at_steady_state(method):
    """Each of the infusions of 30 h every 12 h started some multiple of 12 h before the first of them that is seen."""
    t = np.array([0.5, 5.0, 6.5, 11.9, 20.0, 40.0])
    regimen = Regimen(amt=300, cmt="central", rate=10.0, ii=12.0, ss=1)
    sims = simulate(one_compartment(), regimen, times=t, outputs=["central"], method=method, **TIGHT)
    exact = 10.0 * sum(infusion(t + 12.0 * j, 30.0) for j in range(400))
    np.testing.assert_allclose(sims["central"], exact, rtol=1e-9)


@ALL
def test_constant_infusion_is_at_rate_over_clearance(method):
    regimen = Regimen.of(Dose(0, "central", rate=12.0, ss=1))
    found = concentrations(regimen, method)[1:]
    np.testing.assert_allclose(found, 12.0 / CL * np.exp(-K * TIMES[1:]), rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_saturable_elimination_at_steady_state_of_a_constant_infusion(method):
    """C = Km rate / (Vmax - rate) ([G] chapter 7)."""
    kernel = Kernel(equations(lambda t, y, v, k: [-v * y[0] / (k + y[0])], [0.0], ["v", "k"]))
    dose = {"time": 0.0, "rate": 2.5, "ss": 1}
    found = one(kernel, [5e-9, 1.0], [3.0, 2.0], dose, start=0.0, method=method, **TIGHT)
    assert found[0, 0] == pytest.approx(2.0 * 2.5 / 0.5, rel=1e-8)


# --- extremes of the exact propagator ---------------------------------------------------------------------------------
@functools.cache
def bateman_kernel() -> Kernel:
    return Kernel(equations(lambda t, y, a, k: [-a * y[0], a * y[0] - k * y[1], k * y[1]], [0.0] * 3, ["a", "k"]))


def bateman(a: float, k: float, t: float, amount: float) -> list[float]:
    with mpmath.workdps(60):
        am, km, tm = mpmath.mpf(a), mpmath.mpf(k), mpmath.mpf(t)
        ea, ek = mpmath.exp(-am * tm), mpmath.exp(-km * tm)
        centre = km * tm * ek if am == km else am / (am - km) * (ek - ea)
        return [float(amount * v) for v in (ea, centre, 1 - ea - centre)]


RATES = [1e-12, 1e-6, 1e-3, 0.2, 7.0, 1e3]


@pytest.mark.parametrize("a", RATES)
@pytest.mark.parametrize("k", RATES)
def test_tiny_and_huge_rate_constants(a, k):
    times = [1e-6, 1e-3, 1.0, 24.0, 1000.0]
    found = one(bateman_kernel(), times, [a, k], {"time": 0.0, "amt": 100.0}, start=0.0, method="linear")
    exact = np.array([bateman(a, k, t, 100.0) for t in times])
    kept = exact > 1e-290
    np.testing.assert_allclose(found[kept], exact[kept], rtol=1e-9)
    np.testing.assert_allclose(found[~kept], 0.0, atol=1e-280)


@settings(max_examples=40)
@given(
    a=st.floats(-6, 3).map(lambda x: 10**x),
    k=st.floats(-6, 3).map(lambda x: 10**x),
    t=st.floats(-3, 2).map(lambda x: 10**x),
    amount=st.floats(-12, 6).map(lambda x: 10**x),
)
def test_every_amount_keeps_its_relative_accuracy(a, k, t, amount):
    found = one(bateman_kernel(), [t], [a, k], {"time": 0.0, "amt": amount}, start=0.0, method="linear")[0]
    exact = np.array(bateman(a, k, t, amount))
    kept = exact > 1e-290
    np.testing.assert_allclose(found[kept], exact[kept], rtol=1e-9)


def test_what_is_left_in_the_depot_keeps_its_relative_accuracy():
    """Down to 1e-9 of the dose and far below, along a grid and behind many doses."""
    times = np.arange(0.0, 240.0, 1.0)
    doses = {"time": 0.0, "amt": 100.0, "ii": 24.0, "addl": 3}
    found = one(bateman_kernel(), times, [KA, K], doses, method="linear")
    exact = [sum(100 * math.exp(-KA * (t - s)) for s in (0.0, 24.0, 48.0, 72.0) if s < t) for t in times]
    assert exact[-1] < 1e-60
    np.testing.assert_allclose(found[:, 0], exact, rtol=1e-9)


def test_a_model_without_loss_holds_what_it_got():
    kernel = Kernel(equations(lambda t, y, k: [0.0 * y[0], k * y[0]], [0.0, 0.0], ["k"]))
    found = one(kernel, [1.0, 10.0], [0.5], {"time": 0.0, "amt": 7.0, "rate": 14.0}, start=0.0, method="linear")
    np.testing.assert_allclose(found, [[7.0, 0.5 * (1.75 + 3.5)], [7.0, 0.5 * (1.75 + 7 * 9.5)]], rtol=1e-12)


@pytest.mark.parametrize("method", ["linear", "dop853"])
def test_growth_beyond_all_numbers_is_reported_and_not_returned(method):
    kernel = Kernel(equations(lambda t, y, k: [k * y[0]], [1.0], ["k"]))
    times = np.arange(0.0, 40.0, 1.0)
    result = solve(kernel, times, np.array([[30.0, 0.1]]), method=method)
    assert result.status[0] != 0
    assert result.status[1] == 0
    assert 22.0 <= result.when[0] <= 25.0  # exp(709.8) is the largest number
    outputs = result.outputs[0]
    assert np.isfinite(outputs[0, :23]).all()
    assert np.isnan(outputs[0, 25:]).all()
    assert not np.isinf(outputs).any()
    np.testing.assert_allclose(outputs[1], np.exp(0.1 * times), rtol=1e-7)


@pytest.mark.parametrize("ka", [1e4, 1e8, 1e12, 1e16])
@pytest.mark.parametrize("ss", [0, 1])
def test_a_rate_far_above_the_others_costs_no_digits(ka: float, ss: int):
    """Absorption at once is a bolus: what ka leaves of exp(-k t) is ka / (ka - k) of it [G], chapter 1."""
    regimen = Regimen(amt=100.0, cmt="depot", ii=12.0, addl=1, ss=ss)
    first, second, earlier = bolus(TIMES), bolus(TIMES - 12.0), bolus(TIMES + 12.0) / (1.0 - math.exp(-12.0 * K))
    expected = 100.0 / V * ka / (ka - K) * (first + second + ss * earlier)
    found, late = concentrations(regimen, "linear", ka=ka), ~np.isin(TIMES, (0.0, 12.0))  # absorbed by then
    np.testing.assert_allclose(found[late], expected[late], rtol=1e-11)


def test_a_fast_state_upstream_of_an_effect_costs_no_digits():
    """A fast absorption in a cascade gives what a bolus gives, but for the moment that it takes."""
    model, times = pkpd.models["pk2_oral_irm1"].replace(values={"F": 1.0, "tlag": 0.0}), np.array([2.0, 12.0, 30.0])
    fast = simulate(
        model.replace(values={"ka": 1e10}), Regimen(amt=100.0, cmt="depot"), times=times, method="cascade", **TIGHT
    )
    bolus = simulate(model, Regimen(amt=100.0, cmt="central"), times=times, method="rodas5p", **TIGHT)
    for output in ("Cc", "R"):
        np.testing.assert_allclose(fast[output].to_numpy(), bolus[output].to_numpy(), rtol=1e-8)
