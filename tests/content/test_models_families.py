"""What is known of each family of the model library in closed form or from its publication."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr
from library_tools import TIMES, model_of, rates, run, values
from scipy.special import lambertw

from pkpd.dosing.dose import Dose
from pkpd.library import list_models
from pkpd.model.model import Model
from pkpd.timegrid import hours

NAMES = list_models().names


def test_bolus_oral_and_zero_order():
    """Gabrielsson and Weiner: exponential, Bateman's function, constant input."""
    p, t = values(model_of("pk1_iv")), TIMES
    k = p["CL"] / p["V"]
    np.testing.assert_allclose(
        run(model_of("pk1_iv"), Dose(100, "central")).Cc, 100 / p["V"] * np.exp(-k * t), rtol=1e-9
    )
    p, s = values(model_of("pk1_oral")), TIMES - 0.25
    bateman = 80 * p["ka"] / (p["V"] * (p["ka"] - k)) * (np.exp(-k * s) - np.exp(-p["ka"] * s))
    np.testing.assert_allclose(run(model_of("pk1_oral"), Dose(100, "depot")).Cc, bateman, rtol=1e-8)
    zero = run(model_of("pk1_zero_order"), Dose(100, "central", rate="modelled duration")).Cc
    course = 80 / 4 / p["CL"] * (np.exp(-k * np.maximum(s - 4, 0)) - np.exp(-k * s))
    np.testing.assert_allclose(zero, course, rtol=1e-8)


def test_transit_chain_delays_by_its_mean_transit_time():
    model = model_of("pk1_transit")
    p, matrix = values(model), rates(model_of("pk1_transit"))
    start = np.eye(len(matrix))[0]
    area = np.linalg.solve(matrix, -start)
    moment = np.linalg.solve(matrix, -area)
    assert moment[-1] / area[-1] == pytest.approx(p["MTT"] + 1 / p["ka"] + p["V"] / p["CL"], rel=1e-9)


def test_parent_and_metabolite_areas():
    model = model_of("parent_metabolite")
    p, area = values(model), np.linalg.solve(rates(model), [-1.0, 0.0, 0.0])
    assert (area[2] / p["Vm"]) / (area[1] / p["V"]) == pytest.approx(p["fm"] * p["CL"] / p["CLm"], rel=1e-9)


def test_michaelis_menten_after_a_bolus():
    """Lambert's W solves one saturable path; with a linear path beside it, time as a function of the concentration."""
    model = model_of("pk1_mm")
    p, C0 = values(model), 500 / 50.0
    argument = C0 / p["Km"] * np.exp((C0 - p["Vmax"] / p["V"] * TIMES[:-1]) / p["Km"])
    found = run(model, Dose(500, "central"), TIMES[:-1]).Cc
    np.testing.assert_allclose(found, p["Km"] * lambertw(argument).real, rtol=1e-7)
    model = model_of("pk1_parallel")
    p = values(model)
    C = run(model, Dose(500, "central"), TIMES[:-1]).Cc.values
    k, v = p["CL"] / p["V"], p["Vmax"] / p["V"]
    a = k * p["Km"] + v
    time = p["Km"] / a * np.log(C0 / C) + v / (a * k) * np.log((k * C0 + a) / (k * C + a))
    np.testing.assert_allclose(time, TIMES[:-1], rtol=1e-7)


def at_constant_concentration(model: Model, concentration: float) -> xr.Dataset:
    """Infuse for 1000 h at the rate that holds a concentration, and return the end."""
    rate = concentration * values(model)["CL"]
    return run(model, Dose(rate * 1000, "central", tinf=1000), np.array([999.0])).isel(time=0)


RESPONSES: dict[str, Callable[[float, float], float]] = {
    "pk2_oral_irm1": lambda base, effect: base * (1 - effect),
    "pk2_oral_irm2": lambda base, effect: base / (1 - effect),
    "pk2_oral_irm3": lambda base, effect: base * (1 + effect),
    "pk2_oral_irm4": lambda base, effect: base / (1 + effect),
}


@pytest.mark.parametrize("name", [n for n in NAMES if "_irm" in n])
def test_indirect_response_at_steady_state(name: str):
    model = model_of(name)
    p = values(model)
    base, C, gamma = p["kin"] / p["kout"], 0.7, 2.0
    assert run(model, None).R.values == pytest.approx(base)
    most, half = (p["Imax"], p["IC50"]) if "Imax" in p else (p["Emax"], p["EC50"])
    effect = most * C**gamma / (half**gamma + C**gamma)
    found = at_constant_concentration(model.with_values(gamma=gamma), C)
    assert float(found.Cc) == pytest.approx(C, rel=1e-6)
    assert float(found.R) == pytest.approx(RESPONSES[name](base, effect), rel=1e-6)


