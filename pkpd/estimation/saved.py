"""What a fit on disk holds, and how it is written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.identity import rows_of, units_of
from pkpd.estimation.record import FitRecord
from pkpd.estimation.spreads import plain_belief
from pkpd.files import write_whole
from pkpd.observation.density import laws_of

__all__ = ["FORMAT", "MATRICES", "held_values", "save_fit"]

FORMAT = 6
_POSED = ("fixed", "start", "bloq", "rtol", "atol", "solver", "threads", "typical")
MATRICES = ("matrix", "scaled", "R", "S")


def save_fit(fit: FitRecord, path: str | os.PathLike[str]) -> None:
    """Write what was estimated as JSON, draws of a posterior packed; model and data are not in it, but hashes are."""
    u = fit.uncertainty
    held: dict[str, Any] = {
        "format": FORMAT, "model": fit.layout.model.name, "fingerprint": fit.layout.model.fingerprint,
        "units": units_of(fit.layout.model), "data": fit.events.name, "subjects": [str(v) for v in fit.data.labels],
        "rows": rows_of(fit.data), "laws": laws_of(fit.data), "held": held_values(fit),
        "labels": list(fit.layout.labels),
        "estimates": fit.estimates, "x": fit.x, "effects": fit.effects, "ofv": fit.ofv, "method": fit.method,
        "converged": bool(fit.converged), "messages": fit.messages, "trace": fit.trace, "seconds": fit.seconds,
        "options": _options(fit.estimator),
        "settings": {k: fit.settings[k] for k in _POSED}, "declared": fit.layout.declared,
        "chains": None if fit.chains is None else fit.chains.text(), "covariance_message": fit.covariance_message,
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
    options = {f.name: getattr(method, f.name) for f in fields(method) if f.name not in ("checkpoint", "out")}
    if isinstance(believed := options.get("priors"), Mapping):
        options["priors"] = {name: plain_belief(value) for name, value in believed.items()}
    return options


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
    raise PkpdError(
        f"Fit.save: a {type(value).__name__} among the options of the method cannot be stored, got {value!r}"
    )
