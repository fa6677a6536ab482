"""What the data do not tell: estimates that ran off along a ridge, variances that vanished, values at bounds.

A direction of the typical values is flat where the expected information along it is next to nothing and the objective
does not change as they move on by a factor of 10. Along a ridge a search ends anywhere, with a gradient of 0; it has
no optimum, so a fit with typical values there has not converged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pkpd.estimation.entries import VectorEntry
    from pkpd.estimation.methods.objective import Outcome
    from pkpd.estimation.vector import PopulationVector

__all__ = ["Limits", "limits_of"]

#: standard error on the scale of estimation, by the expected information, from which on a direction is looked at
LOOSE = 3.0
#: the same, from which on nothing needs to be tried: the interval spans 50 powers of 10
UNKNOWN = 30.0
#: how far a value is moved on its scale, and the change of the objective that tells of it
MOVE, TELLS = math.log(10.0), 0.1
#: distance on the logit scale from which on a value stands at its bound: within 0.1% of the range
AT_BOUND = 7.0
#: distance from the start on the scale of estimation from which on a value is said to have run off
FAR = math.log(100.0)
#: share in a direction from which on a typical value is named
SHARE = 0.1

Evaluate = Callable[[np.ndarray], "Outcome"]


@dataclass
class Limits:
    """What is to be said of estimates that are no inner optimum.

    Attributes
    ----------
    messages : list of str
    flat : tuple of str
        Typical values at a flat ridge; a fit with any has not converged.
    """

    messages: list[str] = field(default_factory=list)
    flat: tuple[str, ...] = ()


def limits_of(
    evaluate: Evaluate, layout: PopulationVector, x: np.ndarray, outcome: Outcome, believed: bool = False
) -> Limits:
    """Return what the data do not tell of an estimated vector.

    Parameters
    ----------
    evaluate : callable
        Objective at a vector; it is asked only where the expected information is small.
    layout : PopulationVector
    x : float array, (n,)
    outcome : Outcome
        At x, with the expected information of the data alone.
    believed : bool
        Whether priors hold what the data do not tell: then it is said, and nothing is at a ridge.
    """
    out = Limits()
    information = 0.5 * np.nan_to_num(outcome.fisher, nan=0.0, posinf=0.0, neginf=0.0)
    held = np.zeros(layout.size, bool)
    ask = _Asked(evaluate, layout, x, outcome.ofv)
    for k, e in enumerate(layout.entries):
        message = _of_entry(layout, k, e, x, float(information[k, k]), ask)
        if message:
            held[k] = True
            out.messages.append(message)
    free = np.flatnonzero(~held[: layout.q])
    flat = _flat(layout, x, information, free, ask)
    if flat and believed:
        names = ", ".join(layout.entries[k].name for k in flat)
        out.messages.append(f"the data tell next to nothing of {names}: what is estimated of them is their priors")
    elif flat:
        out.flat = tuple(layout.entries[k].name for k in flat)
        out.messages.append(_ridge(layout, x, flat))
    return out


@dataclass
class _Asked:
    """Whether the objective stays as it is when the vector moves."""

    evaluate: Evaluate
    layout: PopulationVector
    x: np.ndarray
    ofv: float

    def __call__(self, step: np.ndarray) -> bool:
        moved = np.clip(self.x + step, self.layout.low, self.layout.high)
        there = self.evaluate(moved).ofv
        return math.isfinite(there) and there - self.ofv < TELLS


def _of_entry(layout: PopulationVector, k: int, e: VectorEntry, x: np.ndarray, information: float, ask: _Asked) -> str:
    """Return what is to be said of a number by itself: at its bound, or a variance or error that has vanished."""
    label = layout.labels[k]
    unknown = information < 1.0 / LOOSE**2
    if e.kind in ("omega", "iov"):
        if e.scale != "log":
            return ""
        if x[k] <= layout.low[k] + np.log(10.0):
            return _vanished(layout, k, x)
        if unknown and x[k] < 0 and ask(_along(layout, k, -MOVE)):
            return _vanished(layout, k, x, "cannot be told from 0")
        return ""
    value = layout.quantities(x)[k]
    if e.kind == "theta" and e.scale == "logit" and abs(x[k]) > AT_BOUND:
        low, high = layout.model.parameters[e.name].bounds or (0.0, 1.0)
        outward = math.copysign(MOVE, x[k])
        if abs(x[k]) >= 20.0 - 1e-6 or (unknown and ask(_along(layout, k, outward))):
            return f"{label} has reached its bound {high if outward > 0 else low:g} ({value:.6g})"
        return ""
    if x[k] <= layout.low[k] + 1e-6 or x[k] >= layout.high[k] - 1e-6:
        return f"{label} is at its bound ({value:.4g}): the estimate is not a maximum of the likelihood"
    if e.kind == "sigma" and e.scale == "log" and unknown and ask(_along(layout, k, -MOVE)):
        return f"{label} has fallen to 0 ({value:.2g}): the data do not need this part of the residual error"
    return ""


def _along(layout: PopulationVector, k: int, size: float) -> np.ndarray:
    out = np.zeros(layout.size)
    out[k] = size
    return out


def _units(layout: PopulationVector, x: np.ndarray) -> np.ndarray:
    """Return what counts as a unit of each typical value: 1 on log and logit scales, else its own size."""
    start = layout.start
    return np.array([
        1.0 if e.scale != "additive" else max(abs(x[k]), abs(start[k]), 1e-8) for k, e in enumerate(layout.entries)
    ])  # fmt: skip


def _flat(layout: PopulationVector, x: np.ndarray, information: np.ndarray, free: np.ndarray, ask: _Asked) -> list[int]:
    """Return the typical values that take part in a direction of which the data tell nothing."""
    if not free.size:
        return []
    unit = _units(layout, x)[free]
    values, vectors = np.linalg.eigh(information[np.ix_(free, free)] * np.outer(unit, unit))
    share = np.zeros(free.size)
    for value, vector in zip(values, vectors.T, strict=True):
        along = vector / np.abs(vector).max()
        error = 1.0 / math.sqrt(max(value * float(vector @ vector) / np.abs(vector).max() ** 2, 1e-300))
        if error < LOOSE:
            break
        step = np.zeros(layout.size)
        step[free] = MOVE * along * unit
        if error > UNKNOWN or ask(step) or ask(-step):
            share += vector * vector
    return [int(free[j]) for j in np.flatnonzero(share > SHARE)]


def _ridge(layout: PopulationVector, x: np.ndarray, flat: list[int]) -> str:
    """Return what is said of typical values at a flat ridge."""
    start, value = layout.start, layout.quantities(x)
    names = []
    for k in flat:
        e = layout.entries[k]
        unit = layout.model.parameters[e.name].unit
        shown = f"{value[k]:.3g}{' ' + unit if unit else ''}, started at {layout.theta0[e.name]:.3g}"
        ran = e.scale == "log" and abs(x[k] - start[k]) > FAR
        names.append(f"{e.name} ran off ({shown})" if ran else f"{e.name} ({shown})")
    what = "this value" if len(flat) == 1 else "these values"
    return (
        f"at a flat ridge: {', '.join(names)}. The data do not tell {what}: the objective stays the same as far as "
        "they move. Fix what is known, leave out what the data do not need, or start elsewhere"
    )


def _vanished(layout: PopulationVector, k: int, x: np.ndarray, what: str = "has fallen to 0") -> str:
    """Return what is to be said of an entry of the diagonal of a factor that has fallen to nothing."""
    e, label = layout.entries[k], layout.labels[k]
    natural = layout.natural(x)
    omega = natural.omega if e.kind == "omega" else natural.omega_iov
    factor = natural.factor if e.kind == "omega" else natural.factor_iov
    least = math.exp(e.low)
    if omega[e.at] > 1e2 * max(factor[e.at], least) ** 2:
        names = layout.etas if e.kind == "omega" else layout.kappas
        others = ", ".join(n for j, n in enumerate(names) if j != e.at[0] and omega[e.at[0], j] != 0.0)
        return (
            f"the covariance of random effects has become singular: that of {names[e.at[0]]} is a sum of those of "
            f"{others}; the data do not tell them apart, take a correlation or an effect out"
        )
    return (
        f"{label} {what} (sd {np.sqrt(omega[e.at]):.1g}; {least:g} is the least that is tried): the data do not "
        "need this variability; leave it out"
    )
