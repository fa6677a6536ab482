"""Full Bayes: the density, its gradient, and draws against a posterior that is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import fit_sampling_tools as tools
import numpy as np
import pytest
import xarray as xr

from pkpd.errors import DataError, PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.methods.nuts import Nuts, PopulationPosterior, _begin
from pkpd.estimation.priors import Priors
from pkpd.estimation.problem import pose
from pkpd.estimation.spreads import ErrorScale, HalfNormal
from pkpd.estimation.store import load_fit
from pkpd.estimation.uncertainty.importance_resampling import sir
from pkpd.estimation.uncertainty.profiles import profile
from pkpd.estimation.uncertainty.resampling import bootstrap
from pkpd.model.residual import Combined, Proportional

QUICK: dict[str, Any] = {"chains": 2, "tune": 120, "draws": 150}


@pytest.mark.parametrize("centred", [True, False])
def test_posterior_gradient_is_a_derivative(centred: bool) -> None:
    model = tools.bolus(Combined(0.2, 0.1), block=True, weight=True)
    problem = pose(model, tools.draw(4, 5, limit=1.5))
    priors = Priors(problem.layout, {"omega_k": 0.4})
    posterior = PopulationPosterior(problem, priors, centred, _begin(problem, priors)[0])
    q = 0.5 * np.random.default_rng(0).standard_normal(posterior.dim)
    assert posterior.dim == problem.layout.size + 8 == len(posterior.names)
    wide = [
        (posterior.logp_grad(q + e)[0] - posterior.logp_grad(q - e)[0]) / 2e-5 for e in 1e-5 * np.eye(posterior.dim)
    ]
    assert posterior.logp_grad(q)[1] == pytest.approx(wide, rel=1e-4, abs=1e-4)


def test_both_forms_are_one_density() -> None:
    """The same values have densities that differ by the Jacobian of eta = L u alone."""
    problem = pose(tools.bolus(block=True), tools.draw(4, 5))
    priors = Priors(problem.layout)
    frame, _ = _begin(problem, priors)
    rng, apart = np.random.default_rng(1), []
    for _ in range(3):
        values = []
        q = 0.5 * rng.standard_normal(problem.layout.size + 8)
        centred = PopulationPosterior(problem, priors, True, frame)
        x, v = centred.split(q)
        _, u, factor = centred.effects(x, v)
        other = PopulationPosterior(problem, priors, False, frame)
        own = np.linalg.solve(other.v_root, (u - other.v0)[:, :, None])[:, :, 0]
        q_other = np.concatenate([q[: problem.layout.size], own.ravel()])
        values = [p.logp_grad(at)[0] for p, at in ((centred, q), (other, q_other))]
        apart.append(values[0] - values[1] + 4 * np.log(np.diag(factor)).sum())
    assert apart == pytest.approx([0.0] * 3, abs=1e-8)


def test_draws_follow_a_posterior_known_by_quadrature() -> None:
    """One free theta, all else fixed: its posterior is the prior times the product of the subjects' integrals."""
    table = tools.draw(5, 3, sd=(0.3, 0.0))
    found = fit(
        tools.bolus(sd_V=None), table, Nuts(priors={"k": (0.2, 0.2)}, **QUICK),
        fixed=["V", "omega_k", "sigma_prop"], progress=False,
    )  # fmt: skip
    x = np.linspace(-0.8, 0.8, 161)
    log_p = -0.5 * (x / 0.2) ** 2
    log_p += [tools.marginal(table, k=0.2 * np.exp(a), V=10.0, sd=0.3, prop=0.15, n=801).sum() for a in x]
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    mean = float(p @ x)
    sd = float(np.sqrt(p @ (x - mean) ** 2))
    draws = np.log(found.idata.posterior["k"].values / 0.2)
    assert found.extra["ess"] > 80
    assert draws.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(found.extra["ess"]))
    assert draws.std() == pytest.approx(sd, rel=0.2)


@pytest.fixture(scope="module")
def sampled() -> Any:
    return fit(tools.bolus(), tools.draw(12, 11), Nuts(seed=4, **QUICK), progress=False)


def test_result_of_sampling(sampled: Any) -> None:
    posterior = sampled.idata.posterior
    assert posterior["eta"].sizes == {"chain": 2, "draw": 150, "subject": 12, "effect": 2}
    assert set(posterior.data_vars) == {"k", "V", "omega_k", "omega_V", "sigma_prop", "eta"}
    assert sampled.se["k"] == pytest.approx(float(posterior["k"].std(ddof=1)), rel=1e-6)
    assert sampled.effects[:, 0] == pytest.approx(posterior["eta"].mean(("chain", "draw")).values[:, 0])
    low, high = sampled.ci()["k"]
    assert low < sampled.theta["k"] < high
    assert sampled.extra["priors"]["omega_k"] == "half-normal(1) of the standard deviation"
    assert any("posterior means" in m for m in sampled.messages)
    assert "NUTS" in str(sampled)


