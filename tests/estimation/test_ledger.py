"""The evidence ledger: what becomes of a parameter without each group of facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from calibration_toy import evidence, measured_study, small_study

import pkpd
from pkpd.errors import PkpdError
from pkpd.estimation.api import fit
from pkpd.estimation.checks import refits
from pkpd.estimation.checks.ledger import NOTHING, WITH_ALL, evidence_ledger
from pkpd.estimation.checks.study_facts import grouped_facts
from pkpd.estimation.methods.mode import Mode
from pkpd.estimation.study.priors import Free

QUICK = Mode(starts=1, draws=100, predictive=1, seed=1)


def toy(**changes: Any) -> Any:
    """Three patients; of p1 the value is derived, of p2 the grade assumed; p3 has a value and a peak alone."""
    report = evidence()
    known = {"p1_value": "derived", "p2_grade": "assumed"}
    facts = tuple(
        replace(f, known=known.get(f.fact, "read"), reason="so" if f.fact in known else "")
        for f in report.facts
        if f.patient != "p3" or f.fact in ("p3_value", "p3_peak")
    )
    return small_study(evidence=[replace(report, facts=facts)], **changes)


def test_facts_fall_in_groups_by_what_they_know_of_themselves():
    groups = {label: sorted(n.partition("/")[2] for n in g) for label, g in grouped_facts(toy(), None).items()}
    assert groups["assumed facts"] == ["p2_grade"]
    assert groups["derived facts"] == ["p1_value"]
    assert groups["peaks and nadirs"] == ["p1_peak", "p2_peak", "p3_peak"]
    assert groups["bounds"] == ["p1_above", "p1_below", "p2_above", "p2_below"]
    assert groups["grades"] == ["p1_grade", "p2_grade"]
    assert groups["changes"] == ["p1_change", "p2_change"]
    assert groups["values"] == ["p1_value", "p2_value", "p3_value"]
    # doses begin on day 0: all facts speak of later times
    assert len(groups["facts after the first dose of the studied drug"]) == 2 * 6 + 2
    early = replace(evidence(), doses=tuple(replace(d, start=0.3) for d in evidence().doses))
    late = grouped_facts(small_study(evidence=[early]), None)["facts after the first dose of the studied drug"]
    assert sorted(late)[:3] == ["toy/p1_below", "toy/p1_change", "toy/p1_peak"]


def test_each_patient_with_facts_of_a_group_is_listed_and_others_are_not_refitted(monkeypatch):
    made: list[Any] = []
    monkeypatch.setattr(refits, "fit", lambda s, **k: made.append(s) or fit(s, **k))
    groups: dict[str, Any] = {"grades": lambda fact: fact.kind.name == "grade", "p1 late": ["toy/p1_below", "*p1_ch*"]}
    table: Any = pkpd.checks.evidence_ledger(toy(), "CL", groups, method=QUICK)
    assert list(table.columns) == [
        "without", "facts", "patient", "cohort", "mean", "2.5%", "50%", "97.5%", "shift",
    ]  # fmt: skip
    listed = table[["without", "patient", "facts", "cohort"]].to_numpy().tolist()
    assert listed == [
        [NOTHING, "toy/p1", 0, "A"], [NOTHING, "toy/p2", 0, "A"], [NOTHING, "toy/p3", 0, "B"],
        ["grades", "toy/p1", 1, "A"], ["grades", "toy/p2", 1, "A"],
        ["p1 late", "toy/p1", 2, "A"],
    ]  # fmt: skip
    assert table["shift"][:3].tolist() == [0.0] * 3
    # cohort B has no fact of either group: two cohorts as they are, and A without each group
    assert [(s.patients, len(s.exclude)) for s in made] == [
        (("toy/p1", "toy/p2"), 0), (("toy/p3",), 0), (("toy/p1", "toy/p2"), 2), (("toy/p1", "toy/p2"), 2),
    ]  # fmt: skip


def test_a_conjugate_study_loses_what_a_fact_taught():
    """CL ~ LogN(ln 9, 1); measured twice with sd 0.5, so precision 1 + 4 k for k facts left, and the mean follows."""
    report = measured_study([Free("CL", (9.0, 1.0))], np.log([[20.0], [30.0]]), 0.5, {"p1": "A", "p2": "A"})
    how = Mode(starts=1, draws=4000, predictive=1)
    table: Any = evidence_ledger(report, "CL", {"first": ["s/p1_0"], "all": ["*"]}, method=how).set_index("without")
    for label, y in (("nothing", [20.0, 30.0]), ("first", [30.0]), ("all", [])):
        precision = 1.0 + 4.0 * len(y)
        mean = (np.log(9.0) + 4.0 * np.log(y).sum()) / precision
        draws = 4000
        assert np.log(table.loc[label, "50%"]) == pytest.approx(mean, abs=5 * 1.25 / np.sqrt(precision * draws))
        width = np.log(table.loc[label, "97.5%"] / table.loc[label, "2.5%"])
        assert width == pytest.approx(2 * 1.96 / np.sqrt(precision), rel=0.08)
    assert (table["facts"].tolist(), table["cohort"].tolist()) == ([0, 1, 2], ["A"] * 3)
    sd = 1 / 3.0
    moved = (np.log(9.0) - (np.log(9.0) + 4.0 * np.log([20.0, 30.0]).sum()) / 9.0) / sd
    assert table.loc["all", "shift"] == pytest.approx(moved, abs=0.2)


def test_a_fit_of_all_cohorts_is_a_block_of_its_own_and_one_of_the_same_is_taken(monkeypatch):
    whole = fit(toy(), method=QUICK)
    groups: Any = {"grades": ["*_grade"]}
    table: Any = evidence_ledger(toy(), "CL", groups, base=whole, method=QUICK)
    assert table["without"].unique().tolist() == [NOTHING, WITH_ALL, "grades"]
    block = table[table["without"] == WITH_ALL]
    assert block["50%"].tolist() == pytest.approx(np.median(whole.draws("CL"), axis=0))
    assert np.isfinite(block["shift"]).all()
    made: list[Any] = []
    monkeypatch.setattr(refits, "fit", lambda s, **k: made.append(s) or fit(s, **k))
    table = evidence_ledger(toy(), "V", groups, base=whole, method=QUICK, within="study")
    assert len(made) == 1
    # a shared parameter is everybody's, and so are the facts
    assert table[["without", "patient", "facts", "cohort"]].to_numpy().tolist() == [
        [NOTHING, "", 0, ""], ["grades", "", 2, ""],
    ]  # fmt: skip


def test_groups_that_cannot_be_are_refused():
    for groups, text in (
        ({"grades": "*_grade"}, r"group 'grades' must be a list of facts, such as \['seed/p1_\*'\], or a function"),
        ({"grades": ["*_grad"]}, r"group 'grades': '\*_grad' fits no fitted fact"),
        ({NOTHING: ["*_grade"]}, "'nothing' is the label of the fit with all facts; choose another"),
    ):
        with pytest.raises(PkpdError, match=text):
            evidence_ledger(toy(), "CL", groups, method=QUICK)
    with pytest.raises(PkpdError, match="'CLL' is not free"):
        evidence_ledger(toy(), "CLL", method=QUICK)
