"""Digitised curves: the forms a digitiser writes, what becomes of each point, and every row that cannot be used."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evidence_sample import write_sample

from pkpd.errors import DataError
from pkpd.evidence import Evidence, load_seed

GIVEN: dict[str, Any] = {"patient": "p1", "marker": "CRP", "unit": "mg/dL", "reading_sd": 0.05}
POINTS = [(0.5, 12.5), (1.0, 20.0), (2.25, 3.0)]


@pytest.fixture
def sample(tmp_path: Path) -> Evidence:
    return load_seed(write_sample(tmp_path))


def added(sample: Evidence, path: Path, **changed: Any):
    return sample.with_curve(path, **{**GIVEN, **changed}).facts[len(sample.facts) :]


@pytest.mark.parametrize(
    "text",
    [
        '"0,5", "12,5"\n"1", "20"\n"2,25", "3"\n',
        "CRP, mg/dL\nX;Y\n0,5;12,5\n1;20,0\n2,25;3\n",
        "0.5, 12.5\n1.0, 20\n2.25, 3\n",
        "x, y\n0.5,12.5\n1,2e1\n2.25,3.0",
        "Default Dataset,\nX,Y\n0.5,12.5\n1,20\n2.25,3\n\n",
        "day;CRP\r\n0,5;12,5\r\n1;20\r\n2,25;3\r\n",
        "0.5;12.5\n1;20\n2.25;3\n",
        "0,5\t12,5\n1\t20\n2,25\t3\n",
        '"2.25","3"\n"0.5","12.5"\n"1","20"\n',
        "\ufeff0.5,12.5,\n1,20,\n2.25,3,\n",
    ],
)
def test_forms_of_a_file_give_the_same_points_in_order_of_time(sample: Evidence, tmp_path: Path, text: str):
    path = tmp_path / "a curve.csv"
    path.write_bytes(text.encode())
    facts = added(sample, path)
    assert [(fact.time, fact.value) for fact in facts] == POINTS
    assert [fact.fact for fact in facts] == [f"p1_CRP_a_curve_{k}" for k in (1, 2, 3)]


def test_a_point_is_a_value_with_its_reading_error_and_place(sample: Evidence, tmp_path: Path):
    path = tmp_path / "crp.csv"
    path.write_text("1,20\n")
    (fact,) = added(sample, path, where="Figure 1B", use="check")
    assert (fact.kind, fact.unit, fact.reading_sd, fact.use, fact.known) == ("value", "mg/dL", 0.05, "check", "read")
    assert fact.where == "Figure 1B, point 1 of crp.csv"
    assert fact.printed == "20"
    assert fact.reason
    assert fact.to("mg/L").value == pytest.approx(200.0, rel=1e-14)


def test_points_at_or_under_the_limit_are_bounds_at_the_limit(sample: Evidence, tmp_path: Path):
    path = tmp_path / "crp.csv"
    path.write_text("1,20\n2,0.5\n3,-0.1\n")
    facts = added(sample, path, below=0.5)
    assert [(fact.kind, fact.value, fact.reading_sd) for fact in facts] == [
        ("value", 20.0, 0.05),
        ("below", 0.5, 0.0),
        ("below", 0.5, 0.0),
    ]


@pytest.mark.parametrize(("unit", "day"), [("day", 12.0), ("h", 0.5), ("min", 12 / 1440), ("week", 84.0)])
def test_times_count_from_day_zero_in_their_unit(sample: Evidence, tmp_path: Path, unit: str, day: float):
    path = tmp_path / "crp.csv"
    path.write_text("12,20\n")
    assert added(sample, path, time_unit=unit)[0].time == pytest.approx(day, rel=1e-14)


def test_the_evidence_itself_stays_and_a_curve_is_found_in_its_folder(sample: Evidence, tmp_path: Path):
    (tmp_path / "mine" / "curves").mkdir()
    (tmp_path / "mine" / "curves" / "crp.csv").write_text("1,20\n")
    more = sample.with_curve("crp.csv", **GIVEN)
    assert (len(more.facts), len(sample.facts)) == (10, 9)
    assert more.source is sample.source
    with pytest.raises(DataError, match=r"file: the evidence has curve 'p1_CRP_crp' already, got 'crp\.csv'"):
        more.with_curve("crp.csv", **GIVEN)
    assert len(more.with_curve("crp.csv", **{**GIVEN, "patient": "p2"}).facts) == 11


def test_every_row_that_cannot_be_used_is_told_with_its_line(sample: Evidence, tmp_path: Path):
    path = tmp_path / "bad.csv"
    path.write_text("day,CRP\n1,20\n2,n/a\n\n-3,5\n4,0\n5,1,2\n6,inf\n7,\nyesterday,3\n")
    with pytest.raises(DataError) as caught:
        sample.with_curve(path, **GIVEN)
    like = "no number, got {!r}; decimals have a point, or in all of the file a comma, and then not all with three "
    like += "digits, as of thousands"
    assert str(caught.value).splitlines() == [
        f"curve '{path}': 7 faults",
        "  bad.csv, line 7: 3 cells instead of 2; export several series with their names over X,Y,X,Y, and with "
        "semicolons if decimals have commas",
        "  bad.csv, line 3, y: " + like.format("n/a"),
        "  bad.csv, line 5, x: day -3 is before start_day, -2, got '-3'; mend zero, or start_day of source.toml",
        "  bad.csv, line 6, y: value must be > 0, got '0'; give below, the limit of quantification, or leave the point "
        "out",
        "  bad.csv, line 8, y: " + like.format("inf"),
        "  bad.csv, line 9, y: " + like.format(""),
        "  bad.csv, line 10, x: " + like.format("yesterday"),
    ]


def test_temperature_may_be_negative_but_not_a_concentration(sample: Evidence, tmp_path: Path):
    path = tmp_path / "bad.csv"
    path.write_text("1,-0.5\n")
    assert added(sample, path, marker="activity", unit="")[0].value == -0.5
    with pytest.raises(DataError, match=r"1 fault\n  bad.csv, line 1, y: value must be > 0, got '-0\.5'"):
        sample.with_curve(path, **GIVEN)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"reading_sd": 0}, r"reading_sd: reading_sd must be relative, > 0 and <= 1, or with a unit.*, got '0'$"),
        ({"reading_sd": 5}, r"reading_sd must be relative, .*, got '5'$"),
        ({"reading_sd": None}, r"reading_sd is empty; it must be relative, > 0 and <= 1, or with a unit"),
        ({"reading_sd": "0.2 degC"}, r"reading_sd: its unit must convert to mg/dL, got '0.2 degC'; unit 'degC' cannot"),
        ({"reading_sd": "a bit"}, r"reading_sd must be relative, .*, got 'a bit'$"),
        ({"reading_sd": "0.1 mg/dL", "unit": "log10 mg/dL"}, r"reading_sd: of a logarithm it must be relative"),
        ({"time_unit": "days"}, r"unknown time_unit, got 'days'; allowed: day, h, min, week \(did you mean 'day'\?\)"),
        ({"use": "fti"}, r"unknown use, got 'fti'; allowed: fit, check, no"),
        ({"below": -1}, r"below must be > 0, got '-1'"),
        ({"zero": "first"}, r"zero: no number, got 'first'"),
        ({"unit": "mg"}, r"unit: the unit of CRP must convert to mg/L, got 'mg'; unit 'mg' cannot be converted"),
        ({"unit": ""}, r"unit: unit is empty; allowed: what converts to mg/L"),
        ({"unit": "grade", "reading_sd": 0.1}, r"reading_sd: grades have no reading_sd, got '0.1'; leave it empty"),
        ({"patient": "p11"}, r"patient: unknown patient, got 'p11'; allowed: p1, p2 \(did you mean 'p1'\?\)"),
        ({"marker": "crp"}, r"marker: this marker is called 'CRP', got 'crp'"),
        ({"series": "LDH"}, r"series: unknown series, got 'LDH'; allowed: 1$"),
    ],
)
def test_arguments_that_cannot_be_used(sample: Evidence, tmp_path: Path, changed: dict[str, Any], said: str):
    path = tmp_path / "crp.csv"
    path.write_text("1,20\n")
    with pytest.raises(DataError) as caught:
        sample.with_curve(path, **{**GIVEN, **changed})
    assert str(caught.value).startswith(f"curve '{path}': 1 fault\n  with_curve, ")
    assert re.search(said, str(caught.value))


def test_all_wrong_arguments_come_at_once(sample: Evidence):
    with pytest.raises(DataError, match=r"3 faults\n  .*no such file.*\n  .*unknown use.*\n  .*reading_sd must"):
        sample.with_curve("no.csv", **{**GIVEN, "reading_sd": 2, "use": "fti"})


def test_reading_error_has_no_default(sample: Evidence):
    with pytest.raises(TypeError, match="reading_sd"):
        sample.with_curve("crp.csv", patient="p1", marker="CRP", unit="mg/L")  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x,y\n", r"crp.csv: there is no point in it; it needs two columns, time and value"),
        (b"Zeit \xfc,y\n1,2\n", r"crp.csv, line 1: the file is not UTF-8, got 'byte 0xFC'"),
        (b'"1,2\n', r"crp.csv, line 1: the quotes do not match"),
        (b"X,Y,X\n1,2,3\n", r"crp.csv: 3 columns named X and Y; export x and y of each series"),
        (b"2020-03-15,5\n2020-03-16,6\n", r"line 1, x: a date and in 1 more rows, got '2020-03-15'; calibrate"),
        (b"15.3.2020;5,1\n", r"line 1, x: a date, got '15.3.2020'; calibrate the axis with numbers"),
        (
            b'1;"10,829"\n2;9,001\n',
            r"line 1, y: no number, got '10,829'; .* and then not all with three",
        ),
        (b'"1,5","2"\n"2.5","3"\n', r"line 1, x: no number, got '1,5'; decimals have a point, or in all of the"),
        (b"0,5,12,5\n", r"line 1: 4 cells instead of 2; export several series.* with semicolons if decimals"),
    ],
)
def test_a_file_that_cannot_be_understood(sample: Evidence, tmp_path: Path, content: bytes, said: str):
    path = tmp_path / "crp.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        sample.with_curve(path, **GIVEN)
    assert re.search(said, str(caught.value)), str(caught.value)


# -- several series


SEVERAL = [
    "CRP,,LDH,\nX,Y,X,Y\n0.5,12.5,1,200\n1.0,20,2,300\n2.25,3.0\n",
    "CRP,,LDH,\nX,Y,X,Y\n0.5,12.5,1,200\n1.0,20,2,300\n2.25,3.0,,\n",
    "\ufeffCRP;;LDH;\r\nX;Y;X;Y\r\n0,5;12,5;1;200\r\n1;20;2;300\r\n2,25;3,0;;\r\n",
    'CRP,,LDH,\nX,Y,X,Y\n"0,5","12,5",1,200\n1,20,2,300\n"2,25",3,,\n',
    "LDH\t\tCRP\t\nX\tY\tX\tY\n1\t200\t0,5\t12,5\n2\t300\t1\t20\n\t\t2,25\t3\n",
]


@pytest.mark.parametrize("text", SEVERAL)
def test_a_series_of_several_is_found_by_its_name(sample: Evidence, tmp_path: Path, text: str):
    path = tmp_path / "fig.csv"
    path.write_bytes(text.encode())
    assert [(f.time, f.value) for f in added(sample, path, series="CRP")] == POINTS
    other = added(sample, path, series="LDH", marker="LDH", unit="U/L")
    assert [(f.time, f.value) for f in other] == [(1.0, 200.0), (2.0, 300.0)]
    with pytest.raises(DataError, match=r"series: the file has 2 series; name one of (CRP, LDH|LDH, CRP)$"):
        sample.with_curve(path, **GIVEN)
    with pytest.raises(DataError, match=r"unknown series, got 'CRPP'; .*\(did you mean 'CRP'\?\)"):
        sample.with_curve(path, **GIVEN, series="CRPP")


def test_series_without_names_are_numbered_and_two_of_one_name_refused(sample: Evidence, tmp_path: Path):
    path = tmp_path / "fig.csv"
    path.write_text("X,Y,X,Y\n1,20,2,5\n")
    assert [f.value for f in added(sample, path, series="2")] == [5.0]
    path.write_text("a,,a,\nX,Y,X,Y\n1,20,2,5\n")
    with pytest.raises(DataError, match=r"the file has 2 series of this name, got 'a'; give each its own"):
        sample.with_curve(path, **GIVEN, series="a")


def test_the_series_names_the_curve_unless_patient_and_marker_do(sample: Evidence, tmp_path: Path):
    path = tmp_path / "fig 1.csv"
    path.write_text("p1 CRP,,right arm,\nX,Y,X,Y\n1,20,2,5\n")
    assert added(sample, path, series="p1 CRP")[0].curve == "p1_CRP_fig_1"
    assert added(sample, path, series="right arm")[0].curve == "p1_CRP_fig_1_right_arm"


# -- units


def test_an_absolute_reading_error_is_relative_to_each_value(sample: Evidence, tmp_path: Path):
    path = tmp_path / "crp.csv"
    path.write_text("1,20\n2,5\n")
    assert [f.reading_sd for f in added(sample, path, reading_sd="2 mg/L")] == pytest.approx([0.01, 0.04])
    warm = added(sample, path, marker="temperature", unit="degC", reading_sd="0.2 degC")
    assert [f.reading_sd for f in warm] == pytest.approx([0.01, 0.04])
    with pytest.raises(DataError, match=r"line 2, y: the reading error, 6 mg/dL, is more than the value, got '5'; "):
        sample.with_curve(path, **{**GIVEN, "reading_sd": "6 mg/dL"})


def test_an_axis_of_logarithms_is_undone(sample: Evidence, tmp_path: Path):
    path = tmp_path / "ferritin.csv"
    path.write_text("1,3\n2,2.5\n3,1\n")
    facts = added(sample, path, marker="ferritin", unit="log10 ug/L", reading_sd=0.1, below=20.0)
    assert [f.to("ng/mL").value for f in facts] == pytest.approx([1000.0, 10**2.5, 20.0])
    assert [(f.kind, f.printed, f.printed_unit) for f in facts] == [
        ("value", "3", "log10 ug/L"),
        ("value", "2.5", "log10 ug/L"),
        ("below", "1", "log10 ug/L"),
    ]


def test_a_logarithm_that_is_none_is_told(sample: Evidence, tmp_path: Path):
    path = tmp_path / "ferritin.csv"
    path.write_text("1,3\n2,400\n3,-400\n")
    with pytest.raises(DataError) as caught:
        sample.with_curve(path, patient="p1", marker="ferritin", unit="log10 ng/mL", reading_sd=0.1)
    assert [line.partition(";")[0] for line in str(caught.value).splitlines()[1:]] == [
        "  ferritin.csv, line 2, y: more than any axis has, got '400'",
        "  ferritin.csv, line 3, y: value must be > 0, got '-400'",
    ]


def test_grades_are_whole_and_have_no_reading_error(sample: Evidence, tmp_path: Path):
    path = tmp_path / "icans.csv"
    path.write_text("1,2.04\n3,0.9\n5,-0.1\n")
    facts = added(sample, path, marker="ICANS", unit="grade", reading_sd=None)
    assert [(f.kind, f.value, f.reading_sd) for f in facts] == [("grade", g, 0.0) for g in (2.0, 1.0, 0.0)]
    path.write_text("1,2.5\n")
    with pytest.raises(DataError, match=r"line 1, y: no grade from 0 to 4, got '2.5'"):
        sample.with_curve(path, **{**GIVEN, "marker": "ICANS", "unit": "grade", "reading_sd": None})


def test_the_axis_may_begin_on_another_day(sample: Evidence, tmp_path: Path):
    path = tmp_path / "crp.csv"
    path.write_text("-12,20\n")
    assert added(sample, path, time_unit="h", zero=3)[0].time == 2.5


# -- care


def test_a_traced_line_is_no_row_of_measurements(sample: Evidence, tmp_path: Path):
    path = tmp_path / "crp.csv"
    path.write_text("\n".join(f"{k / 10},{20 + k}" for k in range(31)))
    with pytest.raises(DataError, match=r"crp.csv: 31 points in 3 days are a traced line; export the measured points"):
        sample.with_curve(path, **GIVEN)
    assert len(added(sample, path, time_unit="h")) == 31


def test_a_point_must_not_have_the_name_of_a_fact(sample: Evidence, tmp_path: Path):
    path = tmp_path / "crp.csv"
    path.write_text("1,20\n")
    named = replace(sample, facts=(replace(sample.facts[0], fact="p1_CRP_crp_1"), *sample.facts[1:]))
    with pytest.raises(DataError, match=r"file: there is a fact 'p1_CRP_crp_1' already, got 'crp.csv'; give"):
        named.with_curve(path, **GIVEN)


def test_two_curves_over_the_same_days_are_one_too_many(sample: Evidence, tmp_path: Path):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("1,20\n4,5\n")
    second.write_text("3,20\n6,5\n")
    one = sample.with_curve(first, **GIVEN)
    with pytest.raises(DataError, match=r"use: curve 'p1_CRP_a' is fitted for days 1 to 4 already, got 'fit'; let use"):
        one.with_curve(second, **GIVEN)
    assert len(one.with_curve(second, **GIVEN, use="check").curves) == 2
    assert len(one.with_curve(second, **{**GIVEN, "patient": "p2"}).curves) == 2
    second.write_text("4,20\n6,5\n")
    assert len(one.with_curve(second, **GIVEN).curves) == 2
