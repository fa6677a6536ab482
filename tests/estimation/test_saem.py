"""SAEM and importance sampling: against quadrature, against FOCEI, and what must not matter."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import fit_sampling_tools as tools
import numpy as np
import pandas as pd
import pytest

from pkpd.dosing.events import read_events
from pkpd.errors import DataError, PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.methods.complete import Complete
from pkpd.estimation.methods.importance import Importance, importance
from pkpd.estimation.methods.saem import Saem, trace_dataset
from pkpd.estimation.methods.saem_ascent import ascend
from pkpd.estimation.methods.saem_chains import ChainPoint, Chains, ConditionalNormal, approximation, occasions_of
from pkpd.estimation.methods.saem_mean import Means
from pkpd.estimation.methods.saem_run import SaemRun
from pkpd.estimation.methods.saem_updates import OmegaUpdate
from pkpd.estimation.methods.score import score_of
from pkpd.estimation.problem import pose
from pkpd.model.declare import Omega, Output, Parameter, State
from pkpd.model.model import Model
from pkpd.model.residual import Combined, LogNormal, Proportional

QUICK: dict[str, Any] = {"burn_in": 60, "smoothing": 120, "points": 128}


def within(found: Any, other: Any, share: float) -> None:
    """Assert that estimates agree within a share of their standard errors."""
    for name, value in other.estimates.items():
        assert abs(found.estimates[name] - value) < share * other.se[name], name


# -- importance sampling


@pytest.mark.parametrize("limit", [0.0, 2.0])
def test_importance_sampling_is_the_integral(limit: float) -> None:
    table = tools.draw(6, 3, sd=(0.3, 0.0), limit=limit)
    problem = pose(tools.bolus(sd_V=None), table)
    found = importance(problem, problem.layout.start, points=2048, seed=1)
    exact = -2.0 * tools.marginal(table, k=0.2, V=10.0, sd=0.3, prop=0.15)
    counted = (problem.data.censored == 0) * math.log(2 * math.pi)
    exact -= np.bincount(problem.data.subject, counted)
    assert (np.abs(found.ofv_i - exact) < 4.5 * found.se_i + 1e-4).all()
    assert abs(found.ofv - exact.sum()) < 4 * found.se
    assert found.se < 0.03
    assert (found.ess > 0.5 * found.points).all()


def test_importance_sampling_of_correlated_effects_is_the_integral() -> None:
    from scipy.stats import multivariate_normal, norm

    table = tools.draw(3, 21, rho=0.6, limit=1.0)
    problem = pose(tools.bolus(block=True), table)
    found = importance(problem, problem.layout.start, points=2048, seed=1)
    grid = np.linspace(-1.6, 1.6, 321)
    a, b = np.meshgrid(grid, grid, indexing="ij")
    normal: Any = multivariate_normal
    prior = normal([0, 0], [[0.09, 0.02], [0.02, 0.04]]).logpdf(np.dstack([a, b]))
    exact = []
    for own in tools.subjects(table):
        total = prior.copy()
        for t, y, below in zip(own["TIME"], own["DV"], own["CENS"], strict=True):
            f = 10.0 * np.exp(-b - 0.2 * np.exp(a) * t)
            constant = 0.5 * math.log(2 * math.pi)
            total += norm.logcdf(y, f, 0.15 * f) if below else norm.logpdf(y, f, 0.15 * f) + constant
        exact.append(-2.0 * np.log(np.exp(total).sum() * (grid[1] - grid[0]) ** 2))
    assert (np.abs(found.ofv_i - exact) < 4.5 * found.se_i + 1e-4).all()


def test_importance_sampling_is_an_evaluation_by_itself() -> None:
    table = tools.draw(5, 2)
    found = fit(tools.bolus(), table, Importance(points=256))
    assert found.estimates["k"] == pytest.approx(0.2)
    assert found.extra["ofv_se"] < 0.2
    assert any("nothing is estimated" in m for m in found.messages)


def test_importance_sampling_refuses_too_few_points() -> None:
    problem = pose(tools.bolus(), tools.draw(2, 2))
    with pytest.raises(DataError, match=r"points >= 16 and nu > 0, got 4 and 5"):
        importance(problem, problem.layout.start, points=4)


# -- parts


def test_copies_of_subjects_are_predicted_alike() -> None:
    problem = pose(tools.bolus(weight=True), tools.draw(4, 5))
    eta = np.random.default_rng(0).normal(0, 0.3, (4, 2))
    x = problem.layout.start[: problem.layout.q]
    one, three = Complete(problem), Complete(problem, 3)
    assert three.m == 12
    thrice = np.tile(np.arange(problem.data.n_subjects), 3)
    assert problem.data.of_subjects(thrice).n_observations == 3 * problem.data.n_observations
    np.testing.assert_array_equal(three.predict(x, np.tile(eta, (3, 1))), np.tile(one.predict(x, eta), 3))


def test_slopes_of_complete_data_are_derivatives() -> None:
    problem = pose(tools.bolus(Combined(0.2, 0.1), weight=True), tools.draw(4, 5, limit=1.5))
    complete, lay = Complete(problem), problem.layout
    x, z = lay.start[: lay.q], lay.start[lay.q + lay.w :]
    eta = np.random.default_rng(0).normal(0, 0.3, (4, 2))
    found = complete.slopes(x, eta, z)
    h = 1e-5
    for k in range(lay.q):
        e = h * np.eye(lay.q)[k]
        wide = complete.slopes(x + e, eta, z).l - complete.slopes(x - e, eta, z).l
        np.testing.assert_allclose(found.x[:, k], wide / (2 * h), rtol=1e-5, atol=1e-5)
    for k in range(lay.s):
        e = h * np.eye(lay.s)[k]
        wide = complete.loglik(found.f, z + e) - complete.loglik(found.f, z - e)
        np.testing.assert_allclose(found.z[:, k], wide / (2 * h), rtol=1e-5, atol=1e-5)


def test_means_are_found_with_covariates() -> None:
    table = tools.draw(6, 5)
    problem = pose(tools.bolus(weight=True), table)
    means = Means(Complete(problem))
    names = [problem.layout.entries[t].name for t in means.thetas]
    assert sorted(names) == ["V", "beta", "k"]
    W = table.frame.groupby("ID")["W"].first().to_numpy()
    np.testing.assert_allclose(means.C[:, 0, names.index("beta")], W - 1, atol=1e-9)
    # a regression without noise gives its coefficients back
    x = np.array([-1.0, 2.0, 0.5])
    assert means.update(means.mean(x), np.diag([0.1, 0.2])) == pytest.approx(x[means.thetas])


def test_theta_without_random_effect_is_no_mean() -> None:
    problem = pose(tools.bolus(sd_V=None), tools.draw(6, 5))
    means = Means(Complete(problem))
    assert [problem.layout.entries[t].name for t in means.thetas] == ["k"]
    assert [problem.layout.entries[t].name for t in means.others] == ["V"]


@pytest.mark.parametrize("kernel", ["prior", "componentwise", "multivariate", "independent"])
def test_kernel_draws_from_the_conditional_distribution(kernel: str) -> None:
    table = tools.draw(1, 8, sd=(0.3, 0.0), prop=0.3, times=np.array([2.0, 6.0]))
    problem = pose(tools.bolus(Proportional(0.3), sd_V=None), table)
    copies, lay = 400, problem.layout
    complete = Complete(problem, copies)
    x = lay.start
    point = ChainPoint(x[: lay.q], np.array([[0.3]]), x[lay.q + lay.w :], np.zeros((copies, 1)))
    chains = Chains(complete, point, np.random.default_rng(1))
    chains.psi[:] = 0.3 * np.random.default_rng(2).standard_normal((copies, 1))
    chains.move(point, solve=True)
    near = ConditionalNormal(*approximation(problem.objective("focei"), x, None, copies))
    draws = []
    for step in range(60):
        chains.step(kernel, near)
        if step >= 20:
            draws.append(chains.eta[:, 0])
    eta = np.linspace(-2, 2, 2001)
    own = tools.subjects(table)[0]
    f = 10.0 * np.exp(-0.2 * np.exp(eta)[:, None] * own["TIME"])
    log_p = (-0.5 * ((own["DV"] - f) / (0.3 * f)) ** 2 - np.log(f)).sum(axis=1) - 0.5 * (eta / 0.3) ** 2
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    mean = float(p @ eta)
    sd = math.sqrt(float(p @ (eta - mean) ** 2))
    # 400 independent chains and some draws of each; 4 standard errors of the chains alone
    assert np.mean(draws) == pytest.approx(mean, abs=4 * sd / 20)
    assert np.std(draws) == pytest.approx(sd, rel=4 / math.sqrt(2 * copies))


def test_variances_fall_slowly_while_annealing() -> None:
    layout = pose(tools.bolus(block=True), tools.draw(4, 5)).layout
    update = OmegaUpdate(layout, "omega").update
    now = np.array([[0.4, 0.1], [0.1, 0.3]])
    second = np.array([[0.01, 0.005], [0.005, 0.35]])
    np.testing.assert_allclose(update(second, now, 0.0), second)
    slow = update(second, now, 0.9)
    assert slow[0, 0] == pytest.approx(0.36)
    assert slow[1, 1] == pytest.approx(0.35)
    assert slow[0, 1] / math.sqrt(slow[0, 0] * slow[1, 1]) == pytest.approx(0.005 / math.sqrt(0.01 * 0.35))


def test_diagonal_covariance_stays_diagonal_and_fixed_ones_stay() -> None:
    layout = pose(tools.bolus(), tools.draw(4, 5), fixed=["omega_V"]).layout
    out = OmegaUpdate(layout, "omega").update(np.array([[0.5, 0.3], [0.3, 0.6]]), np.eye(2), 0.0)
    np.testing.assert_allclose(out, [[0.5, 0.0], [0.0, 0.04]])


# -- the whole


def test_saem_agrees_with_focei() -> None:
    table = tools.draw(24, 11)
    model = tools.bolus()
    other, found = fit(model, table), fit(model, table, Saem(seed=1, **QUICK))
    within(found, other, 0.35)
    # without the approximation of FOCEI the likelihood cannot be lower than at the estimates of FOCEI
    there = importance(other.problem, other.x, points=1024, seed=2)
    assert found.ofv < there.ofv + 3 * math.hypot(there.se, found.extra["ofv_se"])
    assert found.ofv == pytest.approx(other.ofv, abs=1.0)
    assert found.extra["copies"] == 3
    trace = trace_dataset(found)
    assert trace["value"].dims == ("iteration", "parameter")
    assert trace.attrs["burn_in"] == 60
    assert trace.sizes["iteration"] == 180
    # the chains forget start values that are far off
    assert float(trace["value"].sel(parameter="k")[0]) != pytest.approx(other.estimates["k"], rel=1e-3)


def test_saem_moves_thetas_and_errors_without_closed_form() -> None:
    table = tools.draw(30, 12, sd=(0.3, 0.0), add=0.3, prop=0.1, beta=0.5)
    model = tools.bolus(Combined(0.5, 0.2), sd_V=None, weight=True)
    start = {"V": 14.0, "k": 0.12}
    other = fit(model, table, start=start)
    found = fit(model, table, Saem(seed=2, **QUICK), start=start)
    within(found, other, 0.35)
    assert sorted(found.extra["mu_referenced"]) == ["beta", "k"]


def test_saem_is_reproducible_whatever_the_threads() -> None:
    table = tools.draw(70, 13)
    x = []
    for threads in (1, 2):
        problem = pose(tools.bolus(block=True), table, threads=threads)
        run = SaemRun(problem, Saem(burn_in=8, smoothing=8, seed=5))
        x.append(run.run())
    np.testing.assert_array_equal(x[0], x[1])
    other = SaemRun(problem, Saem(burn_in=8, smoothing=8, seed=6)).run()
    assert (other != x[0]).any()


def test_saem_can_be_interrupted() -> None:
    def stop(step: Any) -> None:
        if step.iteration == 6:
            raise KeyboardInterrupt

    found = fit(
        tools.bolus(), tools.draw(10, 3), Saem(burn_in=20, smoothing=20, points=0, covariance=None), progress=stop
    )
    assert not found.converged
    assert any("interrupted after 7 of 40 iterations" in m for m in found.messages)
    assert any("the objective is that of FOCEI" in m for m in found.messages)


def test_saem_goes_on_from_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(step: Any) -> None:
        if step.iteration == 33:
            raise KeyboardInterrupt

    table, path = tools.draw(10, 3), tmp_path / "state.npz"
    how = Saem(burn_in=30, smoothing=20, points=0, covariance=None, seed=3)
    kept = replace(how, checkpoint=path)
    model = tools.bolus(Combined(0.2, 0.1))
    whole = fit(model, table, how)
    fit(model, table, kept, progress=stop)
    found = fit(model, table, kept)
    assert any("went on from checkpoint" in m and "iteration 30" in m for m in found.messages)
    np.testing.assert_array_equal(found.x, whole.x)
    with pytest.raises(PkpdError, match="is of other work: settings differs"):
        fit(model, table, replace(kept, seed=4))
    with monkeypatch.context() as other:
        other.setattr(Combined, "variance", lambda self, f: self.add**2 + (2.0 * self.prop * f) ** 2)
        with pytest.raises(PkpdError, match="is of other work: laws differs"):
            fit(model, table, kept)
    path.write_bytes(b"nothing")
    with pytest.raises(PkpdError, match="cannot be read"):
        fit(model, table, kept)


def test_saem_that_stopped_short_goes_on_to_the_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = pose(tools.bolus(), tools.draw(30, 3))
    other = fit(tools.bolus(), tools.draw(30, 3))
    assert other.uncertainty is not None
    far = other.x + np.array([0.15, -0.1, 0.3, -0.3, 0.2])
    means = Means(Complete(problem))
    found = ascend(problem, problem.objective("focei"), means, far, 1)
    assert found.converged
    assert found.steps > 0
    # an objective that can fall by 0.5 is 0.7 standard errors away
    assert (np.abs(found.x - other.x) < 0.8 * np.sqrt(np.diag(other.uncertainty.scaled))).all()
    there = importance(problem, other.x, points=1024)
    assert importance(problem, found.x, points=1024).ofv < there.ofv + 0.5
    monkeypatch.setattr(sys.modules["pkpd.estimation.methods.saem_ascent"], "STEPS", 0)
    stopped = ascend(problem, problem.objective("focei"), means, far, 1)
    assert not stopped.converged
    # what is promised is what there is to gain
    gain = importance(problem, far, points=1024).ofv - there.ofv
    assert 0.4 * gain < stopped.promised < 2.5 * gain
    assert re.match(r"not at the maximum: the objective is expected to fall by another \d", stopped.message)


@pytest.mark.parametrize("full", [False, True])
def test_score_is_the_gradient_of_the_sampled_likelihood(full: bool) -> None:
    problem = pose(tools.bolus(Combined(0.3, 0.1), block=True), tools.draw(12, 5, rho=0.5))
    x = problem.layout.start + 0.1 * np.arange(problem.layout.size) / problem.layout.size
    found = score_of(problem, x, Means(Complete(problem)), points=1024, full=full)
    sd = np.sqrt(np.diag(found.noise))
    for k in range(x.size):
        e = 1e-2 * np.eye(x.size)[k]
        wide = importance(problem, x + e, points=1024).ofv - importance(problem, x - e, points=1024).ofv
        assert abs(found.gradient[k] - wide / 2e-2) < 4 * sd[k] + 0.05, problem.layout.labels[k]
    assert found.ofv == pytest.approx(importance(problem, x, points=1024).ofv, abs=1e-8)


def test_saem_has_standard_errors_of_its_own_estimates() -> None:
    table = tools.draw(40, 7)
    other = fit(tools.bolus(), table)
    found = fit(tools.bolus(), table, Saem(seed=1, **QUICK))
    assert found.uncertainty is not None
    assert found.uncertainty.kind == "linearised"
    for name, value in other.se.items():
        assert found.se[name] == pytest.approx(value, rel=0.3), name


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"burnin": 3}, r"Saem has no option 'burnin' \(did you mean 'burn_in'\?\); it has .*burn_in"),
        ({"burn_in": 0, "smoothing": 3}, r"burn_in must be a whole number >= 1, got 0; smoothing .* >= 4, got 3"),
        ({"smoothing": 2.5}, r"smoothing must be a whole number >= 0, got 2.5"),
        ({"kernels": {"prio": 1}}, r"kernels names 'prio', known are prior.*did you mean 'prior'"),
        ({"annealing": 1.5}, r"annealing must be in \[0, 1\), got 1.5"),
        ({"power": 0.3}, r"power must be in \(0.5, 1\], got 0.3"),
    ],
)
def test_saem_refuses_options(options: dict[str, Any], text: str) -> None:
    with pytest.raises(PkpdError, match=text):
        fit(tools.bolus(), tools.draw(3, 3), Saem(**options))


def test_saem_needs_random_effects() -> None:
    with pytest.raises(DataError, match=r"needs random effects, and model 'bolus' has none; use method 'naive_pooled'"):
        fit(tools.bolus(sd_k=None, sd_V=None), tools.draw(3, 3), method="saem")


@pytest.mark.slow
def test_saem_with_a_block_and_censored_data_agrees_with_laplace() -> None:
    table = tools.draw(60, 21, rho=0.6, limit=1.0)
    model = tools.bolus(block=True)
    other = fit(model, table, method="laplace")
    found = fit(model, table, Saem(seed=3))
    within(found, other, 0.3)
    there = importance(other.problem, other.x, points=1024, seed=2)
    assert found.ofv < there.ofv + 3 * math.hypot(there.se, found.extra["ofv_se"])


@pytest.mark.slow
def test_saem_with_lognormal_error_agrees_with_focei() -> None:
    table = tools.draw(40, 22)
    model = tools.bolus(LogNormal(0.3))
    within(fit(model, table, Saem(seed=3)), fit(model, table), 0.3)


def occasions(m: int, seed: int) -> Any:
    """Return data of two occasions per subject, with effects of both levels on k."""
    rng, rows = np.random.default_rng(seed), []
    for i in range(m):
        eta, V = 0.3 * rng.standard_normal(), 10 * np.exp(0.2 * rng.standard_normal())
        for o in range(2):
            k = 0.2 * np.exp(eta + 0.25 * rng.standard_normal())
            if i % 4 == 0 and o:
                continue
            rows.append({"ID": i, "TIME": 100.0 * o, "AMT": 100.0, "EVID": 4, "DV": np.nan, "OCC": o + 1})
            f = 100 / V * np.exp(-k * tools.TIMES)
            y = f * (1 + 0.1 * rng.standard_normal(f.size))
            rows += [
                {"ID": i, "TIME": 100.0 * o + t, "AMT": 0.0, "EVID": 0, "DV": v, "OCC": o + 1}
                for t, v in zip(tools.TIMES, y, strict=True)
            ]
    return read_events(pd.DataFrame(rows))


def between() -> Model:
    return Model(
        "between",
        states=[State("central", "mg")],
        parameters=[Parameter("k", 0.15, "1/h", sd=0.2), Parameter("V", 12.0, "L", sd=0.3)],
        omega_iov=[Omega(["k"], [[0.04]])],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.2))],
        dynamics=lambda t, x, p: {"central": -p.k * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
    )


def test_occasions_that_a_subject_has_not_are_left_alone() -> None:
    complete = Complete(pose(between(), occasions(8, 1)), 2)
    active = occasions_of(complete)
    assert active.shape == (16, 4)
    assert active[:, :3].all()
    np.testing.assert_array_equal(active[:, 3], np.tile([False, True, True, True, False, True, True, True], 2))


@pytest.mark.slow
def test_saem_with_occasions_agrees_with_focei() -> None:
    table = occasions(40, 2)
    other, found = fit(between(), table), fit(between(), table, Saem(seed=1))
    within(found, other, 0.35)
    assert sorted(found.extra["mu_referenced"]) == ["V", "k"]
