"""Simulate a setting in the typical person and in a virtual population, and measure what was published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.dosing.dose import Dose
from pkpd.dosing.regimen import Regimen
from pkpd.metrics.quantities import Quantity, quantities_from
from pkpd.people.distributions import lognormal, uniform
from pkpd.people.population import Population
from pkpd.simulation.api import simulate
from pkpd.timegrid import TimeGrid
from pkpd.units import conversion

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.model.model import Model
    from pkpd.validation.records import Setting

__all__ = ["SettingCourse", "outputs_of", "run_setting"]

Floats = NDArray[np.float64]
WEIGHT_CV = 0.2


@dataclass(frozen=True)
class SettingCourse:
    """Simulated curves of a setting, one row per subject.

    Attributes
    ----------
    model : Model
    data : Dataset, dims (subject, time)
    weight : array, shape (subject,)
        kg.
    """

    model: Model
    data: xr.Dataset
    weight: Floats

    def measure(self, asked: str, unit: str = "") -> Floats:
        """Return a measure in a unit, shape (subject,).

        Parameters
        ----------
        asked : str
            ``Cc.Cmax`` and the like, an individual parameter, or one over another, ``Ccsf.last / Cc.last``.
        unit : str
            With ``/kg`` for a measure that is divided by weight; empty for the unit that it has.
        """
        above, *below = (self._term(part) for part in asked.split(" / "))
        values, own = above
        if below:
            values, own = values / below[0][0], _over(own, below[0][1])
        if unit.endswith("/kg"):
            values, own = values / self.weight, f"{own}/kg"
        return values * (conversion(own, unit) if unit and own != unit else 1.0)

    def _term(self, asked: str) -> tuple[Floats, str]:
        """Return a measure and its unit."""
        if asked == "F" and asked not in self.model.parameters:  # all of a dose arrives
            return np.ones(self.weight.shape), "1"
        if asked in self.model.parameters:
            # where it differs between occasions it has a time axis
            found, unit = self.data[asked], self.model.parameters[asked].unit
            found = found.isel(time=0) if "time" in found.dims else found
        else:
            (quantity,) = quantities_from(self.model, asked, np.asarray(self.data["time"].values, float))
            found, unit = quantity.of(self.data), quantity.unit
        return np.broadcast_to(np.asarray(found.values, float), self.weight.shape), unit or "1"


def _over(one: str, other: str) -> str:
    return one if other == "1" else "1" if one == other else f"{one}/({other})"


def outputs_of(model: Model, measures: Iterable[str]) -> list[str]:
    """Return the outputs and individual parameters that measures need, of those that a model has."""
    terms = [term for asked in measures for term in asked.split(" / ")]
    names = dict.fromkeys(t if t in model.parameters else Quantity.output_in(t) for t in terms)
    return [name for name in names if name in model.outputs or name in model.parameters]


def run_setting(
    model: Model, setting: Setting, outputs: list[str], n: int, seed: int
) -> tuple[SettingCourse, SettingCourse]:
    """Simulate the typical person and `n` subjects with the declared variability.

    Weights are log-normal about the typical one with a CV of 20%, creatinine clearances uniform in the setting's range;
    covariates that the model does not have are left out.

    Examples
    --------
    >>> from pkpd.library import load_model
    >>> from pkpd.validation.records import Setting
    >>> typical, people = run_setting(load_model("pk1_oral"), Setting("adults", 100), ["Cc"], 3, 0)
    >>> typical.measure("Cc.Cmax", "ug/L").shape, people.measure("Cc.Cmax").shape
    ((1,), (3,))
    """
    known = {"WT": setting.weight, "CRCL": setting.crcl}
    spread = {"WT": lognormal(setting.weight, WEIGHT_CV), "CRCL": uniform(*setting.crcl_range)}
    one = Population.typical(model, covariates={k: v for k, v in known.items() if k in model.covariates})
    # weights are drawn also where the model has none, since doses per kg need them
    drawn = spread["WT"].quantile(Population.draw(model, n, seed=seed).uniforms(1, 77)[:, 0])
    covariates = {"WT": drawn, "CRCL": spread["CRCL"]}
    many = Population.draw(model, n, covariates={k: v for k, v in covariates.items() if k in model.covariates},
                           seed=seed)  # fmt: skip
    typical = _course(model, setting, outputs, one, np.array([setting.weight]))
    return typical, _course(model, setting, outputs, many, drawn)


def _course(model: Model, setting: Setting, outputs: list[str], people: Population, weight: Floats) -> SettingCourse:
    amount = setting.amt * weight if setting.per_kg else np.full(len(weight), float(setting.amt))
    times = TimeGrid(np.arange(round(setting.end / setting.step) + 1) * setting.step, "h")
    regimens = [_regimen(setting, float(a)) for a in amount]
    data = simulate(model, regimens, people, times, outputs=outputs, on_failure="raise", progress=False)
    return SettingCourse(model, data, weight)


def _regimen(setting: Setting, amount: float) -> Regimen:
    more: dict[str, Any] = {"tinf": setting.tinf} if setting.tinf else {}
    if setting.ii:
        more |= {"ii": setting.ii, "addl": setting.addl}
    regimen = Regimen.of(Dose(amount, setting.cmt, **more))
    if setting.rate:
        regimen = regimen + Regimen.of(Dose(setting.rate * setting.end, setting.cmt, tinf=setting.end))
    return regimen
