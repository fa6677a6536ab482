"""What an estimation is of, so that unfinished and saved work of something else is told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.observation.density import laws_of

if TYPE_CHECKING:
    from pkpd.estimation.problem import Problem
    from pkpd.model.model import Model
    from pkpd.observation.data import FitData

__all__ = ["identity_of", "rows_of", "units_of"]


def identity_of(problem: Problem) -> dict[str, Any]:
    """Return all that the likelihood of a problem is made of, start values of what is estimated apart.

    Returns
    -------
    dict
        ``equations``, ``units``, ``observations``, ``doses, covariates or occasions``, ``laws`` (of residual errors
        and facts), ``estimates`` (names, scales and bounds) and ``held values``, as JSON can hold them.
    """
    return {
        "equations": problem.model.fingerprint, "units": units_of(problem.model), **rows_of(problem.data),
        "laws": laws_of(problem.data), "estimates": _estimated(problem), "held values": _held(problem),
    }  # fmt: skip


def _estimated(problem: Problem) -> list[list[Any]]:
    """Return the name, scale and bounds of each number of the estimated vector."""
    layout = problem.layout
    return [[n, e.scale, e.low, e.high] for n, e in zip(layout.labels, layout.entries, strict=True)]


def _held(problem: Problem) -> dict[str, Any]:
    """Return the values that are not estimated."""
    layout = problem.layout
    v = layout.natural(layout.start)
    free = {e.name for e in layout.entries if e.kind in ("theta", "sigma")}
    held: dict[str, Any] = {n: float(x) for n, x in {**v.theta, **v.sigma}.items() if n not in free}
    for kind, factor in (("omega", v.factor), ("iov", v.factor_iov)):
        own = factor.copy()
        for entry in layout.entries:
            if entry.kind == kind:
                own[entry.at] = 0.0
        held[f"factor of {kind}"] = own.tolist()
    return held


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
