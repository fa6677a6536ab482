"""Densities of every residual error against scipy.stats, in fits and likelihoods; objectives against slow twins."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fit_data import bolus_model
from scipy import optimize, stats

import pkpd
from pkpd import Additive, Combined, LogNormal, Model, Output, Parameter, Proportional, Regimen, State
from pkpd.estimation.problem import pose
from pkpd.evidence.term import Term
from pkpd.observation.api import Likelihood
from pkpd.observation.subject import Subject
from pkpd.outcomes import Ordinal

ERRORS: dict[str, Any] = {
    "add": Additive(0.7), "prop": Proportional(0.2), "var": Combined(add=0.5, prop=0.2),
    "sd": Combined(add=0.5, prop=0.2, convention="sd"), "log": LogNormal(0.3), "grade": Ordinal((1.0, 2.5, 4.0)),
}  # fmt: skip
TIMES = np.array([2.0, 10.0, 20.0])
DV = {n: [9.0, 3.0, 2.0] for n in ("add", "prop", "var", "sd", "log")} | {"grade": [3.0, 2.0, 0.0]}


@functools.cache
def vessel() -> Model:
    """Return a model whose outputs are the same curve with every residual error."""
    return Model(
        "vessel",
        states=[State("A", "mg")],
        parameters=[Parameter("k", 0.1, "1/h"), Parameter("V", 10.0, "L")],
        outputs=[Output(n, "", error=e) for n, e in ERRORS.items()],
        dynamics=lambda t, x, p: {"A": -p.k * x.A},
        calculate=lambda t, x, p: dict.fromkeys(ERRORS, x.A / p.V),
        check_units=False,
    )


def curve() -> np.ndarray:
    return 10.0 * np.exp(-0.1 * TIMES)


def sd_of(name: str, f: np.ndarray) -> np.ndarray:
    """Return the standard deviation on the scale on which an output is normal."""
    sd = {
        "add": 0.7 + 0 * f, "prop": 0.2 * f, "var": np.sqrt(0.25 + 0.04 * f**2), "sd": 0.5 + 0.2 * f,
        "log": 0.3 + 0 * f,
    }  # fmt: skip
    return sd[name]


def scipy_density(name: str, f: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the log-densities of data."""
    if name == "grade":
        cuts = np.array([-np.inf, 1.0, 2.5, 4.0, np.inf])
        at = y.astype(int)
        return np.log(stats.logistic.cdf(cuts[at + 1] - f) - stats.logistic.cdf(cuts[at] - f))
    if name == "log":
        return stats.lognorm.logpdf(y, 0.3, scale=f)
    return stats.norm.logpdf(y, f, sd_of(name, f))


def scipy_tail(name: str, f: np.ndarray, limit: float, above: bool) -> np.ndarray:
    law = stats.lognorm(0.3, scale=f) if name == "log" else stats.norm(f, sd_of(name, f))
    return law.logsf(limit) if above else law.logcdf(limit)


def rows(name: str, dv: list[float], **more: list[float]) -> pkpd.EventTable:
    frame = pd.DataFrame({"ID": 1, "TIME": [0.0, *TIMES], "AMT": [100.0, 0, 0, 0], "DV": [np.nan, *dv], "DVID": name})
    for column, values in more.items():
        frame[column] = [0.0, *values]
    return pkpd.read_events(frame)


def evaluated(table: pkpd.EventTable, **more: Any) -> Any:
    return pkpd.fit(vessel(), table, pkpd.methods.NaivePooled(max_iterations=0), **more)


@pytest.mark.parametrize("name", ERRORS)
def test_the_density_of_a_fit_is_that_of_scipy(name: str) -> None:
    found = evaluated(rows(name, DV[name]))
    assert found.loglik == pytest.approx(scipy_density(name, curve(), np.array(DV[name])).sum(), abs=1e-7)


@pytest.mark.parametrize("name", ERRORS)
def test_the_density_of_a_likelihood_is_that_of_scipy(name: str) -> None:
    kind = "grade" if name == "grade" else "density"
    terms = tuple(Term(f"{t} h", kind, name, t, y) for t, y in zip(TIMES, DV[name], strict=True))
    one = Subject("Ann", Regimen(amt=100, cmt="A"), terms=terms)
    found = Likelihood(vessel(), [one], ["k"], rtol=1e-10, atol=1e-13).evaluate(np.array([[0.1]]))
    np.testing.assert_allclose(found.terms, scipy_density(name, curve(), np.array(DV[name])), atol=1e-7)


@pytest.mark.parametrize("name", ["add", "prop", "var", "sd", "log"])
@pytest.mark.parametrize("above", [False, True])
def test_censored_data_have_the_tail_of_scipy(name: str, above: bool) -> None:
    f, y = curve(), np.array([9.0, 3.0, 2.0])
    expected = scipy_density(name, f, y)
    expected[1:] = scipy_tail(name, f[1:], 2.0, above)
    found = evaluated(rows(name, [9.0, 2.0, 2.0], CENS=[0, -1 if above else 1, -1 if above else 1]))
    constant = 0.5 * math.log(2 * math.pi)
    assert -0.5 * found.ofv == pytest.approx(expected.sum() + constant, abs=1e-7)
    terms = [Term("a", "density", name, 2.0, 9.0)]
    terms += [Term(f"{t}", "above" if above else "below", name, t, 2.0) for t in TIMES[1:]]
    one = Subject("Ann", Regimen(amt=100, cmt="A"), terms=tuple(terms))
    terms_found = Likelihood(vessel(), [one], ["k"], rtol=1e-10, atol=1e-13).evaluate(np.array([[0.1]])).terms
    np.testing.assert_allclose(terms_found, expected, atol=1e-7)


