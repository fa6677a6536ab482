"""Rival explanations compared as models, and regions of one parameter."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from calibration_toy import measured_study, small_study
from scipy import stats as scipy_stats

import pkpd
from pkpd.errors import PkpdError
from pkpd.estimation.methods.mode import Mode
from pkpd.estimation.methods.nuts import Nuts
from pkpd.estimation.study.priors import Free
from pkpd.estimation.study.result import StudyFit

stats: Any = scipy_stats


def test_odds_of_a_region_are_those_of_the_closed_form():
    """a ~ N(1, 1), measured as 2 and as 0.4 with sd 0.5: normal before and after."""
    y = np.array([[2.0], [0.4]])
    study = measured_study([Free("a", (1.0, 1.0), scale="identity", level="patient")], y, 0.5, {"p1": "A", "p2": "A"})
    precision = 1.0 + 4.0
    means = (1.0 + 4.0 * y[:, 0]) / precision
    rng = np.random.default_rng(0)
    q = means - 1.0 + rng.standard_normal((4, 2000, 2)) / np.sqrt(precision)
    fitted = StudyFit.of_draws(study.problem, q, "exact", predictive=1, about={"independent": 1})
    found = pkpd.checks.region_odds(fitted, "a", below=0.8)
    assert found["patient"].tolist() == ["s/p1", "s/p2"]
    prior = stats.norm(1.0, 1.0).cdf(0.8)
    posterior = stats.norm(means, 1 / np.sqrt(precision)).cdf(0.8)
    assert found["prior"].tolist() == pytest.approx([prior] * 2, abs=5e-3)
    expected = posterior / (1 - posterior) * (1 - prior) / prior
    factor, error = np.array(found["bayes_factor"]), np.array(found["error"])
    assert np.all(np.abs(factor - expected) < 4 * error)
    assert np.all(error < 0.15 * expected)
    # far below all draws: as far as 8000 draws can tell, not 0
    far = pkpd.checks.region_odds(fitted, "a", below=-1.9)
    assert far.loc[0, "posterior"] == pytest.approx(0.5 / 8001)
    with pytest.raises(PkpdError, match="before the data a is always at or above -9; there is nothing to compare"):
        pkpd.checks.region_odds(fitted, "a", below=-9.0)
    with pytest.raises(PkpdError, match="'b' is not free"):
        pkpd.checks.region_odds(fitted, "b")
    with pytest.raises(PkpdError, match="below must be a number, got nan"):
        pkpd.checks.region_odds(fitted, "a", below=float("nan"))


def test_the_error_of_a_region_knows_that_draws_are_correlated():
    study = measured_study([Free("a", (1.0, 1.0), scale="identity")], np.array([[1.0]]), 0.5, {"p1": "A"})
    q = np.repeat(np.random.default_rng(1).standard_normal((2, 100, 1)), 20, axis=1)
    sticky = StudyFit.of_draws(study.problem, q, "sticky", predictive=1)
    apart = StudyFit.of_draws(study.problem, q, "sticky", predictive=1, about={"independent": 1})
    wide, narrow = (pkpd.checks.region_odds(f, "a", below=0.9) for f in (sticky, apart))
    assert wide["patient"].tolist() == [""]
    assert 3.0 < wide.loc[0, "error"] / narrow.loc[0, "error"] < 6.0  # the root of 20 is 4.5


SHORT = Nuts(chains=2, tune=150, draws=400, target_accept=0.85, predictive=1, seed=2)


def test_rivals_are_weighed_by_the_closed_form(tmp_path):
    """a of each patient ~ N(m, 1), measured with sd 0.5: y ~ N(m, 1.25), by rival m = 1, 3, or known to be 2."""
    y = np.array([[2.5], [2.8], [0.4]])
    given: dict[str, Any] = {"scale": "identity", "level": "patient"}
    free = [Free("a", (1.0, 1.0), **given), Free("b", (0.0, 1.0), scale="identity")]
    study = measured_study(free, np.column_stack([y, np.zeros(3)]), 0.5, {"p1": "A", "p2": "A", "p3": "B"})
    others: dict[str, Any] = {
        "higher": {"free": {"a": Free("a", (3.0, 1.0), **given)}}, "known": {"fixed": {"a": 2.0}},
    }  # fmt: skip
    how = replace(SHORT, out=tmp_path)
    found: Any = pkpd.checks.rivals(study, others, method=how)
    assert found["rival"].tolist() == ["as in the study"] * 2 + ["higher"] * 2 + ["known"] * 2
    assert found["cohort"].tolist() == ["A", "B"] * 3
    assert list(found.columns[2:7]) == ["log_evidence", "error", "log_bayes_factor", "bf_error", "weight"]
    # b is measured once in each patient as 0, and is the cohort's own
    b = {n: stats.multivariate_normal(np.zeros(n), np.eye(n) * 0.25 + 1.0).logpdf(np.zeros(n)) for n in (1, 2)}
    own = {"A": y[:2, 0], "B": y[2:, 0]}
    expected = {
        (label, cohort): stats.norm(m, math.sqrt(v)).logpdf(own[cohort]).sum() + b[own[cohort].size]
        for label, m, v in (("as in the study", 1.0, 1.25), ("higher", 3.0, 1.25), ("known", 2.0, 0.25))
        for cohort in own
    }
    for row in found.to_dict("records"):
        mine = expected[row["rival"], row["cohort"]]
        base = expected["as in the study", row["cohort"]]
        assert abs(row["log_evidence"] - mine) < 4 * row["error"] + 1e-3, row
        assert abs(row["log_bayes_factor"] - (mine - base)) < 4 * row["bf_error"] + 2e-3, row
        total = sum(math.exp(v) for (_, cohort), v in expected.items() if cohort == row["cohort"])
        assert row["weight"] == pytest.approx(math.exp(mine) / total, abs=0.08)
    assert found["error"].max() < 0.1
    # refits are taken up where they were, also by another check
    folders = sorted(p.name for p in tmp_path.iterdir())
    assert len(folders) == 6
    again: Any = pkpd.checks.rivals(study, {"known": others["known"]}, method=how)
    assert again["log_evidence"].tolist() == found.query("rival != 'higher'")["log_evidence"].tolist()
    pkpd.checks.assumptions(study, {"higher": others["higher"]}, "a", method=how, within="cohort")
    assert sorted(p.name for p in tmp_path.iterdir()) == folders


def test_rivals_with_other_facts_or_no_draws_of_a_posterior_are_refused():
    for changes in ({"exclude": ["*_grade"]}, {"reinterpret": {("toy", "Cc"): 2.0}}, {"patients": ["toy/p1"]}):
        with pytest.raises(PkpdError, match=r"'other' has other facts than the study \(.* differ, first: toy/p"):
            pkpd.checks.rivals(small_study(), {"other": changes})
    with pytest.raises(PkpdError, match="'other' has other patients or cohorts"):
        pkpd.checks.rivals(small_study(), {"other": {"cohorts": {"toy/p1": "B"}}})
    with pytest.raises(PkpdError, match="rivals: Mode draws from an approximation"):
        pkpd.checks.rivals(small_study(), {}, method=Mode())
    with pytest.raises(PkpdError, match="'as in the study' is the label of the study itself"):
        pkpd.checks.rivals(small_study(), {"as in the study": {}})
