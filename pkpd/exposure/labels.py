"""Names, units and notes of the exposure metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import UnitError
from pkpd.exposure.metrics import CLEARANCE_STATUS, Rules
from pkpd.exposure.schedule import INTERVAL_STATUS, Doses, Schedule
from pkpd.exposure.terminal import HALF_LIFE_STATUS
from pkpd.units import conversion, divide, factors, multiply

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["labelled", "notes"]

_MEANINGS: dict[str, tuple[str, str]] = {
    "Cmax": ("maximum concentration", "concentration"),
    "Tmax": ("time of the maximum", "time"),
    "Clast": ("last measurable concentration", "concentration"),
    "Tlast": ("time of the last measurable concentration", "time"),
    "AUC": ("area under the curve from the first time to Tlast", "area"),
    "AUCinf": ("area under the curve extrapolated to infinity", "area"),
    "AUC_extrapolated": ("extrapolated fraction of AUCinf", "1"),
    "half_life": ("terminal half-life", "time"),
    "lambda_z": ("terminal rate constant", "rate"),
    "r2_adj": ("adjusted R2 of the terminal fit", "1"),
    "n_points": ("points in the terminal fit", "1"),
    "half_life_status": ("status of the terminal fit", "flag"),
    "AUCtau": ("area under the curve over the last dosing interval", "area"),
    "Cavg": ("average concentration over the last dosing interval", "concentration"),
    "Ctrough": ("concentration at the end of the last dosing interval", "concentration"),
    "Cmin": ("minimum concentration in the last dosing interval", "concentration"),
    "Cmax_tau": ("maximum concentration in the last dosing interval", "concentration"),
    "Tmax_tau": ("time of the maximum after the last dose", "time"),
    "fluctuation": ("peak-trough fluctuation (Cmax_tau - Cmin) / Cavg", "1"),
    "swing": ("swing (Cmax_tau - Cmin) / Cmin", "1"),
    "accumulation": ("AUCtau of the last over that of the first dosing interval", "1"),
    "accumulation_Cmax": ("maximum of the last over that of the first dosing interval", "1"),
    "interval_status": ("status of the dosing interval", "flag"),
    "time_above": ("time above the threshold", "time"),
    "time_above_tau": ("fraction of the last dosing interval above the threshold", "1"),
    "CL_F": ("apparent clearance, dose over area", "clearance"),
    "CL_F_status": ("area that the clearance is from", "flag"),
}
_FLAGS = {"half_life_status": HALF_LIFE_STATUS, "interval_status": INTERVAL_STATUS, "CL_F_status": CLEARANCE_STATUS}


def notes(
    doses: list[Doses | None],
    time: np.ndarray,
    cmt: str | Sequence[str] | None,
    tau: float | Mapping[str, float] | None,
) -> str:
    """Say in one line what was assumed about the doses, or an empty text."""
    found: list[str] = []
    known = [given for given in doses if given is not None]
    if not known and tau is None:
        found.append("no doses known: give tau or dose_times for the metrics of a dosing interval")
    elif not known:
        found.append("no doses known: dosing intervals start at the first time")
    into = sorted({name for given in known for name in given.cmt})
    if cmt is None and len(into) > 1:
        found.append(f"doses into {', '.join(into)} are taken together: name cmt if they are of different drugs")
    if any(given.time[0] < time[0] for given in known):
        found.append(f"the first dose is before the first time used ({time[0]:g}): AUC starts there")
    return "; ".join(found)


def labelled(
    concentration: xr.DataArray,
    auc: xr.DataArray | None,
    found: dict[str, np.ndarray],
    plans: list[Schedule],
    rules: Rules,
    note: str,
) -> xr.Dataset:
    """Build the data set from metrics of shape (regimen, subject), dims in the order of the concentration."""
    import xarray as xr

    dims = [d for d in concentration.dims if d != "time"]
    shape = [concentration.sizes[d] for d in dims]
    first = [d for d in dims if d == "regimen"]
    order = first + [d for d in dims if d != "regimen"]
    data = xr.Dataset(coords={k: v for k, v in concentration.coords.items() if "time" not in v.dims})
    units, scale = _units(concentration, auc, plans)
    for name, (meaning, kind) in _MEANINGS.items():
        if name not in found:
            continue
        values = found[name].reshape([concentration.sizes[d] for d in order])
        if kind == "clearance":
            values = values * scale
        attrs: dict[str, Any] = {"long_name": meaning}
        if kind == "flag":
            meanings = _FLAGS[name]
            attrs |= {"flag_values": list(range(len(meanings))), "flag_meanings": " ".join(meanings)}
            values = values.astype(np.int8)
        elif units[kind]:
            attrs["units"] = units[kind]
        data[name] = xr.Variable(order, values, attrs).transpose(*dims) if shape else xr.Variable((), values, attrs)
    spans = [schedule.last or (np.nan, np.nan) for schedule in plans]
    for name, meaning, values in (
        ("tau", "length of the last dosing interval", [b - a for a, b in spans]),
        ("interval_start", "start of the last dosing interval", [a for a, _ in spans]),
    ):
        attrs = {"long_name": meaning, "units": units["time"]}
        data[name] = xr.Variable(first, values if first else values[0], attrs)
    data.attrs = {"output": str(concentration.name or ""), "method": "model state" if auc is not None else rules.method}
    if rules.threshold is not None:
        data.attrs["threshold"] = rules.threshold
        data["time_above"].attrs["threshold"] = rules.threshold
    if note:
        data.attrs["note"] = note
    return data


def _units(
    concentration: xr.DataArray, auc: xr.DataArray | None, plans: list[Schedule]
) -> tuple[dict[str, str], float]:
    """Name the unit of each kind of metric, empty where the data do not say it, and the factor to the clearance's."""
    time = str(concentration["time"].attrs.get("units", "h"))
    unit = concentration.attrs.get("units")
    units = {"time": time, "rate": divide("1", time), "1": "1", "concentration": "", "area": "", "clearance": ""}
    if unit is not None:
        units |= {"concentration": str(unit), "area": multiply(str(unit), time)}
    if auc is not None and "units" in auc.attrs:
        units["area"] = str(auc.attrs["units"])
    doses = {plan.doses.unit for plan in plans if plan.doses is not None}
    given = doses.pop() if len(doses) == 1 else ""
    if not units["area"]:
        return units, 1.0
    units["clearance"] = divide(given or "dose", units["area"])
    if not given or len(factors(units["clearance"])) == 2:
        return units, 1.0
    try:
        scale = conversion(units["clearance"], "L/h")
    except UnitError:
        return units, 1.0
    return units | {"clearance": "L/h"}, scale
