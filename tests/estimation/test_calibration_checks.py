"""Checks of a calibration: replicated reports, ranks of the truth, patients left out, other assumptions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from calibration_toy import evidence, fact, small_study
from scipy import stats

from pkpd.errors import PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.checks import refits
from pkpd.estimation.checks.changed_assumptions import BASE, assumptions
from pkpd.estimation.checks.held_out import Response, leave_one_patient_out, response_probability
from pkpd.estimation.checks.sbc import RankTest, simulation_based_calibration
from pkpd.estimation.methods.mode import Mode
from pkpd.estimation.study.priors import Free
from pkpd.estimation.study.replicas import Replicator

VALUES = np.tile([1.1, 9.0], (3, 1))
ERRORS = np.array([1.2])


def drawn(replicator, seed):
    problem = replicator.draw(VALUES, ERRORS, seed)
    assert problem is not None
    return problem


@pytest.fixture(scope="module")
def replicator() -> Replicator:
    return Replicator(small_study().problem)


def kinds(problem, name):
    return [t for t in problem.subjects[0].terms if t.name.partition("#")[0] == name]


def test_replicates_are_the_same_for_the_same_seed(replicator):
    assert repr(drawn(replicator, 3).subjects) == repr(drawn(replicator, 3).subjects)
    assert repr(drawn(replicator, 3).subjects) != repr(drawn(replicator, 4).subjects)


def test_a_replicated_value_scatters_as_the_residual_error(replicator):
    found = [kinds(drawn(replicator, k), "toy/p1_value")[0].value for k in range(300)]
    expected = 100.0 * np.exp(-1.1 / 9.0 * 6.0) / 9.0
    assert stats.kstest(np.log(found), stats.norm(np.log(expected), 0.2 * 1.2).cdf).pvalue > 1e-3


def test_a_replicated_peak_is_the_largest_measurement_on_its_day(replicator):
    seen = set()
    for k in range(200):
        peak, *more = kinds(drawn(replicator, k), "toy/p1_peak")
        seen.add(round(peak.at, 2))
        if more:  # the reported day, between the grid's, is not the largest: it was less
            assert (more[0].kind, more[0].time, more[0].value) == ("below", pytest.approx(0.96), peak.value)
        assert bool(more) == (round(peak.at, 2) != 0.96)
    assert {0.96, 6.0} <= seen <= {0.0, 0.96, 6.0, 12.0}


def test_a_window_that_is_broken_becomes_one_statement_for_each_measurement(replicator):
    parts = [kinds(drawn(replicator, k), "toy/p1_below") for k in range(100)]
    whole = [p for p in parts if len(p) == 1]
    broken = [p for p in parts if len(p) > 1]
    assert whole
    assert broken
    assert all(p[0].time_to == 48.0 for p in whole)
    for p in broken:
        assert [t.time for t in p] == [24.0, 30.0, 36.0, 42.0, 48.0]
        assert {"above"} <= {t.kind for t in p} <= {"above", "below"}
        assert all(t.time_to is None for t in p)


def test_grades_and_changes_fall_on_either_side():
    study = small_study(free=[Free("CL", (0.2, 0.1)), Free("V", (10.0, 0.1))], errors={})
    replicator = Replicator(study.problem)
    values = np.tile([0.55, 9.0], (3, 1))
    terms = [replicator.draw(values, np.empty(0), k) for k in range(80)]
    change = {t.kind for p in terms if p for t in kinds(p, "toy/p1_change")}
    assert change == {"ratio_below", "ratio_above"}
    grade = {(t.value, t.value_to) for p in terms if p for t in kinds(p, "toy/p1_grade")}
    assert grade == {(0.0, 1.0), (2.0, 2.0)}


@pytest.mark.slow
def test_the_likelihood_of_replicates_is_that_of_how_they_were_drawn(replicator):
    # the mean of the score at the truth is 0: E[d log p / d theta] = 0 (Bartlett's first identity)
    scores = []
    for k in range(250):
        found = drawn(replicator, k).likelihood().evaluate(VALUES, ERRORS)
        scores.append([*found.gradient.sum(axis=0), found.gradient_scales.sum()])
    z = np.mean(scores, axis=0) / (np.std(scores, axis=0) / np.sqrt(len(scores)))
    assert np.all(np.abs(z) < 3.5), z


def test_an_unsolvable_truth_is_passed_over(replicator):
    assert replicator.draw(np.full((3, 2), np.nan), ERRORS, 0) is None


def ranks(values, draws=99):
    return RankTest(pd.DataFrame(values), draws, 0)


def test_uniform_ranks_pass_and_others_do_not():
    rng = np.random.default_rng(0)
    good = rng.integers(0, 100, (400, 2))
    biased = np.minimum(rng.integers(0, 100, 400) // 2, 99)
    narrow = np.clip(np.round(50 + 45 * np.sign(rng.normal(size=400))), 0, 99).astype(int)
    found = ranks({"a": good[:, 0], "b": good[:, 1], "biased": biased, "narrow": narrow}).test()
    assert (found.loc[["a", "b"], "p_holm"] > 0.01).all()
    assert (found.loc[["biased", "narrow"], "p_holm"] < 1e-6).all()
    assert found.loc["biased", "mean"] < 0.3
    assert found.loc["narrow", "spread"] > 1.5
    assert ranks({"a": np.arange(100)}).bins().to_numpy().tolist() == [[10] * 10]


def plain_study():
    """A study whose posterior is close to normal."""
    return small_study(
        free=[Free("CL", (1.0, 0.3)), Free("V", (10.0, 0.2))],
        errors={},
        exclude=["*_below", "*_change", "*_above", "*_grade"],
    )


@pytest.mark.slow
def test_ranks_of_the_truth_are_uniform_for_a_posterior_that_is_normal():
    found = simulation_based_calibration(plain_study(), 40, method="mode", seed=1, ranks=49, cores=1)
    assert list(found.ranks.columns) == ["CL", "V", "log_likelihood"]
    table = found.test(5)
    assert (table.loc[["CL", "V"], "p"] > 0.005).all()
    assert found.unsolved == 0


@pytest.mark.slow
def test_ranks_show_data_that_scatter_more_than_the_study_says(monkeypatch):
    honest = Replicator.draw

    def rough(self, values, errors, seed):
        found = honest(self, values, errors, seed)
        assert found is not None
        louder = []
        rng = np.random.default_rng(seed)
        for subject in found.subjects:
            terms = [replace(t, value=t.value * np.exp(rng.normal(0, 0.6))) for t in subject.terms]
            louder.append(replace(subject, terms=tuple(terms)))
        return replace(found, subjects=tuple(louder))

    monkeypatch.setattr(Replicator, "draw", rough)
    table: Any = simulation_based_calibration(plain_study(), 40, method="mode", seed=1, ranks=49, cores=1).test(5)
    assert table["p_holm"].min() < 0.01
    assert table.loc["CL", "spread"] > 1.3


@pytest.mark.slow
def test_ranks_of_the_truth_are_uniform_for_the_sampler():
    settings = {"chains": 1, "tune": 200, "draws": 250}
    found = simulation_based_calibration(small_study(), 60, seed=3, settings=settings)
    assert len(found.ranks) == 60
    table: Any = found.test()
    assert table["p_holm"].min() > 0.01, table


def test_wrong_numbers_of_reports_and_ranks_are_refused():
    with pytest.raises(PkpdError, match="method must be 'nuts' or 'mode', got 'mcmc'"):
        simulation_based_calibration(small_study(), method=cast(Any, "mcmc"))
    with pytest.raises(PkpdError, match="n must be >= 1 and ranks >= 9, got 0 and 5"):
        simulation_based_calibration(small_study(), 0, ranks=5)


QUICK = Mode(starts=1, draws=100, predictive=1, seed=1)
WHAT = Response("activity", days=(0.5, 1.0))


def test_patients_are_predicted_from_the_others():
    found = leave_one_patient_out(small_study(), response=WHAT, seed=1, method=QUICK)
    table = found.patients
    assert table.index.tolist() == ["toy/p1", "toy/p2", "toy/p3"]
    assert table["responded"].tolist() == [True, False, True]
    # (k + 1) / (n + 2): of the two others one responds, or both do; of the one or none of the cohort
    assert table["base"].tolist() == [2 / 4, 3 / 4, 2 / 4]
    assert table["cohort_base"].tolist() == pytest.approx([1 / 3, 2 / 3, 1 / 2])
    assert table["kept"].tolist() == [0, 0, 0]
    assert table["predicted"].between(0, 1).all()
    expected = ((table["base"] - table["responded"]) ** 2).mean()
    assert found.scores.loc["base rate", "brier"] == pytest.approx(expected)
    assert found.scores.loc["base rate", "concordance"] == 0.0
    scores: Any = found.scores
    assert scores.loc["model", "gain"] == 0.0
    expected = scores.loc["base rate", "brier"] - scores.loc["model", "brier"]
    assert scores.loc["base rate", "gain"] == pytest.approx(expected)
    assert scores.loc["base rate", "gain_se"] > 0


def test_a_left_out_patient_does_not_inform_its_own_prediction(monkeypatch):
    fits = []

    def watched(study, **options):
        fits.append(study)
        return fit(study, **options)

    monkeypatch.setattr(refits, "fit", watched)
    # the drug begins on day 0.3: values on day 0.25 and before are known by then
    late = replace(evidence(), doses=tuple(replace(d, start=0.3) for d in evidence().doses))
    extra = fact("p1_before", "p1", "below", 0.1, 5.0)
    study = small_study(evidence=[replace(late, facts=(*late.facts, extra))])
    found = leave_one_patient_out(study, response=WHAT, patients=["p1"], method=QUICK)
    left = [r.name for r in fits[0].problem.reported if r.patient == "toy/p1"]
    assert left == ["toy/p1_value", "toy/p1_above", "toy/p1_grade", "toy/p1_before"]
    assert found.patients.loc["toy/p1", "kept"] == 4
    leave_one_patient_out(study, response=WHAT, patients=["p1"], keep="nothing", method=QUICK)
    assert not [r for r in fits[1].problem.reported if r.patient == "toy/p1"]


def test_probability_of_a_response_follows_the_output():
    fitted = fit(small_study(), method=Mode(draws=100))
    sure = response_probability(fitted, "p1", Response("activity", days=(0.02, 0.1)), draws=50)
    never = response_probability(fitted, "p1", Response("activity", days=(4.0, 5.0)), draws=50)
    assert (sure, never) == (1.0, 0.0)


def test_predictions_that_cannot_be_are_refused():
    with pytest.raises(PkpdError, match="keep must be 'before' or 'nothing', got 'all'"):
        leave_one_patient_out(small_study(), keep="all")
    with pytest.raises(PkpdError, match="no event 'remission' tells who responded; give outcomes"):
        leave_one_patient_out(small_study(), response=replace(WHAT, marker="remission"))
    with pytest.raises(PkpdError, match="'toy/p1' got no aspirin, so there is no response to it"):
        leave_one_patient_out(small_study(), response=replace(WHAT, drug="aspirin"))


def test_what_a_response_is_must_be_said():
    with pytest.raises(PkpdError) as error:
        leave_one_patient_out(small_study(), method=QUICK)
    assert str(error.value) == (
        "study 'toy': nothing says what a response is; give response=pkpd.checks.Response('Cc', days=(5, 7)), which is "
        "met if the mean Cc of days 5 to 7 after the first dose is below half of that before; outputs are Cc, tox, "
        "activity"
    )
    with pytest.raises(PkpdError, match="response must be a Response, got 'Cc'; give response="):
        leave_one_patient_out(small_study(), response=cast(Any, "Cc"), method=QUICK)
    with pytest.raises(PkpdError, match=r"no output 'activty' that response= names \(did you mean 'activity'\?\)"):
        leave_one_patient_out(small_study(), response=replace(WHAT, output="activty"), method=QUICK)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"days": (3, 1)}, "Response: days must be from 0 on and the earlier first, got (3, 1)"),
        ({"days": (-1, 1)}, "Response: days must be from 0 on and the earlier first, got (-1, 1)"),
        ({"days": 3.0}, "Response: days must be two days after the first dose, such as (5, 7), got 3.0"),
        ({"days": (1.0, float("nan"))}, "Response: days must be"),
        ({"factor": 0.0}, "Response: factor must be a number > 0, got 0.0"),
        ({"output": 3}, "Response: output must be a text, got 3"),
    ],
)
def test_a_response_that_cannot_be_is_refused(changes, text):
    with pytest.raises(PkpdError) as error:
        replace(WHAT, **changes)
    assert str(error.value).startswith(text)


def test_a_response_may_be_averaged_from_the_first_dose_on():
    fitted = fit(small_study(), method=Mode(draws=100))
    assert response_probability(fitted, "p1", Response("Cc", days=(0, 1)), draws=50) == 0.0


def test_other_assumptions_are_compared_patient_by_patient():
    variants = {"volume known": {"fixed": {"V": 10.0}}, "twice": {"reinterpret": {("toy", "Cc"): 2.0}}}
    table = assumptions(small_study(), variants, "CL", method=QUICK)
    assert table["variant"].unique().tolist() == [BASE, *variants]
    assert len(table) == 9
    base = table.loc[table["variant"] == BASE]
    assert base["shift"].tolist() == [0.0] * 3
    assert (base["cohort"].tolist(), base["patient"].tolist()[0]) == (["A", "A", "B"], "toy/p1")
    # concentrations twice as high need half the clearance
    twice = table.loc[table["variant"] == "twice"]
    assert np.all(np.array(twice["50%"]) < 0.8 * np.array(base["50%"]))
    assert max(twice["shift"]) < -1


def test_a_parameter_that_a_variant_fixes_is_its_value():
    table = assumptions(
        small_study(), {"known": {"fixed": {"V": 12.0}}, "model's": {"free": {"V": None}}}, "V", method=QUICK
    )
    assert table["patient"].unique().tolist() == [""]
    values = table.set_index("variant")["50%"]
    assert (values["known"], values["model's"]) == (12.0, 10.0)
    assert len(table[table["variant"] == BASE]) == 1


def test_a_parameter_that_is_not_free_is_refused():
    with pytest.raises(PkpdError, match=r"'CLL' is not free .did you mean 'CL'.*; free are CL, V"):
        assumptions(small_study(), {}, "CLL")
