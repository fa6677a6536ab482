"""Files found from where they are named: evidence beside its study, results that know theirs, names and entries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from report_toy import write_study

import pkpd
from pkpd import Free, Population
from pkpd.cli import main
from pkpd.errors import DataError, LibraryError, PkpdError, PopulationError


def run(*arguments: str, code: int = 0) -> None:
    assert main(list(arguments)) == code


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a study and, beside it, the report that it is about."""
    folder = tmp_path / "own"
    write_study(folder)
    text = (folder / "study.py").read_text(encoding="utf-8")
    (folder / "study.py").write_text(text.replace('HERE / "report"', '"./report"'), encoding="utf-8")
    return folder


def test_evidence_is_found_from_the_studys_own_file(own: Path, tmp_path: Path, monkeypatch):
    for place in (tmp_path, own, Path("/")):
        monkeypatch.chdir(place)
        study = pkpd.studies[own / "study.py"]
        assert study.problem.patients
        assert Path(study.folder or "") == own
    assert study.with_(fixed={}).problem.patients
    assert pkpd.studies[str(own)].fingerprint == study.fingerprint


def test_validate_takes_what_load_seed_takes_and_studies(own: Path, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(own)
    run("validate", "./report", "./study.py", ".", "strati2020")
    said = capsys.readouterr().out
    assert said.count("study '") == 2
    assert "no faults in" in said
    run("validate", "report", code=1)
    assert "the folder 'report' here is checked by its path: './report'" in capsys.readouterr().err
    with pytest.raises(LibraryError, match=r"loaded by its path: '\./report'"):
        pkpd.seeds["report"]
    text = (own / "study.py").read_text(encoding="utf-8")
    (own / "study.py").write_text(text.replace("./report", "strati2020"), encoding="utf-8")
    run("validate", "study.py", code=3)


def test_other_evidence_takes_its_patients_with_it():
    study = pkpd.studies["anakinra_reports"]
    alone = study.with_(evidence=["naviglio2021"])
    assert alone.problem.patients == ("naviglio2021/p1",)
    onset = next(f for f in alone.free if f.name == "tone.t_on")
    assert set(onset.location) == {"naviglio"}
    assert alone.fingerprint == study.with_(patients=["naviglio2021/*"]).with_(evidence=["naviglio2021"]).fingerprint
    wrong = Free("tone.phi", {"*": (0.5, 1.0), "strati2021/p1": (0.1, 0.1)}, scale="logit", level="patient")
    misspelt = study.with_(free={"tone.phi": wrong}, evidence=["naviglio2021"])
    with pytest.raises(PkpdError, match="'strati2021/p1' is neither a patient nor a cohort"):
        _ = misspelt.problem


def test_a_result_without_its_study_says_so(tmp_path: Path):
    (tmp_path / "calibration.nc").write_bytes(b"")
    with pytest.raises(LibraryError, match=r"has no study.py beside it; say which study it is of: study=\.\.\."):
        pkpd.load_fit(tmp_path / "calibration.nc")


def test_a_file_is_read_for_what_it_is_whatever_its_name_and_what_is_beside_it(tmp_path: Path):
    (tmp_path / "a.nc").write_text("{}")
    (tmp_path / "b.json").write_bytes(b"\x89HDF\r\n")
    model, data = pkpd.models["pk1_iv"], pkpd.EventTable.from_regimen([pkpd.Regimen(amt=1, cmt="central")], [1.0])
    for given in ({}, {"study": "anakinra_reports"}):
        with pytest.raises(PkpdError, match=r"a\.nc is of a data set; give the model and the data"):
            pkpd.load_fit(tmp_path / "a.nc", **given)
    with pytest.raises(PkpdError, match=r"b\.json is of a study, which brings its model and its reports"):
        pkpd.load_fit(tmp_path / "b.json", model, data)


@pytest.mark.parametrize("load", [pkpd.models.load, pkpd.seeds.load, pkpd.studies.load, pkpd.load_fit])
@pytest.mark.parametrize("name", ["x" * 5000, "./" + "x" * 5000, "./" + "x/" * 3000, "./" + "x" * 5000 + ".py"])
def test_names_that_no_file_has_are_refused_in_a_short_text(load, name):
    with pytest.raises(LibraryError) as caught:
        load(name)
    assert len(str(caught.value)) < 2500


def test_entries_of_catalogues_load():
    assert pkpd.models[pkpd.models.entries()[0]].name == pkpd.models.entries().names[0]
    assert pkpd.seeds[pkpd.seeds.entries()[0]].name == pkpd.seeds.entries().names[0]
    assert pkpd.studies[pkpd.studies.entries()[0]].name == pkpd.studies.entries().names[0]
    with pytest.raises(LibraryError, match="a model is loaded by its name or path, got int"):
        pkpd.models[3]  # pyright: ignore[reportArgumentType]


def test_typical_subjects_with_other_parameters():
    model = pkpd.models["pk1_iv"]
    people = Population.typical(model, 2, parameters={"CL": [2.0, 9.0]}, covariates={"WT": 70})
    assert people.parameters["CL"].tolist() == [2.0, 9.0]
    with pytest.raises(PopulationError, match=r"CLL.*did you mean 'CL'"):
        Population.typical(model, parameters={"CLL": 1.0})


def test_options_are_refused_with_the_nearest_name():
    model = pkpd.models["pk1_iv"]
    dose = pkpd.Regimen(amt=100, cmt="central")
    refused: list[tuple[Any, dict[str, Any], str]] = [
        (pkpd.simulate, {"time": [1.0]}, r"simulate has no option 'time' \(did you mean 'times'\?\)"),
        (pkpd.sensitivity, {"groups": []}, "sensitivity has no option 'groups'; it has source, regimen"),
        (pkpd.simulate, {"derivative": "CL"}, r"no option 'derivative' \(did you mean 'derivatives'\?\)"),
        (pkpd.compare, {"windows": (0, 1)}, r"no option 'windows' \(did you mean 'window'\?\)"),
        (pkpd.individual, {"draw": 3}, r"no option 'draw' \(did you mean 'draws'\?\)"),
    ]
    for verb, given, text in refused:
        with pytest.raises(PkpdError, match=text):
            verb(model, dose, **given)
    one = pkpd.individual(model, regimen=dose, draws=300)
    misspelt: Any = {"measure": ["Cmax"]}
    with pytest.raises(PkpdError, match=r"recommend has no option 'measure' \(did you mean 'measures'\?\)"):
        pkpd.recommend(one, {"a": "1 mg IV once"}, "Cc > 1 at trough", **misspelt)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"times": "abc"}, "times must be numbers"),
        ({"max_steps": 0}, "max_steps must be a whole number of at least 1, got 0"),
        ({"max_steps": 2.5}, "max_steps must be a whole number"),
        ({"seed": 1.5, "n": 2}, "seed must be a whole number >= 0, got 1.5"),
        ({"threads": 1.5}, "threads must be a whole number, 1 or more, got 1.5"),
        ({"rtol": "1e-3"}, "rtol must be > 0, got '1e-3'"),
    ],
)
def test_values_of_options_are_checked(given, text):
    with pytest.raises(PkpdError, match=text):
        pkpd.simulate(pkpd.models["pk1_iv"], "1 mg IV once", **({"times": [1.0]} | given))


