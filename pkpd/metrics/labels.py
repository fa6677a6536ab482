"""Names, units and notes of the exposure metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.amounts import factor
from pkpd.errors import UnitError
from pkpd.metrics.block import Rules
from pkpd.metrics.cases import Case
from pkpd.metrics.register import FLAGS, REGISTER
from pkpd.metrics.schedule import Doses
from pkpd.metrics.sources import Asked
from pkpd.units import conversion, divide, factors, multiply

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["clearance_scale", "empty", "labelled", "notes", "time_unit_of"]

_MISSING = {"half_life_status": 1, "interval_status": 1, "AUC_status": 1, "AUCinf_status": 1, "AUC24_status": 1,
            "CL_F_status": 3}  # fmt: skip


def time_unit_of(concentration: xr.DataArray) -> str:
    """Return the unit of the times of a curve, h where it says none."""
    for name in ("time", "CLOCK", "TIME"):
        if name in concentration.coords and "units" in concentration[name].attrs:
            return str(concentration[name].attrs["units"])
    return "h"


def empty(cases: int, subjects: int, rules: Rules) -> dict[str, np.ndarray]:
    """Return every metric, shape (case, subject), as it is for a curve that is missing."""
    shape = (cases, subjects)
    names = [n for n in REGISTER if rules.threshold is not None or not n.startswith("time_above")]
    found = {n: np.full(shape, np.nan) for n in (*names, "tau", "interval_start") if n not in FLAGS}
    found |= {n: np.full(shape, _MISSING[n]) for n in names if n in FLAGS}
    found["n_points"] = np.zeros(shape, int)
    return found


def notes(cases: Sequence[Case], asked: Asked) -> str:
    """Say in one line what was assumed about the doses, or an empty text."""
    found: list[str] = []
    known = [
        (case, doses) for case in cases if case.given is not None for doses in case.given.each if doses is not None
    ]
    if not known and asked.tau is None:
        found.append("no doses known: give tau or dose_times for the metrics of a dosing interval")
    elif not known:
        found.append("no doses known: dosing intervals start at the first time")
    into = sorted({name for _, given in known for name in given.cmt})
    if asked.cmt is None and len(into) > 1:
        found.append(f"doses into {', '.join(into)} are taken together: name cmt if they are of different drugs")
    late = [case for case, given in known if given.time[0] < case.time[0]]
    if late:
        found.append(f"the first dose is before the first time used ({late[0].time[0]:g}): AUC starts there")
    gaps = sum(int((~np.isfinite(case.conc)[:, 1:-1]).any(axis=1).sum()) for case in cases)
    if gaps:
        found.append(f"missing values between others are left out ({gaps} curves)")
    if any(case.around is not None and not case.around.known for case in cases):
        found.append(
            "this is not the curve that was simulated: the values right after boluses are extrapolated log-linearly"
        )
    return "; ".join(found)


def labelled(
    concentration: xr.DataArray, auc: xr.DataArray | None, found: dict[str, np.ndarray], cases: Sequence[Case],
    rules: Rules, note: str,
) -> xr.Dataset:  # fmt: skip
    """Build the data set from metrics of shape (case, subject), dims in the order of the concentration."""
    import xarray as xr

    rows = "time" not in concentration.dims
    dims: list[Any] = ["subject"] if rows else [d for d in concentration.dims if d != "time"]
    made: dict[str, xr.Variable] = {}  # into a data set at once: each assignment to one goes through all that is there
    order = dims if rows else [d for d in dims if d == "regimen"] + [d for d in dims if d != "regimen"]
    shape = [len(cases)] if rows else [concentration.sizes[d] for d in order]
    units, scales = _units(concentration, auc, cases)
    for name, entry in REGISTER.items():
        if name not in found:
            continue
        values = found[name] * scales[:, None] if entry.kind == "clearance" else found[name]
        attrs: dict[str, Any] = {"long_name": entry.meaning, "interval": entry.interval}
        if entry.kind == "flag":
            meanings = FLAGS[name]
            attrs |= {"flag_values": list(range(len(meanings))), "flag_meanings": " ".join(meanings)}
            values = values.astype(np.int8)
        elif units[entry.kind]:
            attrs["units"] = units[entry.kind]
        made[name] = xr.Variable(order, values.reshape(shape), attrs).transpose(*dims)
    for name, meaning in (("tau", "length of the last dosing interval"), ("interval_start", "its start")):
        attrs, values = {"long_name": meaning, "units": units["time"]}, found[name]
        alike = not rows and np.array_equal(values, np.broadcast_to(values[:, :1], values.shape), equal_nan=True)
        over = [d for d in order if d == "regimen"] if alike else order
        values = values[:, 0] if alike else values
        sizes = [n for d, n in zip(order, shape, strict=True) if d in over]
        made[name] = xr.Variable(over, values.reshape(sizes), attrs)
    data = xr.Dataset(made, coords=_coords(concentration, cases, rows))
    data.attrs = {"output": str(concentration.name or ""), "method": "model state" if auc is not None else rules.method}
    if rules.threshold is not None:
        data.attrs["threshold"] = rules.threshold
        data["time_above"].attrs["threshold"] = rules.threshold
    if note:
        data.attrs["note"] = note
    return data


def _coords(concentration: xr.DataArray, cases: Sequence[Case], rows: bool) -> dict[str, Any]:
    if rows:
        return {"subject": ("subject", [case.name.removeprefix("ID ") for case in cases])}
    return {str(k): v for k, v in concentration.coords.items() if "time" not in v.dims}


def _first(case: Case) -> Doses | None:
    each = () if case.given is None else case.given.each
    return next((doses for doses in each if doses is not None), None)


def _units(
    concentration: xr.DataArray, auc: xr.DataArray | None, cases: Sequence[Case]
) -> tuple[dict[str, str], np.ndarray]:
    """Name the unit of each kind of metric, empty where the data do not say it; and what to scale clearances by."""
    time = time_unit_of(concentration)
    unit = concentration.attrs.get("units")
    units = {"time": time, "rate": divide("1", time), "1": "1", "concentration": "", "area": "", "clearance": ""}
    if unit is not None:
        units |= {"concentration": str(unit), "area": multiply(str(unit), time)}
    if auc is not None and "units" in auc.attrs:
        units["area"] = str(auc.attrs["units"])
    scales = np.ones(len(cases))
    if not units["area"]:
        return units, scales
    given = [None if doses is None else doses.unit for doses in map(_first, cases)]
    known = [u for u in given if u is not None]
    ratios = [factor(u, known[0]) if u else None for u in known]
    if not known or any(r is None for r in ratios):
        return units | {"clearance": divide("dose", units["area"])}, scales
    scales = np.array([1.0 if u is None else float(factor(u, known[0]) or 1) for u in given])
    units["clearance"], more = clearance_scale(known[0], units["area"])
    return units, scales * more


def clearance_scale(dose: str, area: str) -> tuple[str, float]:
    """Return the unit of a clearance, and the factor to it from dose over area.

    Examples
    --------
    >>> clearance_scale("mg", "mg*h/L"), clearance_scale("mg", "ng*h/mL")
    (('L/h', 1.0), ('L/h', 1000.0))
    """
    plain = divide(dose, area)
    if len(factors(plain)) == 2:
        return plain, 1.0
    for time in ("h", "d", "min", "w"):
        if any(name == time for name, _ in factors(area)):
            try:
                return f"L/{time}", conversion(plain, f"L/{time}")
            except UnitError:
                return plain, 1.0
    return plain, 1.0
