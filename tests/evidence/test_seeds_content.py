"""The reports as transcribed: what they print about their groups must follow from the rows of their patients."""

from __future__ import annotations

import csv
import tomllib
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

SEEDS = ("naviglio2021", "villegas2020", "strati2020")
Rows = list[dict[str, str]]
TABLES = ("patients", "doses", "facts")


class Seed:
    """Tables of one report as they stand in their files."""

    def __init__(self, folder: Path):
        self.card: dict[str, Any] = tomllib.loads((folder / "source.toml").read_text(encoding="utf-8"))
        tables: dict[str, Rows] = {}
        for name in TABLES:
            with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
                tables[name] = list(csv.DictReader(file, strict=True))
        self.patients, self.doses, self.facts = (tables[name] for name in TABLES)
        self.names = tuple(dict.fromkeys(row["patient"] for row in self.patients))

    def quantity(self, name: str) -> dict[str, str]:
        return {row["patient"]: row["value"] for row in self.patients if row["quantity"] == name}

    def given(self, drug: str) -> Rows:
        return [row for row in self.doses if row["drug"] == drug]

    def total(self, drug: str, patient: str) -> float:
        return sum(float(row["amt"]) * int(row["number"]) for row in self.given(drug) if row["patient"] == patient)

    def start(self, drug: str) -> dict[str, float]:
        first: dict[str, float] = {}
        for row in self.given(drug):
            first[row["patient"]] = min(float(row["start"]), first.get(row["patient"], float("inf")))
        return first

    def fact(self, name: str) -> dict[str, str]:
        (row,) = [row for row in self.facts if row["fact"] == name]
        return row

    def events(self, marker: str) -> dict[str, int]:
        return {row["patient"]: int(row["value"]) for row in self.facts if row["marker"] == marker and row["patient"]}


@pytest.fixture(scope="module")
def seeds() -> dict[str, Seed]:
    root = Path(__file__).resolve().parents[2] / "seeds"
    return {name: Seed(root / name) for name in SEEDS}


@pytest.fixture(scope="module")
def strati(seeds: dict[str, Seed]) -> Seed:
    return seeds["strati2020"]


@pytest.fixture(scope="module")
def villegas(seeds: dict[str, Seed]) -> Seed:
    return seeds["villegas2020"]


@pytest.fixture(scope="module")
def naviglio(seeds: dict[str, Seed]) -> Seed:
    return seeds["naviglio2021"]


def anakinra_end(seed: Seed) -> dict[str, float]:
    """Return the day one interval after the last dose, by patient; a single dose counts as one day."""
    end: dict[str, float] = {}
    for row in seed.given("anakinra"):
        days = int(row["number"]) * float(row["interval"] or 24) / 24
        end[row["patient"]] = max(end.get(row["patient"], 0.0), float(row["start"]) + days)
    return end


# All reports


def test_fourteen_patients_and_their_outcomes(seeds: dict[str, Seed]):
    outcomes = {
        (name, patient): value for name, seed in seeds.items() for patient, value in seed.events("response").items()
    }
    assert len(outcomes) == sum(len(seed.names) for seed in seeds.values()) == 14
    improved = {("naviglio2021", "p1"), *(("strati2020", f"p{i}") for i in (1, 2, 3, 4))}
    assert {who for who, value in outcomes.items() if value} == improved


@pytest.mark.parametrize("name", SEEDS)
def test_rows_are_in_order_and_speak_of_known_patients(seeds: dict[str, Seed], name: str):
    seed = seeds[name]
    for rows, column in ((seed.doses, "start"), (seed.facts, "time")):
        keys = [(r["patient"] == "", r["patient"], r[column] == "", float(r[column] or 0)) for r in rows]
        assert keys == sorted(keys)
        assert {row["patient"] for row in rows} - {""} <= set(seed.names)
    assert seed.card["name"] == name
    assert {row["cohort"] for row in seed.patients} == set(seed.card["cohorts"])
    assert {row["patient"] for row in seed.given("anakinra")} == set(seed.names)


@pytest.mark.parametrize("name", SEEDS)
def test_nothing_happens_before_the_start_or_after_death(seeds: dict[str, Seed], name: str):
    seed = seeds[name]
    died = {row["patient"]: float(row["time"]) for row in seed.facts if row["marker"] == "death" and row["time"]}
    days = [(row["patient"], row[column]) for row in seed.facts for column in ("time", "time_to", "at")]
    days += [(row["patient"], row["start"]) for row in seed.doses]
    for patient, day in days:
        assert not day or seed.card["start_day"] < float(day) <= died.get(patient, 1e9) + 1


