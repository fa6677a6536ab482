"""What follows a fit with priors, covariances, profiles, samples and files, has the priors in it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from fit_data import mean_model
from scipy.optimize import brentq, minimize
from scipy.stats import norm

import pkpd
from pkpd.estimation.api import fit
from pkpd.estimation.methods.focei import Focei
from pkpd.estimation.methods.pooled import Map
from pkpd.estimation.result import Fit
from pkpd.estimation.spreads import ErrorScale, HalfNormal
from pkpd.estimation.store import load_fit
from pkpd.estimation.uncertainty.importance_resampling import sir
from pkpd.estimation.uncertainty.profiles import profile

N, K = 12, 3
Y = 3.0 + 0.8 * np.random.default_rng(5).standard_normal((N, 1)) + 0.5 * np.random.default_rng(6).normal(size=(N, K))
FIXED = ["omega_base", "sigma_add"]
AT, SD = 2.0, 0.25


def table() -> Any:
    times = np.tile(np.arange(float(K)), N)
    frame = {"ID": np.repeat(np.arange(N), K), "TIME": times, "DV": Y.ravel(), "EVID": np.zeros(N * K)}
    return pkpd.read_events(pd.DataFrame(frame))


def of_mean(**more: Any) -> Fit:
    """Fit the mean alone: with known variances and a normal prior its posterior is normal."""
    return fit(mean_model(), table(), Map(priors={"base": (AT, SD)}, **more), fixed=FIXED)


#: variance of a subject's mean, the information of the data, and the posterior
OF_MEAN = 0.8**2 + 0.5**2 / K
DATA, PRIOR = N / OF_MEAN, 1 / SD**2
VARIANCE = 1 / (DATA + PRIOR)
CENTRE = VARIANCE * (DATA * Y.mean() + PRIOR * AT)


def variance(kind: str) -> float:
    """Return the variance of the posterior, by the sum of squared scores where the kind asks for it."""
    scores = float(np.sum(((Y.mean(axis=1) - CENTRE) / OF_MEAN) ** 2)) + PRIOR
    return {"R": VARIANCE, "linearised": VARIANCE, "S": 1 / scores, "RS": VARIANCE * scores * VARIANCE}[kind]


@pytest.mark.parametrize("kind", ["R", "S", "RS", "linearised"])
def test_covariances_are_those_of_the_posterior(kind: str) -> None:
    found = of_mean(covariance=cast(Any, kind))
    assert found.uncertainty is not None
    assert found.uncertainty.kind == kind
    assert found.theta["base"] == pytest.approx(CENTRE, abs=1e-5)
    assert found.se["base"] == pytest.approx(math.sqrt(variance(kind)), rel=1e-4)
    assert of_mean().covariance_step(kind).se["base"] == pytest.approx(found.se["base"], rel=1e-9)


def test_none_is_computed_where_none_is_asked_for() -> None:
    assert of_mean(covariance=None).covariance is None


def test_the_profile_of_a_mean_is_its_posterior() -> None:
    found = profile(of_mean(covariance=None), "base")
    half = norm.ppf(0.975) * math.sqrt(VARIANCE)
    ends = [found.data[n].item() for n in ("estimate", "low", "high")]
    assert ends == pytest.approx([CENTRE, CENTRE - half, CENTRE + half], abs=1e-4)
    assert any("the priors of the fit are in it" in note for note in found.notes)
    assert "with priors" in found.data.attrs["title"]


def test_samples_are_of_the_posterior() -> None:
    sample = sir(of_mean(), 600, 300, iterations=1, seed=2)
    assert sample.vectors.mean() == pytest.approx(CENTRE, abs=0.3 * math.sqrt(VARIANCE))
    assert sample.vectors.std() == pytest.approx(math.sqrt(VARIANCE), rel=0.15)
    assert sample.messages == ()


def penalised(base: float, omega: float, sigma: float) -> float:
    """Return -2 log of likelihood times prior of the balanced one-way layout, without the constant N log(2 pi)."""
    one = np.full((K, K), omega) + sigma**2 * np.eye(K)
    apart = Y - base
    ofv = N * np.linalg.slogdet(one)[1] + float(np.sum(apart * np.linalg.solve(one, apart.T).T))
    return ofv + ((base - AT) / SD) ** 2 + omega / 0.3**2 + (math.log(sigma / 0.5) / 0.1) ** 2


def test_profiles_are_those_of_likelihood_times_prior() -> None:
    believed = {"base": (AT, SD), "omega_base": HalfNormal(0.3), "sigma_add": ErrorScale(1.0, 0.1)}
    found = fit(mean_model(), table(), Map(priors=believed))

    def held(log_omega: float) -> float:
        def rest(v: np.ndarray) -> float:
            return penalised(v[0], math.exp(log_omega), math.exp(v[1]))

        return float(minimize(rest, [CENTRE, math.log(0.5)], method="Nelder-Mead", options={"xatol": 1e-7}).fun)

    best = math.log(found.estimates["omega_base"])
    least = held(best)
    assert found.ofv + found.extra["penalty"] == pytest.approx(least, abs=1e-3)
    cut = norm.ppf(0.975) ** 2
    ends: list[Any] = [brentq(lambda a: held(a) - least - cut, best, best + far) for far in (-2.5, 2.5)]
    result = profile(found, "omega_base")
    assert [result.data["low"].item(), result.data["high"].item()] == pytest.approx(np.exp(ends), rel=2e-3)
    # the curvature of the same function
    v = np.array([found.theta["base"], best, math.log(found.sigma["sigma_add"])])
    steps = 1e-4 * np.eye(3)

    def of(x: np.ndarray) -> float:
        return penalised(x[0], math.exp(x[1]), math.exp(x[2]))

    second = [[(of(v + a + b) - of(v + a - b) - of(v - a + b) + of(v - a - b)) / 4e-8 for a in steps] for b in steps]
    spread = np.sqrt(np.diag(np.linalg.inv(0.5 * np.array(second))))
    assert found.se["base"] == pytest.approx(spread[0], rel=1e-3)
    assert found.se["omega_base"] == pytest.approx(math.exp(best) * spread[1], rel=1e-3)


def test_a_fit_read_again_has_its_priors(tmp_path: Path) -> None:
    method = Map(priors={"base": (AT, SD), "omega_base": HalfNormal(0.3), "sigma_add": ErrorScale(1.0, 0.1)})
    # default priors stay about what the model declared, also of a fit that began elsewhere
    for number, how in enumerate((method, Map())):
        found = fit(mean_model(), table(), how, start={"base": 5.0})
        found.save(tmp_path / f"{number}.json")
        back = load_fit(tmp_path / f"{number}.json", mean_model(), table())
        assert back.estimator == how
        assert back.priors is not None
        assert back.priors.describe() == found.extra["priors"]
        assert back.covariance_step().se == pytest.approx(found.se, rel=1e-6)
    assert load_fit(tmp_path / "1.json", mean_model(), table()).layout.declared["base"] == 3.0


def test_the_note_says_of_which_objective_a_profile_is() -> None:
    plain = fit(mean_model(), table(), Focei(covariance=None))
    assert "of FO " not in profile(plain, "base").data.attrs["title"]
    assert "of FO " in profile(plain, "base", method="fo").data.attrs["title"]
