"""Simulate a setting in the typical person and in a virtual population, and measure what was published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.dosing.dose import Dose
from pkpd.dosing.regimen import Regimen
from pkpd.metrics.dataset import exposure
from pkpd.people.distributions import lognormal, uniform
from pkpd.people.population import Population
from pkpd.simulation.api import simulate
from pkpd.validation.records import Setting

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.model.model import Model

__all__ = ["MEASURES", "SettingCourse", "run_setting"]

Floats = NDArray[np.float64]
WEIGHT_CV = 0.2
L_PER_H = 0.06
"""mL/min to L/h."""


@dataclass(frozen=True)
class SettingCourse:
    """Simulated concentrations of a setting, one row per subject.

    Attributes
    ----------
    setting : Setting
    data : Dataset, dims (subject, time)
    amount, weight : array, shape (subject,)
        Each dose in mg; kg.
    """

    setting: Setting
    data: xr.Dataset
    amount: Floats
    weight: Floats

    @cached_property
    def found(self) -> xr.Dataset:
        """Exposure of each subject, from the doses that the simulation knows."""
        return exposure(self.data["Cc"])

    def time_over(self, level: float) -> Floats:
        """Return the hours above a concentration in mg/L, shape (subject,)."""
        return np.asarray(exposure(self.data["Cc"], threshold=level)["time_above"].values, float)

    def at_end(self, name: str) -> Floats:
        """Return an output at the last time, shape (subject,)."""
        return np.asarray(self.data[name].isel(time=-1).values, float)

    def mean(self, name: str, start: float) -> Floats:
        """Return the mean of an output from a time to the end, shape (subject,)."""
        part = self.data[name].sel(time=slice(start, None))
        span = float(part["time"][-1] - part["time"][0])
        return np.asarray(part.integrate("time").values, float) / span


def _of(name: str) -> Callable[[SettingCourse], Floats]:
    return lambda course: np.asarray(course.found[name].values, float)


def _clearance(course: SettingCourse) -> Floats:
    return _of("CL_F")(course) / L_PER_H


def _apparent_volume(course: SettingCourse) -> Floats:
    """Return what the model has for V/F; no curve under the skin shows it by itself."""
    volume = course.data["V"] / course.data["F"] if "F" in course.data else course.data["V"]
    # where V differs between occasions it has a time axis
    return np.asarray((volume.isel(time=0) if "time" in volume.dims else volume).values, float)


MEASURES: dict[str, Callable[[SettingCourse], Floats]] = {
    **{name: _of(name) for name in ("Cmax", "Tmax", "half_life", "AUCinf", "Cavg", "accumulation")},
    "AUCinf_days": lambda c: _of("AUCinf")(c) / 24,
    "days_over_1": lambda c: c.time_over(1.0) / 24,
    "days_over_5": lambda c: c.time_over(5.0) / 24,
    "CL_F": _clearance,
    "CL_kg": lambda c: _clearance(c) / c.weight,
    "V_F": _apparent_volume,
    "last": lambda c: c.at_end("Cc"),
    "csf_mean": lambda c: c.mean("Ccsf", 1.0),
    "csf_last_day": lambda c: c.mean("Ccsf", c.setting.end - 24),
    "csf_ratio": lambda c: c.at_end("Ccsf") / c.at_end("Cc"),
    "csf_area": lambda c: c.mean("Ccsf", 0.0) / c.mean("Cc", 0.0),
}
"""Measures by name, each of a course to an array of shape (subject,)."""


def run_setting(model: Model, setting: Setting, n: int, seed: int) -> tuple[SettingCourse, SettingCourse]:
    """Simulate the typical person and `n` subjects with the declared variability.

    Weights are log-normal about the typical one with a CV of 20%, creatinine clearances uniform in the setting's range;
    covariates that the model does not have are left out.

    Examples
    --------
    >>> from pkpd.library import load_model
    >>> typical, people = run_setting(load_model("anakinra"), Setting("adults", 100), 3, 0)
    >>> MEASURES["Cmax"](typical).round(2), len(MEASURES["Cmax"](people))
    (array([0.86]), 3)
    """
    known = {"WT": setting.weight, "CRCL": setting.crcl}
    spread = {"WT": lognormal(setting.weight, WEIGHT_CV), "CRCL": uniform(*setting.crcl_range)}
    one = Population.typical(model, covariates={k: v for k, v in known.items() if k in model.covariates})
    # weights are drawn also where the model has none, since doses per kg need them
    drawn = spread["WT"].quantile(Population.draw(model, n, seed=seed).uniforms(1, 77)[:, 0])
    covariates = {"WT": drawn, "CRCL": spread["CRCL"]}
    many = Population.draw(model, n, covariates={k: v for k, v in covariates.items() if k in model.covariates},
                           seed=seed)  # fmt: skip
    return _course(model, setting, one, np.array([setting.weight])), _course(model, setting, many, drawn)


def _course(model: Model, setting: Setting, people: Population, weight: Floats) -> SettingCourse:
    amount = setting.amt * weight if setting.per_kg else np.full(len(weight), float(setting.amt))
    times = np.arange(round(setting.end / setting.step) + 1) * setting.step
    kept = [n for n in ("Cc", "Ccsf", "V", "F") if n in model.outputs or n in model.parameters]
    regimens = [_regimen(setting, float(a)) for a in amount]
    data = simulate(model, regimens, people, times, outputs=kept, on_failure="raise", progress=False)
    return SettingCourse(setting, data, amount, weight)


def _regimen(setting: Setting, amount: float) -> Regimen:
    more: dict[str, Any] = {"tinf": setting.tinf} if setting.tinf else {}
    if setting.ii:
        more |= {"ii": setting.ii, "addl": setting.addl}
    regimen = Regimen.of(Dose(amount, setting.cmt, **more))
    if setting.rate:
        regimen = regimen + Regimen.of(Dose(setting.rate * setting.end, setting.cmt, tinf=setting.end))
    return regimen
