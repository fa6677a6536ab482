"""Every verb gives the same answer for one model written in hours, in days and in minutes, doses in any of them.

The model is one drug: clearance 3 L/h, volume 30 L, so k is 0.1 per hour on every clock.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from calibration_toy import drug_model, evidence, small_study
from command import run

import pkpd
from pkpd import EventTable, Model, Output, Parameter, Population, Proportional, Regimen, State, checks
from pkpd.dosing.dose import Dose
from pkpd.errors import PkpdError
from pkpd.estimation.methods.register import method_of
from pkpd.timegrid import TimeGrid
from pkpd.units import conversion

HOURS = {"min": 1 / 60, "h": 1.0, "d": 24.0}
CLOCKS = list(HOURS)
EACH = pytest.mark.parametrize("unit", CLOCKS)
AT = np.array([1.0, 6.0, 12.0, 23.0, 30.0, 47.0])  # h


@functools.cache
def drug(unit: str = "h", mass: str = "mg") -> Model:
    return Model(
        "drug", states=[State("central", mass)],
        parameters=[
            Parameter("CL", 3.0 * HOURS[unit], f"L/{unit}", cv=0.3), Parameter("V", 30.0, "L", cv=0.2),
        ],
        outputs=[Output("Cc", f"{mass}/L", error=Proportional(0.1))],
        dynamics=lambda t, x, p: {"central": -p.CL / p.V * x.central},
        calculate=lambda t, x, p: {"Cc": x.central / p.V}, time_unit=unit,
    )  # fmt: skip


def bare(times: object, unit: str) -> np.ndarray:
    """Times in hours as bare numbers on a clock."""
    return np.asarray(times) / HOURS[unit]


def ways(mass: float = 60.0) -> list[Regimen]:
    """60 mg every 24 h, three times, the second half of each infused over 2 h; written in several ways."""
    text = f"{mass / 2:g} mg into central q24h x3 + {mass / 2:g} mg into central over 2 h q24h x3"
    ug, half = 500 * mass, mass / 2
    return [
        *(Regimen.parse(text, time_unit=unit) for unit in CLOCKS),
        *(
            Regimen.of(
                Dose(half, "central", ii=24 / h, addl=2), Dose(half, "central", rate=half / 2 * h, ii=24 / h, addl=2),
                unit="mg", time_unit=unit,
            )
            for unit, h in HOURS.items()
        ),
        Regimen(doses=Regimen.parse(text, unit="ug", time_unit="d").doses, unit="ug", time_unit="d"),
        Regimen.parse(f"{ug:g} ug into central q24h x3", time_unit="min")
        + Regimen.parse(f"{half / 1000:g} g into central over 120 min q1d x3", time_unit="d"),
    ]  # fmt: skip


@functools.cache
def truth() -> np.ndarray:
    """Concentrations at AT, from the closed forms of a bolus and an infusion; a dose's own time is before it."""
    k, total = 0.1, np.zeros(AT.size)
    for start in (0.0, 24.0, 48.0):
        s = AT - start
        total += np.where(s > 0, 30.0 * np.exp(-k * np.maximum(s, 0)), 0.0)
        on, off = np.clip(s, 0, 2), np.maximum(s - 2, 0)
        total += 15.0 / k * -np.expm1(-k * on) * np.exp(-k * off)
    return total / 30.0


# --- the verbs --------------------------------------------------------------------------------------------------------
@EACH
def test_simulate(unit):
    people = Population.typical(drug(unit), len(ways()))
    for times in (bare(AT, unit), TimeGrid(AT, "h"), TimeGrid(AT * 60, "min"), AT * np.timedelta64(3600, "s")):
        sims = pkpd.simulate(drug(unit), ways(), people, times)
        assert sims["time"].attrs["units"] == unit
        np.testing.assert_allclose(sims["time"], bare(AT, unit), rtol=1e-14)
        np.testing.assert_allclose(sims["Cc"], np.broadcast_to(truth(), sims["Cc"].shape), rtol=1e-9)
    hours = pkpd.simulate(drug("h"), ways()[0], times=AT)
    again = pkpd.simulate(drug(unit), ways()[1], times=hours["time"])  # the time of a result knows its unit
    np.testing.assert_allclose(again["Cc"], truth(), rtol=1e-9)


@EACH
def test_simulate_into_another_unit_of_amount(unit):
    for mass, factor in (("ug", 1e3), ("g", 1e-3)):
        model = drug(unit, mass)
        sims = pkpd.simulate(model, ways(), Population.typical(model, len(ways())), TimeGrid(AT, "h"))
        np.testing.assert_allclose(sims["Cc"], factor * np.broadcast_to(truth(), sims["Cc"].shape), rtol=1e-9)


