"""Published effects on CRP beside the composed model's: the share phi that would reproduce each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.dosing.dose import Dose
from pkpd.dosing.regimen import Regimen
from pkpd.people.population import Population
from pkpd.simulation.api import simulate
from pkpd.validation.records import Effect
from pkpd.validation.report import EffectResult, Inversion
from pkpd.validation.trials import EFFECTS

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["EFFECT_MODEL", "PHI", "READINGS", "invert", "run_effects"]

Floats = NDArray[np.float64]
EFFECT_MODEL = "anakinra_inflammation"
PHI = tuple(round(0.1 * i, 1) for i in range(11))
RUN_IN = 480.0
"""Hours of untreated disease before the first dose, for CRP to be level."""

READINGS = {
    "plateau": "the disease is level before and during treatment",
    "all of CRP": "the same, and none of CRP belongs to health (CRP0 0)",
    "onset": "the disease begins with the first dose",
}
"""Assumptions under which an effect is read as a share phi, by name."""

_PLATEAU = {"tone.t_on": -1e4, "tone.tau_on": 1.0, "tone.t_off": 1e5, "tone.tau_off": 1.0, "tone.surge": 0.0}
_ONSET = {"tone.t_on": 6.0, "tone.tau_on": 1.0}
_CLOCKED = ("tone.t_on", "tone.t_off")


def run_effects(model: Model) -> tuple[EffectResult, ...]:
    """Simulate every published effect for shares from 0 to 1 and invert it.

    Parameters
    ----------
    model : Model
        `anakinra_inflammation`, perhaps with other values.
    """
    typical = model.without_variability()
    return tuple(_shares(typical, e) if e.of_phi else _level(typical, e) for e in EFFECTS)


def _shares(model: Model, effect: Effect) -> EffectResult:
    CRP0 = model.parameters["acute.CRP0"].value
    curves, readings = {}, {}
    for name in effect.doses:
        level, onset = _rise(model, effect, name, effect.drive), None
        curve = _ratio(effect, *level, CRP0)
        found = {"plateau": curve, "all of CRP": _ratio(effect, *level, 0.0)}
        if effect.acute:
            onset = _rise(model, effect, name, _ONSET)
            found["onset"] = _ratio(effect, *onset, CRP0)
        curves[name] = tuple(curve.tolist())
        readings[name] = {reading: invert(effect, PHI, c) for reading, c in found.items()}
    return EffectResult(effect, PHI, curves, readings)


def _rise(model: Model, effect: Effect, name: str, drive: dict[str, float]) -> tuple[Floats, Floats]:
    """Return CRP above health at each phi, with and without the drug, per unit of slope: means or end values."""
    times = RUN_IN + np.linspace(0.0, effect.window[1], 337)
    treated = _simulated(model, effect, _regimen(effect, name), PHI, drive, times)
    untreated = _simulated(model, effect, None, PHI, drive, times)
    if effect.measure == "ratio":
        return treated[:, -1], untreated[:, -1]
    treated_area, untreated_area = (np.asarray(np.trapezoid(y, times), float) for y in (treated, untreated))
    return treated_area / np.ptp(times), untreated_area / np.ptp(times)


def _ratio(effect: Effect, treated: Floats, untreated: Floats, CRP0: float) -> Floats:
    """Return the ratio of CRP with to CRP without the drug, the disease as large as the untreated CRP says."""
    slope = (effect.untreated - CRP0) / untreated
    return (CRP0 + slope * treated) / effect.untreated


def _level(model: Model, effect: Effect) -> EffectResult:
    """Return the course of CRP after one dose, level before it."""
    (name,) = effect.doses
    hours = np.linspace(0.0, 72.0, 73)
    CRP0 = model.parameters["acute.CRP0"].value
    rise = _simulated(model, effect, _regimen(effect, name), (0.5,), {}, RUN_IN + hours)[0]
    course = CRP0 + (effect.untreated - CRP0) * rise
    late, early = (float(np.interp(at, hours, course)) for at in (effect.window[1], effect.window[0]))
    span = f"{early:.0f} mg/L after {effect.window[0]:g} h, {late:.0f} after {effect.window[1]:g} h"
    verdict = "between" if late <= effect.value <= early else "below both" if effect.value < late else "above both"
    text = f"{span}; published {effect.value:g}, {verdict}"
    if verdict != "between":
        text += f"; that at {effect.window[1]:g} h needs kout_CRP {_needed_loss(model, effect, name, CRP0):.3f}/h"
    reading = Inversion(None, None, None, text)
    return EffectResult(effect, tuple(hours.tolist()), {name: tuple(course.tolist())}, {name: {"plateau": reading}})


def _needed_loss(model: Model, effect: Effect, name: str, CRP0: float) -> float:
    """Return the kout_CRP, 1/h, with which CRP is as published at the end of the window."""
    losses = np.geomspace(0.005, 0.5, 101)
    times = RUN_IN + np.array([0.0, effect.window[1]])
    rise = _simulated(model, effect, _regimen(effect, name), (0.5,) * 101, {"acute.kout_CRP": losses}, times)[:, -1]
    course = CRP0 + (effect.untreated - CRP0) * rise
    return float(np.interp(effect.value, course[::-1], losses[::-1]))


def _regimen(effect: Effect, name: str) -> Regimen:
    amt, cmt, ii, addl, tinf = effect.doses[name]
    more: dict[str, Any] = {"ii": ii, "addl": addl} if ii else {}
    if tinf:
        more["tinf"] = tinf
    return Regimen.of(Dose(amt, cmt, RUN_IN, **more))


def _simulated(
    model: Model,
    effect: Effect,
    regimen: Regimen | None,
    phi: tuple[float, ...],
    changed: Mapping[str, float | Floats],
    times: Floats,
) -> Floats:
    """Return CRP above health per unit of slope, shape (phi, times)."""
    clocked = {n: v + RUN_IN if n in _CLOCKED else v for n, v in changed.items()}
    fixed = {**_PLATEAU, **clocked, "acute.CRP0": 0.0, "acute.slope_CRP": 1.0, "WT": effect.weight,
             "CRCL": effect.crcl}  # fmt: skip
    columns = {"tone.phi": np.array(phi), **{n: np.full(len(phi), v) for n, v in fixed.items()}}
    people = Population.from_table(model, columns)
    sims = simulate(model, regimen, people, times, outputs=["CRP"], on_failure="raise", progress=False)
    return sims["CRP"].values


def invert(effect: Effect, phi: tuple[float, ...], curve: Floats) -> Inversion:
    """Return the phi at which a falling curve meets the published value and the ends of its interval.

    Examples
    --------
    >>> trial = Effect("a", "A", "ratio", (0, 1), {}, 10.0, 0.6, "none", low=0.1, high=0.8, spread="95% CI")
    >>> invert(trial, (0.0, 1.0), np.array([1.0, 0.2])).text
    'phi 0.50 (0.25 to above 1)'
    """
    point = _meet(phi, curve, effect.value)
    low, high = (None if v is None else _meet(phi, curve, v) for v in (effect.high, effect.low))
    if point is not None:
        text = f"phi {point:.2f}"
    else:
        end = 1 if effect.value < curve[-1] else 0
        text = f"no phi: {end} gives {curve[-end]:.2f}, published {effect.value:g}"
    if effect.low is not None and effect.high is not None:
        text += f" ({_end(low, curve, effect.high)} to {_end(high, curve, effect.low)})"
    return Inversion(point, low, high, text)


def _meet(phi: tuple[float, ...], curve: Floats, value: float) -> float | None:
    if not curve.min() - 1e-9 <= value <= curve.max() + 1e-9:
        return None
    return float(np.interp(value, curve[::-1], np.array(phi)[::-1]))


def _end(found: float | None, curve: Floats, value: float) -> str:
    return f"{found:.2f}" if found is not None else "above 1" if value < curve[-1] else "below 0"
