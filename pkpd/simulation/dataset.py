"""Results as xarray datasets with units and meanings (CF conventions)."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.ended import ended_within, ends_of
from pkpd.dosing.record import RECORD
from pkpd.dosing.regimen import Regimen
from pkpd.engine.solve.status import Status
from pkpd.model.names import TAKEN
from pkpd.simulation.kernels import OutputQuantity

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.dosing.events import EventTable
    from pkpd.model.model import Model

__all__ = [
    "coordinates", "dose_attributes", "doses_text", "grid_dataset", "rows_dataset", "status_attributes",
    "variable_attributes",
]  # fmt: skip


def doses_text(
    model: Model, regimens: Mapping[str, Sequence[np.ndarray]], labels: Sequence[Any] | np.ndarray | None
) -> str:
    """Return all doses of each regimen one by one as JSON, for plots and exposure.

    An entry holds lists ``time`` and ``ii`` (in ``time_unit``), ``amt`` (in ``units``, that of the state dosed),
    ``cmt``, ``rate`` (amount per ``time_unit``; 0 a bolus, -1 and -2 left to the model), ``ss`` and ``evid`` (3 and 4
    reset, 8 replaces). Where persons have their own, it holds ``each``, the different ones, ``which`` of them each
    person has, and the ``subjects``.

    Parameters
    ----------
    model : Model
    regimens : mapping of name to sequence of RECORD array
        One for all, or one per subject, in the units of the states.
    labels : sequence, optional
        Of the subjects.
    """
    return json.dumps({name: _entry(model, each, labels) for name, each in regimens.items()})


def _entry(model: Model, each: Sequence[np.ndarray], labels: Sequence[Any] | np.ndarray | None) -> dict[str, Any]:
    names, units = tuple(model.states), tuple(s.unit for s in model.states.values())
    if len(each) == 1:
        return _doses(each[0].tobytes(), names, units, model.time_unit)
    different = {records.tobytes(): records for records in each}
    order = {key: k for k, key in enumerate(different)}
    return {
        "subjects": None if labels is None else [str(label) for label in labels],
        "which": [order[records.tobytes()] for records in each],
        "each": [_doses(key, names, units, model.time_unit) for key in different],
    }


LISTED = 100_000  # additional doses of one record that are kept with a result


@functools.lru_cache(maxsize=4096)
def _doses(packed: bytes, states: tuple[str, ...], units: tuple[str, ...], time_unit: str) -> dict[str, Any]:
    """Return the doses and resets of records, in order of time."""
    records = np.frombuffer(packed, RECORD)
    records = records[np.isin(records["evid"], (1, 3, 4, 8))]
    count = np.minimum(records["addl"], LISTED) + 1
    which = np.repeat(np.arange(len(records)), count)
    nth = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
    time = records["time"][which] + nth * records["ii"][which]
    order = np.argsort(time, kind="stable")
    gives = np.isin(records["evid"], (1, 4))
    ended = gives[which] & (time >= ends_of(gives & (records["ss"] == 1), records["time"], time_unit)[which])
    order = order[~ended[order]]
    which, nth, time = which[order], nth[order], time[order]
    into = records["cmt"][which]
    return {
        "time": time.tolist(),
        "amt": records["amt"][which].tolist(),
        "cmt": [states[k] for k in into],
        "ii": records["ii"][which].tolist(),
        "rate": records["rate"][which].tolist(),
        "ss": np.where(nth == 0, records["ss"][which], 0).tolist(),
        "evid": np.where((nth > 0) & (records["evid"][which] == 4), 1, records["evid"][which]).tolist(),
        "units": [units[k] for k in into],
        "time_unit": time_unit,
    }


def notes_on_regimens(named: Mapping[str, Sequence[Regimen]]) -> dict[str, str]:
    """Return the attribute ``notes`` where a dose at steady state ends what else a regimen gives."""
    found = []
    for name, each in named.items():
        text = next(filter(None, (ended_within(r.doses, r.time_unit) for r in each)), "")
        if text:
            found.append(
                f"{f'regimen {name!r}: ' if name else ''}{text}; ss=2 adds a steady state to what is there, and doses "
                "without ss come close to it"
            )
    return {"notes": "\n".join(found)} if found else {}


def variable_attributes(name: str, chosen: Sequence[OutputQuantity]) -> dict[str, str]:
    """Return the attributes of an output, or of ``<output>_observed``."""
    known = {q.name: q for q in chosen}
    q = known.get(name) or known[name.removesuffix("_observed")]
    error = "" if name in known else ", with residual error"
    return {"units": q.unit or "1", "long_name": (q.meaning or q.name) + error}


def dose_attributes(name: str, doses: str, corners: Mapping[str, str]) -> dict[str, str]:
    """Return what an output knows of the doses that made it: all of them, and its values right before and after."""
    own = corners.get(name.removesuffix("_observed"))
    return {"doses": doses} | ({} if own is None else {"at_doses": own})


def status_attributes() -> dict[str, Any]:
    """Return the attributes of the status variable."""
    codes = [s for s in Status if s.is_of_solver]
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
    model: Model, chosen: Sequence[OutputQuantity], values: Mapping[str, np.ndarray], status: np.ndarray,
    coords: dict[str, Any], doses: str, corners: Mapping[str, str], settings: dict[str, Any],
) -> xr.Dataset:  # fmt: skip
    """Return outputs over regimen, subject and time; arrays come with all three dimensions."""
    dims = tuple(d for d in ("regimen", "subject", "time") if d in coords)
    keep = tuple(slice(None) if d in coords else 0 for d in ("regimen", "subject", "time"))
    data = {name: _variable(dims, array[keep]) for name, array in values.items()}
    data["status"] = _variable(dims[:-1], status[keep[:2]])
    about = {name: variable_attributes(name, chosen) for name in values}
    small = sum(d.size for _, d, *_ in coords.values()) <= _FEW and all(
        d.dtype.kind != "O" for _, d, *_ in coords.values()
    )
    if small:
        known = tuple((n, dim, d.tobytes(), d.dtype.str, *map(_pairs, more)) for n, (dim, d, *more) in coords.items())
        made = _empty(dims, known, tuple((n, *_pairs(a)) for n, a in about.items())).copy(data=data)
    else:
        made = _labelled(dims, coords, about).copy(data=data)
    for name in values:
        made.variables[name].attrs.update(dose_attributes(name, doses, corners))
    made.attrs = {"model": model.name, "title": model.title} | settings
    return made


_FEW = 10_000  # values of coordinates that are kept


def _variable(dims: tuple[str, ...], values: np.ndarray, attributes: Mapping[str, Any] | None = None) -> xr.Variable:
    """Return an array as a variable; of a bare one xarray asks whether it is dask's, and imports dask to find out."""
    import xarray as xr

    return xr.Variable(dims, values, attributes, fastpath=True)


