"""Means and standard deviations of what a study believes before the data, as it declares them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pkpd.estimation.spreads import ErrorScale, HalfNormal

if TYPE_CHECKING:
    from pkpd.estimation.study.problem import StudyProblem

__all__ = ["moments"]

#: mean and standard deviation of ln |z| of a standard normal z
_LOG_HALF_NORMAL = (-0.5 * (float(np.euler_gamma) + math.log(2.0)), math.pi / math.sqrt(8.0))


def moments(problem: StudyProblem) -> dict[str, tuple[float, float]]:
    """Return mean and standard deviation of every named number on its scaled axis.

    A pooled number of a patient has the variance ``sd^2 + spread^2``, or ``sd^2 + scale^2`` under a half-normal spread.
    What the model's bounds cut off, at most 0.1 %, is not taken away.
    """
    free = {f.name: f for f in problem.study.free}
    cohorts = dict(zip(problem.patients, problem.cohorts, strict=True))
    out: dict[str, tuple[float, float]] = {}
    for v in problem.vector.variables:
        if v.kind == "error":
            scale = problem.study.errors[v.free]
            assert isinstance(scale, ErrorScale)  # others are no variable
            out[v.name] = math.log(scale.value), scale.sd
            continue
        f = free[v.free]
        if v.kind == "spread":
            assert isinstance(f.spread, HalfNormal)
            out[v.name] = math.log(f.spread.scale) + _LOG_HALF_NORMAL[0], _LOG_HALF_NORMAL[1]
        elif v.dims == ("cohort",):
            out |= {f"{v.name}[{g}]": f.location_of(g) for g in problem.groups}
        elif v.kind == "patient":
            spread = f.spread.scale if isinstance(f.spread, HalfNormal) else f.spread or 0.0
            for patient, cohort in cohorts.items():
                mean, sd = f.location_of(*f.keys_of(patient, cohort))
                out[f"{v.name}[{patient}]"] = mean, math.hypot(sd, spread)
        else:
            out[v.name] = f.location_of()
    return out
