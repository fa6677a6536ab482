"""The numbers of the estimated vector: what each is, and within which bounds it is looked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pkpd.model.model import Model
from pkpd.observation.density import SigmaSpec

__all__ = ["VectorEntry", "factor_entries", "far_from", "smallest_sds"]

#: a standard deviation of random effects is not estimated below this, see :func:`smallest_sds`
SMALLEST_SD = 1e-4


@dataclass(frozen=True)
class VectorEntry:
    """One estimated number.

    Attributes
    ----------
    kind : {"theta", "omega", "iov", "sigma"}
    name : str
        Of a theta or residual parameter; of an entry of a Cholesky factor, ``L[V,CL]``.
    at : (int, int)
        Row and column in the factor; (number, 0) elsewhere.
    scale : {"log", "logit", "additive"}
    low, high : float
        Bounds on the scale.
    parameter : str
        Of a theta: the parameter of the model that it is a typical value of.
    """

    kind: str
    name: str
    at: tuple[int, int]
    scale: str
    low: float = -math.inf
    high: float = math.inf
    parameter: str = ""


def far_from(spec: SigmaSpec) -> tuple[float, float]:
    """Return bounds of a residual parameter on its scale: a factor of 1e8 either way, in whatever unit it is."""
    if spec.scale != "log":
        return -math.inf, math.inf
    return math.log(spec.value) - math.log(1e8), math.log(spec.value) + math.log(1e8)


def smallest_sds(model: Model, kind: str) -> np.ndarray:
    """Return below what standard deviation random effects are not estimated, (effects,).

    It is `SMALLEST_SD` on logarithmic and logit scales, else this share of the model's, which has a unit.
    """
    names, omega = (model.etas, model.omega) if kind == "omega" else (model.iov_etas, model.omega_iov)
    plain = np.array([model.parameters[n].scale not in ("log", "logit") for n in names], bool)
    return SMALLEST_SD * np.where(plain, np.sqrt(np.diag(omega)), 1.0)


def factor_entries(model: Model, kind: str, factor: np.ndarray, fixed: set[str]) -> list[VectorEntry]:
    """Return the entries of a factor that are estimated: of each block of correlated effects its lower triangle."""
    names, least = model.etas if kind == "omega" else model.iov_etas, np.log(smallest_sds(model, kind))
    n = len(names)
    omega = factor @ factor.T
    block = list(range(n))
    for i in range(n):
        for j in range(i):
            if omega[i, j] != 0.0 and block[i] != block[j]:
                block = [block[j] if b == block[i] else b for b in block]
    out = []
    for i in range(n):
        for j in range(i + 1):
            if block[i] != block[j] or names[i] in fixed or names[j] in fixed:
                continue
            if i == j:
                low = float(least[i])
                out.append(VectorEntry(kind, f"L[{names[i]}]", (i, i), "log", low, low + math.log(1e7)))
            else:
                out.append(VectorEntry(kind, f"L[{names[i]},{names[j]}]", (i, j), "additive"))
    return out
