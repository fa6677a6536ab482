"""Rival explanations compared as models, and regions of one parameter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from calibration_toy import measured_study, small_study
from scipy import stats as scipy_stats

import pkpd
from pkpd.errors import PkpdError
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
    assert small_study().name == "toy"
