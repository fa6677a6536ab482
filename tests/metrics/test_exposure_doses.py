"""Exposure of simulations: the numbers know the doses that made the curve, and are the same for every verb.

One compartment with first-order absorption in closed form (Gibaldi M, Perrier D. Pharmacokinetics, 2nd ed., chapters 1
and 3): k = CL/V; in steady state every tau the series 1 / (1 - exp(-k tau)) multiplies what a single dose leaves.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pkpd.comparison.compare import compare
from pkpd.dosing.events import read_events
from pkpd.dosing.interval import dosing_cycle
from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, PkpdError, RegimenError
from pkpd.metrics import exposure, exposure_summary
from pkpd.metrics.reading import area_gradient
from pkpd.metrics.register import FLAGS, NUMBERS, REGISTER
from pkpd.model.declare import Output, Parameter, State
from pkpd.model.model import Model
from pkpd.model.residual import Proportional
from pkpd.people.population import Population
from pkpd.sensitivity_analysis.api import sensitivity
from pkpd.sensitivity_analysis.screening import Sobol
from pkpd.simulation.api import simulate
from pkpd.timegrid import hours
from pkpd.units.time import convert_time
from pkpd.validation.measures import SettingCourse

CL, V, KA = 3.0, 30.0, 1.0
K = CL / V


@functools.cache
def drug(unit: str = "h") -> Model:
    """The same drug on a clock in another unit."""
    per = float(convert_time(1.0, unit, "h"))
    return Model(
        "drug",
        states=[State("depot", "mg"), State("central", "mg")],
        parameters=[
            Parameter("CL", CL * per, f"L/{unit}", cv=0.3), Parameter("V", V, "L", cv=0.2),
            Parameter("ka", KA * per, f"1/{unit}"), Parameter("lag", 0.0, unit),
        ],
        outputs=[Output("Cc", "mg/L", error=Proportional(0.1))],
        dosing=lambda p: {"central": {"tlag": p.lag}},
        dynamics=lambda t, x, p: {"depot": -p.ka * x.depot, "central": p.ka * x.depot - p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V},
        time_unit=unit,
    )  # fmt: skip


def of(regimen, times, model=None, **options) -> xr.Dataset:
    return exposure(simulate(model or drug(), regimen, times=times)["Cc"], **options)


def meaning(found: xr.Dataset, status: str) -> str:
    return found[status].attrs["flag_meanings"].split()[int(found[status])]


IV: dict[str, Any] = {"cmt": "central"}
BY_MOUTH: dict[str, Any] = {"cmt": "depot"}


@pytest.mark.parametrize("how", [IV, BY_MOUTH, {"cmt": "central", "tinf": 2}, {"cmt": "central", "tinf": 11}])
@pytest.mark.parametrize("tau", [8.0, 12.0])
def test_steady_state_at_the_first_time_is_the_end_of_a_long_run_in(how, tau):
    step = np.linspace(0, tau, 161)
    steady = of(Regimen(amt=60, ii=tau, ss=1, **how), step)
    run_in = of(Regimen(amt=60, ii=tau, addl=60, **how), step + 60 * tau)
    for name in ("Cmin", "Cmax_tau", "Tmax_tau", "Ctrough", "AUCtau", "AUC24", "Cavg", "fluctuation", "swing", "CL_F"):
        assert float(steady[name]) == pytest.approx(float(run_in[name]), rel=1e-7), name
    assert float(steady.CL_F) == pytest.approx(CL, rel=1e-3)
    assert meaning(steady, "CL_F_status") == "dose_over_AUCtau_at_steady_state"
    assert meaning(steady, "interval_status") == "begins_at_steady_state"
    later = of(Regimen(amt=60, ii=tau, ss=1, addl=2, **how), np.linspace(0, 3 * tau, 481))
    assert float(later.AUCtau) == pytest.approx(float(steady.AUCtau), rel=1e-7)


def test_steady_state_of_boluses_is_the_formula():
    found = of(Regimen(amt=60, ii=24, ss=1, **IV), hours(0, 24, 6))
    top = 60 / V / (1 - np.exp(-24 * K))
    low = top * np.exp(-24 * K)
    assert float(found.Cmax) == float(found.Cmax_tau) == pytest.approx(top, rel=1e-9)
    assert (float(found.Cmin), float(found.Ctrough)) == pytest.approx((low, low), rel=1e-9)
    assert float(found.AUCtau) == pytest.approx(60 / CL, rel=1e-9)
    assert float(found.swing) == pytest.approx((top - low) / low, rel=1e-9)


@pytest.mark.parametrize("step", [1.0, 3.0, 6.0, 8.0])
@pytest.mark.parametrize("start", [0.0, 1.7])
def test_the_area_after_boluses_is_the_dose_over_clearance_on_any_grid(step, start):
    """Also where no time of the grid is that of a dose."""
    found = of(Regimen(amt=60, ii=24, addl=6, time=start, **IV), np.arange(0, 24 * 7 + start + step, step))
    given = 60 / V * (1 - np.exp(-24 * K * 7)) / (1 - np.exp(-24 * K))
    assert float(found.Cmax) == pytest.approx(given, rel=1e-9)
    assert float(found.Tmax) == 24 * 6 + start
    assert float(found.AUCtau) == pytest.approx(60 / CL * (1 - np.exp(-24 * K * 7)), rel=2e-3 if start else 1e-9)
    assert float(found.CL_F) == pytest.approx(CL, rel=2e-3)
    assert int(found.interval_status) == 0


def test_the_end_of_an_infusion_is_seen_between_the_times():
    found = of(Regimen(amt=60, tinf=5, **IV), hours(0, 72, 4))
    assert float(found.Tmax) == 5.0
    assert float(found.Cmax) == pytest.approx(12 / CL * (1 - np.exp(-5 * K)), rel=1e-9)
    assert float(found.CL_F) == pytest.approx(CL, rel=0.02)


def test_each_person_has_the_jump_at_their_own_lag():
    people = Population.from_table(drug(), {"lag": [0.3, 1.4, 2.9]})
    found = exposure(simulate(drug(), Regimen(amt=60, **IV), people, hours(0, 72))["Cc"])
    np.testing.assert_allclose(found.Cmax, 60 / V, rtol=1e-9)
    np.testing.assert_allclose(found.Tmax, [0.3, 1.4, 2.9], rtol=1e-12)
    np.testing.assert_allclose(found.AUCinf, 60 / CL, rtol=1e-9)


def load() -> Regimen:
    return Regimen(amt=300, **IV) + Regimen(amt=60, ii=24, addl=3, **IV).shift(24)


def test_one_regimen_has_the_same_numbers_under_the_same_names_for_every_verb():
    times = hours(0, 120, 1)
    sims = simulate(drug(), load(), Population.typical(drug()), times)
    found = exposure(sims["Cc"]).squeeze()
    assert float(found.Cmax) == pytest.approx(10.0, rel=1e-9)
    assert float(found.Cmax_tau) == pytest.approx(2.2, rel=1e-3)
    assert float(found.AUCtau) == pytest.approx(20.0, rel=1e-3)
    names = ["Cmax", "Cmax_tau", "Cmin", "Ctrough", "Cavg", "AUC", "AUCtau", "AUC24", "AUCinf", "half_life", "CL_F",
             "fluctuation", "swing"]  # fmt: skip
    whole = [n for n in names if n != "AUC"]
    compared = compare(drug(), {"load": load()}, population=Population.typical(drug()), measures=whole).dataset
    same = {"CL": (CL - 1e-9, CL + 1e-9)}
    asked = {n: f"Cc.{n}" for n in names} | {"max": "Cc.max", "auc": "Cc.auc", "tau": "Cc.auc(96, 120)"}
    asked["above"] = "Cc.time_above(2)"
    driven = sensitivity(
        drug(), load(), times=times, of=asked, parameters=same, rtol=1e-9, atol=1e-12, method=Sobol(n=4)
    ).data["mean"]
    validated = SettingCourse(drug(), sims, np.array([70.0]))
    for name in names:
        value = float(found[name])
        assert name == "AUC" or compared[name].item() == pytest.approx(value, rel=1e-4), name
        assert float(driven.sel(quantity=name).squeeze()) == pytest.approx(value, rel=1e-6), name
        assert validated.measure(f"Cc.{name}").item() == value, name
    assert float(driven.sel(quantity="max").squeeze()) == pytest.approx(10.0, rel=1e-6)
    assert float(driven.sel(quantity="auc").squeeze()) == pytest.approx(float(found.AUC), rel=1e-6)
    assert float(driven.sel(quantity="tau").squeeze()) == pytest.approx(float(found.AUCtau), rel=1e-6)
    above = float(exposure(sims["Cc"], threshold=2.0).squeeze().time_above)
    assert float(driven.sel(quantity="above").squeeze()) == pytest.approx(above, rel=1e-6)


def test_derivatives_know_the_jump():
    """Right after a bolus C is dose / V: elasticity -1 by V; an area at steady state has -1 by CL."""
    regimen = Regimen(amt=60, ii=24, ss=1, **IV)
    given = {"times": hours(0, 24, 4), "method": "local", "parameters": ["CL", "V"], "rtol": 1e-10, "atol": 1e-12}
    found = sensitivity(drug(), regimen, of=["Cc.max", "Cc.min", "Cc.auc"], **given).data
    top = 60 / V / (1 - np.exp(-24 * K))
    np.testing.assert_allclose(found["value"], [top, top * np.exp(-24 * K), 60 / CL], rtol=1e-6)
    np.testing.assert_allclose(found["elasticity"].sel(quantity="Cc.auc"), [-1.0, 0.0], atol=1e-6)
    alone = sensitivity(drug(), Regimen(amt=60, **IV), of="Cc.max", **given).data["elasticity"]
    np.testing.assert_allclose(alone.values.ravel(), [0.0, -1.0], atol=1e-5)
    with pytest.raises(PkpdError, match=r"no exact derivative of 'Cc\.Cmax'"):
        sensitivity(drug(), regimen, of="Cc.Cmax", **given)
    with pytest.raises(PkpdError, match=r"there is no 'cmax'.*did you mean 'Cmax'"):
        sensitivity(drug(), regimen, of="Cc.cmax", **given)


@pytest.mark.parametrize("ratio", [0.2, 0.99, 0.9999, 1.0, 1.3])
def test_the_gradient_of_an_area_is_that_of_its_formula(ratio):
    time, values = np.array([0.0, 2.0, 5.0]), np.array([[4.0, 4.0 * ratio, 4.0 * ratio**2]])
    _, slope = area_gradient(time, values)
    for j in range(3):
        moved = [area_gradient(time, values + h * np.eye(3)[j])[0].item() for h in (-1e-5, 1e-5)]
        # where the rule changes from logarithmic to linear the two one-sided derivatives are the same
        assert slope[0, j] == pytest.approx((moved[1] - moved[0]) / 2e-5, rel=1e-4)


@pytest.mark.parametrize("regimen", [Regimen(amt=60, ii=12, addl=5, **BY_MOUTH), Regimen(amt=60, ii=12, addl=5, **IV)])
def test_an_interval_without_samples_inside_has_no_numbers_but_its_end(regimen):
    found = of(regimen, hours(0, 72, 12))
    for name in (
        "AUCtau",
        "AUC24",
        "Cavg",
        "Cmin",
        "Cmax_tau",
        "Tmax_tau",
        "fluctuation",
        "swing",
        "accumulation",
        "AUC",
    ):
        assert np.isnan(found[name]), name
    assert meaning(found, "interval_status") == meaning(found, "AUC_status") == "no_sample_inside_a_dosing_interval"
    assert float(found.Ctrough) == pytest.approx(float(of(regimen, hours(0, 72, 0.5)).Ctrough), rel=1e-9)
    assert "no sample inside" in exposure_summary(found, ["AUCtau"]).iloc[0, 0]


def test_a_first_interval_without_samples_leaves_the_accumulation_out():
    regimen = Regimen(amt=60, ii=12, addl=5, **BY_MOUTH)
    found = of(regimen, np.r_[0.0, np.arange(12, 72.1, 0.5)])
    assert np.isfinite(found.AUCtau)
    assert np.isnan(found.accumulation)
    assert meaning(found, "interval_status") == "first_dosing_interval_without_samples"
    assert np.isnan(found.AUC)


def test_amounts_in_any_unit_give_the_same_clearance():
    one = {"mg": ("mg", 80), "g": ("g", 0.08), "ug": ("ug", 8e4), "plain": (None, 80)}
    given = {name: Regimen(amt=amt, unit=unit, **IV) for name, (unit, amt) in one.items()}
    found = of(given, np.linspace(0, 72, 145))
    np.testing.assert_allclose(found.CL_F, CL, rtol=1e-9)
    assert found.CL_F.attrs["units"] == "L/h"


def test_a_curve_that_begins_after_the_dose_has_no_clearance():
    sims = simulate(drug(), Regimen(amt=80, **IV), times=np.linspace(0, 72, 145))["Cc"]
    assert float(exposure(sims).CL_F) == pytest.approx(CL, rel=1e-9)
    assert float(exposure(sims, window=(0, 60)).CL_F) == pytest.approx(CL, rel=1e-9)
    late = simulate(drug(), Regimen(amt=80, **BY_MOUTH), times=np.linspace(3, 72, 139))["Cc"]
    for found in (exposure(sims, window=(12, 72)), exposure(sims, window=(24, 60)), exposure(late)):
        assert np.isnan(found.CL_F)
        assert np.isnan(found.AUCinf)
        assert meaning(found, "CL_F_status") == meaning(found, "AUCinf_status") == "first_time_is_after_the_first_dose"
        assert np.isfinite(found.AUC)


def test_a_window_within_many_doses_has_the_interval_that_it_holds():
    found = of(Regimen(amt=60, ii=24, addl=9, **IV), hours(0, 240, 2), window=(144, 192))
    assert (float(found.interval_start), float(found.tau)) == (168.0, 24.0)
    assert float(found.CL_F) == pytest.approx(CL, rel=1e-4)
    assert meaning(found, "interval_status") == "first_dosing_interval_not_observed"


def test_a_window_ends_before_the_dose_at_its_end():
    curve = simulate(drug(), Regimen(amt=60, ii=24, addl=2, **IV), times=hours(0, 72, 4))["Cc"]
    found = exposure(curve, window=(0, 24))
    assert float(found.Cmax) == pytest.approx(60 / V, rel=1e-9)
    assert float(found.Clast) == float(found.Ctrough) == pytest.approx(60 / V * np.exp(-24 * K), rel=1e-9)


def test_each_person_has_their_own_doses():
    amounts = np.array([50.0, 75.0, 75.0, 100.0])
    people = Population.typical(drug(), 4)
    mine = [Regimen(amt=a, ii=24, addl=4, **BY_MOUTH) for a in amounts]
    sims = simulate(drug(), {"per kg": mine, "flat": mine[0]}, people, hours(0, 120, 0.5))["Cc"]
    found = exposure(sims)
    np.testing.assert_allclose(found.AUCtau.sel(regimen="per kg") * CL / amounts, 1.0, rtol=5e-3)
    np.testing.assert_allclose(found.CL_F, CL, rtol=5e-3)
    assert found.tau.values.tolist() == [24.0, 24.0]
    part = exposure(sims.sel(regimen="per kg").isel(subject=[3, 0]))
    np.testing.assert_allclose(part.AUCtau, found.AUCtau.sel(regimen="per kg").values[[3, 0]], rtol=1e-12)
    with pytest.raises(RegimenError, match=r"none for 4 of 4 subjects \(first: 11\)"):
        exposure(sims.assign_coords(subject=[11, 12, 13, 14]))


def test_persons_on_other_schedules_stand_side_by_side():
    people = Population.typical(drug(), 3)
    each = [Regimen(amt=60, ii=24, addl=4, **IV), Regimen(amt=30, ii=12, addl=9, **IV), Regimen(amt=60, **IV)]
    found = exposure(simulate(drug(), each, people, hours(0, 120, 1))["Cc"])
    np.testing.assert_allclose(found.tau, [24.0, 12.0, np.nan])
    np.testing.assert_allclose(found.CL_F, CL, rtol=1e-3)
    np.testing.assert_allclose(found.AUC24[:2], 20.0, rtol=1e-3)
    assert float(found.AUC24[2]) == pytest.approx(20 * (1 - np.exp(-24 * K)), rel=1e-9)


def table(*subjects) -> pd.DataFrame:
    """Rows of subjects (ID, amount, additional doses, times of observation)."""
    rows = []
    for label, amt, addl, seen in subjects:
        rows.append((label, 0.0, amt, 2, 12.0 if addl else 0.0, addl, 0.0))
        rows += [(label, float(t), 0.0, 0, 0.0, 0, 0.0) for t in seen]
    return pd.DataFrame(rows, columns=["ID", "TIME", "AMT", "CMT", "II", "ADDL", "SS"])


def test_rows_of_a_data_set_have_the_exposure_of_their_subjects():
    """An observation at the time of an additional dose stands behind it; the curve has the value before it."""
    seen = np.arange(1.0, 85.0, 1.0)
    data = read_events(table((7, 80, 6, seen), (9, 160, 6, seen), (12, 60, 0, seen)))
    found = exposure(simulate(drug(), data)["Cc"])
    assert found.subject.values.tolist() == ["7", "9", "12"]
    grid = of(Regimen(amt=80, ii=12, addl=6, **IV), np.r_[0.0, seen])
    for name in ("Cmax", "Cmax_tau", "AUCtau", "Ctrough", "Cmin", "CL_F"):
        assert float(found[name][0]) == pytest.approx(float(grid[name]), rel=1e-6), name
        assert float(found[name][1]) == pytest.approx(float(grid[name]) * (1 if name == "CL_F" else 2), rel=1e-6), name
    assert float(found.CL_F[2]) == pytest.approx(CL, rel=1e-6)
    assert "regimen" not in exposure_summary(found).index.names


def test_rows_at_steady_state():
    frame = table((1, 60, 0, np.arange(0.5, 12.1, 0.5)))
    frame.loc[0, ["II", "SS"]] = (12.0, 1)
    found = exposure(simulate(drug(), read_events(frame))["Cc"])
    assert float(found.AUCtau[0]) == pytest.approx(60 / CL, rel=1e-6)
    assert float(found.Cmax[0]) == pytest.approx(60 / V / (1 - np.exp(-12 * K)), rel=1e-6)


DAYS = np.arange(4) * 24.0
CYCLES = {
    "two uneven doses a day": (Regimen(amt=[50] * 8, cmt="depot", time=[0, 8, 24, 32, 48, 56, 72, 80]), 24.0, 100),
    "said by two records": (
        Regimen(amt=50, ii=24, addl=3, **BY_MOUTH) + Regimen(amt=50, ii=24, addl=3, **BY_MOUTH).shift(8), 24.0, 100,
    ),
    "three a day": (Regimen(amt=[30] * 12, cmt="depot", time=(DAYS[:, None] + [0, 6, 12]).ravel()), 24.0, 90),
    "other amounts": (Regimen(amt=[70, 30] * 4, cmt="depot", time=np.arange(8) * 12.0), 24.0, 100),
    "two routes at once": (
        Regimen(amt=40, ii=24, addl=3, **IV) + Regimen(amt=60, ii=24, addl=3, **BY_MOUTH), 24.0, 100,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CYCLES)
def test_several_doses_in_an_interval_count_together(name):
    regimen, tau, amount = CYCLES[name]
    found = of(regimen, np.arange(0, 96.1, 0.25))
    assert float(found.tau) == tau
    assert float(found.AUCtau) == pytest.approx(amount / CL, rel=5e-3)
    assert float(found.CL_F) == pytest.approx(CL, rel=5e-3)


@pytest.mark.parametrize(
    ("time", "ii", "after"),
    [([0], [0], 0.0), ([0], [24], 24.0), ([0, 24], [0, 0], 0.0), ([0, 24, 48], [0] * 3, 24.0),
     ([0, 8, 24], [0] * 3, 0.0), ([0, 12, 24, 48, 72], [0] * 5, 24.0),
     ([0, 24, 48], [0, 0, 12], 12.0), ([0, 8, 24, 32], [24] * 4, 16.0),
     ([0, 8, 24, 32, 48, 56], [0] * 6, 16.0)],
)  # fmt: skip
def test_one_rule_says_what_follows_the_last_dose(time, ii, after):
    assert dosing_cycle(time, [50] * len(time), ii).after == after
    regimen = Regimen(amt=[50] * len(time), time=time, ii=ii, **IV)
    if after:
        assert regimen.then(Regimen(amt=10, **IV)).times[-1] == time[-1] + after
    else:
        with pytest.raises(RegimenError, match="has no interval"):
            regimen.then(Regimen(amt=10, **IV))
    people = Population.typical(drug())
    compared = compare(drug(), {"a": regimen}, population=people, measures=["AUCtau"], window=(0, 240)).dataset
    found = of(regimen, np.arange(0, 240.1, 0.05))
    np.testing.assert_allclose(compared["AUCtau"].values.ravel(), float(found.AUCtau), rtol=1e-3)


def test_a_lone_dose_has_no_interval_and_is_seen_for_a_day():
    found = compare(
        drug(), {"once": Regimen(amt=60, **IV)}, population=Population.typical(drug()),
        measures=["AUCtau", "Ctrough", "AUC24", "Cmax"], targets=["Cc > 0.1 at trough", "Cc > 1.9 at peak"],
    ).dataset  # fmt: skip
    assert np.isnan([found[n].item() for n in ("AUCtau", "Ctrough", "Cc > 0.1 at trough")]).all()
    assert found["AUC24"].item() == pytest.approx(20 * (1 - np.exp(-24 * K)), rel=1e-6)
    assert (found["Cmax"].item(), found["Cc > 1.9 at peak"].item()) == (pytest.approx(2.0, rel=1e-6), 1.0)


def test_a_half_life_that_its_status_rejects_is_blank_and_days_compare():
    given = {"qd": Regimen(amt=100, ii=24, addl=9, **BY_MOUTH), "bid": Regimen(amt=50, ii=12, addl=19, **BY_MOUTH)}
    found = of(given, hours(0, 240, 0.5))
    assert np.isfinite(found.half_life.sel(regimen="qd"))
    assert np.isnan(found.half_life.sel(regimen="bid"))
    assert np.isnan(found.lambda_z.sel(regimen="bid"))
    np.testing.assert_allclose(found.AUC24, 100 / CL, rtol=5e-3)
    np.testing.assert_allclose(found.AUCtau, [100 / CL, 50 / CL], rtol=5e-3)
    shown = exposure_summary(found)
    assert "observed for less than 2 half lives" in shown.loc["bid", "half_life [h]"]
    assert "AUC24 [mg*h/L]" in shown


@pytest.mark.parametrize("unit", ["d", "min"])
def test_a_day_is_24_hours_on_any_clock(unit):
    day = float(convert_time(1.0, "d", unit))
    found = exposure(simulate(drug(unit), Regimen(amt=30, ii=12, addl=13, **IV), times=hours(0, 168, 2))["Cc"])
    assert found.AUC24.attrs["units"] == f"mg*{unit}/L"
    assert float(found.AUC24) == pytest.approx(20 * day / 24, rel=1e-5)
    assert float(found.tau) == pytest.approx(day / 2, rel=1e-12)
    assert float(found.CL_F) == pytest.approx(CL * 24 / day, rel=1e-4)
    assert found.CL_F.attrs["units"] == f"L/{unit}"


def test_what_a_simulation_knows_survives_files_and_scaling(tmp_path):
    people = Population.draw(drug(), 3, seed=1)
    each = [Regimen(amt=a, ii=24, addl=2, **IV) for a in (40, 60, 80)]
    sims = simulate(drug(), {"a": each, "b": Regimen(amt=60, ii=24, ss=1, **IV)}, people, hours(0, 72, 4))
    want = exposure(sims["Cc"])
    sims.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    simulate(
        drug(), {"a": each, "b": Regimen(amt=60, ii=24, ss=1, **IV)}, people, hours(0, 72, 4), store=tmp_path / "z"
    )
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as read:
        xr.testing.assert_allclose(exposure(read["Cc"]), want)
    xr.testing.assert_allclose(exposure(xr.open_zarr(tmp_path / "z", consolidated=False)["Cc"]), want)
    curve = sims["Cc"]
    scaled = exposure(curve.copy(data=curve.values * 1000).assign_attrs(units="ug/L"))
    np.testing.assert_allclose(scaled.Cmax, 1000 * want.Cmax, rtol=1e-9)
    np.testing.assert_allclose(scaled.CL_F, want.CL_F, rtol=1e-9)
    other = exposure(curve.sel(regimen="a").copy(data=curve.sel(regimen="a").values ** 2))
    assert "extrapolated log-linearly" in other.attrs["note"]
    np.testing.assert_allclose(other.Cmax, want.Cmax.sel(regimen="a") ** 2, rtol=1e-6)


def test_curves_with_error_and_means_of_persons_jump_at_boluses_too():
    people = Population.draw(drug(), 50, seed=2)
    sims = simulate(drug(), Regimen(amt=60, ii=24, addl=6, **IV), people, hours(0, 168, 4), residual=True, seed=1)
    want = exposure(sims["Cc"])
    noisy = exposure(sims["Cc_observed"])
    assert "extrapolated" in noisy.attrs["note"]
    assert float((noisy.AUCtau / want.AUCtau).mean()) == pytest.approx(1.0, abs=0.03)
    mean = exposure(sims["Cc"].mean("subject", keep_attrs=True))
    assert float(mean.AUCtau) == pytest.approx(float(want.AUCtau.mean()), rel=0.01)


def test_a_missing_value_between_others_is_left_out():
    curve = simulate(drug(), Regimen(amt=60, ii=24, addl=2, **IV), times=hours(0, 72, 1))["Cc"]
    gap = curve.copy()
    gap[50] = np.nan
    found = exposure(gap)
    assert float(found.AUCtau) == pytest.approx(float(exposure(curve).AUCtau), rel=1e-9)
    assert "missing values between others are left out (1 curves)" in found.attrs["note"]
    gap[72] = np.nan
    assert meaning(exposure(gap), "interval_status") == "missing_values"


def test_an_interval_in_which_all_begins_anew_is_none():
    regimen = Regimen(amt=60, ii=24, addl=2, **IV).reset(60)
    found = of(regimen, hours(0, 96, 1))
    assert float(found.interval_start) == 24.0
    assert float(found.Cmax) == pytest.approx(60 / V * (1 + np.exp(-2.4) + np.exp(-4.8)), rel=1e-9)


def test_the_register_is_complete_and_says_its_intervals():
    found = of(Regimen(amt=60, ii=24, addl=2, **IV), hours(0, 72, 4), threshold=1.0)
    assert set(found.data_vars) == {*REGISTER, "tau", "interval_start"}
    assert {n for n, e in REGISTER.items() if e.kind == "flag"} == set(FLAGS)
    assert all(found[n].attrs["interval"] and found[n].attrs["long_name"] for n in REGISTER)
    assert all(e.status in FLAGS for e in REGISTER.values() if e.status)
    assert set(NUMBERS) < set(REGISTER)


def _amount_and_concentration() -> Model:
    """Return one compartment, k 0.2 1/h, V 10 L, both of whose outputs are declared."""
    return Model(
        "declared",
        states=[State("central", "mg")],
        parameters=[Parameter("k", 0.2, "1/h", "loss"), Parameter("V", 10.0, "L", "volume")],
        dynamics=lambda t, x, p: {"central": -p.k * x.central},
        outputs=[Output("A", "mg"), Output("Cc", "mg/L"), Output("rest", "mg")],
        calculate=lambda t, x, p: {"A": x.central, "Cc": x.central / p.V, "rest": x.central / 2},
    )


def test_an_amount_beside_other_outputs_has_its_peaks_or_says_how_to_get_them():
    model, doses = _amount_and_concentration(), Regimen(amt=100, ii=12, addl=9)
    peak = 100 * (1 - np.exp(-0.2 * 12 * 10)) / (1 - np.exp(-0.2 * 12))
    sims = simulate(model, doses, times=hours(0, 120, 12))
    for name, expected in (("Cc", peak / 10), ("rest", peak / 2)):
        assert float(exposure(sims[name])["Cmax"]) == pytest.approx(expected, rel=1e-8)
    with pytest.raises(DataError, match=r"A: doses make it jump.*around_doses=True.*outputs=\['A'\]"):
        exposure(sims["A"])
    for names in (["A"], ["A", "Cc"], ["central", "Cc"]):
        named = simulate(model, doses, times=hours(0, 120, 12), outputs=names, around_doses=len(names) > 1 or None)
        assert float(exposure(named[names[0]])["Cmax"]) == pytest.approx(peak, rel=1e-8)


def test_more_doses_than_are_kept_at_first():
    """Of 3,000 doses all are kept where the times of the last ones are asked for, or many times."""
    model, doses = _amount_and_concentration(), Regimen(amt=100, ii=2, addl=2999)
    peak = 100 / 10 / (1 - np.exp(-0.4))
    for times in (hours(5900, 6000, 2), hours(0, 6000, 2)):
        found = exposure(simulate(model, doses, times=times)["Cc"])
        assert float(found["Cmax"]) == pytest.approx(peak, rel=1e-8)


@pytest.mark.parametrize("unit", ["mg", "ug", "ng"])
def test_of_equal_peaks_the_first_is_the_time_of_the_highest(unit):
    """In steady state every 8 h all peaks are one; which of them is larger by rounding says nothing."""
    model = _amount_and_concentration()
    doses = Regimen(amt=100, ii=8, ss=1, addl=9, tinf=2, unit="mg").to(unit)
    found = exposure(simulate(model, doses, times=hours(0, 72, 1))["Cc"])
    assert float(found["Tmax"]) == 2.0
    assert float(found["Tmax_tau"]) == 2.0