@pytest.mark.parametrize("name", SEEDS)
def test_print_is_quoted_in_few_words_and_what_differs_from_it_says_why(seeds: dict[str, Seed], name: str):
    seed = seeds[name]
    for row in (*seed.patients, *seed.doses, *seed.facts):
        assert row["where"]
        assert len(row["printed"].split()) <= 16
        assert row["known"] == "read" or row["reason"], row
        changed = "printed_unit" in row and row["printed_unit"] not in ("", row["unit"], "y", "years", "ng/ml")
        assert not changed or row["reason"], row
    assert all(row["patient"] for row in seed.facts if row["use"] == "fit")
    assert all(row["reason"] for row in seed.facts if row["use"] != "fit")


# Strati 2020

STRATI_GROUP = {
    "dex_before": (273, 0, 1344),
    "tocilizumab_before": (1080, 0, 1480),
    "anakinra_start": (12, 6, 41),
    "anakinra_daily": (100, 50, 200),
    "anakinra_duration": (7, 1, 7),
    "anakinra_total": (700, 200, 700),
}


def strati_group(strati: Seed, name: str) -> list[float]:
    start = strati.start("anakinra")
    course = {row["patient"]: row for row in strati.given("anakinra")}
    before: dict[str, float] = dict.fromkeys(strati.names, 0.0)
    for row in strati.given("dexamethasone"):
        if float(row["start"]) < start[row["patient"]]:
            before[row["patient"]] += float(row["amt"])
    return {
        "dex_before": list(before.values()),
        "tocilizumab_before": [strati.total("tocilizumab", p) for p in strati.names],
        "anakinra_start": list(start.values()),
        "anakinra_daily": [float(row["amt"]) * 24 / float(row["interval"] or 24) for row in course.values()],
        "anakinra_duration": [float(row["number"]) for row in course.values()],
        "anakinra_total": [strati.total("anakinra", p) for p in strati.names],
    }[name]


@pytest.mark.parametrize("name", STRATI_GROUP)
def test_strati_medians_and_ranges_follow_from_the_doses(strati: Seed, name: str):
    values, printed = strati_group(strati, name), STRATI_GROUP[name]
    assert len(values) == 8
    assert (median(values), min(values), max(values)) == printed
    middle, ends = strati.fact(f"{name}_median"), strati.fact(f"{name}_range")
    assert (float(middle["value"]), float(ends["value"]), float(ends["value_to"])) == printed


def is_of_a_stop(row: dict[str, str]) -> bool:
    """Tell a row of days that are printed without an amount, for which the smallest daily dose is assumed."""
    return "the smallest daily dose of the table" in row["reason"]


def test_strati_steroids_without_amounts_have_the_smallest_daily_dose_for_the_printed_days(strati: Seed):
    rows = {row["patient"]: row for row in strati.given("dexamethasone") if is_of_a_stop(row)}
    noted = {row["patient"]: row for row in strati.facts if row["marker"] == "dexamethasone_after"}
    assert {*rows} == {*noted, "p8"}
    for patient, row in rows.items():
        days = float(row["duration"]) / 24
        daily = strati.fact(f"{patient}_dex_daily")
        assert float(row["amt"]) / days == float(daily["value"])
        assert (row["known"], row["route"]) == ("assumed", "IV")
        if patient != "p8":
            fact = noted[patient]
            assert float(row["start"]) == float(fact["time"]) == anakinra_end(strati)[patient]
            assert days == float(fact["value"])
    eighth = rows["p8"]
    assert (float(eighth["start"]), float(eighth["start"]) + 1) == (14, float(strati.fact("p8_death")["time"]))


def test_strati_dexamethasone_during_leaves_a_range_for_the_eighth(strati: Seed):
    start = strati.start("anakinra")
    printed = [r for r in strati.given("dexamethasone") if not is_of_a_stop(r)]
    seven = [float(r["amt"]) for r in printed if float(r["start"]) >= start[r["patient"]]]
    assert sorted(seven) == [10, 333, 708, 735, 1081, 1336, 1545]
    eighth = strati.fact("p8_dex_during")
    low, high = float(eighth["value"]), float(eighth["value_to"])
    for dose in (low, high):
        assert abs(median([*seven, dose]) - 722) <= 0.5
        assert (min(*seven, dose), max(*seven, dose)) == (10, 1545)
    assert median([*seven, high + 2]) > 722.5
    assert min(*seven, low - 1) < 10


