"""Whether one patient's levels can be true of the model that the patient is estimated with."""

from __future__ import annotations

import numpy as np

from pkpd.estimation.checks.fitted import Fitted
from pkpd.estimation.problem import Problem
from pkpd.estimation.result import Fit
from pkpd.model.residual import LogNormal
from pkpd.simulation.contradiction import Level, contradictions, middle_of

__all__ = ["contradictions_of"]

_DRAWS = 300
_SIGNS = {1: "< ", -1: "> ", 0: ""}


def contradictions_of(problem: Problem, mode: np.ndarray, f: np.ndarray, before: np.ndarray) -> tuple[str, ...]:
    """Return what speaks against a patient's levels, or the model for this patient; see `contradictions`.

    Parameters
    ----------
    problem : Problem
        The patient's.
    mode : ndarray, shape (p,)
        Most probable random effects.
    f : ndarray, shape (draw, observation)
        Predictions of draws.
    before : ndarray, shape (draw,)
        Weights that make the draws those of anybody like the patient.
    """
    fitted = Fitted(Fit(problem, problem.layout.start, mode[None], np.nan, "focei"))
    usual = np.isin(fitted.kind, ("normal", "log"))
    own, at = fitted.predict(mode[None]), np.cumsum(before)
    chosen = np.searchsorted(at, (np.arange(_DRAWS) + 0.5) / _DRAWS * at[-1])
    anybody = f[np.minimum(chosen, len(f) - 1)]
    data = problem.data
    levels = []
    for k in np.flatnonzero(usual):
        name = f"{fitted.output[k]} at {data.time[k]:g} {problem.model.time_unit}"
        levels.append(_level(fitted, int(k), name, anybody[:, k], float(own[k])))
    sizes = np.sqrt(np.diag(fitted.factor @ fitted.factor.T))
    names = [f"eta_{n}" for n in problem.model.etas]
    effects = {n: float(e / s) for n, e, s in zip(names, mode, sizes, strict=False) if s > 0}
    active = np.flatnonzero(sizes > 0)
    omega = (fitted.factor @ fitted.factor.T)[np.ix_(active, active)]
    distance = float(mode[active] @ np.linalg.solve(omega, mode[active])) if active.size else 0.0
    measured = usual & (data.censored == 0)
    whole = distance + sum(one.residual**2 for one in levels) if measured.all() else None
    return contradictions(effects, levels, whole)


def _level(fitted: Fitted, k: int, name: str, anybody: np.ndarray, own: float) -> Level:
    """Return an observation beside what anybody like the patient would have, and the patient's own curve."""
    from scipy.special import ndtr, ndtri

    data, error = fitted.data, fitted.error(str(fitted.output[k]))
    y, censored, log = float(data.y[k]), int(data.censored[k]), isinstance(error, LogNormal)

    def spread(prediction: np.ndarray) -> np.ndarray:
        sd = error.sigma if isinstance(error, LogNormal) else error.sd(prediction)
        return np.broadcast_to(np.asarray(sd, float), prediction.shape)

    def distance(prediction: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return (np.log(y / prediction) if log else y - prediction) / spread(prediction)

    z = distance(anybody)
    below = ndtr(z)
    residual = float(distance(np.array([own]))[0])
    if censored:
        chance = float(np.nanmean(below if censored > 0 else 1.0 - below))
        beyond = residual if censored > 0 else -residual
        return Level(name, f"{_SIGNS[censored]}{y:g}", middle_of(np.empty(0)), 0.5 * chance, min(beyond, 0.0))
    noise = spread(anybody) * ndtri((np.arange(len(anybody)) * 0.6180339887498949 + 0.5) % 1.0)
    replicates = anybody * np.exp(noise) if log else anybody + noise
    return Level(name, f"{y:g}", middle_of(replicates), float(np.nanmean(below)), residual)