@EACH
def test_simulate_data_sets(unit):
    for regimen in ways():
        table = EventTable.from_regimen(regimen, TimeGrid(AT, "h"))
        seen = (table.frame["EVID"] == 0).to_numpy()
        for each in (table, *(table.in_time(clock) for clock in CLOCKS)):
            sims = pkpd.simulate(drug(unit), each)
            np.testing.assert_allclose(sims["Cc"].values[seen], truth(), rtol=1e-9)
            np.testing.assert_allclose(sims["TIME"].values[seen], bare(AT, unit), rtol=1e-14)
            assert sims["TIME"].attrs["units"] == unit
    frame = pd.DataFrame({"ID": 1, "TIME": [0, 12, 48], "AMT": [60, 0, 0], "RATE": [30, 0, 0]})
    wanted = pkpd.simulate(drug(), pkpd.read_events(frame))["Cc"].values
    for clock, h in HOURS.items():
        own = frame.assign(TIME=frame.TIME / h, RATE=frame.RATE * h)
        found = pkpd.simulate(drug(unit), pkpd.read_events(own, time_unit=clock))["Cc"].values
        np.testing.assert_allclose(found, wanted, rtol=1e-9)


@EACH
def test_shorthand_and_occasions_and_nothing_bare_is_moved(unit):
    sims = pkpd.simulate(drug(unit), {"a": "60 mg q24h x3", "b": ways()[2]}, times=TimeGrid(AT, "h"))
    np.testing.assert_allclose(sims["Cc"].sel(regimen="b"), truth(), rtol=1e-9)
    bolus = sum(np.where(s < AT, 2.0 * np.exp(-0.1 * (AT - s)), 0.0) for s in (0, 24))
    np.testing.assert_allclose(sims["Cc"].sel(regimen="a"), bolus, rtol=1e-9)
    with pytest.raises(PkpdError, match=r"simulate: times: .*must be a unit of time .*, got 'mg/L'"):
        pkpd.simulate(drug(unit), times=sims["Cc"].sel(regimen="a"))


@EACH
def test_sensitivities(unit):
    found = pkpd.simulate(drug(unit), "60 mg q24h x3", times=TimeGrid(AT, "h"), derivatives=["CL", "V"])
    bolus = pkpd.simulate(drug("h"), Regimen(amt=60, cmt="central", ii=24, addl=2), times=AT, derivatives=["CL", "V"])
    np.testing.assert_allclose(found["dCc"][:, 0] * HOURS[unit], bolus["dCc"][:, 0], rtol=1e-7)
    np.testing.assert_allclose(found["dCc"][:, 1], bolus["dCc"][:, 1], rtol=1e-7)
    assert list(found["parameter_units"].values) == [f"L/{unit}", "L"]


@EACH
def test_sensitivity(unit):
    doses, times = "60 mg q24h x3", pkpd.hours(0, 72, 2)
    of = {"area": "Cc.auc", "late": f"Cc.at({48 / HOURS[unit]:.12g})"}
    local = pkpd.sensitivity(drug(unit), doses, times=times, of=of, parameters=["CL", "V"], method="local")
    base = pkpd.sensitivity(
        drug("h"), doses, times=times, of=of | {"late": "Cc.at(48)"}, parameters=["CL", "V"], method="local"
    )
    np.testing.assert_allclose(local.data["elasticity"], base.data["elasticity"], rtol=1e-6)
    sobol = pkpd.sensitivity(
        drug(unit), doses, times=times, of="Cc.auc", parameters=["CL", "V"], method=pkpd.Sobol(n=16, seed=1)
    )
    other = pkpd.sensitivity(
        drug("h"), doses, times=times, of="Cc.auc", parameters=["CL", "V"], method=pkpd.Sobol(n=16, seed=1)
    )
    np.testing.assert_allclose(sobol.data["S1"], other.data["S1"], rtol=1e-6)