def test_direct_effect_with_delay_and_with_tolerance():
    model = model_of("effect_compartment")
    p, C = values(model), 0.8
    found = at_constant_concentration(model, C)
    assert float(found.Ce) == pytest.approx(C, rel=1e-6)
    ratio = C ** p["gamma"] / (p["EC50"] ** p["gamma"] + C ** p["gamma"])
    assert float(found.E) == pytest.approx(p["E0"] + p["Emax"] * ratio, rel=1e-6)
    model = model_of("tolerance")
    p, found = values(model), at_constant_concentration(model_of("tolerance"), C)
    worn = p["E0"] + p["Emax"] * C / (p["EC50"] * (1 + C / p["M50"]) + C)
    assert float(found.E) == pytest.approx(worn, rel=1e-6)
    fresh = run(model, Dose(C * p["V"], "central"), np.array([1e-6])).E
    assert float(fresh[0]) == pytest.approx(p["E0"] + p["Emax"] * C / (p["EC50"] + C), rel=1e-3)


def test_target_is_conserved_whatever_the_binding():
    model = model_of("tmdd_full")
    p, x = values(model), {"central": 30.0, "peripheral": 5.0, "target": 0.7, "complex": 4.0}
    change = model.rhs(0.0, x)
    total = p["ksyn"] - p["kdeg"] * x["target"] - p["kint"] * x["complex"]
    assert change["target"] + change["complex"] == pytest.approx(total, rel=1e-12)
    assert run(model, None).R.values == pytest.approx(p["ksyn"] / p["kdeg"])


def test_forms_of_target_mediated_disposition_agree_in_their_limits():
    full, quasi, reduced = (model_of(f"tmdd_{form}") for form in ("full", "qss", "mm"))
    p, times = values(full), np.array([4.0, 24.0, 96.0, 336.0, 672.0])
    Kss = (p["koff"] + p["kint"]) / p["kon"]
    assert values(quasi)["Kss"] == pytest.approx(Kss)
    assert values(reduced)["Km"] == pytest.approx(Kss)
    assert values(reduced)["Rtot"] == pytest.approx(p["ksyn"] / p["kint"])
    fast = full.with_values(kon=1e3 * p["kon"], koff=1e3 * p["koff"])
    near = quasi.with_values(Kss=(1e3 * p["koff"] + p["kint"]) / (1e3 * p["kon"]))
    for output in ("Cc", "Ctot", "R", "RC"):
        a, b = (run(model, Dose(200, "central"), times)[output].values for model in (fast, near))
        np.testing.assert_allclose(a, b, rtol=5e-3, err_msg=output)
    a, b = (run(model, Dose(20000, "central"), times).Cc.values for model in (quasi, reduced))
    np.testing.assert_allclose(a, b, rtol=5e-3)


def test_leukocytes_fall_and_return():
    model = model_of("friberg")
    Circ0, times = model.parameters["Circ0"].value, hours(0, 6000, 6)
    assert run(model, None, times).WBC.values == pytest.approx(Circ0)
    found = run(model, Dose(360, "central", tinf=3), times).WBC.values
    nadir = int(found.argmin())
    assert 5 * 24 < times[nadir] < 15 * 24
    assert found[nadir] < 0.6 * Circ0
    assert found.max() > 1.05 * Circ0
    assert found[-1] == pytest.approx(Circ0, rel=1e-3)


class Curve(NamedTuple):
    """100 mg SC at 70 kg: single-dose metrics, then maximum, trough and average at steady state every 24 and 12 h."""

    Cmax: float
    Tmax: float
    AUC48: float
    C12: float
    C24: float
    half_life: float
    daily: tuple[float, float, float]
    twice: tuple[float, float, float]


