"""Bootstrap, SIR and people of a fit: what is known of the estimates, told by samples."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fit_after_tools import block_fit, occasion_model, plain_fit
from fit_data import bolus_model, simulated, simulated_table

import pkpd
from pkpd.errors import PkpdError
from pkpd.estimation.again import objective_again, problem_again
from pkpd.estimation.api import fit
from pkpd.estimation.methods.focei import Focei
from pkpd.estimation.pieces import run_pieces
from pkpd.estimation.problem import pose
from pkpd.estimation.simulation import estimate_draws, population_of
from pkpd.estimation.uncertainty import resampling as module
from pkpd.estimation.uncertainty.importance_resampling import sir
from pkpd.estimation.uncertainty.resampling import bootstrap, draw_subjects

# -- subjects drawn again


def test_all_subjects_in_order_are_the_same_data() -> None:
    found = plain_fit()
    same = found.data.of_subjects(np.arange(found.data.n_subjects))
    objective = problem_again(found, same).objective("focei")
    assert objective(found.x).ofv == pytest.approx(found.ofv, abs=1e-7)


def test_drawn_subjects_are_those_of_a_table_made_by_hand() -> None:
    found = plain_fit(8)
    chosen = np.array([5, 0, 5, 2])
    frames = []
    for k, s in enumerate(chosen):
        part = found.events.subject(found.data.labels[s]).frame.copy()
        part["ID"] = k + 1
        frames.append(part)
    table = pkpd.read_events(pd.concat(frames, ignore_index=True))
    by_hand = pose(found.model, table).objective("focei")
    drawn = problem_again(found, found.data.of_subjects(chosen)).objective("focei")
    np.testing.assert_allclose(drawn(found.x).ofv_i, by_hand(found.x).ofv_i, rtol=1e-10)


def test_drawing_keeps_outputs_censoring_and_changing_covariates() -> None:
    model = bolus_model(
        covariates=[pkpd.Covariate("WT", "kg", 70)], individual=lambda p, cov: {"CL": p.CL * (cov.WT / 70)}
    )
    frame = simulated(bolus_model(), 6)
    frame["WT"] = 70.0 + frame["TIME"]
    frame["CENS"] = ((frame["EVID"] == 0) & (frame["DV"] < 0.6)).astype(int)
    frame.loc[frame["CENS"] == 1, "DV"] = 0.6
    assert frame["CENS"].to_numpy().sum() > 1
    found = fit(model, pkpd.read_events(frame), Focei(covariance=None))
    chosen = np.array([3, 3, 1])
    drawn = problem_again(found, found.data.of_subjects(chosen)).objective("focei")(found.x)
    whole = found.objective()(found.x)
    np.testing.assert_allclose(drawn.ofv_i, whole.ofv_i[chosen], rtol=1e-8)


# -- bootstrap


def test_bootstrap_is_reproducible_whatever_the_threads_and_the_number() -> None:
    found = plain_fit()
    one, two, more = bootstrap(found, 4, threads=1), bootstrap(found, 4, threads=3), bootstrap(found, 6)
    np.testing.assert_array_equal(one.vectors, two.vectors)
    np.testing.assert_array_equal(one.vectors, more.vectors[:4])
    assert not np.array_equal(one.vectors, bootstrap(found, 4, seed=1).vectors)
    assert len({tuple(x) for x in more.vectors}) == 6


def test_bootstrap_refits_what_was_drawn() -> None:
    found = plain_fit()
    sample = bootstrap(found, 2)
    chosen = draw_subjects([np.arange(16)], 0, 1)
    objective = problem_again(found, found.data.of_subjects(chosen)).objective("focei")
    outcome = objective(sample.vectors[1])
    assert outcome.ofv == pytest.approx(sample.ofv[1], abs=1e-6)
    assert outcome.gradient @ np.linalg.solve(outcome.fisher, outcome.gradient) < 1e-4


def test_bootstrap_table_says_what_the_samples_say() -> None:
    sample = bootstrap(plain_fit(), 8)
    table, q = sample.table(0.5), sample.quantities
    assert list(table.index) == list(plain_fit().estimates)
    k = list(table.index).index("omega_CL")
    assert table.loc["omega_CL", "se"] == pytest.approx(q[:, k].std(ddof=1))
    assert table.loc["omega_CL", "low"] == pytest.approx(np.quantile(q[:, k], 0.25))
    assert table.loc["omega_CL", "bias"] == pytest.approx(q[:, k].mean() / plain_fit().estimates["omega_CL"] - 1)
    assert sample.covariance.loc["CL", "CL"] == pytest.approx(sample.se["CL"] ** 2)
    assert "8 replicates" in repr(sample)


def test_bootstrap_by_groups_keeps_their_sizes() -> None:
    frame = simulated(bolus_model(), 9)
    frame["ARM"] = np.where(frame["ID"] <= 3, "a", "b")
    found = fit(bolus_model(), pkpd.read_events(frame), Focei(covariance=None))
    groups = module._groups(found, "ARM")
    assert [g.tolist() for g in groups] == [[0, 1, 2], [3, 4, 5, 6, 7, 8]]
    for k in range(20):
        assert (draw_subjects(groups, 0, k) < 3).sum() == 3
    with pytest.raises(PkpdError, match=r"the data have no column 'ARMS'; they have .*\(did you mean 'ARM'\?\)"):
        bootstrap(found, 4, by="ARMS")


def test_bootstrap_goes_on_from_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, path = plain_fit(), tmp_path / "boot.jsonl"
    first = bootstrap(found, 3, checkpoint=path)
    with path.open("a") as file:
        file.write('{"key": "3", "x": [1.0,')  # cut off while it was written
    done: list[int] = []
    work = module._replicate
    monkeypatch.setattr(module, "_replicate", lambda *a: done.append(1) or work(*a))
    second = bootstrap(found, 5, checkpoint=path)
    assert len(done) == 2
    assert "3 of 5 were read from" in second.messages[0]
    np.testing.assert_array_equal(second.vectors, bootstrap(found, 5).vectors)
    np.testing.assert_array_equal(first.vectors, second.vectors[:3])
    assert len(path.read_text().splitlines()) == 6
    with pytest.raises(PkpdError, match=r"bootstrap: checkpoint .* is of other work: seed differs; name a new file"):
        bootstrap(found, 5, seed=4, checkpoint=path)
    path.write_text("nonsense")
    with pytest.raises(PkpdError, match="is no checkpoint"):
        bootstrap(found, 5, checkpoint=path)


def test_failed_and_unconverged_replicates_are_told_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found, work = plain_fit(), module._replicate
    calls = iter(range(100))

    def sometimes(*arguments: Any) -> dict[str, Any]:
        k = next(calls)
        if k == 1:
            raise PkpdError("it went wrong")
        record = work(*arguments)
        return {**record, "converged": k != 2, "why": "" if k != 2 else "stopped early"}

    monkeypatch.setattr(module, "_replicate", sometimes)
    sample = bootstrap(found, 5, threads=1)
    assert sample.replicate.tolist() == [0, 3, 4]
    assert sample.failed == {1: "PkpdError: it went wrong"}
    assert sample.unconverged == {2: "stopped early"}
    assert "1 of 5 replicates failed and are left out (first: 1, PkpdError: it went wrong)" in sample.messages
    assert "1 of 5 replicates did not converge" in sample.messages[1]
    monkeypatch.setattr(module, "_replicate", lambda *a: 1 / 0)
    with pytest.raises(PkpdError, match=r"0 of 3 replicates converged, 2 are needed: 3 of 3 replicates failed"):
        bootstrap(found, 3)


def test_interruption_keeps_what_is_done(tmp_path: Path) -> None:
    def stop() -> dict[str, Any]:
        raise KeyboardInterrupt

    work = {"a": lambda: {"v": 1}, "b": stop, "c": lambda: {"v": 3}}
    done = run_pieces(work, text="", head={"what": "test"}, checkpoint=tmp_path / "c")
    assert done.records == {"a": {"v": 1}}
    assert done.interrupted
    assert "interrupted: 1 of 3 are done; call again with checkpoint=" in done.messages(3, tmp_path / "c")[0]
    lines = (tmp_path / "c").read_text().splitlines()
    assert json.loads(lines[1]) == {"key": "a", "v": 1}


@pytest.mark.parametrize("n", [1, 0, True])
def test_bootstrap_needs_replicates(n: int) -> None:
    with pytest.raises(PkpdError, match="n must be a whole number of at least 2"):
        bootstrap(plain_fit(), n)


def test_levels_of_intervals() -> None:
    with pytest.raises(PkpdError, match="bootstrap: level must lie between 0 and 1, got 95"):
        bootstrap(plain_fit(), 2).ci(95)


@pytest.mark.slow
def test_bootstrap_spread_is_that_of_the_standard_errors() -> None:
    found = plain_fit(60)
    sample = bootstrap(found, 200)
    for name in ("CL", "V", "sigma_prop"):
        assert sample.se[name] == pytest.approx(found.se[name], rel=0.3), name


# -- SIR


def test_sir_finds_the_posterior_of_a_mean() -> None:
    """With a flat prior and a known variance the likelihood of a mean is normal, so resamples are."""
    model = bolus_model()
    found = fit(model, simulated_table(16), fixed=["omega_CL", "omega_V", "sigma_prop"])
    sample = sir(found, 600, 300, iterations=1, seed=2)
    for k, name in enumerate(("CL", "V")):
        spread = sample.vectors[:, k].std()
        assert spread == pytest.approx(found.rse[name], rel=0.15)
        assert sample.vectors[:, k].mean() == pytest.approx(found.x[k], abs=0.3 * spread)
    assert sample.ess[0] > 300
    # twice the loss of log-likelihood is chi squared with as many degrees of freedom as there are estimates
    assert sample.rise.mean() == pytest.approx(2.0, abs=0.35)


def test_sir_is_reproducible_whatever_the_threads(tmp_path: Path) -> None:
    found = plain_fit()
    few: dict[str, Any] = {"draws": 60, "resamples": 20, "iterations": 2}
    one, two = sir(found, **few, threads=1), sir(found, **few, threads=3, checkpoint=tmp_path / "sir")
    np.testing.assert_array_equal(one.vectors, two.vectors)
    again = sir(found, **few, checkpoint=tmp_path / "sir")
    np.testing.assert_array_equal(one.vectors, again.vectors)
    assert "3 of 3 were read from" in again.messages[0]
    assert "20 resamples" in repr(one)
    assert any("raise draws" in m for m in one.messages) == (one.ess[-1] < 10)


def test_sir_says_what_it_needs() -> None:
    found = replace(plain_fit(), uncertainty=None, covariance_message="the R matrix is singular")
    with pytest.raises(PkpdError, match=r"no covariance of the estimates to draw from \(the R matrix is singular\)"):
        sir(found)
    with pytest.raises(PkpdError, match=r"got draws 0, resamples 5 of 0 draws \(2 to all\), nu -1"):
        sir(plain_fit(), 0, 5, nu=-1)
    with pytest.raises(PkpdError, match=r"of 24 draws are possible, 22 are to be resampled"):
        sir(plain_fit(), 24, 22, inflation=900.0, iterations=1)


def test_methods_without_a_gradient_use_focei() -> None:
    found = replace(plain_fit(), method="saem")
    assert found.smooth_method == "focei"
    assert replace(found, method="nlme").smooth_method == "focei"
    assert replace(found, method="laplace").smooth_method == "laplace"
    assert replace(found, method="map", extra={"objective": "laplace"}).smooth_method == "laplace"
    sample = sir(found, 40, 10, iterations=1)
    assert sample.messages[0] == "of the objective of FOCEI, not of saem"
    with pytest.raises(PkpdError, match="method 'saem' has no objective with an exact gradient"):
        objective_again(found, "saem")


# -- people


def test_people_are_not_drawn_of_numbers_that_the_data_hardly_tell() -> None:
    found = plain_fit()
    assert found.uncertainty is not None
    scaled = found.uncertainty.scaled.copy()
    at = found.layout.labels.index("omega_V")
    scaled[at, at] = 16.0
    vague = replace(found, uncertainty=replace(found.uncertainty, scaled=scaled))
    with pytest.raises(PkpdError, match=r"hardly tell omega_V \(4 on the log scale\).*uncertainty=False"):
        population_of(vague, 10)
    np.testing.assert_array_equal(
        population_of(vague, 10, uncertainty=False).etas, population_of(found, 10, uncertainty=False).etas
    )


def test_people_carry_the_uncertainty_of_the_estimates() -> None:
    found = plain_fit()
    people = population_of(found, 4000, seed=1)
    logs = np.log(people.parameters["CL"])
    assert logs.mean() == pytest.approx(np.log(found.theta["CL"]), abs=0.01)
    assert logs.std() == pytest.approx(found.rse["CL"], rel=0.05)
    known = population_of(found, 4000, seed=1, uncertainty=False)
    assert not known.parameters
    np.testing.assert_allclose(np.cov(known.etas.T), found.omega, atol=0.006)
    # a mean over uncertain variances
    assert people.etas[:, 0].std() == pytest.approx(np.sqrt(found.omega[0, 0]), rel=0.15)
    assert np.corrcoef(people.etas[:, 0], known.etas[:, 0])[0, 1] > 0.9
    few = population_of(found, 10, seed=1)
    np.testing.assert_array_equal(few.etas, people.etas[:10])
    np.testing.assert_array_equal(few.parameters["V"], people.parameters["V"][:10])


def test_people_can_be_simulated_and_are_correlated_as_the_fit_says() -> None:
    found = block_fit()
    people = population_of(found, 3000, uncertainty=False)
    np.testing.assert_allclose(np.cov(people.etas.T), found.omega, atol=0.006)
    sims = pkpd.simulate(found.model, pkpd.Regimen(amt=100), population_of(found, 50), [1.0, 12.0])
    assert sims["Cc"].shape == (50, 2)
    assert sims["Cc"].std("subject").min() > 0


def test_people_from_samples_of_the_estimates() -> None:
    found = plain_fit()
    given = np.array([found.x, found.x + 0.5])
    people = population_of(found, 200, uncertainty=given)
    values = np.unique(people.parameters["CL"].round(6))
    np.testing.assert_allclose(values, [found.theta["CL"], found.theta["CL"] * np.exp(0.5)], rtol=1e-5)
    sample = bootstrap(found, 3)
    drawn = estimate_draws(found, 50, 0, sample)
    assert {tuple(x) for x in drawn} == {tuple(x) for x in sample.vectors}
    with pytest.raises(PkpdError, match=r"samples of the estimates must have 5 columns \(CL, V, .*got shape \(2, 3\)"):
        population_of(found, 5, uncertainty=np.zeros((2, 3)))


def test_people_have_covariates_of_the_data_or_given_ones() -> None:
    model = bolus_model(
        covariates=[pkpd.Covariate("WT", "kg", 70)], individual=lambda p, cov: {"CL": p.CL * (cov.WT / 70)}
    )
    frame = simulated(bolus_model(), 8)
    frame["WT"] = 50.0 + 5 * frame["ID"]
    found = fit(model, pkpd.read_events(frame), "fo")
    assert set(population_of(found, 100).covariates["WT"]) == set(np.unique(frame["WT"]))
    assert set(population_of(found, 10, covariates={"WT": 60}).covariates["WT"]) == {60.0}


def test_people_between_occasions() -> None:
    model = occasion_model()
    frame = simulated(model, 10, extra={"OCC": lambda f: np.where(f["TIME"] < 6, 1, 2)})
    found = fit(model, pkpd.read_events(frame))
    people = population_of(found, 2000, uncertainty=np.tile(found.x, (2, 1)), n_occasions=2)
    assert people.kappas.shape == (2000, 2, 1)
    assert people.kappas.std() == pytest.approx(np.sqrt(found.omega_iov[0, 0]), rel=0.06)
    assert abs(np.corrcoef(people.kappas[:, 0, 0], people.kappas[:, 1, 0])[0, 1]) < 0.1


def test_people_need_a_covariance() -> None:
    found = replace(plain_fit(), uncertainty=None)
    with pytest.raises(PkpdError, match=r"no covariance of the estimates .*or uncertainty=False"):
        population_of(found, 5)
    with pytest.raises(PkpdError, match="n must be a whole number of at least 1, got 0"):
        population_of(found, 0)