@EACH
def test_identifiability_and_profiles(unit):
    found = pkpd.sensitivity(drug(unit), "60 mg q24h x3", times=TimeGrid(AT, "h"), method="identifiability")
    assert found.data["identifiable"].values.all()
    level = pkpd.simulate(drug(), ways()[0], times=AT)["Cc"].values * np.array([1.1, 0.9, 1.05, 1, 0.95, 1.1])
    asked: dict[str, Any] = {"regimen": ways()[0], "data": {"Cc": level}}
    profile = pkpd.uncertainty.profile(drug(unit), "CL", times=TimeGrid(AT, "h"), **asked)
    base = pkpd.uncertainty.profile(drug(), "CL", times=AT, **asked)
    for end in ("estimate", "low", "high"):
        np.testing.assert_allclose(profile.data[end] / HOURS[unit], base.data[end], rtol=1e-4)


@EACH
def test_exposure(unit):
    sims = pkpd.simulate(drug(unit), "60 mg q24h x3", times=pkpd.hours(0, 168, 1))
    found = pkpd.exposure(sims["Cc"])
    base = pkpd.exposure(pkpd.simulate(drug(), "60 mg q24h x3", times=pkpd.hours(0, 168, 1))["Cc"])
    for name in ("Cmax", "Tmax", "AUCtau", "half_life", "CL_F", "tau", "accumulation"):
        factor = conversion(found[name].attrs["units"], base[name].attrs["units"])
        np.testing.assert_allclose(found[name] * factor, base[name], rtol=1e-6, err_msg=name)


