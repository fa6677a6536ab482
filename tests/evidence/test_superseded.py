"""Which facts a curve takes the place of, kind by kind, and that they come back without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from evidence_sample import FACTS, write_sample

import pkpd
from pkpd import Free
from pkpd.evidence import Evidence, load_seed
from pkpd.evidence.kinds import FactKind, kind

HEAD = FACTS.partition("\n")[0]
#: name, kind, time, time_to, at, op, value, and whether a curve of days 2 to 9 shows what is stated
STATED = [
    ("inside", "value", "5", "", "", "", "20", True),
    ("first_day", "value", "2", "", "", "", "20", True),
    ("half_a_day_late", "value", "9.5", "", "", "", "20", True),
    ("a_day_late", "value", "10", "", "", "", "20", False),
    ("before", "value", "1", "", "", "", "20", False),
    ("peak_shown", "peak", "0", "20", "4", "", "30", True),
    ("peak_elsewhere", "peak", "0", "20", "12", "", "30", False),
    ("nadir_shown", "nadir", "3", "9", "9", "", "3", True),
    ("always_below", "below", "3", "8", "", "", "90", True),
    ("below_for_longer", "below", "3", "12", "", "", "90", False),
    ("once_above", "above", "4", "", "", "", "1", True),
    ("fell", "change", "3", "9", "", "<", "0.5", True),
    ("fell_later", "change", "3", "14", "", "<", "0.5", False),
    ("had_risen", "change", "0", "5", "", ">", "2", False),
    ("fell_over_it", "change", "1", "12", "", "=", "0.5", False),
]


def row(name: str, kind: str, *cells: str, patient: str = "p1", marker: str = "CRP", use: str = "fit") -> str:
    time, time_to, at, op, value = cells
    unit = "" if kind == "change" else "mg/L"
    reason = "" if use == "fit" else "kept apart"
    return (
        f"{name},{patient},{marker},{kind},{time},{time_to},{at},{op},said,,{value},,{unit},,{use},read,text,{reason}"
    )


OTHERS = [
    row("another_patient", "value", "5", "", "", "", "20", patient="p2"),
    row("another_marker", "value", "5", "", "", "", "20", marker="SAA"),
    row("held_back", "value", "5", "", "", "", "20", use="check"),
    row("put_aside", "value", "5", "", "", "", "20", use="no"),
]
CURVE: dict[str, Any] = {"patient": "p1", "marker": "CRP", "unit": "mg/L", "reading_sd": 0.05}


@pytest.fixture
def sample(tmp_path: Path) -> Evidence:
    (tmp_path / "crp.csv").write_text("2,50\n9,10\n6,20\n")
    rows = [HEAD, *(row(*stated[:-1]) for stated in STATED), *OTHERS]
    return load_seed(write_sample(tmp_path, facts="\n".join(rows)))


def uses(evidence: Evidence) -> dict[str, str]:
    return {fact.fact: fact.use for fact in evidence.facts if not fact.is_point}


def test_a_fact_of_which_the_curve_shows_all_days_is_superseded(sample: Evidence, tmp_path: Path):
    more = sample.with_curve(tmp_path / "crp.csv", **CURVE)
    wanted = {name: "superseded" if shown else "fit" for name, *_, shown in STATED}
    wanted |= {"another_patient": "fit", "another_marker": "fit", "held_back": "check", "put_aside": "no"}
    assert uses(more) == wanted
    by = {fact.curve for fact in more.facts if fact.use == "superseded"}
    assert by == {"p1_CRP_crp"}
    table = more.fact_table.set_index("fact")
    assert (table.loc["fell", "use"], table.loc["fell", "curve"]) == ("superseded", "p1_CRP_crp")
    assert (table.loc["before", "use"], table.loc["before", "curve"]) == ("fit", "")
    n = sum(shown for *_, shown in STATED)
    assert f"{22 - n - 2} fit, 1 check, 1 no, {n} superseded\n  read off figures: p1_CRP_crp (3 points, fit)" in repr(
        more
    )
    # days 5 and 2, the peak of day 4, the nadir of day 9, half a day later; of a curve 50, 20 and 10 on days 2, 6 and 9
    ratios = [20 / 27.5, 20 / 50, 30 / 35, 3 / 10, 20 / 10]
    found = more.curve_table[["printed_from", "printed_to"]].to_numpy()
    assert found.tolist() == [pytest.approx([min(ratios), max(ratios)])]
    assert more.curve_table[["name", "points", "first_day", "last_day", "supersedes"]].to_numpy().tolist() == [
        ["p1_CRP_crp", 3, 2.0, 9.0, n]
    ]


def test_a_curve_to_check_supersedes_nothing(sample: Evidence, tmp_path: Path):
    assert uses(sample.with_curve(tmp_path / "crp.csv", **CURVE, use="check")) == uses(sample)


def test_days_of_an_axis_in_hours_are_not_those_of_a_printed_day(sample: Evidence, tmp_path: Path):
    (tmp_path / "hours.csv").write_text("48,50\n216,10\n")
    more = sample.with_curve(tmp_path / "hours.csv", **CURVE, time_unit="h")
    assert uses(more) == uses(sample.with_curve(tmp_path / "crp.csv", **CURVE)) | {"half_a_day_late": "fit"}


def test_facts_come_back_where_the_curve_is_left_out(sample: Evidence, tmp_path: Path):
    more = sample.with_curve(tmp_path / "crp.csv", **CURVE)
    assert more.without("p1_CRP_crp_*") == sample
    shorter = uses(more.without("p1_CRP_crp_3"))
    assert shorter == uses(more) | dict.fromkeys(("half_a_day_late", "nadir_shown", "always_below", "fell"), "fit")


def test_a_study_fits_the_points_and_what_it_leaves_out_brings_nothing_back(sample: Evidence, tmp_path: Path):
    more = sample.with_curve(tmp_path / "crp.csv", **CURVE).without("p2", "another_marker")
    free = [Free("acute.CRP0", (5.0, 0.3))]
    study = pkpd.Study("toy", pkpd.models["anakinra_inflammation"], [more], free)
    fitted = [r.name.partition("/")[2] for r in study.problem.reported]
    late = [name for name, *_, shown in STATED if not shown]
    assert sorted(fitted) == sorted([*late, "p1_CRP_crp_1", "p1_CRP_crp_2", "p1_CRP_crp_3"])
    assert {r.curve for r in study.problem.reported} == {"", "p1_CRP_crp"}
    without = study.with_(exclude=["mine/p1_CRP_crp_*"])
    # a patient who is left out, fact by fact, must not come back by what the curve had superseded
    assert sorted(r.name.partition("/")[2] for r in without.problem.reported) == sorted(late)
    assert f"{len(STATED) - len(late)} facts superseded by curves" in repr(study)
    plain = study.with_(evidence=[more.without("p1_CRP_crp_*")])
    assert sorted(r.name.partition("/")[2] for r in plain.problem.reported) == sorted(name for name, *_ in STATED)
    assert "superseded" not in repr(plain)


def test_a_kind_of_ones_own_says_of_which_days_it_speaks(sample: Evidence, tmp_path: Path):
    given: dict[str, Any] = {
        "name": "day_after",
        "days": lambda self, time, time_to, at: (time + 1.0,),
        "log_probability": lambda self, cells, said: cells[0].f,
        "statistic": lambda self, y, term, noise: y[:, 0],
        "__module__": __name__,
    }
    try:
        type("DayAfter", (FactKind,), given)
        rows = [HEAD, *(row(f"on_{day}", "day_after", str(day), "", "", "", "20") for day in (1, 8, 9))]
        own = load_seed(write_sample(tmp_path / "own", facts="\n".join(rows)))
        assert uses(own.with_curve(tmp_path / "crp.csv", **CURVE)) == {
            "on_1": "superseded",
            "on_8": "superseded",
            "on_9": "fit",
        }
    finally:
        kind._KINDS.pop("day_after", None)