def _pairs(attributes: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(attributes.items())


def _labelled(dims: tuple[str, ...], coords: Mapping[str, Any], about: Mapping[str, Mapping[str, str]]) -> xr.Dataset:
    """Return a dataset of outputs and status that holds no numbers yet; indexes are made as such, see `_variable`."""
    import pandas as pd
    import xarray as xr
    from xarray.indexes import PandasIndex

    known = xr.Coordinates()
    for dim, (_, values, *attributes) in coords.items():
        index = pd.Index(values, dtype=object if values.dtype.kind == "O" else None)
        known |= xr.Coordinates.from_xindex(PandasIndex(index, dim, values.dtype))
        known[dim].attrs.update(*attributes)
    shape = tuple(coords[d][1].size for d in dims)
    data = {n: _variable(dims, np.broadcast_to(np.nan, shape), a) for n, a in about.items()}
    data["status"] = _variable(dims[:-1], np.broadcast_to(0, shape[:-1]), status_attributes())
    return xr.Dataset(data, known)


@functools.lru_cache(maxsize=32)
def _empty(dims: tuple[str, ...], coords: tuple[Any, ...], about: tuple[Any, ...]) -> xr.Dataset:
    """Do as `_labelled`, for few coordinates: those and their indexes cost more than all else of a small result.

    Copies share the indexes, which nothing can change, and not the attributes.
    """
    labels = {n: (dim, np.frombuffer(raw, kind), *map(dict, more)) for n, dim, raw, kind, *more in coords}
    return _labelled(dims, labels, {n: dict(pairs) for n, *pairs in about})


def rows_dataset(
    model: Model,
    chosen: Sequence[OutputQuantity],
    values: Mapping[str, np.ndarray],
    status: np.ndarray,
    table: EventTable,
    about: Mapping[str, dict[str, str]],
    settings: dict[str, Any],
    notes: Sequence[str] = (),
) -> xr.Dataset:
    """Return outputs over the rows of a data set, with its columns as coordinates.

    A column that is named like a variable of the result, as in a simulated table that is read again, has ``_table``
    behind its name; ``notes`` among the attributes say so, beside the given ones. ``about`` has further attributes of
    the variables, ``settings`` those of the whole.
    """
    import xarray as xr

    table = table.in_time(model.time_unit)
    columns = [str(name) for name in table.frame.columns]
    taken = {*values, *(f"d{q.name}" for q in chosen), *TAKEN, "parameter", "parameter_units", "CLOCK"} - {"ID", "TIME"}
    names = _free_names(columns, taken)
    moved = [f"column {old} of the data is {new} here" for old, new in names.items() if old != new]
    coords: dict[str, Any] = {}
    if not np.array_equal(table.clock, table.frame["TIME"].to_numpy()):
        coords["CLOCK"] = ("row", np.asarray(table.clock, float), {"units": model.time_unit, "long_name": "time"})
    for name in columns:
        column = table.frame[name].to_numpy()
        if column.dtype.kind == "O":
            column = np.array(["." if v is None or v != v else str(v) for v in column])
        coords[names[name]] = ("row", column, {"units": model.time_unit} if name == "TIME" else {})
    data: dict[str, Any] = {n: ("row", array, variable_attributes(n, chosen) | about[n]) for n, array in values.items()}
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
