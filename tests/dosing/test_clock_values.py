"""Regimens, tables and grids of times keep their unit of time, and change it exactly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import pkpd
from pkpd import EventTable, Model, Output, Parameter, Regimen, State, read_events, simulate
from pkpd.errors import DataError, UnitError
from pkpd.timegrid import TimeGrid
from pkpd.units.time import convert_time


def test_exact_factors():
    assert [convert_time(1.0, "w", unit) for unit in ("d", "h", "min", "s")] == [7, 168, 10080, 604800]
    assert convert_time(90, "minutes", "hours") == 1.5
    with pytest.raises(UnitError, match=r"must be a unit of time \(s, min, h, d, w, month or year\), got 'fortnight'"):
        Regimen(amt=1, time_unit="fortnight")
    with pytest.raises(UnitError, match="got 'mg'"):
        Regimen(amt=1).in_time("mg")


def test_a_regimen_keeps_its_clock_through_everything_that_is_made_of_it():
    r = Regimen.parse("100 mg IV over 30 min q1d x3", time_unit="d", name="r")
    made = [r + r, r * 2, r.shift(1), r.repeat(2, 7), r.until(2), r.expand(), r.to("ug"), r.named("x"), r.then(r),
            r.reset(5), sum([r, r])]  # fmt: skip
    assert {each.time_unit for each in made} == {"d"}
    assert all(dose.route == "IV" for each in made for dose in each if dose.gives)
    assert r.times.tolist() == [0.0, 1.0, 2.0]
    assert eval(repr(r)) == r
    assert str(r.shift(2)) == "100 mg IV over 0.020833333333333332 d q1d x3 at 2 d"
    there = r.in_time("min").in_time("h")
    assert there.time_unit == "h"
    assert there.times.tolist() == [0, 24, 48]
    assert there.doses[0].tinf == pytest.approx(0.5, rel=1e-15)
    assert (Regimen(amt=1, time=12) + Regimen(amt=1, time=2, time_unit="d")).times.tolist() == [12, 48]
    assert (Regimen(amt=1, time=2, time_unit="d") + Regimen(amt=1, time=12)).times.tolist() == [0.5, 2]
    assert Regimen(amt=1) != Regimen(amt=1, time_unit="d")


def test_a_table_keeps_its_clock():
    table = EventTable.from_regimen([Regimen(amt=6, ii=1, addl=2, rate=12, time_unit="d")] * 2, [0.5, 1.5])
    assert table.time_unit == "h"
    assert table.frame["TIME"].tolist() == [0, 12, 36] * 2
    days = table.in_time("d")
    assert days.frame["TIME"].tolist() == [0, 0.5, 1.5] * 2
    assert days.frame[["II", "RATE"]].iloc[0].tolist() == [1, 12]
    assert days.subject(1).time_unit == "d"
    (dose,) = days.subject(1).regimens()[1]
    assert (dose.time, dose.ii, dose.addl, dose.tinf) == (0, 1, 2, 0.5)
    assert days.subject(1).regimens()[1].in_time("h") == table.regimens()[1]
    assert days.in_time("h") == table
    assert days != table
    assert "0 to 1.5 d" in repr(days)


def test_a_table_is_written_in_hours(tmp_path):
    table = EventTable.from_regimen(Regimen(amt=6, ii=1, addl=2, time_unit="d"), pkpd.hours(0, 48, 12)).in_time("d")
    table.to_csv(tmp_path / "t.csv")
    assert pkpd.read_events(tmp_path / "t.csv").frame.equals(table.in_time("h").frame)


def test_persons_on_different_clocks_share_a_table():
    each = [Regimen(amt=60, cmt="central"), Regimen(amt=60, cmt="central", time=0.5, time_unit="d")]
    with pytest.raises(DataError, match="regimens are in h and d, so it is not clear what unit the times are in"):
        EventTable.from_regimen(each, [12])
    table = EventTable.from_regimen(each, pkpd.hours(0, 24, 12))
    assert table.frame["TIME"].tolist() == [0, 0, 12, 24, 0, 12, 12, 24]


def test_grids_keep_their_unit_and_lose_it_when_scaled():
    grid = pkpd.days(0, 3)
    assert grid.tolist() == [0, 24, 48, 72]
    kept = [grid[1:], grid + 6, np.concatenate([grid, [80.0]]), np.unique(grid), np.append(grid, 5.0), np.sort(grid)]
    assert {type(each) for each in kept} == {TimeGrid}
    assert {each.unit for each in kept} == {"h"}
    for each in (grid / 24, grid * 60, np.asarray(grid), grid > 3, np.exp(-grid)):
        assert not isinstance(each, TimeGrid)
    with pytest.raises(UnitError, match="times in h and in min cannot be put together"):
        np.concatenate([grid, TimeGrid([1.0], "min")])


@pytest.mark.parametrize("unit", ["s", "minutes", "hrs", "d", "w", "wk", "month", "year"])
def test_a_unit_of_time_is_one_wherever_it_is_taken(unit):
    """Models, doses, data sets and shorthand take the same spellings."""
    model = Model(
        "one",
        states=[State("A", "mg")],
        parameters=[Parameter("k", 0.1, f"1/{unit}")],
        outputs=[Output("A", "mg")],
        dynamics=lambda t, x, p: {"A": -p.k * x.A},
        time_unit=unit,
    )
    frame = pd.DataFrame({"ID": 1, "TIME": [0.0, 2.0], "AMT": [10.0, 0.0]})
    want = pytest.approx(10 * np.exp(-0.2))
    assert simulate(model, read_events(frame, time_unit=unit))["A"].values[-1] == want
    for regimen in (Regimen(amt=10, time_unit=unit), Regimen.parse("10 mg once", time_unit=unit), "10 mg once"):
        assert simulate(model, regimen, times=[2.0])["A"].item() == want
