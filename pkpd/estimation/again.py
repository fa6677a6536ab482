"""A fit taken up again: the same problem with other subjects, begun at the estimates."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.method import Method
from pkpd.estimation.methods.objective import METHODS, Objective
from pkpd.estimation.methods.penalised import Penalised
from pkpd.estimation.methods.register import method_of
from pkpd.estimation.problem import Problem
from pkpd.observation.data import FitData

if TYPE_CHECKING:
    from pkpd.estimation.result import Fit
    from pkpd.estimation.vector import PopulationVector

__all__ = [
    "at_estimates", "objective_again", "problem_again", "refitting", "restated",
]  # fmt: skip


def refitting(fit: Fit, given: Method | None, verb: str) -> Method:
    """Return the method of refits: that of the fit begun at its estimates, or the one given, which must be the same.

    Raises
    ------
    PkpdError
        If another method is given.
    """
    own = fit.estimator if fit.estimator is not None else method_of(fit.method, verb)
    if given is None:
        return own.again()
    if not isinstance(given, Method) or given.name != own.name:
        raise PkpdError(
            f"{verb}: the fit is by {type(own).__name__}; method must be {type(own).__name__}(...), got {given!r}"
        )
    return given


def at_estimates(fit: Fit) -> PopulationVector:
    """Return the layout of a fit, its start values the estimates."""
    layout, v = copy.copy(fit.layout), fit.natural
    layout.theta0, layout.sigma0 = dict(v.theta), dict(v.sigma)
    layout.factor0, layout.factor_iov0 = v.factor.copy(), v.factor_iov.copy()
    return layout


def restated(fit: Fit) -> dict[str, Any]:
    """Return how a fit was posed, for :func:`pkpd.estimation.problem.pose` of its model with the estimates put in."""
    settings: dict[str, Any] = {**fit.settings, "threads": 1}
    now = {**fit.theta, **fit.sigma}
    now |= {f"omega_{n}": float(v) for n, v in zip(fit.etas, np.diag(fit.omega), strict=True)}
    now |= {f"omega_iov_{n}": float(v) for n, v in zip(fit.layout.kappas, np.diag(fit.omega_iov), strict=True)}
    settings["start"] = {n: now[n] for n in fit.settings["start"]}
    settings["declared"] = fit.layout.declared
    return settings


def problem_again(fit: Fit, data: FitData | None = None) -> Problem:
    """Return the problem of a fit with other data, to be solved on one thread, begun at the estimates.

    Equations and machine code are those of the fit.

    Parameters
    ----------
    fit : Fit
    data : FitData, optional
        Made of the subjects of the fit; those of the fit by default.
    """
    settings: dict[str, Any] = {**fit.settings, "threads": 1}
    return fit.problem.of_data(fit.data if data is None else data, at_estimates(fit), settings)


def objective_again(fit: Fit, method: str | None = None) -> Objective | Penalised:
    """Return an objective of the fit's data with arrays of its own, begun at its random effects, with its priors."""
    name = fit.smooth_method if method is None else method
    if name not in METHODS or METHODS[name].frozen:
        raise PkpdError(
            f"fit: method '{name}' has no objective with an exact gradient; name fo, foce, focei or laplace"
        )
    found = problem_again(fit).objective(name)
    if found.p:
        _, factor, _, _ = found.unpack(fit.x)
        found.u = np.linalg.solve(factor, fit.effects.T).T
    return fit.with_priors(found)