@pytest.mark.parametrize("name", ["add", "prop", "var", "sd"])
def test_m4_conditions_on_data_above_zero(name: str) -> None:
    f = curve()
    sd = sd_of(name, f)
    positive = stats.norm.logcdf(f / sd)
    expected = stats.norm.logpdf([9.0, 3.0, 0.0], f, sd) - positive
    low, high = stats.norm.cdf(0.0, f[2], sd[2]), stats.norm.cdf(1.0, f[2], sd[2])
    expected[2] = math.log(high - low) - positive[2]
    found = evaluated(rows(name, [9.0, 3.0, 1.0], CENS=[0, 0, 1]), bloq="m4")
    assert -0.5 * found.ofv == pytest.approx(expected.sum() + math.log(2 * math.pi), abs=1e-7)


# -- objectives of one subject after the other, with random effects found by scipy


class _Twin:
    """FO, FOCE, FOCEI and Laplace of the bolus model, written out."""

    omega = np.diag([0.09, 0.04])

    def __init__(self, name: str, times: np.ndarray, y: np.ndarray) -> None:
        self.name, self.times, self.y = name, times, y

    def f(self, eta: np.ndarray) -> np.ndarray:
        CL, V = 2.0 * math.exp(eta[0]), 20.0 * math.exp(eta[1])
        return 100.0 / V * np.exp(-CL / V * self.times)

    def slopes(self, eta: np.ndarray, of: Any = None, h: float = 1e-5) -> np.ndarray:
        of = of or self.f
        return np.array([(of(eta + h * e) - of(eta - h * e)) / (2 * h) for e in np.eye(2)]).T

    def variance(self, f: np.ndarray) -> np.ndarray:
        return sd_of(self.name, f) ** 2

    def inner(self, eta: np.ndarray, interaction: bool) -> float:
        f = self.f(eta)
        R = self.variance(f if interaction else self.f(np.zeros(2)))
        return float(((self.y - f) ** 2 / R + np.log(R)).sum() + eta @ np.linalg.solve(self.omega, eta))

    def ofv(self, method: str) -> float:
        det = np.linalg.slogdet(self.omega)[1]
        if method == "fo":
            f, G = self.f(np.zeros(2)), self.slopes(np.zeros(2))
            normal: Any = stats.multivariate_normal
            law = normal(f, G @ self.omega @ G.T + np.diag(self.variance(f)))
            return -2 * law.logpdf(self.y) - self.y.size * math.log(2 * math.pi)
        interaction = method != "foce"
        mode = optimize.minimize(self.inner, np.zeros(2), args=(interaction,), method="BFGS", options={"gtol": 1e-7}).x
        G, f = self.slopes(mode), self.f(mode)
        R = self.variance(f if interaction else self.f(np.zeros(2)))
        H = np.linalg.inv(self.omega) + G.T @ (G / R[:, None])
        if method == "focei":
            r = self.slopes(mode, lambda eta: self.variance(self.f(eta))) / R[:, None]
            H += 0.5 * r.T @ r
        if method == "laplace":
            h, e = 3e-4, np.eye(2)
            for a in range(2):
                for b in range(2):
                    u, v = h * e[a], h * e[b]
                    four = [self.inner(mode + s * u + t * v, True) * s * t for s in (1, -1) for t in (1, -1)]
                    H[a, b] = 0.5 * sum(four) / (4 * h * h)
        return self.inner(mode, interaction) + det + float(np.linalg.slogdet(H)[1])


@pytest.mark.parametrize("method", ["fo", "foce", "focei", "laplace"])
@pytest.mark.parametrize("name", ["add", "prop", "var"])
def test_the_objective_is_that_of_its_slow_twin(method: str, name: str) -> None:
    error = {"add": Additive(0.7), "prop": Proportional(0.2), "var": Combined(add=0.5, prop=0.2)}[name]
    times = np.array([0.5, 3.0, 8.0, 15.0])
    data = {1: [6.1, 2.9, 2.4, 0.8], 2: [3.9, 3.6, 1.6, 1.4]}
    frame = pd.DataFrame([
        {"ID": i, "TIME": t, "AMT": a, "DV": v}
        for i, y in data.items()
        for t, a, v in [(0.0, 100.0, np.nan), *((t, 0.0, v) for t, v in zip(times, y, strict=True))]
    ])  # fmt: skip
    o = pose(bolus_model(error), pkpd.read_events(frame)).objective(method)
    found = o(o.layout.start)
    expected = [_Twin(name, times, np.array(y)).ofv(method) for y in data.values()]
    np.testing.assert_allclose(found.ofv_i, expected, rtol=2e-6, atol=5e-6)
