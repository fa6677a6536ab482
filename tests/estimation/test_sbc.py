"""Simulation-based calibration: uniform ranks, their band, wrong posteriors, killed runs, processes."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from calibration_toy import measured_study
from scipy import stats as scipy_stats

from pkpd.errors import PkpdError
from pkpd.estimation.checks import sbc
from pkpd.estimation.checks.sbc import RankTest, simulation_based_calibration
from pkpd.estimation.checks.uniformity import ecdf_band, ecdf_probability
from pkpd.estimation.study.posterior import StudyPosterior
from pkpd.estimation.study.priors import Free
from pkpd.estimation.workers import Workers

stats: Any = scipy_stats
#: false alarms of one test of one number, in the tests below
ALARM = 0.01


def normal_study() -> Any:
    """Two numbers whose posterior is normal, so that its normal approximation is exact."""
    free = [Free("a", (1.0, 1.0), scale="identity"), Free("b", (0.0, 0.5), scale="identity")]
    return measured_study(free, np.ones((2, 2)), 0.7, {"p1": "A", "p2": "A"})


def checked(n: int, **more: Any) -> RankTest:
    given: dict[str, Any] = {"method": "mode", "ranks": 49, "seed": 3, "cores": 1, "progress": False}
    return simulation_based_calibration(normal_study(), n, **(given | more))


def test_false_alarms_of_both_tests_are_as_often_as_they_say():
    """Of 2000 sets of 60 uniform ranks, 5 % leave the band, and 5 % have a p-value below 0.05, or hardly fewer."""
    rng = np.random.default_rng(7)
    ranks = rng.integers(0, 50, (60, 2000))
    z, low, high = ecdf_band(60, 49, 0.95)
    shares = (ranks[:, :, None] < np.arange(1, 50)).mean(axis=0)
    outside = ((shares < low - 1e-9) | (shares > high + 1e-9)).any(axis=1)
    p = ecdf_probability(ranks, 49)
    error = np.sqrt(0.05 * 0.95 / 2000)
    assert 0.02 < outside.mean() < 0.05 + 4 * error  # counts are whole numbers, so it may be less
    assert abs((p <= 0.05).mean() - outside.mean()) < 0.012
    assert np.all(z == np.arange(1, 50) / 50)
    # wherever the binomial at one point alone would be: the band is wider
    alone = stats.binom(60, z).ppf(0.025) / 60
    assert np.all(low <= alone)
    assert np.any(low < alone)


def test_the_band_sees_what_bins_hardly_do():
    """Ranks that are all a little too high: 200 of beta(1.35, 1)."""
    rng = np.random.default_rng(1)
    ranks = np.minimum((100 * rng.beta(1.35, 1.0, (200, 40))).astype(np.int64), 99)
    frame = pd.DataFrame(ranks, columns=[f"n{k}" for k in range(40)])
    found: Any = RankTest(frame, 99, 0).test()
    assert (found["p_ecdf"] < 0.05).mean() > 0.75
    assert (found["p"] < 0.05).mean() < (found["p_ecdf"] < 0.05).mean()


@pytest.mark.slow
def test_a_right_posterior_passes_and_a_wrong_one_does_not(monkeypatch):
    right: Any = checked(200, seed=1000)
    assert right.test()[["p_holm", "p_ecdf_holm"]].min().min() > ALARM
    inside = right.band(1 - ALARM)
    for name in right.ranks:
        assert ((inside[name] >= inside["low"] - 1e-9) & (inside[name] <= inside["high"] + 1e-9)).all(), name
    honest = StudyPosterior.logp, StudyPosterior.logp_grad

    # a density that is tilted along the first number: its mean is off by 0.8 of its variance on the axis
    monkeypatch.setattr(StudyPosterior, "logp", lambda self, q: honest[0](self, q) + 0.8 * q[0])

    def tilted(self: StudyPosterior, q: np.ndarray) -> tuple[float, np.ndarray]:
        logp, gradient = honest[1](self, q)
        return logp + 0.8 * q[0], gradient + np.eye(q.size)[0] * 0.8

    monkeypatch.setattr(StudyPosterior, "logp_grad", tilted)
    wrong: Any = checked(200, seed=1000)
    assert wrong.test().loc["a", "p_ecdf_holm"] < 1e-3
    assert wrong.test().loc["a", "p_holm"] < ALARM
    assert wrong.test().loc["a", "mean"] < 0.45
    assert wrong.test().loc["b", "p_ecdf_holm"] > ALARM
    table = wrong.table
    assert list(table.columns) == [
        "number", "sets", "draws", "effective", "chi2", "p", "p_holm", "p_ecdf", "p_ecdf_holm", "mean", "spread",
    ]  # fmt: skip
    assert (table.loc[0, "sets"], table.loc[0, "draws"], table.loc[0, "effective"]) == (200, 49, 49)


@pytest.mark.slow
def test_ranks_among_draws_that_are_alike_are_counted_among_as_many_as_they_are_worth():
    """An autoregressive chain of 200 draws that are worth some 15: plainly thinned to 99, ranks pile up at the ends."""
    posterior = normal_study().problem.posterior()
    rng = np.random.default_rng(5)
    ranks, worth, plain = [], [], []
    for k in range(200):
        truth, chain = rng.standard_normal(2), rng.standard_normal((1, 200, 2))
        for j in range(1, 200):
            chain[0, j] = 0.9 * chain[0, j - 1] + np.sqrt(1 - 0.9**2) * chain[0, j]
        rank, effective = sbc._ranked(posterior, truth, chain, 99, np.random.default_rng(k))
        ranks.append(rank["a"])
        worth.append(effective["a"])
        plain.append(int((chain[0, np.linspace(0, 199, 99).round().astype(int), 0] < truth[0]).sum()))
    # 200 (1 - 0.9) / (1 + 0.9) = 10.5, and short chains seem worth more than they are
    assert 8 < np.median(worth) < 25
    found = RankTest(pd.DataFrame({"worth": ranks, "plain": plain}), 99, 0).test()
    assert found.loc["worth", "p_ecdf"] > ALARM
    assert found.loc["plain", "p_ecdf"] < ALARM


def test_a_killed_run_goes_on_and_a_larger_one_begins_with_it(monkeypatch, tmp_path):
    whole = checked(6).ranks
    made: list[int] = []
    honest = sbc._synthetic

    def until(limit: int) -> Any:
        def draw(problem: Any, replicator: Any, seed: int, i: int) -> Any:
            if len(made) == limit:
                raise KeyboardInterrupt
            made.append(i)
            return honest(problem, replicator, seed, i)

        return draw

    monkeypatch.setattr(sbc, "_synthetic", until(2))
    with pytest.raises(KeyboardInterrupt):
        checked(4, out=tmp_path)
    monkeypatch.setattr(sbc, "_synthetic", until(99))
    assert checked(6, out=tmp_path).ranks.equals(whole)
    assert made == [0, 1, 2, 3, 4, 5]
    assert checked(6, out=tmp_path).ranks.equals(whole)
    assert len(made) == 6
    # another seed is other work, in a file of its own
    assert not checked(6, out=tmp_path, seed=4).ranks.equals(whole)
    assert len(list(tmp_path.iterdir())) == 2


def test_reports_that_cannot_be_fitted_are_told_and_not_ranked(monkeypatch):
    honest = sbc._fit

    def failing(*given: Any) -> Any:
        if given[4] == 4:
            raise PkpdError("no starting point")
        return honest(*given)

    monkeypatch.setattr(sbc, "_fit", failing)
    found = checked(3)
    assert (len(found.ranks), found.failed) == (2, {1: "PkpdError: no starting point"})
    with pytest.raises(PkpdError, match=r"no synthetic report could be fitted \(first: PkpdError: no starting point"):
        checked(1, seed=4)


def test_processes_rank_as_this_one_does():
    assert checked(4, cores=2).ranks.equals(checked(4).ranks)


def test_a_process_answers_faults_and_its_end_is_told():
    def work(i: int) -> dict[str, Any]:
        sys.stdout.write("what is printed is no answer")
        if i == 1:
            raise PkpdError("one is too many")
        if i == 2:
            os._exit(3)
        return {"square": i * i}

    with Workers(work, 2) as workers:
        assert [workers(i)["square"] for i in (3, 4, 5)] == [9, 16, 25]
        with pytest.raises(PkpdError, match="one is too many"):
            workers(1)
        with pytest.raises(RuntimeError, match="a process that computed number 2 ended with status 3"):
            workers(2)
