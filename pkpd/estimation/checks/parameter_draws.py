"""What fits of a study say of one of its parameters, patient by patient, and how far that has moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PkpdError, nearest
from pkpd.model.scales import to_scale

if TYPE_CHECKING:
    from pkpd.estimation.study.priors import Free
    from pkpd.estimation.study.result import StudyFit
    from pkpd.estimation.study.study import Study

__all__ = ["Reference", "free_named", "parameter_draws", "parameter_rows", "reference_of"]

#: median and standard deviation on the scaled axis, by patient ("" for a shared parameter)
Reference = Mapping[str, tuple[float, float]]


def free_named(study: Study, parameter: str) -> Free:
    """Return what a study declares of a free parameter.

    Raises
    ------
    PkpdError
        If it is not free.
    """
    free = {f.name: f for f in study.free}
    if parameter not in free:
        raise PkpdError(
            f"study '{study.name}': '{parameter}' is not free{nearest(parameter, free)}; free are {', '.join(free)}"
        )
    return free[parameter]


def parameter_draws(found: StudyFit, parameter: str) -> NDArray[np.float64]:
    """Return draws of a parameter, shape (draw, patients or 1), also where the study of the fit has fixed it."""
    if parameter in found.posterior:
        x = found.draws(parameter)
        return x if x.ndim > 1 else x[:, None]
    problem = found.study.problem
    value = problem.model.parameters[parameter].value
    by_patient = [s.values.get(parameter, value) for s in problem.subjects]
    return np.tile(np.array(by_patient), (2, 1))


def _owners(found: StudyFit, f: Free) -> tuple[str, ...]:
    return found.study.problem.patients if f.level == "patient" else ("",)


def reference_of(found: StudyFit, f: Free) -> Reference:
    """Return median and standard deviation of a parameter on its scaled axis, by patient."""
    scaled = to_scale(parameter_draws(found, f.name), f.scale, f.limits)
    centre, spread = np.median(scaled, axis=0), scaled.std(axis=0, ddof=1)
    return {p: (float(centre[i]), float(spread[i])) for i, p in enumerate(_owners(found, f))}


def parameter_rows(found: StudyFit, f: Free, reference: Reference) -> list[dict[str, Any]]:
    """Return a row for each patient: patient, cohort, mean, quantiles, shift.

    The shift is that of the median against the reference, in its standard deviations on the scaled axis; NaN for
    patients whom the reference does not know, or of whom it leaves nothing open.
    """
    x = parameter_draws(found, f.name)
    problem, rows = found.study.problem, []
    cohorts = dict(zip(problem.patients, problem.cohorts, strict=True))
    # the cohort of a shared parameter is that of all patients, if they have one in common
    common = problem.groups[0] if len(problem.groups) == 1 else ""
    for i, patient in enumerate(_owners(found, f)):
        low, half, high = np.quantile(x[:, i], [0.025, 0.5, 0.975])
        centre, spread = reference.get(patient, (np.nan, 0.0))
        shift = np.nan
        if spread > 0:
            shift = (np.median(to_scale(x[:, i], f.scale, f.limits)) - centre) / spread
        rows.append({"patient": patient, "cohort": cohorts.get(patient, common), "mean": x[:, i].mean(), "2.5%": low,
                     "50%": half, "97.5%": high, "shift": shift})  # fmt: skip
    return rows