# Solved independently from the published parameters, to two or three digits; in Jung 2023 every dose has its own clock.
PUBLISHED = {
    "anakinra_urien2013": Curve(0.96, 4.9, 15.8, 0.63, 0.206, 7.3, (1.10, 0.229, 0.66), (1.58, 0.930, 1.32)),
    "anakinra_jung2023": Curve(0.99, 3.2, 10.2, 0.34, 0.033, 3.4, (1.01, 0.033, 0.42), (1.26, 0.406, 0.89)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_anakinra_models_give_their_curves(name: str):
    model, expected = model_of(name), PUBLISHED[name]
    single = run(model, Dose(100, "depot"), hours(0, 48, 0.05)).Cc
    value = dict(zip(single.time.values.round(2).tolist(), single.values.tolist(), strict=True))
    found = [value[12.0], value[24.0], np.log(2) * 8 / np.log(value[16.0] / value[24.0])]
    assert found == pytest.approx([expected.C12, expected.C24, expected.half_life], rel=0.03)
    assert [float(single.max()), float(single.idxmax())] == pytest.approx([expected.Cmax, expected.Tmax], rel=0.03)
    assert float(single.integrate("time")) == pytest.approx(expected.AUC48, rel=0.03)
    for tau, (peak, trough, mean) in ((24, expected.daily), (12, expected.twice)):
        steady = run(model, Dose(100, "depot", ii=tau, addl=20), hours(0, 240, 0.25)).Cc
        last = steady.sel(time=slice(240 - tau, 240))
        level = [float(last.max()), float(last[-1]), float(last.integrate("time")) / tau]
        assert level == pytest.approx([peak, trough, mean], rel=0.03)


def test_fractal_absorption_starts_anew_with_each_dose():
    """Depot after doses of their own clocks: amounts of ``exp(-ka t^(1-h) / (1-h))`` add up."""
    model = model_of("anakinra_jung2023")
    p = values(model)

    def left(t: np.ndarray) -> np.ndarray:
        past = np.maximum(t, 0.0)
        return np.where(t >= 0, 100 * np.exp(-p["ka"] * past ** (1 - p["h"]) / (1 - p["h"])), 0.0)

    times = np.array([0.1, 1.0, 6.0, 24.0, 25.0, 30.0])
    found = run(model, Dose(100, "depot", ii=24, addl=1), times).depot.values
    np.testing.assert_allclose(found, left(times) + np.where(times > 24, left(times - 24), 0.0), rtol=5e-3)


def test_clearance_by_kidney_function_stops_rising_at_120():
    model = model_of("anakinra")
    at = {crcl: model.evaluate(covariates={"CRCL": crcl})["CL"] for crcl in (20.0, 119.0, 120.0, 160.0)}
    assert at[119.0] < at[120.0] == at[160.0]
    assert at[20.0] / 0.86 / 0.06 == pytest.approx(10 ** (1.65 + 0.0062 * 20), rel=2e-3)


def test_tocilizumab_stays_as_long_as_published():
    """Days above 1 and 5 mg/L by dose, solved independently from the parameters of Moes 2022; half-life, area."""
    model = model_of("tocilizumab_moes2022")
    p, days = values(model), hours(0, 60, 0.01)
    for amt, over1, over5 in ((400, 16.2, 13.3), (600, 18.5, 15.6), (800, 20.2, 17.2)):
        Cc = run(model, Dose(amt, "central"), days[1:] * 24).Cc.values
        assert [0.01 * (Cc > level).sum() for level in (1.0, 5.0)] == pytest.approx([over1, over5], abs=0.1)
    assert np.log(2) * p["V"] / p["CL"] / 24 == pytest.approx(4.15, abs=0.01)
    area = float(run(model, Dose(720, "central"), hours(0, 1440, 1)).Cc.integrate("time")) / 24
    assert 938 - 190 < area < 938 + 190


def test_tocilizumab_in_arthritis_follows_its_covariates():
    model = model_of("tocilizumab_frey2010")
    base = model.evaluate()
    assert base["CL"] * 24 == pytest.approx(0.3)
    assert model.evaluate(covariates={"SEX": 1.0})["CL"] / base["CL"] == pytest.approx(0.84)
    assert model.evaluate(covariates={"SMOK": 1.0})["Vmax"] / base["Vmax"] == pytest.approx(1.11)
    assert model.evaluate(covariates={"ALB": 30.0})["V1"] / base["V1"] == pytest.approx((30 / 38) ** 0.7)
    assert model_of("tocilizumab_moes2022").parameters["CL"].value / base["CL"] == pytest.approx(2.4, abs=0.05)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("dexamethasone", 7.0, 10.0), ("dexamethasone_krzyzanski2021", 3.5, 10.0), ("methylprednisolone", 1.8, 2.8)],
)
def test_steroid_half_lives(name: str, low: float, high: float):
    """Li 2023: 7-8 h; Krzyzanski 2021: about 3.9 h before a small slow phase; methylprednisolone 1.93-2.6 h."""
    model = model_of(name)
    found = run(model, Dose(40, "central"), hours(0, 12, 0.5)).Cc
    early, late = (float(found.sel(time=t).squeeze()) for t in (11.0, 12.0))
    assert low <= math.log(2) / math.log(early / late) <= high