def test_intervals_and_people_are_those_of_the_draws(sampled: Any) -> None:
    posterior = sampled.idata.posterior
    low, high = sampled.ci(0.9)["omega_V"]
    assert [low, high] == pytest.approx(np.quantile(posterior["omega_V"], [0.05, 0.95]))
    assert sampled.summary(0.9).loc["omega_V", "high"] == pytest.approx(high)
    people = sampled.population(4000, seed=1)
    # the variance of effects of new subjects is the mean of the variances drawn, and typical values are draws
    assert people.etas[:, 1].var() == pytest.approx(float(posterior["omega_V"].mean()), rel=0.1)
    assert set(people.parameters["k"]) <= set(posterior["k"].values.ravel())
    for verb in (bootstrap, profile, sir):
        with pytest.raises(PkpdError, match=f"{verb.__name__}: a fit by nuts has a posterior, which tells how well"):
            verb(sampled)
    with pytest.raises(PkpdError, match="covariance_step: a fit by nuts has a posterior"):
        sampled.covariance_step()


def test_a_fit_read_again_has_its_draws(tmp_path: Path) -> None:
    method = Nuts(chains=2, tune=20, draws=10, priors={"omega_k": HalfNormal(0.4), "sigma_prop": ErrorScale(1.0, 0.3)})
    model, table = tools.bolus(), tools.draw(4, 11)
    found = fit(model, table, method, progress=False)
    found.save(tmp_path / "fit.json")
    back = load_fit(tmp_path / "fit.json", model, table)
    assert back.estimator == method
    assert back.ci() == found.ci()
    for group in ("posterior", "sample_stats", "observed_data", "log_likelihood", "posterior_predictive"):
        xr.testing.assert_identical(getattr(back.idata, group), getattr(found.idata, group))
    np.testing.assert_array_equal(back.population(20, seed=2).etas, found.population(20, seed=2).etas)
    assert str(back) == str(found)


@pytest.mark.slow
def test_sampling_is_reproducible(sampled: Any, tmp_path: Path) -> None:
    again = fit(tools.bolus(), tools.draw(12, 11), Nuts(seed=4, cores=1, out=tmp_path, **QUICK), progress=False)
    np.testing.assert_array_equal(again.x, sampled.x)
    resumed = fit(tools.bolus(), tools.draw(12, 11), Nuts(seed=4, out=tmp_path, **QUICK), progress=False)
    assert resumed.extra["resumed"] == [0, 1]
    np.testing.assert_array_equal(resumed.x, sampled.x)
    other = fit(tools.bolus(), tools.draw(12, 12), Nuts(seed=4, out=tmp_path, **QUICK), progress=False)
    assert other.extra["resumed"] == []


def test_chains_are_of_one_law_and_one_set_of_doses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same names, rows and data: nothing but what an error computes, a dose or a held value is another one."""
    short: dict[str, Any] = {"chains": 1, "tune": 20, "draws": 10, "out": tmp_path}
    table = tools.draw(4, 11)

    def resumed(table: Any, V: float = 10.0) -> list[int]:
        model = tools.bolus().with_values(V=V)
        return fit(model, table, Nuts(**short), fixed=["V"], progress=False).extra["resumed"]

    assert resumed(table) == []
    assert resumed(table) == [0]
    assert resumed(table, 11.0) == []
    other = replace(table, frame=table.frame.assign(AMT=1.1 * table.frame["AMT"]))
    assert resumed(other) == []
    monkeypatch.setattr(Proportional, "variance", lambda self, f: 4.0 * (self.prop * f) ** 2)
    assert resumed(table) == []


def test_few_draws_are_said_to_be_few() -> None:
    found = fit(tools.bolus(), tools.draw(4, 11), Nuts(chains=1, tune=20, draws=10), progress=False)
    assert not found.converged
    assert any("effective sizes are below 400" in m for m in found.messages)


def test_settings_are_checked() -> None:
    with pytest.raises(DataError, match=r"tune must be a whole number >= 10, got 2; draws .* got 1; target_accept"):
        fit(tools.bolus(), tools.draw(4, 11), Nuts(tune=2, draws=1, target_accept=1.0))


@pytest.mark.slow
def test_posterior_means_lie_near_maximum_likelihood() -> None:
    table = tools.draw(40, 17)
    other = fit(tools.bolus(block=True), table)
    found = fit(tools.bolus(block=True), table, Nuts(chains=2, tune=400, draws=800), progress=False)
    assert found.converged
    for name in ("k", "V", "sigma_prop"):
        assert found.estimates[name] == pytest.approx(other.estimates[name], abs=0.5 * other.se[name])
        assert found.se[name] == pytest.approx(other.se[name], rel=0.3)
