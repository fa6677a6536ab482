"""Checks that refit one cohort alone: patients left out, other assumptions, interrupted runs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from calibration_toy import small_study

from pkpd.errors import PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.checks import refits
from pkpd.estimation.checks.changed_assumptions import assumptions
from pkpd.estimation.checks.held_out import Response, leave_one_patient_out
from pkpd.estimation.methods.mode import Mode
from pkpd.estimation.methods.nuts import Nuts

QUICK = Mode(starts=1, draws=100, predictive=1, seed=1)
WHAT = Response("activity", days=(0.5, 1.0))


@pytest.fixture
def watched(monkeypatch) -> list[Any]:
    """Fits that checks make, in order."""
    made: list[Any] = []

    def watching(study, **options):
        made.append(fit(study, **options))
        return made[-1]

    monkeypatch.setattr(refits, "fit", watching)
    return made


def prior_probability(n: int = 40_000) -> float:
    """Probability of a response before any fact: bolus of 100 mg, activity 1 / (1 + C) without drug 1."""
    z = np.random.default_rng(3).standard_normal((3, n))
    CL = np.exp(0.3 * z[0] + 0.2 * z[1])
    V = 10.0 * np.exp(0.2 * z[2])
    t = np.linspace(12.0, 24.0, 5)[:, None]
    C = 100.0 / V * np.exp(-CL / V * t)
    return float(((1.0 / (1.0 + C)).mean(axis=0) < 0.5).mean())


def test_a_cohort_alone_is_refitted_and_one_without_facts_falls_to_the_prior(watched):
    found = leave_one_patient_out(small_study(), response=WHAT, seed=1, method=QUICK, within="cohort")
    table: Any = found.patients
    # p3 is alone in B: nothing is left to fit
    assert [f.study.problem.patients for f in watched] == [("toy/p1", "toy/p2")] * 2
    assert table["mates"].tolist() == [1, 1, 0]
    assert table["base"].tolist() == [2 / 4, 3 / 4, 2 / 4]
    assert table["cohort_base"].tolist() == pytest.approx([1 / 3, 2 / 3, 1 / 2])
    expected = prior_probability()
    assert 0.05 < expected < 0.95
    assert table.loc["toy/p3", "predicted"] == pytest.approx(
        expected, abs=4 * math.sqrt(expected * (1 - expected) / 400)
    )


def test_scores_are_those_of_plain_arithmetic():
    found = leave_one_patient_out(small_study(), response=WHAT, seed=1, method=QUICK, within="cohort")
    rows = list(found.patients.to_dict("index").values())

    def mean_and_error(values: list[float]) -> tuple[float, float]:
        mean = math.fsum(values) / 3
        return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / 2 / 3)

    def parts(column: str) -> tuple[list[float], list[float]]:
        brier = [(r[column] - r["responded"]) ** 2 for r in rows]
        happened = [r[column] if r["responded"] else 1 - r[column] for r in rows]
        return brier, [-math.log(min(max(h, 0.5 / 400), 1 - 0.5 / 400)) for h in happened]

    own_brier, own_log = parts("predicted")
    for name, column in (("model", "predicted"), ("base rate", "base"), ("cohort base rate", "cohort_base")):
        brier, log = parts(column)
        gain = [b - o for b, o in zip(brier, own_brier, strict=True)]
        log_gain = [b - o for b, o in zip(log, own_log, strict=True)]
        for label, values in (("brier", brier), ("log", log), ("gain", gain), ("log_gain", log_gain)):
            own: Any = found.scores.loc[name]
            assert (own[label], own[f"{label}_se"]) == pytest.approx(mean_and_error(values)), (name, label)


def test_an_interrupted_check_goes_on_with_what_was_finished(monkeypatch, watched, tmp_path):
    how = Nuts(chains=1, tune=20, draws=30, predictive=1, out=tmp_path)
    given: dict[str, Any] = {"response": WHAT, "method": how, "keep": "nothing", "draws": 50, "within": "cohort"}
    watching = refits.fit

    def killed(study, **options):
        if len(watched) == 1:
            raise KeyboardInterrupt
        return watching(study, **options)

    monkeypatch.setattr(refits, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        leave_one_patient_out(small_study(), **given)
    monkeypatch.setattr(refits, "fit", watching)
    watched.clear()
    after = leave_one_patient_out(small_study(), **given)
    assert [list(f.attrs["chains_resumed"]) for f in watched] == [[0], []]
    assert after.patients.equals(leave_one_patient_out(small_study(), **given).patients)


def test_assumptions_by_cohort_compare_each_with_itself_alone(watched):
    variants = {"volume known": {"fixed": {"V": 10.0}}}
    table: Any = assumptions(small_study(), variants, "CL", method=QUICK, within="cohort")
    assert [f.study.problem.groups for f in watched] == [("A",), ("B",)] * 2
    assert table["patient"].tolist() == ["toy/p1", "toy/p2", "toy/p3"] * 2
    assert table["shift"][:3].tolist() == [0.0] * 3
    # what V is differs by cohort now, and a shared parameter has the cohort of its patients
    shared: Any = assumptions(small_study(), {}, "V", method=QUICK, within="cohort")
    assert shared["cohort"].tolist() == ["A", "B"]
    assert shared["50%"].nunique() == 2


def test_what_is_refitted_must_be_said_in_words_that_are_known():
    with pytest.raises(PkpdError, match="leave_one_patient_out: within must be 'study' or 'cohort', got 'patient'"):
        leave_one_patient_out(small_study(), response=WHAT, within="patient")  # type: ignore[arg-type]
    whole = fit(small_study(), method=QUICK)
    with pytest.raises(PkpdError, match="assumptions: base is of all cohorts, and within='cohort' compares"):
        assumptions(small_study(), {}, "CL", base=whole, within="cohort")
    with pytest.raises(PkpdError, match="base is a fit of another state of study 'toy'"):
        assumptions(small_study(rtol=1e-7), {}, "CL", base=whole)
