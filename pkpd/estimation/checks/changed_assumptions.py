"""What becomes of a parameter when the study's assumptions change."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.api import fit
from pkpd.estimation.method import Method
from pkpd.estimation.methods.mode import Mode
from pkpd.estimation.study.loading import as_study
from pkpd.estimation.study.study import Study
from pkpd.model.scales import to_scale

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.study.result import StudyFit

__all__ = ["BASE", "assumptions"]

BASE = "as in the study"


def assumptions(
    study: Study | str | os.PathLike[str],
    variants: Mapping[str, Study | Mapping[str, Any]],
    parameter: str,
    *,
    base: StudyFit | None = None,
    method: Method | None = None,
) -> pd.DataFrame:
    """Refit a study under other assumptions, and compare what each says of a parameter.

    Parameters
    ----------
    study : Study, str or path
    variants : mapping of label to Study, or to arguments of ``Study.with_``
        ``{"CRP as printed": {"reinterpret": {("villegas2020", "CRP"): 0.1}}}``.
    parameter : str
        A free parameter of the study, shared or by patient.
    base : StudyFit, optional
        The study as it is, if it was calibrated already by the same method; fitted anew by default.
    method : Method, optional
        Of all fits: ``Mode(predictive=1)`` by default, or ``Nuts(...)``.

    Returns
    -------
    DataFrame
        Columns variant, patient (empty for a shared parameter), cohort, mean, 2.5%, 50%, 97.5% and shift: of the median
        against the study as it is, in posterior standard deviations on the scaled axis.

    Raises
    ------
    PkpdError
        If the parameter is not free in the study, or a variant contradicts itself.
    """
    import pandas as pd

    start, how = as_study(study), Mode(predictive=1) if method is None else method
    free = {f.name: f for f in start.free}
    if parameter not in free:
        raise PkpdError(
            f"study '{start.name}': '{parameter}' is not free{nearest(parameter, free)}; free are {', '.join(free)}"
        )
    changed = {k: v if isinstance(v, Study) else start.with_(**v) for k, v in variants.items()}
    results = {BASE: base if base is not None else fit(start, method=how, progress=False)}
    for label, variant in changed.items():
        results[label] = fit(variant, method=how, progress=False)
    f = free[parameter]
    middle = to_scale(_draws(results[BASE], parameter), f.scale, f.limits)
    centre, spread = np.median(middle, axis=0), middle.std(axis=0, ddof=1)
    rows = []
    for label, found in results.items():
        x = _draws(found, parameter)
        who = found.patients if f.level == "patient" else ("",)
        for i, patient in enumerate(who):
            low, half, high = np.quantile(x[:, i], [0.025, 0.5, 0.975])
            # patients of a variant may be others than those of the study
            known = results[BASE].patients if patient else ("",)
            j, shift = known.index(patient) if patient in known else -1, np.nan
            if j >= 0 and spread[j] > 0:
                shift = (np.median(to_scale(x[:, i], f.scale, f.limits)) - centre[j]) / spread[j]
            rows.append({"variant": label, "patient": patient, "cohort": found.cohorts.get(patient, ""),
                         "mean": x[:, i].mean(), "2.5%": low, "50%": half, "97.5%": high, "shift": shift})  # fmt: skip
    return pd.DataFrame(rows)


def _draws(calibration: StudyFit, parameter: str) -> NDArray[np.float64]:
    """Return draws of a parameter, shape (draw, patients or 1), also where a variant has fixed it."""
    if parameter in calibration.posterior:
        x = calibration.draws(parameter)
        return x if x.ndim > 1 else x[:, None]
    problem = calibration.study.problem
    value = problem.model.parameters[parameter].value
    by_patient = [s.values.get(parameter, value) for s in problem.subjects]
    return np.tile(np.array(by_patient), (2, 1))
