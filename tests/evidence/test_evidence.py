"""Evidence as users meet it: loaded, as tables, as regimens and people; gates over every report in `seeds/`."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evidence_sample import write_sample

from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, LibraryError, UnitError
from pkpd.evidence import Evidence, list_seeds, load_seed, validate_seed
from pkpd.evidence.kinds import fact_kinds
from pkpd.evidence.words import COLUMNS, INTO
from pkpd.library import load_model
from pkpd.simulation.api import simulate

NAMES = list_seeds().names
every_seed = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def sample(tmp_path: Path) -> Evidence:
    return load_seed(write_sample(tmp_path))


# -- a report of one's own


def test_source_card_is_a_value(sample: Evidence):
    assert sample.name == sample.source.name == "mine"
    assert sample.source.readable == ("all of it",)
    assert dict(sample.source.cohorts) == {"mild": "", "grave": ""}
    assert sample.source.drugs == ("ruxolitinib",)
    with pytest.raises(FrozenInstanceError):
        sample.facts[0].value = 1.0  # pyright: ignore[reportAttributeAccessIssue]


def test_patients_and_cohorts_in_the_order_of_the_report(sample: Evidence):
    assert sample.patients == ("p1", "p2")
    assert sample.cohorts == {"p1": "mild", "p2": "grave"}
    assert sample.drugs == ("anakinra", "tocilizumab", "dexamethasone")


def test_days_become_hours_since_start_day_and_back(sample: Evidence):
    assert sample.start_day == -2
    assert sample.hours(1.5) == 84.0
    days = np.array([-2.0, 0.0, 3.25])
    assert sample.hours(days).tolist() == [0.0, 48.0, 126.0]
    assert sample.day(sample.hours(days)).tolist() == days.tolist()


def test_tables_have_the_columns_of_the_files_and_all_rows(sample: Evidence, tmp_path: Path):
    tables = {"patients.csv": sample.patient_table, "doses.csv": sample.dose_table, "facts.csv": sample.fact_table}
    for file, table in tables.items():
        raw = pd.read_csv(tmp_path / "mine" / file)
        assert list(table.columns) == [*COLUMNS[file], *(["curve"] if file == "facts.csv" else [])]
        assert len(table) == len(raw)
    facts = sample.fact_table.set_index("fact")
    assert facts["value"].to_dict()["p1_crp_peak"] == 28.0
    assert facts["value"].to_dict()["all_order"] == "lower"
    assert facts["at"].isna().to_dict()["p1_ldh"]


def test_two_loads_of_a_folder_are_equal_and_tables_are_copies(sample: Evidence, tmp_path: Path):
    table = sample.patient_table
    table["patient"] = "nobody"
    assert sample.patients == ("p1", "p2")
    assert load_seed(tmp_path / "mine") == sample


def test_facts_convert_to_the_unit_of_the_output_but_ratios_do_not(sample: Evidence):
    facts = {fact.fact: fact for fact in sample.facts}
    assert facts["p1_crp_peak"].to("mg/L").value == pytest.approx(280.0, rel=1e-14)
    assert facts["p1_crp_peak"].to("mg/L").unit == "mg/L"
    assert facts["p1_ferritin"].to("ng/mL").value == 900.0
    assert facts["p1_fall"].to("mg/L").value == 1.0
    with pytest.raises(UnitError, match="cannot be converted"):
        facts["p1_crp_peak"].to("U/L")


def test_regimen_of_all_drugs_is_on_one_clock_in_mg(sample: Evidence):
    given = sample.regimens["p1"].expand()
    found = [(dose.time, dose.cmt, dose.amt, dose.tinf) for dose in given.doses]
    assert found == [
        (0.0, "dexamethasone.depot", 10.0, None),
        (12.0, "dexamethasone.depot", 10.0, None),
        (60.0, "tocilizumab.central", 640.0, 1.0),
        (72.0, "anakinra.depot", 100.0, None),
        (96.0, "anakinra.depot", 100.0, None),
        (120.0, "anakinra.depot", 100.0, None),
    ]
    assert given.unit == "mg"
    assert sample.regimens["p1"].name == "p1"


def test_regimen_of_one_drug_goes_into_the_drugs_own_compartments(sample: Evidence):
    assert sample.regimen("p1") == Regimen(100, "depot", 72.0, ii=24, addl=2, unit="mg")
    assert sample.regimen("p2") == Regimen(100, "central", 72.0, unit="mg")
    assert sample.regimen("p2", ["tocilizumab"]).doses == ()
    assert sample.regimen("p2", prefix=True).doses[0].cmt == "anakinra.central"


def test_regimen_refuses_unknown_names_and_drugs_that_would_mix(sample: Evidence):
    with pytest.raises(DataError, match=r"evidence 'mine' has no patient 'P2'; it has p1, p2 \(did you mean 'p2'\?\)"):
        sample.regimen("P2")
    with pytest.raises(DataError, match=r"no drug 'anakinara'; .*did you mean 'anakinra'"):
        sample.regimen("p1", ["anakinara"])
    with pytest.raises(DataError, match=r"anakinra, tocilizumab would all go into depot and central; use prefix=True"):
        sample.regimen("p1", ["anakinra", "tocilizumab"])


def test_population_has_known_covariates_in_the_models_units_and_references_elsewhere(sample: Evidence):
    people = sample.population(load_model("anakinra"))
    assert people.labels.tolist() == ["p1", "p2"]
    assert people.covariates["WT"].tolist() == [80.0, 70.0]
    assert people.covariates["CRCL"].tolist() == [20.0, 100.0]
    assert not people.etas.any()
    assert sample.covariates("p2") == {}


def test_regimens_and_population_simulate_as_they_are(sample: Evidence):
    model = load_model("anakinra")
    doses = [sample.regimen(patient) for patient in sample.patients]
    sims = simulate(model, doses, sample.population(model), times=[71.0, 72.5], outputs=["Cc"])
    before, after = sims["Cc"].values[..., 0].ravel(), sims["Cc"].values[..., 1].ravel()
    assert before.tolist() == [0.0, 0.0]
    # Half an hour after a bolus of 100 mg into the vein: 100/V exp(-CL/V t) at the reference covariates.
    assert after[1] == pytest.approx(100 / 15.9 * math.exp(-9.61 / 15.9 * 0.5), rel=1e-8)
    assert 0 < after[0] < after[1]


def test_repr_tells_patients_days_and_uses(sample: Evidence):
    assert repr(sample) == (
        "Evidence 'mine': 2 patients, days -2 to 6\n  Nobody N. A report, 2024\n"
        "  doses of anakinra, tocilizumab, dexamethasone\n  9 facts: 6 fit, 1 check, 2 no"
    )


# -- finding reports


def test_a_name_is_looked_for_in_the_library_and_a_path_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_sample(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert load_seed("./mine").name == "mine"
    with pytest.raises(LibraryError, match=r"no seed 'mine'.*the folder 'mine' here is loaded by its path: './mine'"):
        load_seed("mine")
    with pytest.raises(LibraryError, match=r"no seed 'strati2021' \(did you mean 'strati2020'\?\)"):
        load_seed("strati2021")
    with pytest.raises(LibraryError, match=r"seed 'mine/facts.csv' is a file; give its folder, mine"):
        load_seed("mine/facts.csv")
    with pytest.raises(LibraryError, match=r"seed folder './yours' does not exist; the library has .*strati2020"):
        validate_seed("./yours")


# -- every report of the library


@every_seed
def test_report_has_no_faults(name: str):
    report = validate_seed(name)
    assert report.ok, str(report)
    assert load_seed(name).name == name


@every_seed
def test_every_patient_has_doses_of_anakinra_that_follow_each_other(name: str):
    evidence = load_seed(name)
    for patient in evidence.patients:
        times = evidence.regimen(patient).times
        assert times.size
        assert times.min() >= 0
        assert all(later > earlier for earlier, later in pairwise(sorted(times.tolist())))


@every_seed
def test_amounts_of_regimens_are_those_of_the_table(name: str):
    evidence = load_seed(name)
    totals = dict.fromkeys(evidence.patients, 0.0)
    table = evidence.dose_table
    for patient, amt, number in zip(*(table[name].tolist() for name in ("patient", "amt", "number")), strict=True):
        totals[patient] += amt * number
    for patient, regimen in evidence.regimens.items():
        assert regimen.total == pytest.approx(totals[patient], rel=1e-12)
        allowed = {f"{drug}.{compartment}" for drug in evidence.drugs for compartment in INTO.values()}
        assert {dose.cmt for dose in regimen.doses} <= allowed


@every_seed
def test_facts_to_fit_convert_to_the_units_of_the_models(name: str):
    evidence = load_seed(name)
    fitted = [fact for fact in evidence.facts if fact.use == "fit"]
    assert fitted
    for fact in fitted:
        assert fact.patient in evidence.patients
        assert all(getattr(fact, column) not in (None, "") for column in fact_kinds()[fact.kind].needs)
        if fact.kind not in ("change", "grade"):
            value = fact.to(evidence.markers[fact.marker]).value
            assert value is not None
            assert value > 0


@every_seed
def test_people_of_a_report_fit_the_drug_model(name: str):
    evidence = load_seed(name)
    people = evidence.population(load_model("anakinra"))
    assert tuple(people.labels.tolist()) == evidence.patients
    assert np.all((people.covariates["WT"] > 20) & (people.covariates["WT"] < 200))


def test_all_kinds_are_explained_and_listed_in_the_format(checkout: Path):
    text = (checkout / "seeds" / "README.md").read_text(encoding="utf-8")
    for word in (*fact_kinds(), *(column for columns in COLUMNS.values() for column in columns)):
        assert f"`{word}`" in text or f"{word}," in text or f", {word}" in text, word


def test_words_of_ones_own_come_first_and_need_no_registration(tmp_path: Path):
    folder = write_sample(tmp_path)
    (tmp_path / "words.toml").write_text('[drugs.ruxolitinib]\nlabel = "RUX"\n', encoding="utf-8")
    own = load_seed(folder)
    assert own.words.order(["anakinra", "ruxolitinib", "x"]) == ["ruxolitinib", "anakinra", "x"]
    assert (own.words.label("ruxolitinib"), own.words.label("IL6"), own.words.label("a_b")) == ("RUX", "IL-6", "a b")
    (tmp_path / "words.toml").write_text("[drug.x]\n[markers.y]\nunit = 'mgg'\n", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"words.toml: there is no table \[drug\] \(did you mean 'drugs'\?\).*markers.y: "
    ):
        load_seed(folder)
