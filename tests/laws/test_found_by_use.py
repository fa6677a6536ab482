"""What a first user stumbles over: times with a unit, dates in place of times, columns and rows that mean little."""

import re

import numpy as np
import pandas as pd
import pytest

from pkpd.dosing.events import read_events
from pkpd.dosing.regimen import Regimen
from pkpd.engine.graph.functions import interpolate, where
from pkpd.errors import DataError, PkpdError
from pkpd.metrics.dataset import exposure
from pkpd.model.declare import Output, Parameter, State
from pkpd.model.model import Model
from pkpd.model.residual import Additive
from pkpd.observation.data import bind
from pkpd.simulation.api import simulate
from pkpd.timegrid import days, hours

DOSE = Regimen(amt=100, unit="mg")


@pytest.fixture(scope="module")
def on_days():
    """One compartment in days whose clearance changes between occasions and doubles from day 2 on."""
    return Model(
        "days",
        time_unit="d",
        states=[State("A", "mg")],
        parameters=[Parameter("CL", 12.0, "L/d", iov_cv=0.3), Parameter("V", 10.0, "L")],
        outputs=[Output("C", "mg/L", error=Additive(1.0))],
        dynamics=lambda t, x, p: {"A": -where(t < 2, p.CL, 2 * p.CL) / p.V * x.A},
        calculate=lambda t, x, p: {"C": x.A / p.V},
    )


def table(text, **options):
    rows = [line.split(",") for line in text.split()]
    return read_events(pd.DataFrame(rows[1:], columns=rows[0]), **options)


def test_a_grid_of_dose_times_is_put_on_the_clock_of_the_regimen():
    assert Regimen(amt=1, time=days(0, 2), time_unit="d").times.tolist() == [0, 1, 2]
    assert Regimen(amt=1, time=hours(0, 1, 0.5), time_unit="min").times.tolist() == [0, 30, 60]
    assert Regimen(amt=1, time=days(0, 1)).times.tolist() == [0, 24]


def test_a_grid_of_knots_is_put_on_the_clock_of_the_model():
    model = Model(
        "forced",
        time_unit="d",
        states=[State("A", "mg")],
        parameters=[Parameter("k", 1.0, "1/d")],
        outputs=[Output("A", "mg")],
        dynamics=lambda t, x, p: {"A": -p.k * x.A * interpolate(t, days(0, 2), [1.0, 2.0, 3.0])},
    )
    assert model.rhs(1.0, {"A": 1.0})["A"] == pytest.approx(-2.0, rel=1e-15)
    assert interpolate(36.0, days(0, 2), [1.0, 2.0, 3.0]) == 2.5


def test_windows_and_dose_times_of_a_curve_may_be_grids(on_days):
    curve = simulate(on_days, Regimen(amt=100, time=[0, 24]), times=hours(0, 48))["C"]
    first = exposure(curve, window=(0, 1))
    assert float(exposure(curve, window=hours(0, 24, 24))["AUC"]) == float(first["AUC"])
    bare, grid = (exposure(curve, dose_times=at)["AUCtau"] for at in ([0, 1], days(0, 1)))
    assert np.isfinite(float(bare))
    assert float(grid) == float(bare)


@pytest.mark.parametrize("times", [pd.date_range("2024-01-01", periods=3, freq="h"), np.array([0, 1j])])
def test_dates_and_complex_numbers_are_no_times_of_observation(on_days, times):
    with pytest.raises(PkpdError, match="simulate: times must be numbers, in d"):
        simulate(on_days, DOSE, times=times)


def test_grids_of_something_else_than_numbers_are_refused():
    with pytest.raises(DataError, match=r"hours\('0', '24', 1.0\): start, stop and step must be finite numbers"):
        hours("0", "24")  # pyright: ignore[reportArgumentType]


def test_a_row_without_an_occasion_is_refused(on_days):
    holes = table("ID,TIME,AMT,DV,OCC 1,0,100,.,1 1,5,.,4,. 1,24,100,.,2 1,30,.,3,2")
    with pytest.raises(DataError, match=r"OCC is missing in 1 row \(first: row 2, ID 1"):
        simulate(on_days, holes)
    with pytest.raises(DataError, match=r"OCC is missing in 1 row \(first: row 2, ID 1"):
        bind(on_days, holes)


def test_a_table_without_occasions_is_one_occasion_and_a_note_says_so(on_days):
    found = simulate(on_days, table("ID,TIME,AMT 1,0,100 1,5,."))
    assert found.attrs["notes"] == "there is no column OCC: all rows of a subject are one occasion"


def test_a_clock_that_starts_again_under_equations_of_time_is_said(on_days):
    again = table("ID,TIME,EVID,AMT,OCC 1,0,1,100,1 1,5,0,.,1 1,0,4,100,2 1,5,0,.,2")
    found = simulate(on_days, again)
    assert found["CLOCK"].values.tolist() == pytest.approx([0, 5 / 24, 5 / 24, 10 / 24])
    assert "TIME starts again in 1 subjects (first: ID 1); t in the equations runs on" in found.attrs["notes"]
    once = simulate(on_days, table("ID,TIME,EVID,AMT,OCC 1,0,1,100,1 1,5,0,.,1"))
    assert "starts again" not in once.attrs.get("notes", "")


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("ID,TIME,AMT,II 1,0,100,12 1,5,.,.", "II on 1 dose row without ADDL and SS repeats nothing"),
        ("ID,TIME,AMT,ADMID 1,0,100,2 1,5,.,.", r"if ADMID is meant, name it: columns=\{'ADMID': 'CMT'\}"),
        ("ID,TIME,AMT 1,0,100 1.0,5,.", "IDs are texts, so 1 and 1.0 are different subjects"),
        ("ID,TIME,AMT 007,0,100 7,5,.", "IDs are texts, so 007 and 7 are different subjects"),
    ],
)
def test_what_is_likely_not_meant_is_said(text, note):
    assert any(re.search(note, each) for each in table(text).notes)


def test_intervals_and_names_that_are_meant_are_not_spoken_of():
    notes = table("ID,TIME,AMT,II,ADDL,SS 1,0,100,12,2,0 1,24,100,12,0,1 P01,0,100,0,0,0 1e400,0,1,0,0,0").notes
    assert not any("II on" in note or "IDs are texts" in note for note in notes)
