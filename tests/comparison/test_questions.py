"""The authors' questions: answers made from numbers, honesty about the prior, figures."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from pkpd import plot
from pkpd.catalogue import find_content
from pkpd.comparison import answers
from pkpd.comparison.compare import compare
from pkpd.comparison.statistics import share
from pkpd.errors import DataError, PkpdError
from pkpd.estimation.study.loading import load_study
from pkpd.library import load_model
from pkpd.people.distributions import normal
from pkpd.people.population import Population
from pkpd.plot.schedule import comparison
from pkpd.simulation.source import History, Source, Subjects


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def kinetics():
    return {answer.name: answer for answer in answers(load_model("anakinra"), n=150, seed=1)}


class Calibration(Source):
    """What the questions need of a calibration, with a known truth: IL-1 carries all of it, or nothing."""

    kind = "StudyFit"
    method = "mode"

    def __init__(self, phi, contraction=0.9, patients=None):
        self.model, self.study = load_model("anakinra_inflammation"), load_study("anakinra_reports")
        self.name, self.phi, self.patients = "truth", phi, patients
        self.taught = contraction

    def population(self, n, *, patient, seed=0):
        assert patient.startswith(("strati2020/", "naviglio2021/"))
        late = {"strati2020/p2": 41, "strati2020/p6": 31, "strati2020/p8": 14}.get(patient, 90)
        drive = {"tone.phi": self.phi, "tone.held": 0.1, "tone.t_off": 24.0 * (late + 40), "neuro.N50": 0.4}
        times = {"tone.t_on": normal(120.0, 6.0), "w_csf": 0.0}
        people = Population.draw(self.model, n, parameters={**drive, **times}, seed=seed)
        return replace(people, etas=np.zeros_like(people.etas))

    def subjects(self, verb, n, seed, patient=None, cohort=None):
        assert cohort is None
        return Subjects(self.model, self.population(n, patient=patient, seed=seed), "truth", History(day_zero=0.0))

    def draws(self, name):
        if name != "IC50":
            raise KeyError(name)
        return np.full(50, 0.01)

    def contraction(self):
        names = [f"tone.phi[{p}]" for p in ("strati2020/p2", "strati2020/p6", "strati2020/p8", "naviglio2021/p1")]
        return pd.DataFrame({"overlap": 1.0 - self.taught}, index=names)


def test_every_other_day(kinetics):
    answer = kinetics["every_other_day"]
    found = answer.comparisons["renal function"]
    ratio = np.median(found.samples("AUC24", "every other day, CLcr < 30", "daily, normal", ratio=True))
    # Half the dose at 10^(0.62 * 0.8) of the clearance: 100 against 20 mL/min.
    assert ratio == pytest.approx(0.5 * 10 ** (0.62 * 0.8), rel=0.05)
    assert answer.answer.startswith("No: every other day gives")
    assert f"{ratio:.3g} times" in answer.answer
    assert answer.brief is not None
    assert answer.brief["doses"].tolist() == ["daily, normal", "daily, CLcr < 30", "every other day, CLcr < 30"]
    assert answer.answered
    assert any("Yang 2003" in caveat for caveat in answer.caveats)


def test_cerebrospinal_fluid(kinetics):
    answer = kinetics["csf"]
    found = answer.comparisons["model's ratio"]
    mean = float(np.median(found.samples("Ccsf_mean", "100 mg SC daily")))
    assert mean == pytest.approx(0.86 * 100 / 9.61 / 24 * 0.019, rel=0.12)
    target = "Ccsf > 0.1 at peak"
    assert found.samples(target, "100 mg SC daily").mean() == 0.0
    assert found.samples(target, "500 mg IV, 10 mg/kg/h for 24 h").mean() == 1.0
    assert answer.answer.startswith("Hardly, up to 400 mg SC BID")
    tight = answer.comparisons["monkeys' ratio"]
    lower = np.median(tight.samples("Ccsf_mean", "100 mg SC daily") / 1.0)
    assert lower / mean == pytest.approx(0.0028 / 0.019, rel=0.1)


def test_an_answer_without_numbers_has_no_figure():
    answer = answers(Calibration(0.5, patients=()), ["early_start"], n=5)[0]
    assert not answer.answered
    assert plot.answer(answer) == {}


def test_a_model_alone_cannot_answer_for_patients(tmp_path):
    text = (find_content("models", "pk1_oral")).read_text(encoding="utf-8")
    own = "\nfrom pkpd.extend import OpenQuestion as Q\n\nquestions = {'who': Q('Who?', None, of_patients=True)}\n"
    (tmp_path / "own.py").write_text(text + own, encoding="utf-8")
    with pytest.raises(PkpdError, match="answers: who can only be answered by a calibration, which knows the"):
        answers(load_model(tmp_path / "own.py"), ["who"])


def test_calibrated_ic50_reaches_the_kinetic_answers():
    answer = answers(Calibration(0.9), ["every_other_day"], n=60)[0]
    found = answer.comparisons["renal function"]
    trough = found.samples("Ctrough", "daily, normal")
    np.testing.assert_allclose(found.samples("blockade_trough", "daily, normal"), trough / (trough + 0.01), rtol=1e-6)
    assert any("drawn from the posterior" in caveat for caveat in answer.caveats)


def test_late_starters_gain_where_il1_carries_the_disease():
    answer = answers(Calibration(0.95), ["early_start"], n=15)[0]
    assert set(answer.comparisons) == {"P2", "P6", "P8"}
    assert answer.answer.endswith("an early course that goes on to the real end it is likely for all 3 patients.")
    assert any("P3 got anakinra on the day on which treatment of the toxicity began" in c for c in answer.caveats)
    assert not any("rests on what was assumed" in c for c in answer.caveats)
    assert any("normal approximation at the mode" in c for c in answer.caveats)
    assert answer.table is not None
    assert answer.table.loc[("P2", "early, continued", "ICANS_grade_days"), "P(better)"] == 1.0
    # what is said is the share of draws whose grade days fall by a quarter or more
    found = answer.comparisons["P2"].dataset["ICANS_grade_days"]
    new, old = (found.sel(regimen=arm).values for arm in ("early, continued", "as given"))
    assert answer.brief is not None
    row = answer.brief.set_index("patient").loc["P2"]
    assert row["early, continued"] == share(float(np.mean((old > 0) & (new <= 0.75 * old))))
    assert (row["began on day"], row["could have on day"], row["rests on"]) == ("41", "5", "the report")
    # P8 had HLH, no grades: activity is what is judged.
    assert answer.brief.set_index("patient").loc["P8", "judged by"] == "inflammatory activity"


def test_late_starters_gain_nothing_without_il1_and_the_prior_is_named():
    answer = answers(Calibration(1e-6, contraction=0.05), ["early_start"], n=15)[0]
    assert answer.answer == (
        "A gain of a quarter or more from the same course begun early is ruled out for all 3 patients; from an early "
        "course that goes on to the real end it is ruled out for all 3 patients."
    )
    assert "P2: the report says almost nothing about the share of IL-1, so that this rests on what was assumed." in (
        answer.caveats
    )
    assert answer.brief is not None
    assert answer.brief["rests on"].tolist() == ["the prior"] * 3
    assert "tone." not in repr(answer)


def test_twice_daily_doses():
    yes = answers(Calibration(0.99), ["twice_daily"], n=15)[0]
    found = next(iter(yes.comparisons.values()))
    assert found.regimens == ("as given", "daily throughout", "BID throughout")
    table = found.ratios(to="daily throughout")
    assert table.loc[("BID throughout", "activity_area"), "ratio"] < table.loc[("as given", "activity_area"), "ratio"]
    ratio = found.samples("activity_area", "as given", "daily throughout", ratio=True)
    assert yes.answer.startswith("Yes: that the switch lowered the inflammatory activity over the course by a quarter")
    assert yes.answer.endswith(f"has a probability of {share(float(np.mean(ratio <= 0.75)))}.")
    assert yes.brief is not None
    assert yes.brief["doses"].tolist() == ["daily doses throughout", "as given", "twice daily from the start"]
    no = answers(Calibration(1e-6, contraction=0.1), ["twice_daily"], n=15)[0]
    assert no.answer.startswith("No: that the switch lowered")
    assert any("P1: the report says almost nothing about the share of IL-1" in c for c in no.caveats)


def test_missing_patients_are_said():
    answer = answers(Calibration(0.5, patients=("strati2020/p2",)), ["early_start"], n=5)[0]
    assert answer.answer.startswith("Not answered: the calibration has no strati2020/p3, strati2020/p6, strati2020/p8")


def test_figures_of_answers(kinetics):
    for answer in kinetics.values():
        for axes in plot.answer(answer).values():
            assert len(axes) >= 4
            axes[0].figure.canvas.draw()


@pytest.fixture(scope="module")
def found():
    arms = ["100 mg daily", "100 mg BID", "100 mg IV daily"]
    return compare(load_model("anakinra"), arms, n=80, IC50=0.027, targets="blockade > 0.9 at trough")


def test_figure_shows_medians_and_names(found):
    axes = comparison(found, ["AUC24", "Ctrough", "blockade > 0.9 at trough"], log=["Ctrough"])
    medians = [line.get_xdata()[0] for line in axes[0].lines if line.get_label() == "_median"]
    np.testing.assert_allclose(medians, np.median(found.dataset["AUC24"].values, axis=1))
    names = [text.get_text() for text in axes[0].get_yticklabels()]
    assert names == ["100 mg daily", "100 mg BID", "100 mg IV daily"]
    assert axes[0].get_xlabel() == "mg/L·h"
    assert axes[1].get_xscale() == "log"
    assert [line for line in axes[1].lines if line.get_label() == "_beyond"]  # the trough of the IV doses is far below
    assert axes[2].get_xlabel() == "probability"


def test_figure_of_ratios(found):
    axes = comparison(found, ["AUC24"], ratios_to="100 mg daily")
    medians = [line.get_xdata()[0] for line in axes[0].lines if line.get_label() == "_median"]
    np.testing.assert_allclose(medians, found.ratios(to="100 mg daily", measures=["AUC24"])["ratio"])
    assert axes[0].get_xlabel() == "ratio"
    assert plt.rcParams["font.size"] == 10.0  # nothing global changes


def test_figure_marks_thresholds(found):
    axes = comparison(found, ["Cmax"], thresholds={"Cmax": 3.0})
    marks = [line for line in axes[0].lines if line.get_label() == "_threshold"]
    assert marks[0].get_xdata()[0] == 3.0


def test_errors_of_the_figure(found):
    with pytest.raises(DataError, match=r"no measure 'AUC' .*it has AUC24|no measure 'AUC'; it has AUC24"):
        comparison(found, ["AUC"])
    with pytest.raises(DataError, match="no regimen 'x'; it has 100 mg daily"):
        comparison(found, ratios_to="x")
    with pytest.raises(DataError, match="name at least one measure"):
        comparison(found, [])
    alone = compare(load_model("anakinra"), ["100 mg daily"], n=2)
    with pytest.raises(DataError, match="no other regimen to compare with '100 mg daily'"):
        comparison(alone, ratios_to="100 mg daily")
