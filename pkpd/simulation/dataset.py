"""Results as xarray datasets with units and meanings (CF conventions)."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.model.names import TAKEN
from pkpd.simulation.kernels import Quantity
from pkpd.solve.status import Status

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.dosing.events import EventTable
    from pkpd.dosing.regimen import Regimen
    from pkpd.model.model import Model

__all__ = ["coordinates", "doses_text", "grid_dataset", "rows_dataset", "status_attributes", "variable_attributes"]


def doses_text(regimens: Mapping[str, Regimen], first_state: str) -> str:
    """Return the explicit doses of each regimen as JSON, for plots and exposure."""
    return (
        "{"
        + ", ".join(f"{json.dumps(name)}: {_doses(regimen, first_state)}" for name, regimen in regimens.items())
        + "}"
    )


@functools.lru_cache(maxsize=256)
def _doses(regimen: Regimen, first_state: str) -> str:
    doses: dict[str, Any] = regimen.explicit()
    doses["cmt"] = [first_state if c is None else c for c in doses["cmt"]]
    if regimen.unit is not None:
        doses["units"] = regimen.unit
    return json.dumps(doses)


def variable_attributes(name: str, chosen: Sequence[Quantity]) -> dict[str, str]:
    """Return the attributes of an output, or of ``<output>_observed``."""
    known = {q.name: q for q in chosen}
    q = known.get(name) or known[name.removesuffix("_observed")]
    error = "" if name in known else ", with residual error"
    return {"units": q.unit or "1", "long_name": (q.meaning or q.name) + error}


def status_attributes() -> dict[str, Any]:
    """Return the attributes of the status variable."""
    codes = [s for s in Status if s is not Status.STIFF]
    return {
        "long_name": "fate of the subject",
        "flag_values": np.array([int(s) for s in codes]),
        "flag_meanings": " ".join(s.name.lower() for s in codes),
    }


def coordinates(
    times: np.ndarray, time_unit: str, regimens: Sequence[str] | None, labels: np.ndarray | None
) -> dict[str, Any]:
    """Return the coordinates regimen, subject and time, those that there are."""
    out: dict[str, Any] = {}
    if regimens is not None:
        out["regimen"] = ("regimen", np.array(list(regimens), dtype=np.str_))
    if labels is not None:
        out["subject"] = ("subject", np.asarray(labels))
    out["time"] = ("time", times, {"units": time_unit, "long_name": "time"})
    return out


def grid_dataset(
    model: Model, chosen: Sequence[Quantity], values: Mapping[str, np.ndarray], status: np.ndarray,
    coords: dict[str, Any], doses: str | None, settings: dict[str, Any],
) -> xr.Dataset:  # fmt: skip
    """Return outputs over regimen, subject and time; arrays come with all three dimensions."""
    import xarray as xr

    dims = [d for d in ("regimen", "subject", "time") if d in coords]
    keep = tuple(slice(None) if d in coords else 0 for d in ("regimen", "subject", "time"))
    data: dict[str, Any] = {}
    for name, array in values.items():
        attrs = variable_attributes(name, chosen)
        data[name] = (dims, array[keep], attrs if doses is None else attrs | {"doses": doses})
    data["status"] = (dims[:-1], status[keep[:2]], status_attributes())
    return xr.Dataset(data, coords, {"model": model.name, "title": model.title} | settings)


def rows_dataset(
    model: Model,
    chosen: Sequence[Quantity],
    values: Mapping[str, np.ndarray],
    status: np.ndarray,
    table: EventTable,
    settings: dict[str, Any],
    notes: Sequence[str] = (),
) -> xr.Dataset:
    """Return outputs over the rows of a data set, with its columns as coordinates.

    A column that is named like a variable of the result, as in a simulated table that is read again, has ``_table``
    behind its name; ``notes`` among the attributes say so, beside the given ones.
    """
    import xarray as xr

    columns = [str(name) for name in table.frame.columns]
    taken = {*values, *(f"d{q.name}" for q in chosen), *TAKEN, "parameter", "parameter_units"} - {"ID", "TIME"}
    names = _free_names(columns, taken)
    moved = [f"column {old} of the data is {new} here" for old, new in names.items() if old != new]
    coords: dict[str, Any] = {}
    for name in columns:
        column = table.frame[name].to_numpy()
        if column.dtype.kind == "O":
            column = np.array([str(v) for v in column])
        coords[names[name]] = ("row", column, {"units": model.time_unit} if name == "TIME" else {})
    data: dict[str, Any] = {n: ("row", array, variable_attributes(n, chosen)) for n, array in values.items()}
    data["status"] = ("subject", status, status_attributes())
    coords["subject"] = ("subject", np.asarray(table.labels))
    attrs = {"model": model.name, "title": model.title} | settings
    if notes or moved:
        attrs["notes"] = "\n".join([*notes, *moved])
    return xr.Dataset(data, coords, attrs)


def _free_names(columns: Sequence[str], taken: Set[str]) -> dict[str, str]:
    """Return for each column the name under which it stands beside names that are taken."""
    out: dict[str, str] = {}
    for name in columns:
        new = name
        while new in taken or (new != name and new in columns):
            new += "_table"
        out[name] = new
    return out
