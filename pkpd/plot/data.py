"""What a plot takes out of a simulation: the output, its groups, its doses, observations beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.kinds import needs
from pkpd.metrics.cases import around_doses
from pkpd.simulation.corner_text import LEFT_OUT
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["curves_of", "group_values", "observations", "pick_dim", "pick_output", "regimen_doses"]


def pick_output(sims: xr.Dataset | xr.DataArray, output: str) -> xr.DataArray:
    """Return one output with a dim `time`.

    Raises
    ------
    DataError
        If the output is missing, has no `time`, or has no times.
    """
    import xarray as xr

    if not isinstance(sims, (xr.DataArray, xr.Dataset)):
        needs("plot", sims, ("simulation",), "pkpd.simulate makes one: pkpd.simulate(model, regimen, ..., times=...)")
    if isinstance(sims, xr.DataArray):
        values = sims
    else:
        names = [str(name) for name, v in sims.data_vars.items() if "time" in v.dims]
        if output not in names:
            raise DataError(
                f"the simulation has no output '{output}'; it has {', '.join(names)}{nearest(output, names)}"
            )
        values = sims[output]
    if "time" not in values.dims or not values.sizes["time"]:
        raise DataError(f"output '{values.name}': a plot needs a dim 'time' with values, dims are {values.dims}")
    return values


def pick_dim(values: xr.DataArray, dim: str | None, role: str, default: str) -> str | None:
    """Return the dim for colour or panels; the default may be absent, a dim asked for may not.

    Raises
    ------
    DataError
        If a dim was asked for that the output does not have.
    """
    dims = [str(d) for d in values.dims if d not in ("time", "subject")]
    if dim is None or (dim == default and dim not in dims):
        return None
    if dim not in dims:
        known = ", ".join(dims) or "none besides time and subject"
        advice = "; name regimens to tell them apart: simulate(model, {'a': ..., 'b': ...})" if dim == "regimen" else ""
        raise DataError(f"{role}='{dim}': the output has no such dim; it has {known}{nearest(dim, dims)}{advice}")
    return dim


def group_values(values: xr.DataArray) -> np.ndarray:
    """Return the values of one group, shape (subject, time).

    Raises
    ------
    DataError
        If a dim is left that is neither `subject` nor `time`.
    """
    left = [str(d) for d in values.dims if d not in ("subject", "time")]
    if left:
        raise DataError(
            f"dim {', '.join(left)} is neither in by nor in facet; select one value with .sel({left[0]}=...)"
        )
    if "subject" in values.dims:
        return np.asarray(values.transpose("subject", "time").values, float)
    return np.asarray(values.values, float)[None]


def curves_of(values: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Return times and curves to draw, shape (time,) and (subjects, time).

    A dose that makes the curve jump, which the grid does not show, adds its time twice, with the values right before
    and right after it; at the first time the curve begins behind the dose.

    Parameters
    ----------
    values : DataArray
        As of `pick_output`, of one regimen.
    """
    time, curves = np.asarray(values["time"].values, float), group_values(values)
    text = values.attrs.get("at_doses")
    if text in (None, LEFT_OUT) or "regimen" in values.dims or set(values.dims) - {"time", "subject"}:
        return time, curves
    regimen = str(values["regimen"].values) if "regimen" in values.coords else ""
    labels = [str(v) for v in np.atleast_1d(values["subject"].values)] if "subject" in values.coords else None
    noisy = str(values.name or "").endswith("_observed")
    around = around_doses(text, regimen, labels, time, curves, noisy)
    if around is None or not around.known or not (around.time == around.time[:1]).all():
        return time, curves
    at = around.time[0]
    inside = (at >= time[0]) & (at <= time[-1])
    order = np.lexsort(
        (np.repeat([0, 1, 2], [len(time), inside.sum(), inside.sum()]), [*time, *at[inside], *at[inside]])
    )
    times = np.concatenate([time, at[inside], at[inside]])[order]
    drawn = np.concatenate([curves, around.before[:, inside], around.after[:, inside]], axis=1)[:, order]
    begin = int(np.searchsorted(times, time[0], side="right")) - 1
    return times[begin:], drawn[:, begin:]


def regimen_doses(values: xr.DataArray, doses: bool | str | Sequence[str]) -> dict[str, np.ndarray]:
    """Return the dose times of each regimen, in the unit of `time`; the key of a lone regimen may be empty.

    Where persons have their own regimens, the times of all of them.

    Parameters
    ----------
    values : DataArray
        With the attribute `doses` that `simulate` writes; without it there are no doses.
    doses : bool, str or sequence of str
        Whether to show doses, or the compartments whose doses to show.

    Raises
    ------
    DataError
        If a compartment is named that no dose goes into.
    """
    text = values.attrs.get("doses")
    if doses is False or text is None:
        return {}
    known = json.loads(text)
    entries = {name: entry.get("each", [entry]) for name, entry in known.items()}
    dosed = sorted({str(c) for each in entries.values() for one in each for c in one.get("cmt", [])})
    wanted = dosed if doses is True else [doses] if isinstance(doses, str) else list(doses)
    for name in wanted:
        if name not in dosed:
            raise DataError(
                f"doses: no dose goes into '{name}'; doses go into {', '.join(dosed)}{nearest(name, dosed)}"
            )
    unit = values["time"].attrs.get("units")
    return {
        name: np.unique(np.concatenate([_times(one, None if doses is True else wanted, unit) for one in each]))
        for name, each in entries.items()
    }


def _times(entry: Mapping[str, Any], wanted: Sequence[str] | None, unit: str | None) -> np.ndarray:
    """Return when something is given, of an entry of the attribute `doses`."""
    time = np.asarray(entry["time"], float)
    gives = np.isin(entry.get("evid", np.ones(len(time))), (1, 4))
    if wanted is not None:
        gives &= np.isin(np.asarray(entry["cmt"], str), wanted)
    same = unit is None or "time_unit" not in entry
    return time[gives] if same else convert_time(time[gives], str(entry["time_unit"]), str(unit))


def observations(observed: pd.DataFrame | None, groups: Sequence[str | None]) -> pd.DataFrame | None:
    """Check observations and keep the rows that hold one: EVID 0, MDV 0, DV present.

    Parameters
    ----------
    observed : DataFrame or None
        Columns TIME and DV; EVID, MDV and a column named as a group are used where present.
    groups : sequence of str or None
        Dims that tell groups apart.

    Raises
    ------
    DataError
        If TIME or DV is missing or not numeric.
    """
    if observed is None:
        return None
    import pandas as pd

    columns = [str(c) for c in observed.columns]
    for name in ("TIME", "DV"):
        if name not in columns:
            raise DataError(f"observed: has no column {name}; it has {', '.join(columns)}{nearest(name, columns)}")
        if not pd.api.types.is_numeric_dtype(observed[name]):
            raise DataError(f"observed: column {name} is not numeric, its type is {observed[name].dtype}")
    keep = observed["DV"].notna()
    for name in ("EVID", "MDV"):
        if name in columns:
            keep &= observed[name] == 0
    return observed.loc[keep, [c for c in observed.columns if c in ("TIME", "DV", *groups)]]
