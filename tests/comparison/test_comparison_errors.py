"""What is refused when schedules are compared, and what the message says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pkpd.comparison import Arm, Measure, Target, answers, by_covariate, by_start
from pkpd.comparison.compare import compare
from pkpd.dosing.regimen import Regimen
from pkpd.errors import PkpdError, PopulationError, RegimenError, SolverError
from pkpd.library import load_model
from pkpd.people.population import Population


def wrong(value: object) -> Any:
    """Return what a type checker would refuse."""
    return value


@pytest.fixture(scope="module")
def model():
    return load_model("anakinra")


def _without_weight(model):
    people = Population.draw(model, 2)
    return replace(people, covariates={"CRCL": people.covariates["CRCL"]})


def test_unknown_schedules_are_all_named(model):
    wanted = (
        r"2 of 3 are neither its schedules nor shorthand: '100 mg dayly' \(did you mean '100 mg daily'\?\), 'x'; "
        "its schedules are 100 mg daily, .*mapping of name to regimen"
    )
    with pytest.raises(RegimenError, match=wanted):
        compare(model, ["100 mg dayly", "100 mg BID", "x"])


def test_regimens_that_cannot_be_read_are_all_named(model):
    with pytest.raises(RegimenError, match=r"(?s)2 of 3 regimens cannot be compared: 'a': .*'b': model 'anakinra' "
                       r"has no covariate 'CRCl' \(did you mean 'CRCL'\?\); parameter 'CL' must be a finite number or "
                       r"one per subject \(4\), got \[1, 2\]"):  # fmt: skip
        compare(model, {"a": "100 mgg daily", "b": Arm("100 mg", {"CRCl": 20}, {"CL": [1, 2]}), "c": "100 mg"}, n=4)


def test_a_regimen_given_twice_is_named(model):
    with pytest.raises(RegimenError, match="'100 mg q24h x7' is given more than once; give a mapping"):
        compare(model, ["100 mg q24h x7", Regimen.parse("100 mg q24h x7")])


def test_other_faults_of_regimens(model):
    with pytest.raises(RegimenError, match="there is nothing to compare"):
        compare(model, {})
    with pytest.raises(RegimenError, match="a regimen is a Regimen, an Arm or the shorthand for one, got 100"):
        compare(model, {"a": 100})
    with pytest.raises(RegimenError, match="model 'neurotoxicity': its schedules are none; give others as shorthand"):
        compare(load_model("neurotoxicity"))
    with pytest.raises(RegimenError, match="is by weight, but the subjects have no covariate 'WT'; give mg"):
        compare(model, {"a": "1 mg/kg daily x3"}, population=_without_weight(model))


def test_source(model):
    with pytest.raises(
        PkpdError, match="compare takes a Model, a Fit, a StudyFit or an Individual, got the text 'anak"
    ):
        compare(wrong("anakinra"), ["100 mg daily"])
    with pytest.raises(PkpdError, match="a model knows no patient or cohort; give a calibration"):
        compare(model, ["100 mg daily"], patient="p1", cohort="a")
    people = Population.draw(model, 2)
    with pytest.raises(PkpdError, match="population and patient, covariates are both given; drop one"):
        compare(model, ["100 mg daily"], population=people, patient="p1", covariates={"WT": 50})
    with pytest.raises(PopulationError, match="empty population"):
        compare(model, ["100 mg daily"], n=0)


def test_measures(model):
    daily = ["100 mg daily"]
    with pytest.raises(PkpdError, match=r"no measure 'AUC' \(did you mean 'AUC24'\?\), 'blockade_trough' for model "
                       r"'anakinra'; it has AUCtau, AUC24, .*; give IC50=\.\.\. for those on the block"):  # fmt: skip
        compare(model, daily, n=2, measures=["AUC", "blockade_trough"])
    with pytest.raises(PkpdError, match=r"no measure 'cmax' \(did you mean 'Cmax'\?\)"):
        compare(model, daily, n=2, measures="cmax")
    with pytest.raises(PkpdError, match="has no output 'CRP' for measure 'own'; it has Cc, Ccsf"):
        compare(model, daily, n=2, measures=[Measure("own", "1", "", ("CRP",), lambda c: c.at("CRP", 0))])
    with pytest.raises(PkpdError, match="better must be 'more', 'less' or '', got 'up'"):
        Measure("own", "1", "", ("Cc",), lambda c: c.at("Cc", 0), "up")
    with pytest.raises(PkpdError, match=r"no output 'cc' \(did you mean 'Cc'\?\)"):
        compare(model, daily, n=2, concentration="cc")


def test_targets(model):
    daily = ["100 mg daily"]
    with pytest.raises(PkpdError, match=r"target 'Cc 5': write '<output> < <number> \[unit\] <when>'"):
        compare(model, daily, n=2, targets="Cc 5")
    with pytest.raises(PkpdError, match="model 'anakinra' has no output 'CRP'"):
        compare(model, daily, n=2, targets="CRP < 5 by day 2")
    with pytest.raises(PkpdError, match=r"'blockade > 0.9 at trough' needs IC50=\.\.\."):
        compare(model, daily, n=2, targets="blockade > 0.9 at trough")
    with pytest.raises(PkpdError, match=r"target on 'Cc': give \(sign, value, when\)"):
        compare(model, daily, n=2, targets=wrong({"Cc": "5"}))
    with pytest.raises(PkpdError, match="a target is a text, a Target, a mapping or a sequence of these, got 5"):
        compare(model, daily, n=2, targets=wrong(5))
    with pytest.raises(
        PkpdError, match=r"the sign must be .*, got '='; the value must be a number, got 'x'; when must"
    ):
        Target("Cc", "=", "x", "soon")  # pyright: ignore[reportArgumentType]
    with pytest.raises(PkpdError, match="is about a day outside the window, which is days 0 to 2 from time 0"):
        compare(model, daily, n=2, targets="Cc < 5 by day 3", window=(0, 48))
    grades = load_model("neurotoxicity")
    with pytest.raises(PkpdError, match="a grade is probable on a day; write 'by day D'"):
        compare(grades, {"a": Regimen(doses=[])}, n=1, window=(0, 48), targets="ICANS < 3 throughout")


def test_window_and_times(model):
    with pytest.raises(PkpdError, match=r"window must be \(start, end\) with start < end, h, got \(5, 5\)"):
        compare(model, ["100 mg daily"], n=2, window=(5, 5))
    with pytest.raises(PkpdError, match="no regimen gives a dose, so give window"):
        compare(model, {"a": Regimen(doses=[])}, n=2)
    with pytest.raises(PkpdError, match="times must be finite"):
        compare(model, ["100 mg daily"], n=2, times=[0.0, np.nan])


def test_nobody_solved(model):
    people = Population.draw(model, 2, parameters={"V": 1e-310})
    with pytest.raises(SolverError, match=r"'anakinra' could not be solved for any of 2 subjects under 1 of 1 regimens "
                       r"\(first: '100 mg daily'\)"):  # fmt: skip
        compare(model, ["100 mg daily"], population=people)


def test_result(model):
    found = compare(model, ["100 mg daily", "100 mg BID"], n=3, measures=["Cmax"])
    with pytest.raises(PkpdError, match=r"no regimen '100 mg bid' .*it has 100 mg daily, 100 mg BID"):
        found.ratios(to="100 mg bid")
    with pytest.raises(PkpdError, match=r"no measure 'cmax' \(did you mean 'Cmax'\?\); it has Cmax"):
        found.table(["cmax"])
    with pytest.raises(PkpdError, match="coverage must be between 0 and 1, got 90"):
        found.table(coverage=90)


def test_helpers(model):
    with pytest.raises(RegimenError, match="give a regimen with doses"):
        by_start(Regimen(doses=[]), [1])
    with pytest.raises(RegimenError, match="give at least one day"):
        by_start(Regimen(amt=1), [])
    with pytest.raises(PkpdError, match=r"no covariate 'crcl' \(did you mean 'CRCL'\?\)"):
        compare(model, by_covariate("100 mg", "crcl", [1]))
    with pytest.raises(PkpdError, match="give at least one value of CRCL"):
        by_covariate("100 mg", "CRCL", [])
    with pytest.raises(PkpdError, match=r"there is no 'cfs' \(did you mean 'csf'\?\); there are every_other_day, csf"):
        answers(model, ["cfs"])
    with pytest.raises(PkpdError, match=r"there is no 'csf'; there are none"):
        answers(load_model("pk1_oral"), ["csf"])


@pytest.mark.parametrize("level", [0, -1.0, np.nan, np.inf, "0.5 mg/L", [0.5] * 2, [0.5, 0.5, -1.0], {"a": 1}])
def test_a_level_that_blocks_nothing_is_refused(model, level):
    with pytest.raises(PkpdError, match=r"IC50 must be a finite concentration above 0.*or one per subject \(3\), got"):
        compare(model, ["100 mg daily"], n=3, IC50=wrong(level))


def test_a_target_on_a_day_is_among_those_that_a_message_lists(model):
    assert Target.parse("Cc > 1 mg/L on day 1").day == 1.0
    with pytest.raises(PkpdError, match=r"throughout, on day D, by day D, from day D"):
        Target.parse("Cc > 1 mg/L sometimes")
