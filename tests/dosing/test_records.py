"""What the records of a data set mean, by closed forms: coinciding times, what begins anew, rows' own values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from record_fuzz import CASES, by_library, by_twin, differences, model_of, person

import pkpd
from pkpd import Covariate, EventTable, Model, Parameter, Population, Regimen, State
from pkpd.estimation.checks.binning import time_after_dose

K = 0.1
POT = Model(
    "pot",
    states=[State("A", "mg"), State("B", "mg")],
    parameters=[
        Parameter("k", K, "1/h", iov_cv=0.5), Parameter("lag", 0.0, "h"), Parameter("R0", 4.0, "mg/h"),
        Parameter("b", 0.0, "mg"), Parameter("kB", 0.2, "1/h"),
    ],
    covariates=[Covariate("f", "", 1.0), Covariate("w", "", 1.0)],
    individual=lambda p, cov: {"ki": p.k * cov.w, "bi": p.b * cov.w},
    initial=lambda p, cov: {"A": p.bi},
    dosing=lambda p, cov: {"A": {"F": cov.f, "tlag": p.lag, "rate": p.R0}},
    dynamics=lambda t, x, p: {"A": -p.ki * x.A, "B": p.ki * x.A - p.kB * x.B},
)  # fmt: skip


def read(names: str, *lines: list[Any], **options: Any) -> EventTable:
    frame = pd.DataFrame(lines, columns=names.split())
    return pkpd.read_events(frame if "ID" in frame else frame.assign(ID=1), **options)


def amounts(table: Any, times: Any = None, state: str = "A", population: Any = None, **values: float) -> np.ndarray:
    model = POT.replace(values=values) if values else POT
    given = {} if times is None else {"times": times}
    return pkpd.simulate(model, table, population, outputs=[state], **given)[state].values.ravel()


# --- times ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("unit", "hours"), [("h", 1.0), ("d", 24.0), ("min", 1 / 60)])
@pytest.mark.parametrize(("start", "every"), [(0.3, 0.5), (9.3, 1.2), (0.1, 0.7), (2.2, 0.1)])
def test_every_row_at_the_time_of_an_additional_dose_is_on_the_same_side_of_it(unit, hours, start, every):
    rows = [[round(start + every * j, 3), 0, 0, 0] for j in range(1, 9)]
    lines = [[start, 100, every, 8], *rows]
    ratio = np.exp(-K * every * hours)
    peaks = 100 * np.cumsum(ratio ** np.arange(9))
    names = "TIME AMT II ADDL"
    np.testing.assert_allclose(amounts(read(names, *lines, time_unit=unit)), peaks, rtol=1e-9)
    troughs = amounts(read(names, *lines, time_unit=unit, rules={"additional": "after"}))[1:]
    np.testing.assert_allclose(troughs, peaks[:-1] * ratio, rtol=1e-9)


def test_an_observation_of_a_grid_is_before_the_dose_of_its_time_however_it_was_summed():
    regimen = Regimen(amt=100, cmt="A", time=0.1, ii=0.2, addl=9)
    times = np.round(0.1 + 0.2 * np.arange(1, 10), 1)  # 0.3 is not 0.1 + 0.2
    troughs = 100 * np.cumsum(np.exp(-K * 0.2) ** np.arange(1, 10))
    np.testing.assert_allclose(amounts(regimen, times), troughs, rtol=1e-9)


def test_rows_that_differ_by_rounding_have_one_time():
    table = read("TIME AMT", [0.1 + 0.2, 0], [0.3, 100], [0.3, 0])
    assert len(set(table.clock.tolist())) == 1
    np.testing.assert_allclose(amounts(table), [0, 100, 100])


# --- what begins anew -------------------------------------------------------------------------------------------------
def test_a_steady_state_ends_what_was_to_come():
    table = read("TIME AMT II ADDL SS", [0, 80, 12, 7, 0], [40, 80, 12, 0, 1], [64, 0, 0, 0, 0])
    level = 80 / (1 - np.exp(-12 * K)) * np.exp(-24 * K)
    assert amounts(table)[-1] == pytest.approx(level, rel=1e-9)
    both = Regimen(amt=80, cmt="A", ii=12, addl=7) + Regimen(amt=80, cmt="A", ii=12, ss=1, time=40)
    assert amounts(both, [64.0])[0] == pytest.approx(level, rel=1e-9)
    assert amounts(table.regimens()[1], [64.0])[0] == pytest.approx(level, rel=1e-9)
    assert any("steady state" in note for note in table.notes)


@pytest.mark.parametrize("rules", ["nonmem", "mrgsolve"])
def test_a_clock_that_starts_again_ends_what_was_to_come(rules):
    lines = [0, 80, 12, 9, 1], [24, 0, 0, 0, 0], [0, 80, 0, 0, 4], [30, 0, 0, 0, 0]
    table = read("TIME AMT II ADDL EVID", *lines, rules=rules)
    assert amounts(table)[-1] == pytest.approx(80 * np.exp(-30 * K), rel=1e-9)
    assert amounts(table.regimens()[1], [54.0])[0] == pytest.approx(80 * np.exp(-30 * K), rel=1e-9)
    assert any("starts again" in note for note in table.notes)


def test_a_reset_drops_or_keeps_what_is_to_come_and_says_so():
    lines = [0, 80, 12, 3, 1], [30, 0, 0, 0, 3], [40, 0, 0, 0, 0]
    for rules, expected in (
        ("nonmem", 0.0),
        ("mrgsolve", 80 * np.exp(-4 * K)),
        ({"pending": "kept"}, 80 * np.exp(-4 * K)),
    ):
        table = read("TIME AMT II ADDL EVID", *lines, rules=rules)
        assert amounts(table)[-1] == pytest.approx(expected, abs=1e-9)
        assert amounts(table.regimens()[1], [40.0])[0] == pytest.approx(expected, abs=1e-9)
        assert any("still to come at 1 reset (first: row 2" in note for note in table.notes)


@pytest.mark.parametrize(("rules", "at_row"), [("nonmem", 100.0), ("mrgsolve", 0.0), ({"lagged": "after"}, 0.0)])
def test_a_lagged_dose_at_a_row_is_before_or_after_it_and_a_note_says_so(rules, at_row):
    model = POT.replace(values={"lag": 2.0})
    sims = pkpd.simulate(model, read("TIME AMT", [0, 100], [2, 0], [3, 0], rules=rules), outputs=["A"])
    np.testing.assert_allclose(sims["A"], [0, at_row, 100 * np.exp(-K)], rtol=1e-9)
    assert "lagged dose" in str(sims.attrs["notes"])


def test_rules_are_checked():
    with pytest.raises(pkpd.errors.DataError, match="nonmem, mrgsolve"):
        read("TIME AMT", [0, 1], rules="monolix")
    with pytest.raises(pkpd.errors.DataError, match="there is no rule 'lag'"):
        read("TIME AMT", [0, 1], rules={"lag": "after"})
    with pytest.raises(pkpd.errors.DataError, match="pending must be 'dropped' or 'kept', got 'yes'"):
        read("TIME AMT", [0, 1], rules={"pending": "yes"})


# --- steady-state infusions -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("amt", "rate", "ii", "lag"),
    [
        (18, 10, 6, 4.2),
        (144, 10, 4.8, 0.0),
        (50, 50 / 1.4, 1.4, 0.0),
        (30, 10, 1, 0.7),
        (12, 10, 6, 6.0),
        (7, 10, 2.1, 4.2),
    ],
)
@pytest.mark.parametrize("start", [0.0, 7.0])
def test_infusions_at_steady_state_end_as_all_doses_one_by_one_do(amt, rate, ii, lag, start):
    later = start + np.array([0.4, 3.5, 6.0, 40.0, 160.0])
    table = read("TIME AMT RATE II SS", [start, amt, rate, ii, 1], *([t, 0, 0, 0, 0] for t in later))
    length, n = amt / rate, int(400 / ii)
    begins = start + lag - ii * np.arange(n + 1)
    since = np.maximum(later[:, None] - begins, 0.0)
    inside = np.minimum(since, length)
    expected = (rate / K * (1 - np.exp(-K * inside)) * np.exp(-K * (since - inside))).sum(axis=1)
    np.testing.assert_allclose(amounts(table, lag=lag)[1:], expected, rtol=1e-8, atol=1e-8)


def test_infusions_that_outlast_millions_of_intervals():
    rows = read("TIME AMT RATE II SS", [0, 8e6, 1, 1, 1], [1, 0, 0, 0, 0])
    np.testing.assert_allclose(amounts(rows), [8e6 / K, 8e6 / K], rtol=1e-6)
    rows = read("TIME AMT RATE II SS", [0, 1e4, 1, 1, 1], [1e4 + 200, 0, 0, 0, 0])
    assert 0 <= amounts(rows)[-1] < 1e-3


def test_additional_doses_of_any_number():
    expected = 100 * np.exp(-K * 0.5) * (1 + np.exp(-24 * K) + np.exp(-48 * K))
    for n in (2, 10**18):
        rows = read("TIME AMT II ADDL", [0.0, 100.0, 24.0, n], [48.5, 0, 0, 0])
        assert amounts(rows)[-1] == pytest.approx(expected, rel=1e-9)
    with pytest.raises(pkpd.errors.DataError, match="ADDL is too large to count in 1 row"):
        read("TIME AMT II ADDL", [0.0, 100.0, 24.0, 1e19], [48.5, 0, 0, 0])
    with pytest.raises(pkpd.errors.PkpdError, match="off by a factor"):
        amounts(read("TIME AMT II ADDL", [0.0, 1.0, 1e-9, 10**17], [48.5, 0, 0, 0]))
    with pytest.raises(
        pkpd.errors.PkpdError, match="more than 100,000 doses"
    ):  # each takes time: no solve takes minutes
        amounts(read("TIME AMT II ADDL", [0.0, 1.0, 4e-4, 10**17], [48.5, 0, 0, 0]))


# --- values of a row's own --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("lag", [0.0, 2.0])
def test_bioavailability_is_that_of_the_time_of_entering(lag):
    shares = [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.1, 0.1]
    times = [0, 5, 9, 15, 19, 25, 29, 35]
    lines = [[t, 100 if t == 0 else 0, 10, 3 if t == 0 else 0, f] for t, f in zip(times, shares, strict=True)]
    found = amounts(read("TIME AMT II ADDL f", *lines), k=1e-12, lag=lag)
    np.testing.assert_allclose(found[1:], [100, 100, 150, 150, 175, 175, 185], rtol=1e-9)


@pytest.mark.parametrize("extra", [False, True])
def test_a_steady_state_has_the_covariate_of_its_row(extra):
    lines = [
        [0, 50, 8, 1, 1.0],
        [4, 0, 0, 0, 1.0],
        *([[200, 0, 0, 0, 0.25]] * extra),
        [200, 50, 8, 1, 0.25],
        [204, 0, 0, 0, 0.25],
    ]
    level = 50 / (1 - np.exp(-8 * K * 0.25))
    found = amounts(read("TIME AMT II SS w", *lines))[-2:]
    np.testing.assert_allclose(found, [level, level * np.exp(-4 * K * 0.25)], rtol=1e-9)


def test_a_steady_state_has_the_occasion_of_its_row():
    who = Population.draw(POT, 1, n_occasions=2, seed=5)
    k = K * np.exp(who.kappas[0, 1, 0])
    table = read("TIME AMT II SS OCC", [0, 50, 8, 1, 1], [4, 0, 0, 0, 1], [200, 50, 8, 1, 2], [204, 0, 0, 0, 2])
    level = 50 / (1 - np.exp(-8 * k))
    np.testing.assert_allclose(amounts(table, population=who)[2:], [level, level * np.exp(-4 * k)], rtol=1e-9)


def test_a_reset_returns_to_the_baseline_of_its_row():
    table = read("TIME AMT EVID w", [0, 0, 0, 1.0], [10, 0, 3, 3.0], [20, 0, 0, 3.0])
    np.testing.assert_allclose(amounts(table, k=1e-12, b=10.0), [10, 30, 30], rtol=1e-9)


# --- records that NONMEM has ------------------------------------------------------------------------------------------
def test_steady_state_3_is_as_1_and_a_constant_infusion_may_have_a_modelled_rate():
    one, three = (read("TIME AMT II SS", [0, 50, 8, ss], [4, 0, 0, 0]) for ss in (1, 3))
    np.testing.assert_array_equal(amounts(one), amounts(three))
    assert one.regimens()[1] == three.regimens()[1]
    table = read("TIME AMT RATE SS EVID", [0, 0, -1, 1, 1], [5, 0, 0, 0, 0])
    np.testing.assert_allclose(amounts(table), [4 / K, 4 / K * np.exp(-5 * K)], rtol=1e-9)


def test_a_negative_number_of_additional_doses_is_doses_until_steady_state():
    table = read("TIME AMT II ADDL", [0, 100, 24, -30], [721, 0, 0, 0])
    assert amounts(table)[-1] == pytest.approx(100 * np.exp(-K) / (1 - np.exp(-24 * K)), rel=1e-9)
    assert any("ADDL is negative in 1 row" in note for note in table.notes)


def test_a_compartment_that_is_switched_off_is_empty_until_something_switches_it_on():
    names = "TIME AMT II ADDL EVID CMT"
    lines = [
        [0, 100, 5, 9, 1, 1], [10, 0, 0, 0, 2, -1], [12, 0, 0, 0, 0, 1], [16, 0, 0, 0, 0, 1], [20, 50, 0, 0, 1, 1],
        [30, 0, 0, 0, 0, 1],
    ]  # fmt: skip
    np.testing.assert_allclose(amounts(read(names, *lines))[1:], [0, 0, 0, 50, 50 * np.exp(-10 * K)], atol=1e-9)
    other = read(names, [0, 100, 0, 0, 1, "A"], [2, 0, 0, 0, 2, "-B"], [7, 0, 0, 0, 2, "B"], [7.5, 0, 0, 0, 0, "B"])
    found = amounts(other, state="B")
    start = 100 * np.exp(-7 * K)
    flow = K * start * (np.exp(-0.5 * K) - np.exp(-0.5 * 0.2)) / (0.2 - K)
    np.testing.assert_allclose(found[1:], [0, 0, flow], atol=1e-9)
    with pytest.raises(pkpd.errors.DataError, match="switch a compartment off"):
        other.regimens()


@pytest.mark.parametrize("length", [3.0, 20.0])
def test_a_compartment_switched_off_at_the_time_of_a_steady_infusion_gets_nothing_of_it(length):
    lines = [0, 4 * length, 4, 8, 1, 1, 1], [0, 0, 0, 0, 0, 2, -1], [1, 0, 0, 0, 0, 0, 1], [9, 0, 0, 0, 0, 0, 1]
    found = amounts(read("TIME AMT RATE II SS EVID CMT", *lines))
    assert found[0] > 0
    np.testing.assert_array_equal(found[1:], 0)


# --- tables and regimens ----------------------------------------------------------------------------------------------
def test_a_table_of_a_regimen_has_troughs_as_the_regimen_has():
    regimen, times = Regimen(amt=100, cmt="A", ii=12, addl=3), [12.0, 24.0, 30.0, 36.0]
    table = EventTable.from_regimen(regimen, times)
    again = pkpd.read_events(table.frame)
    seen = (table.frame["EVID"] == 0).to_numpy()
    for events in (table, again):
        np.testing.assert_allclose(amounts(events)[seen], amounts(regimen, times), rtol=1e-9)
    assert table.frame["TIME"][table.frame["EVID"] == 1].tolist() == [0, 12, 24, 36]


def test_the_time_after_a_dose_knows_on_which_side_of_it_a_row_is():
    rows = [0, 80, 12, 3, 1], [12, 0, 0, 0, 0], [24, 0, 0, 0, 0], [24, 50, 0, 0, 1], [30, 0, 0, 0, 3], [40, 0, 0, 0, 0]
    names = "TIME AMT II ADDL EVID"
    for rules, expected in (
        ("nonmem", [0, 0, 0, 0, 6, 16]),  # the dose at 36 h is dropped
        ({"pending": "kept"}, [0, 0, 0, 0, 6, 4]),
        ({"additional": "after"}, [0, 12, 12, 0, 6, 16]),
    ):
        np.testing.assert_allclose(time_after_dose(read(names, *rows, rules=rules)), expected, atol=1e-9)
    table = read("TIME AMT II ADDL", [9.3, 1, 1.2, 6], *([round(9.3 + 1.2 * k, 1), 0, 0, 0] for k in range(1, 7)))
    np.testing.assert_array_equal(time_after_dose(table), 0.0)


# --- random tables ----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {carry: model_of(carry) for carry in ("forward", "backward")}


@pytest.mark.parametrize("case", range(len(CASES)))
def test_random_tables_of_coinciding_decimals_against_exact_arithmetic(models, case):
    import random

    unit, carry, rules = CASES[case]
    people = [person(random.Random(f"daily {case} {i}"), unit) for i in range(9)]
    found, first = by_library(models[carry], people, unit, rules), 0
    for i, one in enumerate(people):
        off = differences(by_twin(one, unit, carry, rules), found[first : first + len(one.rows)])
        first += len(one.rows)
        assert (off <= 1.0).all(), f"person {i}: {one.rows}, {one.values}"
