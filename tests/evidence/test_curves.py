"""Digitised curves: the forms a digitiser writes, what becomes of each point, and every row that cannot be used."""

from __future__ import annotations

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
    with pytest.raises(
        DataError, match=r"has facts named p1_CRP_crp_1 already; a file is added once for a patient and"
    ):
        more.with_curve("crp.csv", **GIVEN)
    assert len(more.with_curve("crp.csv", **{**GIVEN, "patient": "p2"}).facts) == 11


def test_every_row_that_cannot_be_used_is_told_with_its_number(sample: Evidence, tmp_path: Path):
    path = tmp_path / "bad.csv"
    path.write_text("day,CRP\n1,20\n2,n/a\n\n-3,5\n4,0\n5,1,2\n6,inf\n")
    with pytest.raises(DataError) as caught:
        sample.with_curve(path, **GIVEN)
    assert str(caught.value).splitlines() == [
        f"curve '{path}': 5 rows cannot be used",
        "  row 3: no number, got 'n/a'",
        "  row 5: day -3 is before start_day, -2",
        "  row 6: value must be > 0, got 0 (give below=, the limit of quantification)",
        "  row 7: 3 cells instead of 2 (export one curve a file, with semicolons if decimals have commas)",
        "  row 8: no number, got 'inf'",
    ]


def test_temperature_may_be_negative_but_not_a_concentration(sample: Evidence, tmp_path: Path):
    path = tmp_path / "bad.csv"
    path.write_text("1,-0.5\n")
    assert added(sample, path, marker="activity", unit="")[0].value == -0.5
    with pytest.raises(DataError, match=r"1 row cannot be used\n  row 1: value must be > 0, got -0\.5"):
        sample.with_curve(path, **GIVEN)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"reading_sd": 0}, r"reading_sd must be > 0 and <= 1, relative to the value, got 0$"),
        ({"reading_sd": 5}, r"reading_sd must be > 0 and <= 1, relative to the value, got 5$"),
        ({"reading_sd": None}, r"reading_sd must be > 0 and <= 1, relative to the value, got None$"),
        ({"time_unit": "days"}, r"time_unit must be day, h, min, week, got 'days' \(did you mean 'day'\?\)"),
        ({"use": "no"}, r"use must be fit or check, got 'no'"),
        ({"below": -1}, r"below must be > 0, got -1"),
        ({"unit": "mg"}, r"CRP is in mg/L: unit 'mg' cannot be converted to 'mg/L'"),
        ({"patient": "p11"}, r"evidence 'mine' has no patient 'p11'; it has p1, p2 \(did you mean 'p1'\?\)"),
        ({"marker": "crp"}, r"no marker 'crp'; it has CRP, .* \(did you mean 'CRP'\?\)"),
    ],
)
def test_arguments_that_cannot_be_used(sample: Evidence, tmp_path: Path, changed: dict[str, Any], said: str):
    path = tmp_path / "crp.csv"
    path.write_text("1,20\n")
    with pytest.raises(DataError, match=said):
        sample.with_curve(path, **{**GIVEN, **changed})


def test_all_wrong_arguments_come_at_once(sample: Evidence):
    with pytest.raises(
        DataError, match=r"curve 'no.csv': reading_sd must be .*; use must be .*; there is no such file"
    ):
        sample.with_curve("no.csv", **{**GIVEN, "reading_sd": 2, "use": "fti"})


def test_reading_error_has_no_default(sample: Evidence):
    with pytest.raises(TypeError, match="reading_sd"):
        sample.with_curve("crp.csv", patient="p1", marker="CRP", unit="mg/L")  # pyright: ignore[reportCallIssue]


def test_a_file_without_points_or_in_another_encoding(sample: Evidence, tmp_path: Path):
    path = tmp_path / "crp.csv"
    path.write_text("x,y\n")
    with pytest.raises(DataError, match="there is no point in it; it needs two columns, time and value"):
        sample.with_curve(path, **GIVEN)
    path.write_bytes(b"Zeit \xfc,y\n1,2\n")
    with pytest.raises(DataError, match=r"the file is not UTF-8 \(byte 5\); save it as UTF-8"):
        sample.with_curve(path, **GIVEN)
