"""Curves in a report's folder: the table, its faults, what it makes of the evidence, and how it is begun."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from command import run
from evidence_sample import CARD, write_sample

from pkpd.errors import DataError
from pkpd.evidence import list_seeds, load_seed, validate_seed
from pkpd.evidence.template import absent_figures, begin_curves
from pkpd.evidence.words import COLUMNS, CURVES

HEAD = ",".join(COLUMNS[CURVES])
FIGURE = "CRP;;LDH;\nX;Y;X;Y\n0,5;12,5;1;200\n3;20;2;300\n4,5;3\n"
TABLE = f"""{HEAD}
fig1.csv,CRP,p1,CRP,day,,mg/dL,0.5 mg/dL,,fit,read,Figure 1,
fig1.csv,LDH,p1,LDH,day,1,U/L,0.05,220,fit,read,Figure 1,
p2 IL6.csv,,p2,IL6,h,2,pg/mL,0.1,,check,derived,Figure 2,the axis has the hour of infusion as 0
"""


def write(folder: Path, table: str | None = TABLE, **files: str) -> Path:
    home = write_sample(folder)
    (home / "curves").mkdir()
    given = {"fig1.csv": FIGURE, "p2 IL6.csv": "0,40\n12,9\n"} | files
    for name, text in given.items():
        (home / "curves" / name).write_text(text, encoding="utf-8")
    if table is not None:
        (home / CURVES).write_text(table, encoding="utf-8")
    return home


def changed(line: int, **cells: str) -> str:
    """Return the table with other cells in a line, counted from 1 with the header."""
    rows = list(csv.reader(io.StringIO(TABLE)))
    for column, cell in cells.items():
        rows[line - 1][rows[0].index(column)] = cell
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def test_points_of_all_curves_are_facts_with_their_place(tmp_path: Path):
    report = validate_seed(write(tmp_path))
    assert str(report) == (
        "seed 'mine': no faults; patients 2, quantities 4, doses 4, facts 16, curves 3 "
        "(fit 9, check 3, no 2, superseded 2)"
    )
    evidence = load_seed(tmp_path / "mine")
    points = [f for f in evidence.facts if f.is_point]
    assert [(f.fact, f.kind, f.time, f.value, f.unit, f.use, f.known) for f in points] == [
        ("p1_CRP_fig1_1", "value", 0.5, 12.5, "mg/dL", "fit", "read"),
        ("p1_CRP_fig1_2", "value", 3.0, 20.0, "mg/dL", "fit", "read"),
        ("p1_CRP_fig1_3", "value", 4.5, 3.0, "mg/dL", "fit", "read"),
        ("p1_LDH_fig1_1", "below", 2.0, 220.0, "U/L", "fit", "read"),
        ("p1_LDH_fig1_2", "value", 3.0, 300.0, "U/L", "fit", "read"),
        ("p2_IL6_p2_IL6_1", "value", 2.0, 40.0, "pg/mL", "check", "derived"),
        ("p2_IL6_p2_IL6_2", "value", 2.5, 9.0, "pg/mL", "check", "derived"),
    ]
    assert [f.reading_sd for f in points] == pytest.approx([0.04, 0.025, 1 / 6, 0, 0.05, 0.1, 0.1])
    assert points[0].where == "Figure 1, point 1 of fig1.csv"
    assert points[-1].reason == "the axis has the hour of infusion as 0"


def test_the_folder_is_the_same_as_with_curve(tmp_path: Path):
    evidence = load_seed(write(tmp_path))
    plain = load_seed(write_sample(tmp_path / "plain"))
    path = tmp_path / "mine" / "curves" / "fig1.csv"
    more = plain.with_curve(
        path, series="CRP", patient="p1", marker="CRP", unit="mg/dL", reading_sd="0.5 mg/dL", where="Figure 1"
    ).with_curve(
        path, series="LDH", patient="p1", marker="LDH", unit="U/L", reading_sd=0.05, zero=1, below=220, where="Figure 1"
    )
    own = [f for f in evidence.facts if f.patient == "p1"]
    plainly = [(f.fact, f.time, f.value, f.reading_sd, f.use, f.curve) for f in own]
    assert plainly == [(f.fact, f.time, f.value, f.reading_sd, f.use, f.curve) for f in more.facts if f.patient == "p1"]


CELLS = [
    (
        2,
        {"file": "fig2.csv"},
        "file: there is no such file, got 'fig2.csv'; there is fig1.csv, p2 IL6.csv (did you",
    ),
    (2, {"file": ""}, "file: file is empty; name a file of the folder curves/"),
    (2, {"series": ""}, "series: the file has 2 series; name one of CRP, LDH"),
    (2, {"series": "CPR"}, "series: unknown series, got 'CPR'; allowed: CRP, LDH (did you mean 'CRP'?)"),
    (2, {"patient": "p3"}, "patient: unknown patient, got 'p3'; allowed: p1, p2"),
    (2, {"patient": ""}, "patient: patient is empty; allowed: p1, p2"),
    (2, {"marker": "crp"}, "marker: this marker is called 'CRP', got 'crp'"),
    (2, {"marker": ""}, "marker: marker is empty; say what was measured"),
    (2, {"time_unit": ""}, "time_unit: time_unit is empty; allowed: day, h, min, week"),
    (2, {"zero": "noon"}, "zero: no number, got 'noon'"),
    (2, {"unit": ""}, "unit: unit is empty; allowed: what converts to mg/L"),
    (2, {"unit": "U/L"}, "unit: the unit of CRP must convert to mg/L, got 'U/L'"),
    (2, {"reading_sd": ""}, "reading_sd: reading_sd is empty; it must be relative, > 0 and <= 1, or with a unit, such"),
    (3, {"below": "0"}, "below: below must be > 0, got '0'"),
    (2, {"use": "superseded"}, "use: unknown use, got 'superseded'; allowed: fit, check, no"),
    (4, {"reason": "", "known": "read"}, "reason: reason is empty but use is check; say why it is not fitted"),
    (2, {"known": "derived"}, "reason: reason is empty but the row is derived; say how, or why"),
    (2, {"known": ""}, "known: known is empty; allowed: read, derived, assumed"),
    (2, {"where": ""}, "where: where is empty; say where in the report it stands"),
]


@pytest.mark.parametrize(("line", "cells", "said"), CELLS)
def test_fault_in_a_cell_is_told_with_its_line(tmp_path: Path, line: int, cells: dict[str, str], said: str):
    report = validate_seed(write(tmp_path, changed(line, **cells)))
    told = [str(fault) for fault in report.faults]
    assert any(text.startswith(f"{CURVES}, line {line}, {said}") for text in told), "\n".join(told)
    # a file whose only row speaks of another one is told as well
    assert all(fault.file == CURVES or "no row of" in fault.problem for fault in report.faults)


def test_all_faults_come_at_once_those_of_files_with_their_lines(tmp_path: Path):
    table = changed(2, patient="p3").replace("Figure 2", "") + "fig1.csv,LDH,p1,LDH,day,,U/L,0.1,,fit,read,Figure 1,\n"
    folder = write(tmp_path, table, **{"p2 IL6.csv": "0,40\n12,n/a\n", "other.csv": "1,2\n"})
    with pytest.raises(DataError) as caught:
        load_seed(folder)
    assert str(caught.value).splitlines() == [
        f"seed 'mine': 5 faults in 3 files of {folder}",
        f"  {CURVES}, line 2, patient: unknown patient, got 'p3'; allowed: p1, p2",
        f"  {CURVES}, line 4, where: where is empty; say where in the report it stands: a row of a table, a paragraph, "
        "a legend",
        f"  {CURVES}, line 5, file: line 3 has this curve already, got 'fig1.csv'; keep one row",
        f"  curves/other.csv: no row of {CURVES} speaks of it; give it a row ('pkpd seeds {folder} --curves' begins "
        "one), or take it away",
        "  curves/p2 IL6.csv, line 2, y: no number, got 'n/a'; decimals have a point, or in all of the file a comma, "
        "and then not all with three digits, as of thousands",
    ]


def test_a_table_that_lacks_a_column_is_told_once(tmp_path: Path):
    report = validate_seed(write(tmp_path, TABLE.replace(",below", ",limit", 1)))
    assert [str(fault).partition(";")[0] for fault in report.faults] == [
        f"{CURVES}, line 1, limit: unknown column",
        f"{CURVES}, line 1, below: the column is missing",
    ]


def test_a_folder_of_curves_without_a_table_is_not_passed_over(tmp_path: Path):
    told = [str(fault) for fault in validate_seed(write(tmp_path, None)).faults]
    assert [text.partition(":")[0] for text in told] == ["curves/fig1.csv", "curves/p2 IL6.csv"]


def test_the_table_is_begun_with_what_is_known_and_what_is_there_stays(tmp_path: Path):
    folder = write(tmp_path, None)
    assert begin_curves(folder) == (folder / CURVES, 3)
    text = (folder / CURVES).read_text(encoding="utf-8")
    assert text.splitlines() == [
        HEAD,
        "fig1.csv,CRP,,CRP,,,,,,fit,read,,",
        "fig1.csv,LDH,,LDH,,,,,,fit,read,,",
        "p2 IL6.csv,,p2,IL6,,,,,,fit,read,,",
    ]
    empty = [f.column for f in validate_seed(folder).faults if f.line == 4]
    assert sorted(empty) == ["reading_sd", "time_unit", "unit", "where"]
    (folder / "curves" / "p1_ferritin.csv").write_text("1,900\n", encoding="utf-8")
    assert begin_curves(folder)[1] == 1
    again = (folder / CURVES).read_text(encoding="utf-8")
    assert again == text + "p1_ferritin.csv,,p1,ferritin,,,,,,fit,read,,\n"
    (folder / "curves" / "bad.csv").write_text("day,CRP\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"curves/bad.csv: there is no point in it"):
        begin_curves(folder)
    assert (folder / CURVES).read_text(encoding="utf-8") == again


def test_a_report_without_figures_gets_an_empty_table(tmp_path: Path):
    folder = write_sample(tmp_path)
    assert begin_curves(folder) == (folder / CURVES, 0)
    assert validate_seed(folder).ok


def test_the_command_lists_curves_and_begins_their_table(tmp_path: Path):
    folder = write(tmp_path)
    said = run("seeds", str(folder))
    assert "Curves read off figures" in said
    assert "superseded" in said
    other = write(tmp_path / "other", None)
    assert "p1_CRP_fig1" in said
    assert "needs a report: pkpd seeds NAME --curves" in run("seeds", "--curves", code=2)
    card = CARD.replace('"all of it"', '"absent: Figure 1"')
    (other / "source.toml").write_text(card, encoding="utf-8")
    assert "rows begun: 3; fill in unit" in run("seeds", str(other), "--curves")
    (other / CURVES).write_text(TABLE, encoding="utf-8")
    assert "superseded\n  read off figures: p1_CRP_fig1 (3 points, fit), " in repr(load_seed(other))


@pytest.mark.parametrize("name", list_seeds().names)
def test_figures_of_every_report_are_read_or_said_to_be_absent(name: str):
    evidence = load_seed(name)
    assert evidence.curves or absent_figures(evidence.source.readable)
    for curve in evidence.curves:
        points = [f for f in evidence.facts if f.is_point and f.curve == curve.name]
        assert points
        assert all(f.reading_sd > 0 or f.kind in ("below", "grade") for f in points)
    for fact in evidence.facts:
        assert fact.use != "superseded" or fact.curve in {curve.name for curve in evidence.curves}
