"""The posterior that ships: it belongs to the study, converged, and says what its document says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pkpd.catalogue import content_root
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
    assert len(facts) == 100
    assert facts["inside"].to_numpy(bool).mean() >= 0.9


def test_synthetic_truths_have_uniform_ranks():
    test = pd.read_csv(FOLDER / "checks" / "sbc_test.csv", index_col=0)
    assert test["p_holm"].to_numpy(float).min() > 0.05
    ranks = pd.read_csv(FOLDER / "checks" / "sbc_ranks.csv", index_col=0).to_numpy()
    bins = np.histogram(ranks, bins=10, range=(-0.5, 49.5))[0]
    written = re.search(r"Ranks in ten bins: ([\d ]+);", (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert written is not None
    assert list(map(int, written[1].split())) == bins.tolist()


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
