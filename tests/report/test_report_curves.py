"""The main job on a report with a digitised figure: the curve is fitted, said, listed and drawn."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest
from command import run
from report_toy import write_study

from pkpd.report.run import run_study

TABLE = """file,series,patient,marker,time_unit,zero,unit,reading_sd,below,use,known,where,reason
b.csv,,b,CRP,h,,mg/dL,0.05,,fit,read,Figure 2,
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a study whose only printed value of patient b is in his figure too, and its results."""
    folder = tmp_path_factory.mktemp("curves")
    study = write_study(folder / "study")
    home = study.parent / "report" / "curves"
    home.mkdir()
    (home / "curves.csv").write_text(TABLE, encoding="utf-8")
    (home / "b.csv").write_text("2;9,5\n6;7,9\n12;8,8\n23,5;9,9\n", encoding="utf-8")
    run_study(study, folder / "results", seed=1, engine="mode")
    return folder


def test_points_are_fitted_and_the_printed_value_is_not(mine: Path):
    table = pd.read_csv(mine / "results" / "tables" / "facts_predicted.csv")
    names = [name.partition("/")[2] for name in table["fact"]]
    assert names == ["a_crp", "a_low", *(f"b_CRP_b_{k}" for k in (1, 2, 3, 4))]
    assert table["observed"].tolist()[2:] == pytest.approx([95.0, 79.0, 88.0, 99.0])


def test_the_report_says_which_curves_there_are_and_what_they_supersede(mine: Path):
    html = (mine / "results" / "report.html").read_text(encoding="utf-8")
    assert "Read off its figures with a digitiser: 1 curve, of which" in html
    assert "Superseded: 1 fact of the text" in html
    with (mine / "results" / "tables" / "curves_report.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["points"], row["supersedes"], row["where"]) == ("b_CRP_b", "4", "1", "Figure 2")
    facts = pd.read_csv(mine / "results" / "tables" / "facts_report.csv").set_index("fact")
    assert (facts.loc["b_crp", "use"], facts.loc["b_crp", "curve"]) == ("superseded", "b_CRP_b")
    assert "read off a figure" in (mine / "results" / "figures" / "patient_report_b.svg").read_text(encoding="utf-8")


def test_the_command_says_so_too(mine: Path):
    said = run("validate", str(mine / "study" / "study.py"), str(mine / "study" / "report"))
    assert "6 facts, 2 free parameters, 1 fact superseded by curves" in said
    assert "facts 7, curves 1 (fit 6, check 0, no 0, superseded 1)" in said
