"""One patient given a fit: mode and posterior against what is known in closed form."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fit_after_tools import block_fit, occasion_model, plain_fit
from fit_data import bolus_model, simulated

import pkpd
from pkpd.errors import DataError, PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.individual.api import individual
from pkpd.estimation.methods.focei import Focei
from pkpd.estimation.result import Fit

SD, SIGMA, K = 0.4, 0.3, 0.05


def normal_model() -> pkpd.Model:
    """One compartment whose logarithm of concentration is linear in the only random effect: all is normal."""
    return pkpd.Model(
        "normal",
        states=[pkpd.State("central", "mg")],
        parameters=[pkpd.Parameter("k", K, "1/h", fixed=True), pkpd.Parameter("V", 10.0, "L", sd=SD)],
        outputs=[pkpd.Output("Cc", "mg/L", error=pkpd.LogNormal(SIGMA))],
        dynamics=lambda t, x, p: {"central": -p.k * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


@pytest.fixture(scope="module")
def found() -> Fit:
    """A fit in which only V is estimated, so that the patient's distribution is that of the model."""
    table = pkpd.read_events(simulated(normal_model(), 12))
    return fit(normal_model(), table, fixed=["omega_V", "sigma"])


def patient(values: dict[float, float], **more: Any) -> pd.DataFrame:
    """Return 100 mg at time 0 and observations."""
    n = len(values)
    return pd.DataFrame(
        {"ID": 7, "TIME": [0.0, *values], "AMT": [100.0] + [0.0] * n, "DV": [np.nan, *values.values()], **more}
    ).assign(EVID=[1] + [0] * n)


def posterior(found: Fit, values: dict[float, float]) -> tuple[float, float]:
    """Return mean and sd of eta: precisions add, and each datum says ``log(dose/V) - k t - log(y)``."""
    says = [math.log(100 / found.theta["V"]) - K * t - math.log(y) for t, y in values.items()]
    precision = 1 / SD**2 + len(says) / SIGMA**2
    return sum(says) / SIGMA**2 / precision, precision**-0.5


@pytest.mark.parametrize("values", [{2.0: 8.0}, {1.0: 20.0, 12.0: 11.0, 30.0: 4.0}, {1.0: 1.0, 2.0: 0.9, 4.0: 1.1}])
def test_mode_and_posterior_are_those_of_theory(found: Fit, values: dict[float, float]) -> None:
    estimate = individual(found, patient(values), draws=4000, seed=1)
    mean, sd = posterior(found, values)
    assert estimate.ebe["V"] == pytest.approx(mean, abs=1e-6)
    assert estimate.se["V"] == pytest.approx(sd, rel=1e-5)
    etas = estimate.draws.etas[:, 0]
    assert estimate.weights @ etas == pytest.approx(mean, abs=4 * sd / math.sqrt(estimate.ess))
    assert math.sqrt(estimate.weights @ (etas - mean) ** 2) == pytest.approx(sd, rel=0.06)
    assert estimate.ess > 1500
    assert estimate.before @ etas**2 == pytest.approx(SD**2, rel=0.15)
    table = estimate.parameters
    assert table.loc["V", "typical"] == pytest.approx(found.theta["V"])
    assert table.loc["V", "mode"] == pytest.approx(found.theta["V"] * math.exp(mean))
    assert table.loc["V", "high"] == pytest.approx(found.theta["V"] * math.exp(mean + 1.645 * sd), rel=0.05)


def test_uncertain_estimates_widen_the_posterior(found: Fit) -> None:
    """With log V normal around its estimate, V of the patient has both variances before the observations."""
    estimate = individual(found, patient({2.0: 8.0}), draws=20_000, uncertainty=True, seed=2)
    drawn = np.log(estimate.draws.parameters["V"]).round(12)
    centre, spread = np.unique(drawn).mean(), np.unique(drawn).std()
    prior = SD**2 + spread**2
    precision = 1 / prior + 1 / SIGMA**2
    said = math.log(100) - K * 2 - math.log(8.0)
    mean = (centre / prior + said / SIGMA**2) / precision
    logs = np.log(estimate.draws.parameters["V"]) + estimate.draws.etas[:, 0]
    assert estimate.weights @ logs == pytest.approx(mean, abs=0.015)
    assert math.sqrt(estimate.weights @ (logs - mean) ** 2) == pytest.approx(precision**-0.5, rel=0.05)
    assert estimate.source.endswith("with the uncertainty of its estimates")


def test_a_patient_of_the_data_has_the_effects_of_the_fit() -> None:
    fitted = block_fit()
    for k in (0, 5):
        label = fitted.data.labels[k]
        estimate = individual(fitted, fitted.events.subject(label), draws=50)
        np.testing.assert_allclose(list(estimate.ebe.values()), fitted.ebe.values[k], atol=1e-5)


