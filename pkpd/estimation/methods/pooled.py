"""Naive pooled data, the standard two-stage method, and the mode of the posterior with priors (MAP)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from pkpd.errors import DataError
from pkpd.estimation.method import CovarianceKind, Method
from pkpd.estimation.methods.complete import Complete
from pkpd.estimation.methods.flipflop import flip_flop
from pkpd.estimation.methods.focei import finished
from pkpd.estimation.methods.limits import limits_of
from pkpd.estimation.methods.objective import METHODS, Outcome
from pkpd.estimation.methods.optimise import DECREASE, Search, Step, minimise
from pkpd.estimation.methods.penalised import Penalised
from pkpd.estimation.methods.saem_mean import Means
from pkpd.estimation.methods.saem_updates import OmegaUpdate, assemble, residuals_of
from pkpd.estimation.priors import Priors
from pkpd.estimation.problem import Problem, pose
from pkpd.estimation.result import Fit
from pkpd.estimation.uncertainty.covariance import covariance_of

if TYPE_CHECKING:
    from pkpd.estimation.priors import Given
    from pkpd.estimation.vector import PopulationVector

__all__ = ["Map", "NaivePooled", "TwoStage"]

#: how much wider than the model's the spread is that keeps individual estimates finite
WIDER = 30.0
_POSED = ("bloq", "rtol", "atol", "solver", "threads")
Progress = Callable[[Step], Any]


def _minimise(
    objective: Callable[[np.ndarray], Outcome], problem: Problem, limit: int, decrease: float, progress: Progress | None
) -> Search:
    lay = problem.layout
    logs = np.array([e.scale in ("log", "logit") for e in lay.entries])

    def watch(step: Step, _: Outcome) -> None:
        if progress is not None:
            progress(step)

    return minimise(objective, lay.start, lay.low, lay.high, logs, limit=limit, decrease=decrease, watch=watch)


def _typical(problem: Problem) -> Problem:
    """Return the problem in which all subjects are typical."""
    s = problem.settings
    start = {n: v for n, v in s["start"].items() if not n.startswith("omega_")}
    fixed = [n for n in s["fixed"] if not n.startswith("omega_")]
    own = {k: s[k] for k in _POSED}
    return pose(
        problem.model, problem.data, fixed=fixed, start=start, declared=problem.layout.declared, typical=True, **own
    )


def _without_omegas(problem: Problem, widen: float = 1.0) -> Problem:
    """Return the problem with covariances that are not estimated, wider ones if wanted."""
    s, model, lay = problem.settings, problem.model, problem.layout
    fixed = {*s["fixed"], *(f"omega_{n}" for n in model.etas), *(f"omega_iov_{n}" for n in model.iov_etas)}
    start = {n: v for n, v in s["start"].items() if not n.startswith("omega_")}
    variances = np.diag(lay.natural(lay.start).omega) * widen**2
    start |= {f"omega_{n}": float(v) for n, v in zip(model.etas, variances, strict=True)}
    return pose(model, problem.data, fixed=fixed, start=start, declared=lay.declared, **{k: s[k] for k in _POSED})


# -- naive pooled


class _Pooled:
    """-2 log-likelihood with all random effects 0."""

    def __init__(self, problem: Problem) -> None:
        self.complete = Complete(problem)
        self.none = np.zeros((self.complete.m, self.complete.p))
        self.q = problem.layout.q

    def __call__(self, x: np.ndarray) -> Outcome:
        found = self.complete.slopes(x[: self.q], self.none, x[self.q :])
        gradient = -2.0 * np.hstack([found.x, found.z])
        ofv = float(-2.0 * found.l.sum())
        if not (math.isfinite(ofv) and np.isfinite(gradient).all()):
            ofv = math.inf
        return Outcome(
            ofv, gradient.sum(axis=0), -2.0 * found.l, gradient, 2.0 * found.curvature, self.none,
            np.ones(self.complete.m, bool),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class NaivePooled(Method):
    """As if all data came from one subject: random effects are 0, variability is taken as residual error.

    The model of the fit has no variability, so what is simulated with it differs by residual error alone.

    Parameters
    ----------
    max_iterations : int

    Notes
    -----
    Standard errors are those of the sandwich over subjects, which holds although the data of a subject are correlated.
    """

    name: ClassVar[str] = "naive_pooled"

    max_iterations: int = 200

    def run(self, problem: Problem, progress: Progress | None = None) -> Fit:
        """Estimate."""
        begun = time.perf_counter()
        alone = _typical(problem)
        alone.check_start(alone.objective("focei"))
        objective = _Pooled(alone)
        search = _minimise(objective, alone, self.max_iterations, 1e-9, progress)
        messages = [*alone.messages]
        if problem.links.effects:
            messages.append(
                "naive pooled: random effects are taken as 0, so the model of the fit has none; its residual error "
                "holds the differences between subjects"
            )
        if not search.converged:
            messages.append(search.message)
        limits = limits_of(objective, alone.layout, search.x, search.outcome)
        messages += limits.messages
        converged = search.converged and not limits.flat
        known, said = None, "not computed: the search has not converged"
        if converged:
            messages += flip_flop(alone, None, search.x, objective.none)
            known, said = covariance_of(objective, alone.layout, search.x, "RS")
        labels = alone.layout.labels
        trace = [
            {
                "iteration": s.iteration,
                "ofv": s.ofv,
                **dict(zip(labels, alone.layout.quantities(s.x).tolist(), strict=True)),
            }
            for s in search.steps
        ]
        return Fit(
            alone, search.x, objective.none, search.outcome.ofv, self.name, converged, messages, trace,
            time.perf_counter() - begun, known, said,
            {"evaluations": search.evaluations, "ended": search.message, "flat": list(limits.flat)},
        )  # fmt: skip


# -- MAP


@dataclass(frozen=True, kw_only=True)
class Map(Method):
    """The most probable values with priors: the likelihood of a method, with -2 log prior added.

    ``ofv`` of the fit and what follows from it are without the prior; ``extra["penalty"]`` is -2 log prior. Covariances
    are those of the posterior.

    Parameters
    ----------
    priors : mapping, optional
        See :class:`pkpd.estimation.priors.Priors`. Thetas that are not in it have weakly informative ones, all else
        none.
    objective : {"focei", "foce", "fo", "laplace"}
        Approximation of the likelihood.
    max_iterations : int
    covariance : {"auto", "R", "S", "RS", "linearised"} or None
        As for :class:`pkpd.estimation.methods.focei.Focei`; priors are part of each.
    """

    name: ClassVar[str] = "map"
    step: ClassVar[str | None] = "R"

    priors: Given | None = None
    objective: Literal["focei", "foce", "fo", "laplace"] = "focei"
    max_iterations: int = 200
    covariance: CovarianceKind | None = "auto"

    def believed(self, layout: PopulationVector) -> Priors:
        """Return the priors of an estimated vector, as a penalty on the likelihood."""
        return Priors(layout, self.priors, full=False)

    def run(self, problem: Problem, progress: Progress | None = None) -> Fit:
        """Estimate."""
        begun = time.perf_counter()
        if self.objective not in METHODS or self.objective == "nlme":
            known = ", ".join(m for m in METHODS if m != "nlme")
            raise DataError(f"fit, method map: objective must be {known}, got {self.objective!r}")
        believed = self.believed(problem.layout)
        base = problem.objective(self.objective)
        problem.check_start(base)
        penalised = Penalised(base, believed)
        search = _minimise(penalised, problem, self.max_iterations, DECREASE, progress)
        penalty = -2.0 * believed(search.x)[0]
        # what the data tell, without the priors
        alone = search.outcome.fisher - 2.0 * believed.information(search.x)
        search.outcome = replace(search.outcome, ofv=float(search.outcome.ofv - penalty), fisher=alone)
        fit = finished(problem, base, self.name, search, list(problem.messages), begun, believed=True)
        fit.extra |= {"penalty": penalty, "priors": believed.describe(), "objective": self.objective}
        fit.messages.append(f"-2 log prior is {penalty:.3f}, without constants; it is not in the OFV")
        fit.priors = believed
        fit.seconds = time.perf_counter() - begun
        return fit


# -- two-stage


class _TwoStage:
    """Individual estimates, and what is common to all."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.layout = problem, problem.layout
        self.complete = Complete(problem)
        self.means = Means(self.complete)
        wide = _without_omegas(problem, WIDER)
        self.objective = wide.objective("focei")
        wide.check_start(self.objective)
        self.wide = wide
        self.x, self.z = (
            self.layout.start[: self.layout.q].copy(),
            self.layout.start[self.layout.q + self.layout.w :].copy(),
        )
        rows = np.diff(problem.data.starts)
        self.kept = rows > len(self.layout.etas)
        self.eta = np.zeros((self.complete.m, self.complete.p))
        self.converged = np.zeros(self.complete.m, bool)
        self.closed = residuals_of(self.complete)

    def begin(self) -> None:
        """Take the most probable effects under the model's own spread as the beginning."""
        objective = self.problem.objective("focei")
        start = self.layout.start
        found = objective.modes(start)
        self.eta = np.nan_to_num(found.state.u @ objective.unpack(start)[1].T)

    def round(self) -> float:
        """Estimate every subject, then what is common; return by how much the latter moved."""
        vector = np.concatenate([self.x, self.z])
        factor = self.objective.unpack(vector)[1]
        found = self.objective.modes(vector, np.linalg.solve(factor, self.eta.T).T)
        self.eta, self.converged = found.state.u @ factor.T, found.converged
        q, others = self.layout.q, self.means.others
        slopes = self.complete.slopes(self.x, self.eta, self.z)
        which = np.concatenate([others, q + np.arange(self.layout.s)])
        if not which.size:
            return 0.0
        g = np.hstack([slopes.x, slopes.z])[self.kept].sum(axis=0)[which]
        J = slopes.curvature[np.ix_(which, which)]
        step = np.linalg.solve(J + (1e-8 * np.trace(J) + 1e-12) * np.eye(which.size), g)
        z = self.z + step[others.size :]
        for r in self.closed:
            z[r.at] = 0.5 * math.log(max(r.statistic(self.complete.data.y, slopes.f), 1e-300))
        moved = max(
            float(np.max(np.abs(step[: others.size]), initial=0.0)), float(np.max(np.abs(z - self.z), initial=0.0))
        )
        step = np.clip(step, -0.5, 0.5)
        self.x[others] = np.clip(
            self.x[others] + step[: others.size], self.layout.low[others], self.layout.high[others]
        )
        at = q + self.layout.w
        self.z = np.clip(np.clip(z, self.z - 1.0, self.z + 1.0), self.layout.low[at:], self.layout.high[at:])
        return moved

    def populations(self) -> np.ndarray:
        """Return the estimated vector: means and covariance of the individual estimates."""
        lay, n = self.layout, len(self.layout.etas)
        psi = self.means.mean(self.x) + self.eta[:, :n]
        kept, part = self.kept, Means.__new__(Means)
        part.thetas, part.others, part.C = self.means.thetas, self.means.others, self.means.C[self.kept]
        if self.means.thetas.size:
            t = self.means.thetas
            self.x[t] = np.clip(part.update(psi[kept], np.eye(n)), lay.low[t], lay.high[t])
        apart = psi - self.means.mean(self.x)
        self.eta[:, :n] = apart
        second = apart[kept].T @ apart[kept] / max(kept.sum() - 1, 1)
        omega = OmegaUpdate(lay, "omega").update(second, second, 0.0)
        z, data = self.z.copy(), int(np.diff(self.problem.data.starts)[kept].sum())
        free = data - int(kept.sum()) * n
        for r in self.closed:  # each subject has used up n data
            z[r.at] += 0.5 * math.log(data / max(free, 1))
        self.z = z
        return assemble(lay, self.x, omega, lay.factor_iov0 @ lay.factor_iov0.T, z)