def test_strati_steroid_segments_meet_at_the_start_of_anakinra(strati: Seed):
    start, end = strati.start("anakinra"), anakinra_end(strati)
    assert end["p5"] - start["p5"] == float(strati.fact("p5_course_days")["value"]) == 10
    beyond = set()
    for row in (r for r in strati.given("dexamethasone") if not is_of_a_stop(r)):
        patient, begin, days = row["patient"], float(row["start"]), float(row["duration"] or 24) / 24
        daily = strati.fact(f"{patient}_dex_daily")
        low, high = float(daily["value"]), float(daily["value_to"])
        assert begin >= float(daily["time"])
        if begin < start[patient]:
            assert (begin, begin + days) == (float(daily["time"]), start[patient])
        elif patient != "p3":
            assert (begin, begin + days) == (start[patient], end[patient])
        if not low <= float(row["amt"]) / days <= high:
            beyond.add(patient)
    assert beyond == {"p4", "p6"}
    for patient in beyond:
        assert float(strati.fact(f"{patient}_dex_during_daily")["value"]) > 186


def test_strati_steroid_days_outlast_anakinra_as_noted(strati: Seed):
    end = anakinra_end(strati)
    noted = {row["patient"]: float(row["value"]) for row in strati.facts if row["marker"] == "dexamethasone_after"}
    last = {
        p: float(strati.fact(f"{p}_dex_daily")["time"]) + float(strati.fact(f"{p}_dex_days")["value"])
        for p in strati.names
    }
    assert noted == {p: last[p] - end[p] for p in strati.names if p not in ("p3", "p8")}
    assert all(days > 0 for days in noted.values())


def test_strati_weights_follow_from_tocilizumab(strati: Seed):
    weights = {patient: float(kg) for patient, kg in strati.quantity("WT").items()}
    assert weights == {"p1": 92.5, "p2": 73.75, "p4": 87.5, "p5": 85, "p7": 100, "p8": 61.25}
    doses = {row["patient"]: float(row["amt"]) for row in strati.given("tocilizumab")}
    assert doses == {patient: 8 * kg for patient, kg in weights.items()}
    assert (
        median([sum(int(r["number"]) for r in strati.given("tocilizumab") if r["patient"] == p) for p in strati.names])
        == 2
    )


def test_strati_counts_follow_from_the_patients(strati: Seed):
    counted = {
        "dlbcl_patients": sum("diffuse" in text for text in strati.quantity("disease").values()),
        "tfl_patients": sum("follicular" in text for text in strati.quantity("disease").values()),
        "indication_icans": sum(text == "ICANS" for text in strati.quantity("indication").values()),
        "indication_hlh": sum(text == "HLH" for text in strati.quantity("indication").values()),
        "responders": sum(strati.events("response").values()),
        "no_tocilizumab_before": sum(strati.total("tocilizumab", p) == 0 for p in strati.names),
        "no_steroid_before": sum(value == 0 for value in strati_group(strati, "dex_before")),
    }
    assert counted == {name: int(strati.fact(name)["value"]) for name in counted}
    assert list(counted.values()) == [6, 2, 6, 2, 4, 2, 1]
    assert list(strati.quantity("age").values()) == ["46", "72", "60", "83", "59", "76", "24", "38"]
    assert list(strati.events("death").values()) == [0, 1, 1, 1, 1, 1, 1, 1]


def test_strati_ferritin_row_is_eight_numbers(strati: Seed):
    values = [float(strati.fact(f"{p}_ferritin_baseline")["value"]) for p in strati.names]
    assert values == [1554, 1135, 3332, 628, 14240, 190, 8718, 6183]
    assert [strati.fact(f"crp_baseline_cell{i}")["use"] for i in range(1, 7)] == ["no"] * 6


def test_strati_bounds_are_of_responders_and_end_with_their_lives(strati: Seed):
    bounds = [row for row in strati.facts if row["fact"].endswith("_bound")]
    assert {row["patient"] for row in bounds} == {p for p, yes in strati.events("response").items() if yes}
    assert {(row["marker"], float(row["value"])) for row in bounds} == {("LDH", 500), ("ferritin", 10000), ("CRP", 300)}
    assert {row["patient"]: row["time_to"] for row in bounds} == {"p1": "30", "p2": "30", "p3": "30", "p4": "18"}


