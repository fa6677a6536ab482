"""Fits on disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.problem import pose
from pkpd.estimation.result import Fit
from pkpd.estimation.uncertainty.covariance import Covariance
from pkpd.files import write_whole
from pkpd.observation.data import FitData

if TYPE_CHECKING:
    from pkpd.dosing.events import EventTable
    from pkpd.model.model import Model

__all__ = ["load_fit", "save_fit"]

FORMAT = 3
_POSED = ("fixed", "start", "bloq", "rtol", "atol", "solver", "threads")
_MATRICES = ("matrix", "scaled", "R", "S")


def save_fit(fit: Fit, path: str | os.PathLike[str]) -> None:
    """Write what was estimated as JSON; model and data are not in it, but a hash of the equations is."""
    u = fit.uncertainty
    held: dict[str, Any] = {
        "format": FORMAT, "model": fit.layout.model.name, "fingerprint": fit.layout.model.fingerprint,
        "units": _units(fit.layout.model), "data": fit.events.name, "subjects": [str(v) for v in fit.data.labels],
        "rows": _rows(fit.data), "held": _held(fit),
        "labels": list(fit.layout.labels),
        "estimates": fit.estimates, "x": fit.x, "effects": fit.effects, "ofv": fit.ofv, "method": fit.method,
        "converged": bool(fit.converged), "messages": fit.messages, "trace": fit.trace, "seconds": fit.seconds,
        "settings": {k: fit.settings[k] for k in _POSED}, "covariance_message": fit.covariance_message,
        "extra": {k: v for k, v in fit.extra.items() if isinstance(v, (str, int, float, list, dict))},
        "uncertainty": None if u is None else {
            "kind": u.kind, "held": list(u.held), "condition_number": u.condition_number,
            **{k: getattr(u, k) for k in _MATRICES},
        },
    }  # fmt: skip
    write_whole(Path(path), json.dumps(held, indent=1, default=_plain))


def _units(model: Model) -> dict[str, str]:
    """Return the clock of a model and the units of its states and parameters, which equations do not tell."""
    named = {**model.states, **model.parameters}
    return {"time": model.time_unit, **{name: each.unit for name, each in named.items()}}


def _rows(data: FitData) -> dict[str, str]:
    """Return hashes of what was observed, and of the doses and covariates behind it."""
    frame = data.table.frame
    observed = [data.y, data.time, data.censored, data.subject, *(c.rows for c in data.channels)]
    given = [frame[n] for n in ("TIME", "EVID", "CMT", "AMT", "RATE", "II", "ADDL", "SS", *sorted(data.varying))]
    given += [*(data.constant[n] for n in sorted(data.constant)), data.occasion]
    return {"observations": _hash(observed), "doses, covariates or occasions": _hash(given)}


def _hash(columns: Sequence[Any]) -> str:
    """Return what columns have in common only if they are equal, whatever the kind of number or text."""
    told = hashlib.sha256()
    for column in columns:
        values = np.asarray(column)
        numbers = values.dtype.kind in "biuf"
        told.update(repr((values + 0.0).tolist() if numbers else [str(v) for v in values]).encode())
    return told.hexdigest()


def _held(fit: Fit) -> dict[str, float]:
    """Return all values: those that were not estimated are not in the estimated vector."""
    natural = fit.natural
    every = {**natural.theta, **natural.sigma}
    for name, matrix in {"omega": natural.omega, "omega_iov": natural.omega_iov}.items():
        every |= {f"{name}[{a + 1},{b + 1}]": matrix[a, b] for a in range(len(matrix)) for b in range(a + 1)}
    return {name: float(value) for name, value in every.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not stored")


def load_fit(path: str | os.PathLike[str], model: Model, data: EventTable) -> Fit:
    """Read a fit that was saved, with the model and the data that it was made with.

    Parameters
    ----------
    path : path
    model : Model
        With the start values, as given to ``fit``.
    data : EventTable

    Raises
    ------
    PkpdError
        If the file is no fit, or of other equations, subjects, rows, estimates or values that were not estimated.
    """
    try:
        held = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PkpdError(f"load_fit: {path} cannot be read: {error}") from None
    if not isinstance(held, dict) or held.get("format") != FORMAT:
        raise PkpdError(f"load_fit: {path} is no fit of format {FORMAT}")
    if held["fingerprint"] != model.fingerprint:
        raise PkpdError(
            f"load_fit: {path} is of model '{held['model']}' with other equations than '{model.name}' has now"
        )
    if held["units"] != _units(model):
        raise PkpdError(f"load_fit: {path} is of model '{held['model']}' in other units: {held['units']}")
    problem = pose(model, data, **held["settings"])
    for what, own in (("labels", problem.layout.labels), ("subjects", [str(v) for v in data.labels])):
        if held[what] != list(own):
            raise PkpdError(f"load_fit: {path} has other {what} than model and data give: {', '.join(held[what][:8])}")
    own = _rows(problem.data)
    off = [what for what in own if own[what] != held["rows"][what]]
    if off:
        raise PkpdError(
            f"load_fit: {path} was made with other {' and '.join(off)} than '{data.name}' has; give the data of the fit"
        )
    u = held["uncertainty"]
    known = None
    if u is not None:
        matrices = {k: np.array(u[k], np.float64) for k in _MATRICES}
        known = Covariance(
            kind=u["kind"], labels=tuple(held["labels"]), condition_number=u["condition_number"], held=tuple(u["held"]),
            **matrices,
        )  # fmt: skip
    found = Fit(
        problem, np.array(held["x"], np.float64), np.array(held["effects"], np.float64), held["ofv"], held["method"],
        held["converged"], held["messages"], held["trace"], held["seconds"], known, held["covariance_message"],
        held["extra"],
    )  # fmt: skip
    _check_held(path, held["held"], _held(found))
    return found


def _check_held(path: Any, told: dict[str, float], own: dict[str, float]) -> None:
    """Raise PkpdError if values that the file does not set, since they were fixed, differ in the model."""
    off = [
        f"{name} {told.get(name)!r} in the file, {own.get(name)!r} in the model"
        for name in {**told, **own}
        if not np.isclose(told.get(name, np.nan), own.get(name, np.nan), rtol=1e-9, atol=0.0, equal_nan=True)
    ]
    if off:
        raise PkpdError(f"load_fit: {path} is of a model with other fixed values: {', '.join(off[:4])}")
