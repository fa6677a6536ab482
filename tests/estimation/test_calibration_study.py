"""Studies: what is refused, how they change, how facts become terms, the fingerprint, where studies are found."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import numpy as np
import pytest
from calibration_toy import drug_model, evidence, fact, other_facts, small_study

import pkpd
from pkpd.errors import LibraryError, PkpdError
from pkpd.estimation.spreads import ErrorScale
from pkpd.estimation.study.loading import list_studies, load_study
from pkpd.estimation.study.priors import Free
from pkpd.estimation.study.study import Study
from pkpd.evidence.kinds.grade import Grade
from pkpd.evidence.kinds.measured import Value
from pkpd.model.residual import LogNormal

CL = Free("CL", (1.0, 0.3))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"evidence": "toy"}, "evidence must be a sequence, got the text 'toy'"),
        ({"evidence": []}, "there is no evidence; give names or folders of seeds"),
        ({"free": []}, "nothing is free; give free=[Free(name, (value, sd)), ...]"),
        ({"free": ["CL"]}, "free must hold Free(...), got 'CL'"),
        ({"free": [CL, CL]}, "'CL' is free twice"),
        ({"fixed": {"CL": 2.0}}, "'CL' is both free and fixed; drop one"),
        ({"fixed": {"V": "10"}}, "fixed 'V' must be a number or numbers by patient or cohort, got '10'"),
        ({"errors": [("Cc", 2.0)]}, "errors must be a mapping, got [('Cc', 2.0)]"),
        ({"errors": {"Cc": -1.0}}, "errors of 'Cc': must be a factor > 0 or ErrorScale(value, sd), got -1.0"),
        ({"reinterpret": {"Cc": 2.0}}, "a key of reinterpret is (seed, marker), got 'Cc'"),
        ({"reinterpret": {("toy", "Cc"): 0.0}}, "reinterpret ('toy', 'Cc'): the factor must be a number > 0, got 0.0"),
        ({"settings": {"chain": 4}}, "settings has no 'chain' (did you mean 'chains'?)"),
        ({"settings": {"chains": 1.5}}, "settings: chains must be a whole number > 0, got 1.5"),
    ],
)
def test_a_study_that_contradicts_itself_is_refused(changes, text):
    with pytest.raises(PkpdError) as error:
        small_study(**{"free": [CL], **changes})
    assert text in str(error.value)
    assert str(error.value).startswith("study 'toy': ")


def test_a_bad_name_is_refused():
    with pytest.raises(PkpdError, match="name must be a word of letters, digits, - and _, got 'a b'"):
        Study("a b", drug_model(), [evidence()], [CL])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"fixed": {"Vv": 2.0}}, "there is no parameter 'Vv' (did you mean 'V'?); there are CL, V, shift"),
        ({"errors": {"cc": 1.0}}, "there is no output 'cc' (did you mean 'Cc'?)"),
        ({"cohorts": {"p1": "A"}}, "there is no patient 'p1'"),
        ({"covariates": {"toy/p1": {"CRCL": 3.0}}}, "there is no covariate 'CRCL'; there is WT"),
        ({"reinterpret": {("tox", "Cc"): 2.0}}, "there is no seed 'tox' (did you mean 'toy'?)"),
        ({"exclude": ["toy/p1_valu"]}, "exclude 'toy/p1_valu' fits no fact (did you mean 'toy/p1_value'?)"),
        ({"patients": ["toy/p9"]}, "patients 'toy/p9' fits no patient"),
        ({"evidence": [evidence(), evidence()]}, "the seed 'toy' is given twice"),
        ({"exclude": ["toy/*"]}, "no fact is left to fit"),
        ({"fixed": {"V": {"C": 1.0}}, "free": [CL]}, "fixed 'V': 'C' is neither a patient nor a cohort"),
        ({"free": [Free("CL", {"A": (1.0, 0.1)}, level="patient")]}, "for 1 patients (first: toy/p3); add '*'"),
        (
            {"free": [Free("CL", {"C": (1.0, 0.1), "*": (1.0, 0.1)}, level="patient")]},
            "free 'CL': 'C' is neither a patient nor a cohort",
        ),
        (
            {"free": [Free("CL", {"toy/p1": (9.0, 1), "*": (1.0, 1)}, level="patient", pooling="cohort", spread=1.0)]},
            "free 'CL': 'toy/p1' is a patient, and with pooling='cohort' locations are of cohorts (A, B)",
        ),
        ({"every": 0.0}, "every must be one time > 0, in h or with its unit (such as '12 h'), got 0.0"),
        ({"every": "12"}, "every must be one time > 0, in h or with its unit (such as '12 h'), got '12'"),
        ({"every": "12 bananas"}, "every must be one time > 0, in h or with its unit (such as '12 h'), got '12 ba"),
        ({"reinterpret": {("toy", "tox"): 2.0}}, "facts of kind grade have no unit, and a factor changes nothing"),
        ({"reinterpret": {("toy", "cc"): 2.0}}, "the seed has no fact about 'cc' (did you mean 'Cc'?)"),
        ({"free": [Free("V", (9.0, 0.0), level="patient")], "errors": {}}, "nothing is estimated: every sd of V is 0"),
        ({"fixed": {"CL": -1.0}, "free": [Free("V", (9.0, 0.1))]}, "fixed 'CL': -1 lies outside the model's bounds"),
    ],
)  # fmt: skip
def test_a_study_that_does_not_fit_model_and_evidence_is_refused(changes, text):
    with pytest.raises(PkpdError) as error:
        _ = small_study(**changes).problem
    assert text in str(error.value)


def test_all_faults_are_named_at_once():
    report = other_facts(
        evidence(),
        fact("odd", "p1", "value", 1.0, 2.0, marker="CCc"),
        fact("unit", "p1", "value", 1.0, 2.0, unit="mL"),
        fact("kind", "p1", "order", 1.0, 2.0),
    )
    with pytest.raises(PkpdError) as error:
        _ = small_study(evidence=[report], fixed={"Vv": 2.0}).problem
    text = str(error.value)
    assert "4 faults: " in text
    assert (
        "fact 'toy/odd' is about CCc, of which model 'bolus' has no output (did you mean 'Cc'?); leave it out" in text
    )
    assert "fact 'toy/unit': unit 'mL' cannot be converted to 'mg/L'" in text
    assert "fact 'toy/kind' of kind 'order' has no likelihood" in text


def test_doses_that_do_not_go_into_the_model_are_named_when_the_study_is_put_together():
    report = evidence()
    under_the_skin = [replace(d, route="SC", start=float(d.patient != "p1"), number=1) for d in report.doses]
    report = replace(report, doses=(*report.doses[:1], *under_the_skin))
    with pytest.raises(PkpdError) as error:
        _ = small_study(evidence=[report]).problem
    text = str(error.value)
    assert text.startswith("study 'toy': 3 faults: patient 'toy/p1': regimen 'p1', dose ")
    assert "patient 'toy/p3': regimen 'p3', dose 1: the model has no compartment 'depot'; it has central. Give" in text
    assert "drugs=[...], [] for none" in text
    regimen: Any = small_study(evidence=[report], drugs=[]).problem.subjects[0].regimen
    assert not regimen.doses


def test_a_window_of_more_measurements_than_are_taken_is_refused():
    with pytest.raises(PkpdError) as error:
        _ = small_study(every=1e-5).problem
    assert str(error.value) == (
        "study 'toy': fact 'toy/p1_below': its window, 24 to 48, is 2.4e+06 measurements, one each 1e-05; at most "
        "10,000 are taken: give every=0.0026 or more, or a shorter window (as of 5 more facts)"
    )
    assert len(small_study(every=0.0026).problem.reported) == 18
    held = other_facts(evidence(), fact("held", "p1", "below", 0.0, 4.0, time_to=1e6, use="check", reason="long"))
    with pytest.raises(PkpdError, match=r"fact 'toy/held': its window, 0 to 2.4e\+07, is 4e\+06 measurements"):
        _ = small_study(evidence=[held]).problem


def test_facts_become_terms_in_hours_and_in_the_models_unit():
    terms = {t.name: t for t in small_study().problem.subjects[0].terms}
    value, peak, below, above, change, grade = terms.values()
    assert (value.kind, value.time, value.value) == ("density", 6.0, 5.5)
    assert (peak.kind, peak.time, peak.time_to, peak.value) == ("peak", 0.0, 12.0, 11.0)
    assert peak.at == pytest.approx(0.96)
    assert (below.kind, below.time, below.time_to, below.value) == ("below", 24.0, 48.0, 4.0)
    assert (above.kind, above.value) == ("above", 2.0)  # 2000 ug/L
    assert (change.kind, change.value) == ("ratio_below", 0.6)
    assert (grade.kind, grade.value, grade.value_to) == ("grade", 0.0, 1.0)


def test_day_zero_of_the_simulation_is_the_start_day_of_the_seed():
    report = evidence()
    early = replace(report, source=replace(report.source, start_day=-2.0))
    assert small_study(evidence=[early]).problem.subjects[0].terms[0].time == 54.0


def test_another_reading_of_a_marker_scales_values_but_not_ratios_or_grades():
    terms = {t.name: t for t in small_study(reinterpret={("toy", "Cc"): 10.0}).problem.subjects[0].terms}
    assert terms["toy/p1_value"].value == 55.0
    assert terms["toy/p1_change"].value == 0.6
    assert terms["toy/p1_grade"].value == 0.0


def test_excluded_facts_and_left_out_patients():
    problem = small_study(exclude=["*/p1_*", "toy/p2_grade"]).problem
    assert [len(s.terms) for s in problem.subjects] == [0, 5, 6]
    assert problem.rows.tolist() == [1, 2]
    assert small_study(patients=["toy/p3"]).problem.patients == ("toy/p3",)


def test_an_even_intake_that_a_bioavailability_would_shorten_is_refused():
    slow = replace(evidence().doses[0], duration=48.0, number=1, interval=None)
    given = replace(evidence(), doses=(slow, *evidence().doses[2:]))
    model = drug_model()
    assert len(small_study(model=model, evidence=[given]).problem.subjects) == 3

    def dosing(p):
        return {"central": {"F": p.CL / p.CL}}

    other = pkpd.Model(
        "scaled", states=[pkpd.State("central", "mg")], check_units=False, dosing=dosing,
        parameters=[pkpd.Parameter("CL", 1.0, "L/h"), pkpd.Parameter("V", 10.0, "L"), pkpd.Parameter("shift", 0.0, "")],
        covariates=[pkpd.Covariate("WT", "kg", 70.0)],
        outputs=[
            pkpd.Output("Cc", "mg/L", error=LogNormal(0.3)),
            pkpd.Output("tox", "", error=model.outputs["tox"].error),
        ],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V, "tox": x.central},
    )  # fmt: skip
    with pytest.raises(PkpdError, match="patient 'toy/p1': a dose into central lasts 48 h, which the bioavailability"):
        _ = small_study(model=other, evidence=[given]).problem


def test_facts_that_are_held_back_are_fitted_where_a_study_includes_them():
    held = other_facts(
        evidence(),
        fact("p1_held", "p1", "below", 1.5, 4.0, use="check", reason="a verdict"),
        fact("p2_held", "p2", "below", 1.5, 4.0, use="check", reason="a verdict"),
        fact("p1_text", "p1", "below", 1.5, 4.0, use="no", reason="not used"),
    )
    plain = small_study(evidence=[held])
    both = plain.with_(include=["toy/*_held"])
    names = [[r.name for r in s.problem.reported] for s in (plain, both)]
    assert sorted(set(names[1]) - set(names[0])) == ["toy/p1_held", "toy/p2_held"]
    assert [len(s.problem.checks) for s in (plain, both)] == [2, 0]
    assert plain.fingerprint != both.fingerprint
    # what the same facts would be if they had been meant to be fitted
    facts = tuple(replace(f, use="fit") if f.use == "check" else f for f in held.facts)
    assert both.fingerprint == small_study(evidence=[replace(held, facts=facts)]).fingerprint
    without = both.with_(exclude=["toy/p1_held"])
    assert [r.name for r in without.problem.reported if "held" in r.name] == ["toy/p2_held"]
    for pattern in ("toy/p1_text", "toy/p1_value", "toy/p9_*"):
        with pytest.raises(PkpdError, match=r"include '.*' fits no fact that is held back"):
            _ = plain.with_(include=[pattern]).problem
    with pytest.raises(PkpdError, match="include must be a sequence, got the text 'toy/p1_held'"):
        plain.with_(include="toy/p1_held")


def test_covariates_cohorts_and_fixed_values_reach_the_subjects():
    study = small_study(
        covariates={"toy/p2": {"WT": 55.0}}, cohorts={"toy/p2": "B"}, fixed={"shift": {"B": 1.0, "toy/p3": 2.0}}
    )
    one, two, three = study.problem.subjects
    assert (one.covariates, two.covariates) == ({"WT": 80.0}, {"WT": 55.0})
    assert study.problem.cohorts == ("A", "B", "B")
    assert (one.values, two.values, three.values) == ({}, {"shift": 1.0}, {"shift": 2.0})


def test_with_merges_mappings_and_moves_parameters_between_free_and_fixed():
    study = small_study(reinterpret={("toy", "Cc"): 2.0})
    changed = study.with_(fixed={"V": 12.0}, reinterpret={("toy", "Cc"): None}, exclude=["toy/p1_grade"])
    assert [f.name for f in changed.free] == ["CL"]
    assert (changed.fixed, changed.reinterpret, changed.exclude) == ({"V": 12.0}, {}, ("toy/p1_grade",))
    back = changed.with_(free={"V": Free("V", (9.0, 0.1)), "CL": None})
    assert ([f.name for f in back.free], back.fixed) == (["V"], {})
    assert len(study.free) == 2
    with pytest.raises(PkpdError, match=r"has no field 'fixd' \(did you mean 'fixed'\?\)"):
        study.with_(fixd={})
    with pytest.raises(PkpdError, match="free names 'V' for 'CL'; the key is the parameter's name"):
        study.with_(free={"V": CL})


def test_the_fingerprint_moves_with_all_that_the_posterior_depends_on():
    study = small_study()
    changes = [
        {"fixed": {"shift": 0.5}}, {"reinterpret": {("toy", "Cc"): 2.0}}, {"exclude": ["toy/p1_grade"]},
        {"every": 12.0}, {"rtol": 1e-7}, {"cohorts": {"toy/p2": "B"}}, {"covariates": {"toy/p1": {"WT": 60.0}}},
        {"errors": {"Cc": ErrorScale(1.0, 0.3)}}, {"free": {"V": Free("V", (10.0, 0.3))}},
        {"model": drug_model().with_values(shift=0.1)},
    ]  # fmt: skip
    found = {study.fingerprint, *(study.with_(**c).fingerprint for c in changes)}
    assert len(found) == len(changes) + 1
    assert small_study().fingerprint == study.fingerprint
    assert study.with_(title="new", settings={"draws": 5}).fingerprint == study.fingerprint


def test_times_between_measurements_are_on_the_clock_of_the_model():
    in_hours = small_study()  # 6 h
    assert small_study(every=None).problem.every == 24.0
    assert small_study(every=pkpd.days(0.25, 0.25)).fingerprint == in_hours.fingerprint
    assert small_study(every=np.timedelta64(6, "h")).fingerprint == in_hours.fingerprint
    quarter: tuple[Any, ...] = (0.25, pkpd.hours(6, 6), "6 h", "0.25 days", timedelta(hours=6))
    daily = [small_study(model=drug_model("d"), every=each) for each in quarter]
    assert [s.problem.every for s in daily] == [0.25] * 5
    ours, theirs = (s.problem.likelihood().cells.time for s in (in_hours, daily[0]))
    np.testing.assert_allclose(ours, 24.0 * theirs)
    with pytest.raises(PkpdError, match=r"study 'toy': every must be one time > 0, in h or with"):
        _ = small_study(every=pkpd.hours(6, 12, 6)).fingerprint


def wider(self: Any, f: Any) -> Any:
    """Return another variance of the logarithm, by the same name."""
    return (2.0 * self.sigma) ** 2


def rarer(self: Any, cells: Any, said: Any) -> Any:
    """Return another probability of a grade, by the same name."""
    return 2.0 * cells[0].read().log_between(cells[0].f, said.value, said.value_to)


@pytest.mark.parametrize(
    ("owner", "name", "law"),
    [
        (LogNormal, "variance", wider),
        (Grade, "log_probability", rarer),
        (Value, "times", lambda self, term, every: np.array([term.time + 1.0])),
    ],
)
def test_the_fingerprint_moves_with_the_laws_of_errors_and_kinds(
    owner: type, name: str, law: Any, monkeypatch: pytest.MonkeyPatch
):
    before = small_study().fingerprint
    monkeypatch.setattr(owner, name, law)
    assert small_study().fingerprint != before


def test_patients_are_found_with_and_without_their_seed():
    problem = small_study(evidence=[evidence(), evidence("other", ("p1",))]).problem
    assert problem.index_of("p3") == 2
    assert problem.index_of("other/p1") == 3
    with pytest.raises(PkpdError, match="'p1' is the name of several patients"):
        problem.index_of("p1")
    with pytest.raises(PkpdError, match=r"'p33' is no patient"):
        problem.index_of("p33")


STUDY = '''"""A study on file."""
from pkpd.estimation.study.priors import Free
from pkpd.estimation.study.study import Study
study = Study("mine", "pk1_oral", ["seed"], [Free("CL", (1.0, 0.3))])
'''


def test_studies_are_loaded_from_files_and_folders(tmp_path):
    (tmp_path / "study.py").write_text(STUDY)
    assert load_study(tmp_path).name == "mine"
    assert load_study(str(tmp_path / "study.py")).free[0].name == "CL"
    (tmp_path / "study.py").write_text("study = 3")
    with pytest.raises(LibraryError, match="must assign one Study to the global name 'study'; it is a int"):
        load_study(tmp_path)
    (tmp_path / "study.py").unlink()
    with pytest.raises(LibraryError, match=r"study\.py does not exist"):
        load_study(tmp_path)
    with pytest.raises(LibraryError, match="does not exist; give a name of the library, a folder"):
        load_study(str(tmp_path / "none"))
    with pytest.raises(LibraryError, match="the library has no study 'nobody'"):
        load_study("nobody")


def test_every_study_of_the_library_fits_its_model_and_evidence():
    for entry in list_studies():
        study = load_study(entry.name)
        assert study.name == entry.name
        assert entry.title
        assert all(f.source for f in study.free)
        assert study.problem.vector.dim > 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"free": {"Vv": None}}, "free has no 'Vv' to remove"),
        ({"fixed": {"Vv": None}}, "fixed has no 'Vv' to remove"),
        ({"errors": {"CC": None}}, "errors has no 'CC' to remove (did you mean 'Cc'?)"),
        ({"reinterpret": {("toy", "CC"): None}}, "reinterpret has no ('toy', 'CC') to remove"),
        ({"cohorts": {"toy/p9": None}}, "cohorts has no 'toy/p9' to remove"),
        ({"fixed": 3.0}, "fixed must be a mapping, got 3.0"),
    ],
)
def test_what_a_study_has_not_cannot_be_taken_from_it(changes, text):
    with pytest.raises(PkpdError, match=re.escape(text)):
        small_study().with_(**changes)


def test_one_free_parameter_without_a_list_is_refused():
    with pytest.raises(PkpdError, match=r"free must be a sequence, got one Free; write free=\[\.\.\.\]"):
        Study("x", drug_model(), [evidence()], cast(Any, CL))