def test_strati_grades_run_as_the_text_has_them(strati: Seed):
    runs: dict[str, list[tuple[int, int, int]]] = {}
    for row in strati.facts:
        if row["kind"] == "grade":
            runs.setdefault(row["patient"], []).append((int(row["time"]), int(row["value"]), int(row["value_to"])))
    assert runs == {
        "p1": [(0, 0, 0), (6, 4, 4), (10, 1, 2), (22, 0, 0)],
        "p2": [(0, 0, 0), (41, 3, 3), (46, 1, 2), (80, 1, 1)],
        "p3": [(0, 0, 0), (31, 3, 4), (35, 0, 0)],
        "p4": [(0, 0, 0), (7, 4, 4), (13, 2, 2), (16, 3, 4)],
        "p5": [(0, 0, 0), (10, 4, 4), (20, 4, 4)],
        "p6": [(0, 0, 0), (31, 4, 4), (38, 4, 4), (51, 3, 4)],
    }
    best = {row["patient"]: int(row["value"]) for row in strati.facts if row["marker"] == "best_grade"}
    assert best == {patient: min(low for day, low, _ in runs[patient] if day) for patient in best}


# Villegas 2020

MARKERS = ("lymphocytes", "LDH", "CRP", "ferritin", "Ddimer")


def test_villegas_group_follows_from_the_patients(villegas: Seed):
    ages = [float(age) for age in villegas.quantity("age").values()]
    assert ages == [62, 50, 72, 82, 56]
    assert (median(ages), min(ages), max(ages)) == (62, 50, 82)
    parts = {
        "complete_remission_patients": ("disease_state", "complete remission"),
        "partial_remission_patients": ("disease_state", "partial response"),
        "progression_patients": ("disease_state", "progression"),
        "pending_patients": ("disease_state", "pending evaluation"),
        "lymphoma_patients": ("disease", "lymphoma"),
        "fever_patients": ("symptoms", "fever"),
        "cough_patients": ("symptoms", "cough"),
        "breathless_patients": ("symptoms", "respiratory"),
        "hydroxychloroquine_patients": ("prior_treatment", "hydroxychloroquine"),
        "lopinavir_ritonavir_patients": ("prior_treatment", "lopinavir/ritonavir"),
        "tocilizumab_patients": ("prior_treatment", "tocilizumab"),
    }
    counted = {fact: sum(word in t for t in villegas.quantity(q).values()) for fact, (q, word) in parts.items()}
    counted["deaths"] = sum(villegas.events("death").values())
    assert counted == {name: int(villegas.fact(name)["value"]) for name in counted}
    assert list(counted.values()) == [1, 2, 1, 1, 2, 5, 4, 2, 5, 4, 5, 5]


def test_villegas_anakinra_is_six_doses_from_the_printed_day(villegas: Seed):
    assert villegas.start("anakinra") == {"p1": 24, "p2": 18, "p3": 29, "p4": 20, "p5": 9}
    for patient in villegas.names:
        first, later = (row for row in villegas.given("anakinra") if row["patient"] == patient)
        assert (first["number"], first["interval"], later["number"], later["interval"]) == ("2", "12", "4", "24")
        assert float(later["start"]) == float(first["start"]) + 1
        assert villegas.total("anakinra", patient) == 600


def test_villegas_assumed_tocilizumab_days_keep_what_is_printed(villegas: Seed):
    days, start = villegas.start("tocilizumab"), villegas.start("anakinra")
    assert (min(days.values()), max(days.values())) == (5, 25)
    assert median(start[p] - days[p] for p in villegas.names) == 5
    assert {villegas.total("tocilizumab", p) for p in villegas.names} <= {400, 600}
    assert {p: float(villegas.fact(f"{p}_il6_before_tocilizumab")["time"]) for p in villegas.names} == days


def test_villegas_extremes_stand_on_their_days_in_the_units_understood(villegas: Seed):
    found: dict[str, list[tuple[float, float] | None]] = {}
    for marker in MARKERS:
        rows = {row["patient"]: row for row in villegas.facts if row["marker"] == marker and row["at"]}
        found[marker] = [(float(rows[p]["value"]), float(rows[p]["at"])) if p in rows else None for p in villegas.names]
    assert found == {
        "lymphocytes": [(0.1, 18), (0.1, 6), None, (0.1, 8), (0.2, 4)],
        "LDH": [(869, 29), (691, 14), (520, 36), (966, 20), (791, 8)],
        "CRP": [(281.5, 19), (366.9, 6), (327.7, 19), (131.8, 9), (185.7, 5)],
        "ferritin": [(10829, 29), (738, 12), (1293, 26), (966, 20), (7087, 4)],
        "Ddimer": [(4211, 31), (49103, 13), (19490, 32), (864, 21), (1683, 4)],
    }
    assert [villegas.fact(f"{p}_il6_before_tocilizumab")["value"] for p in villegas.names] == [
        "44",
        "436",
        "51",
        "232",
        "42",
    ]