@dataclass(frozen=True, kw_only=True)
class TwoStage(Method):
    """Each subject on its own, then means and covariance of these estimates.

    Residual parameters, and thetas that are no mean of a random effect, are common to all and estimated along with the
    subjects; residual standard deviations are corrected for the degrees of freedom that the subjects have used.
    ``extra["individual"]`` of the fit holds the estimates of each subject; ``ofv`` is FOCEI's at the estimates.
    Covariances of random effects are too large by the imprecision of the individual estimates (Sheiner LB, Beal SL. J
    Pharmacokinet Biopharm 1980;8:553-571).

    Parameters
    ----------
    max_iterations : int
        Rounds between subjects and what is common.
    """

    name: ClassVar[str] = "two_stage"

    max_iterations: int = 30

    def run(self, problem: Problem, progress: Any = None) -> Fit:
        """Estimate.

        Raises
        ------
        DataError
            If there is variability between occasions, no random effect, or fewer than 2 subjects with enough data.
        """
        begun, lay = time.perf_counter(), problem.layout
        _check_two_stage(problem)
        run = _TwoStage(problem)
        messages = list(problem.messages)
        if run.kept.sum() < 2:
            raise DataError(
                f"fit, method two_stage: {int(run.kept.sum())} subjects have more observations than random effects "
                f"({len(lay.etas)}); at least 2 are needed, take 'focei'"
            )
        if not run.kept.all():
            who = ", ".join(str(v) for v in problem.data.labels[~run.kept][:5])
            messages.append(f"{int((~run.kept).sum())} subjects with too few observations are left out: ID {who}")
        run.begin()
        moved = math.inf
        for _ in range(self.max_iterations):
            moved = run.round()
            if moved < 1e-5:
                break
        lost = run.kept & ~run.converged
        if lost.any():
            who = ", ".join(str(v) for v in problem.data.labels[lost][:5])
            messages.append(f"the estimates of {int(lost.sum())} subjects have not converged: ID {who}")
        if not moved < 1e-5:
            messages.append(
                f"what subjects have in common still moved by {moved:.1g} in the last of {self.max_iterations} rounds; "
                "raise max_iterations"
            )
        x = run.populations()
        focei = problem.objective("focei")
        outcome = focei(x)
        limits = limits_of(focei, lay, x, outcome)
        messages += limits.messages
        messages += flip_flop(problem, focei, x, run.eta)
        messages.append(
            "two-stage: variances of random effects are inflated by the imprecision of individual estimates"
        )
        individual: dict[str, list[Any]] = {"ID": [str(v) for v in problem.data.labels]}
        for k, name in enumerate(lay.etas):
            individual[f"eta_{name}"] = run.eta[:, k].tolist()
        said = "two-stage has none of its own; that of FOCEI can be computed at its estimates"
        settled = bool(moved < 1e-5 and not lost.any() and not limits.flat)
        extra = {"individual": individual, "left_out": int((~run.kept).sum()), "flat": list(limits.flat)}
        return Fit(
            problem, x, run.eta, outcome.ofv, self.name, settled, messages, [], time.perf_counter() - begun, None, said,
            extra,
        )  # fmt: skip


def _check_two_stage(problem: Problem) -> None:
    lay = problem.layout
    if lay.kappas:
        raise DataError(
            f"fit, method two_stage: variability between occasions ({', '.join(lay.kappas)}) cannot be told from that "
            "between subjects one by one; take 'focei' or 'saem'"
        )
    if not lay.etas:
        raise DataError("fit, method two_stage: the model has no random effects; take 'naive_pooled'")
