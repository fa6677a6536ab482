"""How much the facts speak for a region of one parameter: its odds after the data over its odds before."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.checks.parameter_draws import free_named
from pkpd.estimation.convergence import diagnose
from pkpd.kinds import needs
from pkpd.options import is_number
from pkpd.randomness import check_seed

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.study.result import StudyFit

__all__ = ["region_odds"]

#: draws of the prior, in parts
PRIOR, PART = 200_000, 5_000


def region_odds(fit: StudyFit, parameter: str, below: float = 0.1, *, seed: int = 0) -> pd.DataFrame:
    """Compare "the parameter is below a number" with "it is not", patient by patient, without a refit.

    The Bayes factor is that of the two halves of the study's own prior, cut at the number: posterior odds over prior
    odds of ``parameter < below`` (Klugkist I, Hoijtink H. Comput Stat Data Anal 2007;51:6367-6379).

    Parameters
    ----------
    fit : StudyFit
    parameter : str
        A free parameter of the study, shared or by patient.
    below : float
        In the parameter's unit.
    seed : int
        Of draws of the prior.

    Returns
    -------
    DataFrame
        Columns patient (empty for a shared parameter), prior and posterior (probabilities of less), bayes_factor (above
        1: the facts speak for less) and its Monte Carlo standard error. Half an effective draw is added on either side,
        so that where no draw lies, or all of them do, the factor is as far as this many draws can tell.

    Raises
    ------
    PkpdError
        If the parameter is not free, or before the data it is never, or always, below the number.
    """
    import pandas as pd

    needs("region_odds", fit, ("StudyFit",), "pkpd.fit(study) makes one")
    if not is_number(below):
        raise PkpdError(f"region_odds: below must be a number, got {below!r}")
    check_seed(seed)
    f = free_named(fit.study, parameter)
    before = _before(fit, parameter, below, seed)
    under = fit.posterior[parameter].values < below
    under = under.reshape(*under.shape[:2], -1)
    if none := [i for i, share in enumerate(before) if share in (0.0, 1.0)]:
        what = "below" if before[none[0]] == 1.0 else "at or above"
        raise PkpdError(
            f"region_odds: before the data {parameter} is always {what} {below:g}; there is nothing to compare"
        )
    rows: list[dict[str, Any]] = []
    for i, patient in enumerate(fit.study.problem.patients if f.level == "patient" else ("",)):
        p, n = _share(under[..., i], bool(fit.attrs.get("independent", 0)))
        factor = p / (1.0 - p) * (1.0 - before[i]) / before[i]
        # of the logarithm of odds: 1 / (n p (1 - p))
        relative = math.sqrt(1.0 / (n * p * (1.0 - p)) + 1.0 / (PRIOR * before[i] * (1.0 - before[i])))
        rows.append({"patient": patient, "prior": float(before[i]), "posterior": p, "bayes_factor": float(factor),
                     "error": float(factor * relative)})  # fmt: skip
    return pd.DataFrame(rows)


def _before(fit: StudyFit, parameter: str, below: float, seed: int) -> np.ndarray:
    """Return the probability of less before the data, (patients or 1,)."""
    vector, rng = fit.study.problem.vector, np.random.default_rng([seed, 15])
    parts = [np.atleast_2d(below > vector.transform(vector.draw(PART, rng))[parameter].T) for _ in range(PRIOR // PART)]
    return np.mean([part.mean(axis=1) for part in parts], axis=0)


def _share(under: np.ndarray, independent: bool) -> tuple[float, float]:
    """Return the share of draws, (chain, draw), that are under, and how many these are worth."""
    n = float(under.size)
    if not independent and under.any() and not under.all():
        n = min(diagnose({"under": under.astype(float)})["under"]["ess_bulk"], n)
    return (float(under.mean()) * n + 0.5) / (n + 1.0), n