def test_villegas_print_and_value_differ_by_the_unit_only(villegas: Seed):
    factor = {"CRP": 10.0}
    for row in villegas.facts:
        if row["at"]:
            printed, day = row["printed"].replace(",", "").rstrip(")").split(" (+ ")
            assert float(row["value"]) == pytest.approx(float(printed) * factor.get(row["marker"], 1.0), rel=1e-12)
            assert float(row["at"]) == float(day)
            mine = [float(r["at"]) for r in villegas.facts if r["patient"] == row["patient"] and r["at"]]
            last = max(*mine, villegas.start("anakinra")[row["patient"]])
            assert (float(row["time"]), float(row["time_to"])) == (0, last)


def test_villegas_copied_ferritin_is_not_fitted(villegas: Seed):
    copy, original = villegas.fact("p4_ferritin_peak"), villegas.fact("p4_ldh_peak")
    assert copy["printed"] == original["printed"] == "966 (+ 20)"
    assert (copy["use"], original["use"]) == ("no", "fit")


def test_villegas_changes_agree_with_the_days_of_the_peaks(villegas: Seed):
    start = villegas.start("anakinra")
    peak = {(row["patient"], row["marker"]): float(row["at"]) for row in villegas.facts if row["kind"] == "peak"}
    falls = [villegas.fact(f"{p}_crp_fall") for p in villegas.names]
    assert [(float(r["time"]), float(r["time_to"])) for r in falls] == [
        (peak[p, "CRP"], start[p]) for p in villegas.names
    ]
    assert all(float(row["time"]) < float(row["time_to"]) for row in falls)
    rises = {(row["patient"], row["marker"]) for row in villegas.facts if row["fact"].endswith("_rise")}
    assert rises == {(p, m) for (p, m), day in peak.items() if day > start[p]}


# Naviglio 2021


def test_naviglio_axis_keeps_the_order_of_the_text(naviglio: Seed):
    order = """ferritin_relapse afebrile_course1 fever_relapse1 afebrile_course2 afebrile_reinduction fever_relapse2
        afebrile_course3 fever_relapse3 fever_anakinra response twice_daily crp_normal"""
    days = [float(naviglio.fact(f"p1_{name}")["time"]) for name in order.split()]
    assert days == sorted(set(days))
    once, twice = naviglio.given("anakinra")
    assert (once["interval"], twice["interval"]) == ("24", "12")
    assert float(once["start"]) + int(once["number"]) == float(twice["start"])
    assert naviglio.start("anakinra")["p1"] == float(naviglio.fact("p1_fever_anakinra")["time"])


def test_naviglio_fever_returns_in_each_taper_and_not_after_steroids(naviglio: Seed):
    rate: list[tuple[float, float, float]] = []
    rows = [*naviglio.given("dexamethasone"), *naviglio.given("dexamethasone_taper")]
    for row in sorted(rows, key=lambda row: float(row["start"])):
        days = float(row["duration"]) / 24
        rate.append((float(row["start"]), float(row["start"]) + days, float(row["amt"]) / days))
    for (_, end, _), (start, _, _) in pairwise(rate):
        assert end == start
    tapers = [(start, end) for i, (start, end, daily) in enumerate(rate) if i and daily < rate[i - 1][2] / 2]
    relapses = [float(row["time"]) for row in naviglio.facts if row["marker"] == "relapse"]
    assert len(tapers) == len(relapses) == 3
    assert [start for start, _ in tapers] == [float(row["start"]) for row in naviglio.given("dexamethasone_taper")]
    assert all(start < day <= end for (start, end), day in zip(tapers, relapses, strict=True))
    stop, free = rate[-1][1], naviglio.fact("p1_afebrile_steroid_free")
    assert stop == float(naviglio.fact("p1_steroid_stopped")["time"]) < float(free["time"])
    assert float(free["time_to"]) <= anakinra_end(naviglio)["p1"]


def test_naviglio_days_are_all_assumed(naviglio: Seed):
    assert {row["known"] for row in naviglio.doses} == {"assumed"}
    assert {row["known"] for row in naviglio.facts if row["time"]} == {"assumed"}
    assert "assumed" in naviglio.card["day_zero"]
    assert not naviglio.quantity("WT")
    assert naviglio.fact("p1_ferritin_relapse")["value"] == naviglio.fact("p1_ferritin_relapse")["printed"] == "2077"
