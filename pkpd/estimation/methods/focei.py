"""Estimation by FO, FOCE, FOCEI, Laplace, and Lindstrom and Bates' method."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pkpd.engine.machine.ahead import wanted_soon
from pkpd.errors import DataError, PkpdError
from pkpd.estimation.checkpoint import read_state, write_state
from pkpd.estimation.identity import identity_of
from pkpd.estimation.method import CovarianceKind, Method
from pkpd.estimation.methods import compile_loops
from pkpd.estimation.methods.flipflop import flip_flop
from pkpd.estimation.methods.limits import limits_of
from pkpd.estimation.methods.objective import Objective, Outcome, lost_effects
from pkpd.estimation.methods.optimise import Search, Step, minimise, settle
from pkpd.estimation.problem import Problem
from pkpd.estimation.result import Fit
from pkpd.estimation.vector import PopulationVector

__all__ = ["Fo", "Foce", "Focei", "Laplace", "Nlme"]

#: mean square of standardised random effects at the start from which on it is taken as poor
POOR = 4.0
#: standard deviation of the perturbation of the first restart, on the scale of the vector, and to what it grows
SPREAD, WIDEST = 0.3, 1.5
#: most iterations from which on a search that failed is begun again, and by how much the other must be lower
RECOVERED, BETTER = 50, 1e-2


@dataclass(frozen=True, kw_only=True)
class Focei(Method):
    """First-order conditional estimation with interaction: Laplace's approximation with expected second derivatives.

    Parameters
    ----------
    restarts : int
        Further searches from perturbed start values; the best of all is kept.
    seed : int
        Of the perturbations.
    max_iterations : int
    decrease : float
        Predicted decrease of the objective at which a search ends.
    checkpoint : path, optional
        File that the best values are written to after each iteration, and read from if it is there.
    covariance : {"auto", "R", "S", "RS", "linearised"} or None
        Which covariance of the estimates is computed, see :meth:`pkpd.estimation.record.FitRecord.covariance_step`;
        ``auto`` is R.

    Notes
    -----
    Sources: Wang Y. J Pharmacokinet Pharmacodyn 2007;34:575-593; gradients: Almquist J, Leander J, Jirstrand M. J
    Pharmacokinet Pharmacodyn 2015;42:191-209.

    Examples
    --------
    >>> Focei(restarts=3).restarts
    3
    """

    name: ClassVar[str] = "focei"
    step: ClassVar[str | None] = "R"

    restarts: int = 0
    seed: int = 0
    max_iterations: int = 200
    decrease: float = 2e-6
    checkpoint: str | os.PathLike[str] | None = None
    covariance: CovarianceKind | None = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.decrease > 0:
            raise PkpdError(f"{type(self).__name__}: decrease must be > 0, got {self.decrease!r}")

    def run(self, problem: Problem, progress: Callable[[Step], Any] | None = None) -> Fit:
        """Estimate by the approximation of the likelihood that the method is called after.

        Raises
        ------
        DataError
            If data are impossible at the start values.
        """
        method = self.name
        begun = time.perf_counter()
        layout, messages = problem.layout, list(problem.messages)
        wanted_soon(compile_loops.__name__, compile_loops.LOOPS)
        objective = problem.objective(method)
        problem.check_start(objective)
        keeper = _Keeper(problem, method, None if self.checkpoint is None else Path(self.checkpoint), progress)
        start = keeper.resumed(messages)
        x0 = layout.start if start is None else start
        logs = np.array([e.scale in ("log", "logit") for e in layout.entries])
        if start is None and method != "fo":
            x0 = _better_start(problem, objective, x0, logs, messages)
        search_of = settle if method == "nlme" else minimise

        def search(x: np.ndarray, watch: Callable[[Step, Outcome], Any]) -> Search:
            return search_of(
                objective,
                x,
                layout.low,
                layout.high,
                logs,
                limit=self.max_iterations,
                decrease=self.decrease,
                watch=watch,
            )

        best = search(x0, keeper)
        if method != "fo":
            best = _in_other_modes(objective, best, lambda x: search(x, keeper), messages)
        if self.max_iterations >= RECOVERED:
            best = _recovered(objective, layout, best, lambda x: search(x, keeper), messages)
        if self.restarts and not best.message.startswith("interrupted"):
            best = _restarted(problem, method, best, search, self.restarts, self.seed, layout, messages)
        return finished(problem, objective, method, best, messages, begun)


class Foce(Focei):
    """FOCE without interaction: residual variances at the typical prediction.

    Source: Lindstrom MJ, Bates DM. Biometrics 1990;46:673-687.
    """

    name: ClassVar[str] = "foce"


class Fo(Focei):
    """First-order approximation about the typical subject.

    Source: Sheiner LB, Rosenberg B, Melmon KL. Comput Biomed Res 1972;5:441-459.
    """

    name: ClassVar[str] = "fo"


class Laplace(Focei):
    """Laplace's approximation of the likelihood, with exact second derivatives: also for grades, counts and events.

    Source: Wang Y. J Pharmacokinet Pharmacodyn 2007;34:575-593.
    """

    name: ClassVar[str] = "laplace"


class Nlme(Focei):
    """The algorithm of Lindstrom and Bates, as R's nlme has it, to compare with its fits.

    Held linear is the prediction, or its logarithm where the error is log-normal: of data that are linear there with
    constant variances it is the maximum likelihood.

    Source: Lindstrom MJ, Bates DM. Biometrics 1990;46:673-687.
    """

    name: ClassVar[str] = "nlme"


def _better_start(
    problem: Problem, objective: Objective, x: np.ndarray, logs: np.ndarray, messages: list[str]
) -> np.ndarray:
    """Return start values improved by a few iterations of FO where subjects lie far from the given ones."""
    here = objective(x)
    observed = np.diff(objective.data.starts) > 0
    size = float(np.mean(here.u[observed] ** 2)) if here.u.size else 0.0
    if np.isfinite(here.ofv) and size < POOR and here.converged.all():
        return x
    layout = problem.layout
    try:
        rough = problem.objective("fo")
    except DataError:  # FO takes continuous data only; then there is nothing to improve the start with
        rough = None
    if rough is not None:
        first = minimise(rough, x, layout.low, layout.high, logs, limit=15)
        objective.u = np.zeros_like(objective.u)
        there = objective(first.x)
        if np.isfinite(there.ofv) and (not np.isfinite(here.ofv) or there.ofv < here.ofv):
            messages.append("the start values were far from the data; they were improved by a few iterations of FO")
            return first.x
    if not np.isfinite(here.ofv):
        raise DataError(
            f"fit: the objective of {objective.name.upper()} cannot be computed at the start values; give better ones "
            "with start={...}, or estimate with method='fo' first"
        )
    objective.u = here.u
    return x


def _in_other_modes(
    objective: Objective, best: Search, search: Callable[[np.ndarray], Search], messages: list[str]
) -> Search:
    """Search on where a subject has more probable random effects than those that were followed."""
    for _ in range(2):
        if not best.converged:
            break
        changed = np.flatnonzero(objective.other_modes(best.x, best.outcome.u))
        if not changed.size:
            break
        who = ", ".join(str(v) for v in objective.data.labels[changed[:5]])
        messages.append(f"more probable random effects were found for ID {who}; the search went on from them")
        steps, evaluations = best.steps, best.evaluations
        best = search(best.x)
        best.steps, best.evaluations = steps + best.steps, evaluations + best.evaluations
    return best


def _recovered(
    objective: Objective,
    layout: PopulationVector,
    best: Search,
    search: Callable[[np.ndarray], Search],
    messages: list[str],
) -> Search:
    """Search again where the first search got stuck or ran off, from between its start and its end.

    Variances and residual errors begin anew: those that fell to nothing far from the data never grow again. So do
    typical values at a ridge, and random effects.
    """
    for share in (1.0, 0.5):
        stuck = not best.converged and not best.message.startswith("interrupted")
        flat = limits_of(objective, layout, best.x, best.outcome).flat
        if not stuck and (not flat or share < 1.0):
            break
        x = layout.start.copy()
        kept = [k for k, e in enumerate(layout.entries) if e.kind == "theta" and e.name not in flat]
        x[kept] += share * (best.x[kept] - x[kept])
        objective.forget()
        again = search(x)
        steps, evaluations = best.steps + again.steps, best.evaluations + again.evaluations
        if again.outcome.ofv < best.outcome.ofv + BETTER:
            why = "ran off along a ridge" if flat and not stuck else f"ended without an optimum ({best.message})"
            if again.outcome.ofv < best.outcome.ofv - BETTER:
                messages.append(f"the search {why} and was begun again: OFV {again.outcome.ofv:.3f}")
                best = again
            elif again.converged and stuck:
                best = again
        best.steps, best.evaluations = steps, evaluations
        if best.message.startswith("interrupted") or again.message.startswith("interrupted"):
            break
    objective.forget()
    objective.u = best.outcome.u
    return best


def _restarted(
    problem: Problem, method: str, best: Search, search: Callable[..., Search], restarts: int, seed: int,
    layout: PopulationVector, messages: list[str],
) -> Search:  # fmt: skip
    """Return the best of searches from perturbed start values and the one there is."""
    rng = np.random.default_rng(seed)
    found = [best.outcome.ofv]
    for k in range(restarts):
        spread = min(SPREAD * (k + 1), WIDEST)
        x = np.clip(layout.start + spread * rng.standard_normal(layout.size), layout.low, layout.high)
        try:
            again = search(x, lambda step, outcome: None)
        except (PkpdError, np.linalg.LinAlgError):
            continue
        if not np.isfinite(again.outcome.ofv):
            continue
        found.append(again.outcome.ofv)
        better = again.outcome.ofv < best.outcome.ofv - 1e-6
        best = again if better or (again.converged and not best.converged) else best
        if again.message.startswith("interrupted"):
            break
    low = sum(v < min(found) + 0.1 for v in found)
    messages.append(
        f"{len(found)} searches from perturbed start values: {low} ended within 0.1 of the lowest objective, "
        f"the highest at {max(found):.3f}"
    )
    return best


def finished(
    problem: Problem, objective: Objective, method: str, search: Search, messages: list[str], begun: float,
    believed: bool = False,
) -> Fit:  # fmt: skip
    """Return the fit of a search, with what is to be said of it; ``believed`` where priors were in it."""
    layout = problem.layout
    effects = objective.effects(search.x, search.outcome)
    if not search.converged:
        messages.append(search.message)
    limits = limits_of(objective, layout, search.x, search.outcome, believed)
    messages += limits.messages
    if search.converged and not limits.flat:
        warm = problem.objective("focei") if method == "fo" else objective
        messages += flip_flop(problem, warm, search.x, effects)
    messages += lost_effects(problem.data, search.outcome)
    labels = layout.labels
    trace = [
        {"iteration": k, "ofv": s.ofv, **dict(zip(labels, layout.quantities(s.x).tolist(), strict=True))}
        for k, s in enumerate(search.steps)
    ]
    return Fit(
        problem, search.x, effects, search.outcome.ofv, method, search.converged and not limits.flat, messages,
        trace, time.perf_counter() - begun,
        extra={"evaluations": search.evaluations, "solutions": objective.solutions, "ended": search.message,
               "flat": list(limits.flat)},
    )  # fmt: skip


class _Keeper:
    """Tells of progress and keeps the best values in a file."""

    def __init__(
        self, problem: Problem, method: str, path: Path | None, progress: Callable[[Step], Any] | None
    ) -> None:
        self.method, self.path, self.progress = method, path, progress
        self.head = {} if path is None else identity_of(problem)
        self.best = np.inf

    def resumed(self, messages: list[str]) -> np.ndarray | None:
        """Return the values of the file, None without one."""
        held = None if self.path is None else read_state("fit", self.path, self.head)
        if held is None:
            return None
        messages.append(f"went on from checkpoint {self.path} (OFV {held['ofv']:.3f})")
        self.best = float(held["ofv"]) if str(held["method"]) == self.method else np.inf
        return np.array(held["x"], np.float64)

    def __call__(self, step: Step, outcome: Outcome) -> None:
        if self.progress is not None:
            self.progress(step)
        if self.path is None or not step.ofv <= self.best:
            return
        self.best = step.ofv
        write_state(self.path, self.head, {"method": self.method, "ofv": step.ofv, "x": step.x})