def test_effects_of_occasions_are_drawn_where_there_are_observations() -> None:
    extra: dict[str, Any] = {"OCC": lambda f: np.where(f["TIME"] < 6, 1, 2)}
    fitted = fit(
        occasion_model(), pkpd.read_events(simulated(occasion_model(), 10, extra=extra)), Focei(covariance=None)
    )
    estimate = individual(fitted, fitted.events.subject(3), draws=3000)
    assert estimate.draws.given_kappas is not None
    assert estimate.draws.given_kappas.shape == (3000, 2, 1)
    np.testing.assert_allclose(estimate.effects[2:], fitted.effects[2, 2:], atol=1e-4)
    mean = np.einsum("k,koi->oi", estimate.weights, estimate.draws.given_kappas)[:, 0]
    assert np.abs(mean - estimate.effects[2:]).max() < 0.1
    one = individual(fitted, patient({2.0: 4.0}, OCC=1), draws=100, minimum_ess=20)
    assert one.draws.kappas.shape == (100, 1, 1)


def test_observations_and_curves() -> None:
    estimate = individual(plain_fit(), patient({1.0: 6.0, 8.0: 3.0}), draws=1000)
    seen: Any = estimate.observations
    assert seen["dv"].tolist() == [6.0, 3.0]
    typical = pkpd.simulate(plain_fit().model, pkpd.Regimen(amt=100), times=[1.0, 8.0])["Cc"].values
    np.testing.assert_allclose(seen["pred"], typical, rtol=1e-6)
    assert (seen["low"] < seen["ipred"]).all()
    assert (seen["ipred"] < seen["high"]).all()
    # the mode lies between the typical patient and the data
    assert ((seen["pred"] - seen["ipred"]) * (seen["ipred"] - seen["dv"]) > -0.05).all()
    curves = estimate.simulate([1.0, 8.0, 48.0], pkpd.Regimen(amt=100, ii=24, addl=1), n=200)["Cc"]
    np.testing.assert_allclose(curves.median("subject")[:2], seen["median"], rtol=0.05)
    assert estimate.now == 8.0
    assert estimate.regimen.doses[0].amt == 100.0


def test_changing_covariates_go_along() -> None:
    model = bolus_model(
        covariates=[pkpd.Covariate("WT", "kg", 70)], individual=lambda p, cov: {"CL": p.CL * (cov.WT / 70)}
    )
    frame = simulated(bolus_model(), 6)
    frame["WT"] = 70.0 + frame["TIME"]
    fitted = fit(model, pkpd.read_events(frame), Focei(covariance=None))
    own = fitted.events.subject(2)
    estimate = individual(fitted, own, draws=300)
    np.testing.assert_allclose(list(estimate.ebe.values()), fitted.ebe.values[1], atol=1e-5)
    times = np.unique(own.frame["TIME"])[1:]
    curves = estimate.simulate(times, n=300)["Cc"]
    np.testing.assert_allclose(curves.mean("subject"), estimate.observations["median"], rtol=0.06)


def test_same_seed_same_patient_and_a_source_of_people() -> None:
    one, two = (individual(plain_fit(), patient({1.0: 6.0}), draws=200, seed=5) for _ in range(2))
    np.testing.assert_array_equal(one.weights, two.weights)
    other = individual(plain_fit(), patient({1.0: 6.0}), draws=200, seed=6)
    assert not np.array_equal(one.draws.etas, other.draws.etas)
    people = one.population(50, seed=1)
    assert people.n == 50
    assert len(set(people.index.tolist())) == 50
    assert "eta_V" in one.learned(0.2)
    assert "Individual '7' (bolus; no covariates)" in repr(one)
    plans = {"less": pkpd.Regimen(amt=50, ii=24, addl=3), "more": pkpd.Regimen(amt=400, ii=24, addl=3)}
    source: Any = one
    advice = pkpd.recommend(source, plans, "Cc > 0.8 at trough", n=60)
    assert advice.table.index[0] == "more"
    assert advice.table.loc["more", "probability"] > advice.table.loc["less", "probability"]


def test_patients_that_cannot_be_are_told() -> None:
    with pytest.raises(DataError, match=r"'events' has 16 subjects \(1, 2, 3, 4, 5\); one is estimated at a time"):
        individual(plain_fit(), plain_fit().events)
    with pytest.raises(PkpdError, match="draws must be a whole number of at least 2, got 1"):
        individual(plain_fit(), patient({1.0: 6.0}), draws=1)
    with pytest.raises(PkpdError, match="no covariance of the estimates"):
        individual(replace(plain_fit(), uncertainty=None), patient({1.0: 6.0}), uncertainty=True)
    with pytest.raises(DataError, match="no observation"):
        individual(plain_fit(), patient({}))
    far = individual(plain_fit(), patient({1.0: 500.0}))
    assert "Cc at 1 h: observed 500" in repr(far)