@EACH
def test_compare(unit):
    asked = {"measures": ["AUC24", "AUCtau", "Cmax", "Ctrough"], "targets": "Cc > 0.1 mg/L by day 2"}
    arms = {"text": "60 mg q24h x5", "days": Regimen(amt=60, cmt="central", ii=1, addl=4, time_unit="d"),
            "grams": Regimen(amt=0.06, cmt="central", ii=1440, addl=4, unit="g", time_unit="min")}  # fmt: skip
    found = pkpd.compare(drug(unit), arms, population=Population.typical(drug(unit)), **asked).dataset
    trough = 2.0 * np.exp(-2.4 * np.arange(1, 6)).sum()
    area = 20.0 * -np.expm1(-12.0)
    exact = {"AUC24": area, "AUCtau": area, "Cmax": trough * np.exp(2.4), "Ctrough": trough}
    for name, value in exact.items():
        whole = {"AUC24": "mg/L*h", "AUCtau": "mg/L*h"}.get(name, "mg/L")
        factor = conversion(found[name].attrs["units"], whole)
        np.testing.assert_allclose(found[name] * factor, value, rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(found["mg_per_day"], 60.0, rtol=1e-12)
    assert found["mg_per_day"].attrs["units"] == "mg/d"
    np.testing.assert_allclose(found["doses_per_day"], 1.0, rtol=1e-12)
    assert (found["Cc > 0.1 mg/L by day 2"] == 1).all()
    np.testing.assert_allclose(np.array(found.attrs["window"]) * HOURS[found.attrs["time_unit"]], [0, 120])


@EACH
def test_one_patient(unit):
    level = [("Cc", 36.0 / HOURS[unit], 0.6), ("Cc", 47.0 / HOURS[unit], "<0.4")]
    regimens = ("60 mg q24h x3", *ways()[3:5])
    found = [pkpd.individual(drug(unit), level, regimen=each, draws=2000, seed=1) for each in regimens]
    base = [pkpd.individual(drug(), [("Cc", 36.0, 0.6), ("Cc", 47.0, "<0.4")], regimen=each, draws=2000, seed=1)
            for each in regimens]  # fmt: skip
    for a, b in zip(found, base, strict=True):
        np.testing.assert_allclose(a.table()["posterior"], b.table()["posterior"], rtol=1e-6)
    assert f"2 observations up to {47 / HOURS[unit]:g} {unit}" in repr(found[0])
    asked = ({"low": "30 mg q24h x3", "high": "90 mg q24h x3"}, "Cc > 0.15 mg/L at trough")
    a, b = (pkpd.recommend(each[0], *asked, n=200).table for each in (found, base))
    pd.testing.assert_frame_equal(a, b, rtol=1e-6)


def test_a_level_that_no_person_can_have_ends_with_the_clock_named():
    """On day 36 nothing is left of three daily doses; the level of hour 36 was meant."""
    with pytest.raises(PkpdError, match=r"'Cc at 36 d'.*bare times are in d, the model's unit of time"):
        pkpd.individual(drug("d"), [("Cc", 36.0, 0.6)], regimen="60 mg q24h x3", draws=1000, most=3000, seed=1)


@functools.cache
def trial() -> pd.DataFrame:
    doses = Regimen(amt=60, cmt="central", ii=24, addl=2) + Regimen(amt=30, cmt="central", time=30, tinf=2)
    table = EventTable.from_regimen([doses] * 8, [1, 6, 12, 24, 40, 60])
    sims = pkpd.simulate(drug(), table, Population.draw(drug(), 8, seed=1), residual=True, seed=1)
    return table.frame.drop(columns="MDV").assign(DV=sims["Cc_observed"].values)


@functools.cache
def fitted(unit: str, clock: str, method: str) -> pkpd.results.Fit:
    h, frame = HOURS[clock], trial()
    frame = frame.assign(TIME=frame.TIME / h, II=frame.II / h, RATE=frame.RATE * h)
    return pkpd.fit(drug(unit), pkpd.read_events(frame, time_unit=clock), method_of(method))


@EACH
@pytest.mark.parametrize("method", ["fo", "focei", "naive_pooled"])
def test_fits(unit, method):
    for clock in CLOCKS:
        fit, base = fitted(unit, clock, method), fitted("h", "h", method)
        assert fit.theta["CL"] == pytest.approx(base.theta["CL"] * HOURS[unit], rel=1e-4)
        assert fit.theta["V"] == pytest.approx(base.theta["V"], rel=1e-4)
        assert fit.ofv == pytest.approx(base.ofv, abs=1e-4)


@EACH
def test_what_follows_a_fit(unit, tmp_path):
    fit, base = (fitted(u, "min", "focei") for u in (unit, "h"))
    rows, others = checks.diagnostics(fit), checks.diagnostics(base)
    np.testing.assert_allclose(rows["TIME"] * HOURS[unit], others["TIME"], rtol=1e-12)
    np.testing.assert_allclose(rows["CWRES"], others["CWRES"], atol=1e-3)
    one = EventTable.from_regimen(Regimen(amt=60, cmt="central"), [6]).frame.assign(DV=[np.nan, 1.4])
    found = pkpd.individual(fit, pkpd.read_events(one.drop(columns="MDV")), draws=200)
    again = pkpd.individual(base, pkpd.read_events(one.drop(columns="MDV")), draws=200)
    assert found.ebe == pytest.approx(again.ebe, abs=1e-4)
    source: Any = fit
    assert f"1 observations up to {6 / HOURS[unit]:g} {unit}" in repr(found)
    fit.save(tmp_path / "fit.json")
    other = drug(next(u for u in CLOCKS if u != unit))
    with pytest.raises(PkpdError, match="is of model 'drug' in other units"):
        pkpd.load_fit(tmp_path / "fit.json", other, fit.events)
    sims = pkpd.simulate(source, "60 mg once", n=3, times=pkpd.hours(0, 24, 6), seed=1)
    assert sims["time"].attrs["units"] == unit
    np.testing.assert_allclose(sims["time"] * HOURS[unit], [0, 6, 12, 18, 24])


def test_fits_of_one_drug_in_other_units_of_amount_do_not_mix():
    """The same equations, states in mg or ug; doses in mg: the clearance is the same."""
    table = replace(pkpd.read_events(trial()), unit="mg")
    fits = [pkpd.fit(drug("h", mass), table, "fo", start={"V": v}) for mass, v in (("mg", 30.0), ("ug", 3e4))]
    assert fits[1].theta["CL"] == pytest.approx(1000 * fits[0].theta["CL"], rel=1e-3)  # DV is read as ug/L


@EACH
def test_likelihood(unit):
    terms = [pkpd.extend.Term("a", "density", "Cc", 12 / HOURS[unit], 0.7),
             pkpd.extend.Term("b", "peak", "Cc", 0.0, 2.0, time_to=72 / HOURS[unit], at=26 / HOURS[unit])]  # fmt: skip
    for regimen in (ways()[0], ways()[2], "30 mg q24h x3 + 30 mg over 2 h q24h x3"):
        found = pkpd.extend.Likelihood(drug(unit), [pkpd.extend.Subject("p", regimen, terms=tuple(terms))], ["CL"])
        same = (replace(terms[0], time=12.0), replace(terms[1], time_to=72.0, at=26.0))
        base = pkpd.extend.Likelihood(drug(), [pkpd.extend.Subject("p", ways()[0], terms=same)], ["CL"])
        a, b = found.evaluate(found.start), base.evaluate(base.start)
        np.testing.assert_allclose(a.terms, b.terms, rtol=1e-6)
        np.testing.assert_allclose(a.gradient * HOURS[unit], b.gradient, rtol=1e-5)


def test_facts_of_a_report_reach_a_model_in_days():
    """The log density of a small study at its start, and a prediction of its patients, whatever the clock."""
    free = {"h": [pkpd.Free("CL", (1.0, 0.3)), pkpd.Free("V", (10.0, 0.2))]}
    free["d"] = [pkpd.Free("CL", (24.0, 0.3)), free["h"][1]]
    hours, days = (
        small_study(
            model=drug_model(unit),
            free=free[unit],
            evidence=[evidence()],
            errors={},
            every=6.0 if unit == "h" else 0.25,
        )
        for unit in "hd"
    )
    assert days.problem.reported[0].day == 0.25
    assert days.problem.reported[0].term.time == 0.25
    assert hours.problem.reported[0].term.time == 6.0
    a, b = (study.problem.likelihood() for study in (hours, days))
    wanted, found = a.evaluate(a.start), b.evaluate(b.start)
    assert np.isfinite(wanted.terms).all()
    np.testing.assert_allclose(found.terms, wanted.terms, rtol=1e-6)
    np.testing.assert_allclose(found.gradient[:, 0] * 24, wanted.gradient[:, 0], rtol=1e-5)
    of_h, of_d = (pkpd.fit(study, method=pkpd.Mode(seed=1, predictive=1)) for study in (hours, days))
    assert of_d.posterior["CL"].median().item() == pytest.approx(24 * of_h.posterior["CL"].median().item(), rel=1e-3)
    people = of_d.population(3, patient="toy/p1", seed=1)
    assert float(people.parameters["CL"].mean()) > 10


@EACH
def test_figures_show_the_unit_that_was_asked_for(unit):
    import matplotlib.pyplot as plt

    sims = pkpd.simulate(drug(unit), "60 mg q24h x3", times=pkpd.hours(0, 72, 1))
    for shown, last in (("h", 72), ("d", 3)):
        ax = np.ravel(pkpd.plot.concentration(sims["Cc"], time_unit=shown))[0]
        assert ax.get_xlabel() == f"Time [{shown}]"
        assert ax.get_xlim()[1] == pytest.approx(last)
        assert max(line.get_xdata()[-1] for line in ax.lines if len(line.get_xdata()) > 10) == pytest.approx(last)
    plt.close("all")


@pytest.mark.parametrize("unit", ["h", "d"])
def test_commands(unit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(SOURCE.format(cl=3 * HOURS[unit], unit=unit))
    run("simulate", "own.py", "-d", "60 mg q24h x3", "--out", "usual.csv")
    usual = pd.read_csv("usual.csv")
    np.testing.assert_allclose(usual["time"] * HOURS[unit], np.arange(73.0))
    run("simulate", "own.py", "-d", "60 mg IV q24h x3", "--times", f"0:{72 / HOURS[unit]:g}:{12 / HOURS[unit]:g}",
        "--out", "sims.nc")  # fmt: skip
    with xr.open_dataset("sims.nc") as sims:
        assert sims["time"].attrs["units"] == unit
        wanted = pkpd.simulate(drug(), "60 mg q24h x3", times=pkpd.hours(0, 72, 12))["Cc"].values
        np.testing.assert_allclose(sims["Cc"].values.ravel(), wanted, rtol=1e-6)
    pd.DataFrame({"ID": 1, "TIME": [0, 0.5, 2], "AMT": [60, 0, 0]}).to_csv("trial.csv", index=False)
    run("simulate", "own.py", "--events", "trial.csv", "--time-unit", "d", "--out", "rows.csv")
    np.testing.assert_allclose(pd.read_csv("rows.csv")["Cc"], 2 * np.exp(-0.1 * np.array([0, 12, 48])), rtol=1e-6)
    run("compare", "own.py", "-d", "60 mg q24h x5", "--n", "1", "--measure", "AUC24", "--out", "found.nc")
    with xr.open_dataset("found.nc") as found:
        factor = conversion(found["AUC24"].attrs["units"], "mg/L*h")
        assert float(found["AUC24"].squeeze()) * factor == pytest.approx(20.0, rel=2e-3)


SOURCE = """
from pkpd import Model, Output, Parameter, Proportional, State

model = Model(
    "own", states=[State("central", "mg")],
    parameters=[Parameter("CL", {cl}, "L/{unit}"), Parameter("V", 30.0, "L")],
    outputs=[Output("Cc", "mg/L", error=Proportional(0.1))],
    dynamics=lambda t, x, p: {{"central": -p.CL / p.V * x.central}},
    calculate=lambda t, x, p: {{"Cc": x.central / p.V}}, time_unit="{unit}",
)
"""
