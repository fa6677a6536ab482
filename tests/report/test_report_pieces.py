"""Pieces that the stages share: names in words, explanations of a course, tables of long checks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_toy import write_study

from pkpd.errors import PkpdError
from pkpd.estimation.checks.sbc import RankTest
from pkpd.estimation.study.loading import load_study
from pkpd.report.blocks import Table
from pkpd.report.check_tables import CARD, CheckTables
from pkpd.report.explanations import read_explanations
from pkpd.report.naming import Names
from pkpd.report.stages.ranks import rank_table, ranks_text
from pkpd.report.stages.telling import telling


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory):
    return load_study(write_study(tmp_path_factory.mktemp("mine") / "s"))


# -- names


def test_numbers_are_named_by_what_they_mean(study):
    names = Names(study, {"cohorts": {"mine": "My patients"}})
    assert names.quantity("CL") == "clearance"
    assert names.quantity("phi[report/a]") == "share of the drive, patient a"
    assert names.quantity("phi_location[mine]") == "middle of My patients: share of the drive"
    assert names.quantity("phi_spread") == "spread between patients: share of the drive"
    assert names.quantity("error_CRP") == "scatter of CRP beyond what was assumed"
    own = Names(study, {"names": {"phi": "my share"}, "focus": "CL", "focus_name": "drug's way out"})
    assert (own.quantity("phi"), own.quantity("CL")) == ("my share", "drug's way out")


def test_patients_are_called_after_the_first_author_where_there_are_several_reports():
    names = Names(load_study("anakinra_reports"), {})
    assert names.patient("villegas2020/p2") == "Villegas p2"
    assert Names(load_study("anakinra_reports"), {"reports": {"villegas2020": "Madrid"}}).patient(
        "villegas2020/p2"
    ) == ("Madrid p2")
    assert names.patient("nobody") == "nobody"


# -- explanations


def test_explanations_are_read_and_faults_named(study):
    (found,) = read_explanations([{"name": "it does", "parameter": "phi", "above": 0.5}], study)
    assert (found.name, found.above, found.below) == ("it does", 0.5, None)
    for row, text in (
        ({"parameter": "phi", "above": 0.5}, "name is missing"),
        ({"name": "x", "parameter": "ph", "above": 0.5}, r"no parameter 'ph' \(did you mean 'phi'\?\)"),
        ({"name": "x", "output": "CPR", "falls_to": 0.5}, r"no output 'CPR' \(did you mean 'CRP'\?\)"),
        ({"name": "x", "parameter": "phi"}, "it needs above or below, one number"),
        ({"name": "x", "output": "CRP", "above": 0.5}, "it needs falls_to, one number"),
        ({"name": "x", "parameter": "phi", "output": "CRP", "above": 1}, "give a parameter or an output"),
        ({"name": "x", "parameter": "phi", "abov": 0.5}, r"there is no 'abov' \(did you mean 'above'\?\)"),
    ):
        with pytest.raises(PkpdError, match=text):
            read_explanations([row], study)


# -- tables of checks


def test_tables_of_checks_belong_to_one_state_of_a_study(tmp_path: Path):
    kept = CheckTables(tmp_path / "checks", "abc")
    assert (kept.belongs, kept.stale, kept.made) == (False, False, {})
    kept.write("ledger", pd.DataFrame({"without": ["nothing"], "50%": [0.25]}), "NUTS, seed 3")
    kept.write("sbc", pd.DataFrame({"name": ["phi"]}), 'short "chains"')
    assert kept.made == {"ledger": "NUTS, seed 3", "sbc": 'short "chains"'}
    read = kept.read("ledger")
    assert read is not None
    assert read["50%"].tolist() == [0.25]
    assert kept.read("rivals") is None
    other = CheckTables(tmp_path / "checks", "other")
    assert (other.belongs, other.stale, other.made, other.read("ledger")) == (False, True, {}, None)
    with pytest.raises(PkpdError, match=r"another state of the study \(fingerprint abc, now other\)"):
        other.write("sbc", pd.DataFrame({"name": []}), "x")
    (tmp_path / "checks" / "sbc.csv").unlink()
    with pytest.raises(PkpdError, match=r"names sbc.csv, which is not there"):
        kept.read("sbc")


@pytest.mark.parametrize("text", ["made = [", "fingerprint = 'abc'\nmade = 3"])
def test_a_card_of_checks_that_cannot_be_read_is_named(tmp_path: Path, text: str):
    (tmp_path / CARD).write_text(text, encoding="utf-8")
    with pytest.raises(PkpdError, match=r"checks: .*checks.toml"):
        CheckTables(tmp_path, "abc").read("sbc")


# -- ranks


def made_up_ranks() -> RankTest:
    """Ranks of 200 sets: of one number flat, of the other all in the lower half."""
    flat = np.arange(200) % 100
    return RankTest(pd.DataFrame({"flat": flat, "low": flat // 2}), 99, 0, failed={7: "no mode"})


def test_ranks_that_are_not_flat_are_said():
    table = rank_table(made_up_ranks(), "mine").set_index("number")
    bins = [f"bin{k + 1}" for k in range(10)]
    assert table.loc["flat", bins].tolist() == [20] * 10
    assert table.loc["low", bins].tolist() == [40] * 5 + [0] * 5
    assert table.loc["low", "p_ecdf_holm"] < 1e-3
    text = ranks_text(table.reset_index())
    assert "those of 1 quantity do not, and intervals of this one are off" in text
    assert "only gross faults" not in text
    assert text.endswith("1 set could not be fitted and has no ranks.")
    fine = ranks_text(table.loc[["flat"]].reset_index())
    assert "no quantity's ranks depart from that" in fine
    assert "only gross faults would show" in ranks_text(table.loc[["flat"]].reset_index().assign(sets=27))


def test_rank_figure_has_a_bar_for_each_part():
    from matplotlib import pyplot as plt

    from pkpd.plot.ranks import rank_histogram

    axes = rank_histogram(rank_table(made_up_ranks(), "mine"), labels={"mine": "Mine"})
    heights = [bar.get_height() for bar in axes[0].patches]
    assert heights == pytest.approx([60 / 400] * 5 + [20 / 400] * 5)  # both numbers together
    plt.close(axes[0].figure)


def test_ledger_figure_fills_what_moves():
    from matplotlib import pyplot as plt

    from pkpd.plot.ledger import ledger

    rows = [
        (w, 1, "r/a", "c", m - 0.1, m, m + 0.1, s)
        for w, m, s in (("nothing", 0.5, 0), ("grades", 0.4, -0.2), ("values", 0.1, -2.0))
    ]
    table = pd.DataFrame(rows, columns=["without", "facts", "patient", "cohort", "2.5%", "50%", "97.5%", "shift"])
    axes = ledger(table, title="share", labels={"r/a": "R a"}, limits=(0, 1))
    assert [ax.get_title(loc="left") for ax in axes] == ["without grades", "without values"]
    marks = [next(line for line in ax.lines if line.get_marker() == "o") for ax in axes]
    assert [line.get_xdata()[0] for line in marks] == [0.4, 0.1]
    assert [line.get_markerfacecolor() == "white" for line in marks] == [True, False]
    plt.close(axes[0].figure)


# -- what would tell


def test_what_would_tell_is_read_drawn_and_said(tmp_path: Path):
    """From a table beside the study: means over the patients of a group, further patients apart."""
    from types import SimpleNamespace

    from pkpd.report.job import ReportJob

    study = load_study(write_study(tmp_path / "s"))
    rows = [
        ("a daily CRP over a week", "daily CRP", patient, "mine", 0.8, width, 1 - width / 0.8, 0.6, 0.9, 0.01)
        for patient, width in (("report/a", 0.2), ("report/b", 0.4), ("new patient", 0.6))
    ]
    columns = ["design", "label", "patient", "cohort", "width_now", "width", "narrower", "tells_now", "tells", "error"]
    CheckTables(tmp_path / "s" / "checks", study.fingerprint).write(
        "prospects", pd.DataFrame(rows, columns=columns), "N"
    )
    words = {"design": [{"name": rows[0][0], "label": "daily CRP", "measure": {"CRP": "daily"}, "to_day": 7}]}
    job = ReportJob(study, words, tmp_path / "out")
    (tmp_path / "out").mkdir()
    job.calibration = SimpleNamespace(patients=study.problem.patients)  # type: ignore[assignment]
    telling(job)
    table = next(block for block in job.section("tell").blocks if isinstance(block, Table))
    assert table.rows == [
        ["daily CRP", "mine", "0.80", "0.30", "62%", "60%", "90%"],
        ["daily CRP", "new patient, mine", "0.80", "0.60", "25%", "60%", "90%"],
    ]
    assert "A daily CRP over a week would have told most" in job.found["tell"]
    assert "0.30 wide instead of 0.80" in job.found["tell"]
    assert (tmp_path / "out" / "figures" / "prospects.png").exists()
    assert job.made("prospects") == "Made with N."