def test_seeds_are_whole_numbers():
    model = pkpd.models["pk1_iv"]
    dose = pkpd.Regimen(amt=100, cmt="central")
    calls: list[Any] = [
        lambda seed: pkpd.compare(model, {"a": dose}, n=2, seed=seed),
        lambda seed: pkpd.individual(model, regimen=dose, seed=seed),
        lambda seed: pkpd.sensitivity(
            model, dose, times=[1.0, 2.0], of="Cc.max", parameters=["CL"], method=pkpd.Sobol(seed=seed)
        ),
    ]
    for call in calls:
        for seed in (0.5, -1, "1"):
            with pytest.raises(PkpdError, match="seed must be a whole number"):
                call(seed)


def test_a_function_of_one_vector_is_told_what_to_do():
    import math

    scalar: Any = lambda x: math.exp(x[0])  # noqa: E731
    with pytest.raises(
        DataError, match=r"does not take an array of shape \(1, \d+\) \(inputs, runs\).*apply_along_axis"
    ):
        pkpd.sensitivity(scalar, parameters={"a": (0, 1)}, method=pkpd.Sobol(n=8))


def test_a_thinned_result_says_of_how_many_draws_it_was():
    kept = "4 x 100 draws kept of 4 x 950, of all of which summary"
    assert kept in repr(pkpd.load_fit("anakinra_reports"))
