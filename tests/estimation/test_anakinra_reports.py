"""The posterior that ships: it belongs to the study, converged, and says what its document says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pkpd.catalogue import content_root
from pkpd.estimation.checks.first_dose import first_dose
from pkpd.estimation.study.files import load_study_fit
from pkpd.estimation.study.loading import load_study
from pkpd.estimation.study.result import StudyFit

FOLDER: Path = content_root() / "calibration" / "anakinra_reports"


@pytest.fixture(scope="module")
def shipped() -> StudyFit:
    return load_study_fit("anakinra_reports")


def test_it_is_that_of_the_study_as_it_stands(shipped: StudyFit):
    assert shipped.attrs["fingerprint"] == load_study("anakinra_reports").fingerprint
    assert shipped.method == "nuts"
    assert len(shipped.patients) == 14


def test_chains_converged():
    found = pd.read_csv(FOLDER / "checks" / "summary.csv", index_col=0)
    assert found["rhat"].to_numpy(float).max() < 1.01
    assert found[["ess_bulk", "ess_tail"]].to_numpy(float).min() > 400


def test_thinned_draws_say_what_all_draws_say(shipped: StudyFit):
    full = pd.read_csv(FOLDER / "checks" / "summary.csv", index_col=0)
    for i, patient in enumerate(shipped.patients):
        draws = shipped.draws("tone.phi")[..., i].ravel()
        row = full.loc[f"tone.phi[{patient}]"]
        assert np.mean(draws) == pytest.approx(row["mean"], abs=4.0 * row["sd"] / np.sqrt(draws.size))


def test_facts_lie_inside_their_predictions():
    facts = pd.read_csv(FOLDER / "checks" / "facts.csv")
    fitted = facts[facts["use"] == "fit"]
    assert len(fitted) == len(load_study("anakinra_reports").problem.reported)
    assert np.asarray(fitted["inside"], bool).mean() >= 0.9


def test_verdicts_on_a_response_are_fitted_in_nobody():
    problem = load_study("anakinra_reports").problem
    assert {r.patient for r in problem.checks if r.marker == "activity"} == set(problem.patients)
    assert not [r for r in problem.reported if r.marker == "activity"]


def test_the_disease_is_known_to_last_until_the_first_anakinra():
    problem = load_study("anakinra_reports").problem
    for subject in problem.subjects:
        assert subject.values["tone.t_off"] == first_dose(problem, subject.name, "anakinra"), subject.name


def test_windows_of_peaks_end_on_one_day_for_a_patient():
    problem = load_study("anakinra_reports").problem
    ends: dict[str, set[float | None]] = {}
    for r in problem.reported:
        if r.kind in ("peak", "nadir"):
            ends.setdefault(r.patient, set()).add(r.day_to)
    assert ends == {f"villegas2020/p{i}": {day} for i, day in {1: 31, 2: 18, 3: 36, 4: 21, 5: 9}.items()}


def test_the_boy_and_his_tapers_are_reproduced(shipped: StudyFit):
    """Fever at each taper and none at each restart: in the study of before each had a probability below a half."""
    together = shipped.reproduced()
    assert together.loc["naviglio2021/p1", "share"] > 0.75
    assert not together.loc["naviglio2021/p1", "exception"]


def test_document_gives_the_shares_of_the_record():
    full = pd.read_csv(FOLDER / "checks" / "summary.csv", index_col=0)
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name, label in (
        ("naviglio2021/p1", "Naviglio"),
        ("villegas2020/p3", "Villegas 3"),
        ("strati2020/p7", "Strati 7"),
    ):
        row = full.loc[f"tone.phi[{name}]"]
        assert f"| {label} | {row['50%']:.2f} ({row['2.5%']:.2f}-{row['97.5%']:.2f}) |" in text


def test_new_patients_can_be_drawn(shipped: StudyFit):
    people = shipped.population(20, cohort="strati", seed=1)
    assert people.n == 20
    assert np.ptp(people.parameters["tone.phi"]) > 0.2
