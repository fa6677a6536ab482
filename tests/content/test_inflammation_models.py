"""What the inflammation model claims of steroids, of a wandering course and of tapers, by other arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from library_tools import run

import pkpd
from pkpd import Dose, models

TONE = models["inflammatory_tone"]


def at(model: pkpd.Model, time: float = 400.0, values: dict[str, float] | None = None, **covariates: float):
    """Return all outputs at one time, by name."""
    found = run(model.replace(values=values or {}), None, np.array([0.0, time]), covariates=covariates)
    return {name: float(found[name].values[-1]) for name in model.outputs}


@pytest.mark.parametrize("held", [0.2, 0.46, 0.9])
@pytest.mark.parametrize("gamma", [0.7, 1.0, 2.5])
def test_steroid_is_anchored_on_the_share_held_at_the_dose_of_the_trial(held: float, gamma: float):
    values = {"held": held, "gamma": gamma, "spared": 0.3}
    reference = TONE.parameters["Cref"].value
    assert at(TONE, values=values, CDEX=reference)["unheld"] == pytest.approx(1 - held, rel=1e-6)
    assert at(TONE, values=values, CDEX=0.0)["unheld"] == pytest.approx(1.0, abs=2e-5)
    assert at(TONE, values=values, CDEX=1e6 * reference)["unheld"] == pytest.approx(0.3 * (1 - held), rel=2e-3)


def test_reference_concentration_is_that_of_the_dose_by_mouth():
    """7.5 mg a day at F 0.75 and a clearance of 5.15 L/h: the middle of 2.85 and 9.3 on the logarithm."""
    assert np.sqrt(2.85 * 9.3) == pytest.approx(5.15, rel=1e-3)
    assert TONE.parameters["Cref"].value == pytest.approx(7.5 * 0.75 / 24 / 5.15, rel=1e-3)


def test_steroid_acts_on_the_drive_or_past_il6():
    here, there = (at(TONE, values={"site": site}, CDEX=0.1) for site in (0.0, 1.0))
    free = at(TONE, CDEX=0.0)
    assert here["IL6"] < 0.8 * free["IL6"]
    assert there["IL6"] == pytest.approx(free["IL6"], rel=1e-6)
    assert here["held_drive"] == pytest.approx(there["held_drive"], rel=1e-9)
    assert here["bare"] == pytest.approx(free["tone"], rel=1e-6)


def squared_exponential(lag: np.ndarray, length: float) -> np.ndarray:
    return np.exp(-0.5 * (lag / length) ** 2)


@pytest.mark.parametrize(("days", "share"), [(14, 1.0), (40, 1.0), (85, 0.92), (115, 0.83)])
def test_wandering_has_the_covariance_of_its_process(days: float, share: float):
    """Eight waves give the stated share of the variance and no more than all of it."""
    span, length = 24.0 * days, 168.0
    times = np.linspace(0.0, span, 41)
    flat = {"t_on": -1e6, "tau_on": 1.0, "t_off": 1e6, "tau_off": 1.0, "wander": 1.0, "wander_for": span}
    waves = []
    for j in range(1, 9):
        changed = TONE.replace(values={**flat, f"w{j}": 1.0})
        waves.append(np.log(run(changed, None, times)["u"].values))
    found = np.array(waves).T @ np.array(waves)
    variance = np.diag(found)
    assert variance.mean() == pytest.approx(share, abs=0.01)
    assert variance.max() < 1.001
    if days <= 40:
        lag = np.abs(times[:, None] - times[None, :])
        np.testing.assert_allclose(found, squared_exponential(lag, length), atol=0.02)


def test_course_ends_by_half_after_its_rest_and_may_come_back():
    values = {"t_on": -1e5, "tau_on": 5.0, "t_off": 200.0, "tau_off": 30.0, "rest": 150.0}
    assert at(TONE, 350.0, values)["u"] == pytest.approx(0.5, rel=1e-6)
    again = {**values, "relapse": 1.0, "t_back": 900.0}
    assert at(TONE, 700.0, again)["u"] < 1e-4
    assert at(TONE, 900.0, again)["u"] == pytest.approx(0.5, rel=1e-3)
    assert at(TONE, 1000.0, again)["u"] == pytest.approx(1.0, rel=1e-3)


def test_steroid_spares_ddimer_and_lowers_lymphocytes_itself():
    injury = models["tissue_injury"]
    values = injury.parameters
    p = {name: values[name].value for name in values}
    free = at(injury, 2000.0, TONE=0.3, BARE=0.6, CDEX=0.0)
    treated = at(injury, 2000.0, TONE=0.3, BARE=0.6, CDEX=0.0023)
    assert treated["Ddimer"] == free["Ddimer"] == pytest.approx(p["Ddimer0"] + 0.6 * p["slope_Ddimer"], rel=1e-6)
    assert treated["ferritin"] == pytest.approx(p["ferritin0"] + 0.3 * p["slope_ferritin"], rel=1e-6)
    assert treated["lymphocytes"] / free["lymphocytes"] == pytest.approx(np.exp(-0.5), rel=1e-6)
    assert p["Emax_L"] == pytest.approx(np.log(0.70 / 0.25), abs=0.05)


def test_fever_is_steep_and_full_at_the_full_signal():
    acute = models["acute_phase"]
    p = {name: each.value for name, each in acute.parameters.items()}
    full = at(acute, 3000.0, DRIVE=1.0)["temperature"]
    half = at(acute, 3000.0, DRIVE=p["EC50_T"])["temperature"]
    assert full == pytest.approx(p["T0"] + p["slope_T"], rel=1e-6)
    assert half == pytest.approx(p["T0"] + p["slope_T"] * (1 + p["EC50_T"] ** 2) / 2, rel=1e-4)


def test_taper_of_unknown_amount_is_the_same_drug_by_mouth():
    model = models["anakinra_inflammation"]
    times = np.linspace(1.0, 96.0, 12)
    scaled = model.replace(values={"dexamethasone_taper.amount": 1.7})
    taper = run(scaled, Dose(4, "dexamethasone_taper.depot", ii=24, addl=3), times)
    plain = run(model, Dose(4 * 1.7, "dexamethasone.depot", ii=24, addl=3), times)
    for name in ("dexamethasone.Cc", "CRP", "activity"):
        np.testing.assert_allclose(taper[name].values, plain[name].values, rtol=1e-6)
