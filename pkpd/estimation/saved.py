"""What a fit on disk holds, and how it is written."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.estimation.record import FitRecord
from pkpd.files import write_whole
from pkpd.observation.data import FitData

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["FORMAT", "MATRICES", "held_values", "rows_of", "save_fit", "units_of"]

FORMAT = 4
_POSED = ("fixed", "start", "bloq", "rtol", "atol", "solver", "threads")
MATRICES = ("matrix", "scaled", "R", "S")


def save_fit(fit: FitRecord, path: str | os.PathLike[str]) -> None:
    """Write what was estimated as JSON; model and data are not in it, but a hash of the equations is."""
    u = fit.uncertainty
    held: dict[str, Any] = {
        "format": FORMAT, "model": fit.layout.model.name, "fingerprint": fit.layout.model.fingerprint,
        "units": units_of(fit.layout.model), "data": fit.events.name, "subjects": [str(v) for v in fit.data.labels],
        "rows": rows_of(fit.data), "held": held_values(fit),
        "labels": list(fit.layout.labels),
        "estimates": fit.estimates, "x": fit.x, "effects": fit.effects, "ofv": fit.ofv, "method": fit.method,
        "converged": bool(fit.converged), "messages": fit.messages, "trace": fit.trace, "seconds": fit.seconds,
        "options": _options(fit.estimator),
        "settings": {k: fit.settings[k] for k in _POSED}, "covariance_message": fit.covariance_message,
        "extra": {k: v for k, v in fit.extra.items() if isinstance(v, (str, int, float, list, dict))},
        "uncertainty": None if u is None else {
            "kind": u.kind, "held": list(u.held), "condition_number": u.condition_number,
            **{k: getattr(u, k) for k in MATRICES},
        },
    }  # fmt: skip
    write_whole(Path(path), json.dumps(held, indent=1, default=_plain))


def _options(method: Any) -> dict[str, Any] | None:
    """Return the options of a method by name; what was only for this run, files and folders, is left out."""
    if method is None:
        return None
    return {f.name: getattr(method, f.name) for f in fields(method) if f.name not in ("checkpoint", "out")}


def units_of(model: Model) -> dict[str, str]:
    """Return the clock of a model and the units of its states and parameters, which equations do not tell."""
    named = {**model.states, **model.parameters}
    return {"time": model.time_unit, **{name: each.unit for name, each in named.items()}}


def rows_of(data: FitData) -> dict[str, str]:
    """Return hashes of what was observed, and of the doses and covariates behind it."""
    frame = data.table.frame
    observed = [data.y, data.time, data.censored, data.subject, *(c.rows for c in data.channels)]
    for r in data.reported:
        observed += [r.rows.ravel(), r.value, r.value_to, r.reading, [r.log.__qualname__]]
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


def held_values(fit: FitRecord) -> dict[str, float]:
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
