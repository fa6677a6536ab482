"""The end of a SAEM run: is it at the maximum, and the steps that are missing if it is not.

EM goes slowly along directions of which the data tell little, and averages that hardly move look settled long before
the maximum. The gradient g of the objective by importance sampling tells the distance: with the second derivative H
that is expected of the linearised model, ``g^T H^-1 g / 2`` is what the objective can still fall by. Where that is
much, Newton's steps with the same gradient go on from the averages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.estimation.methods.objective import Objective, Outcome
from pkpd.estimation.methods.optimise import SearchState, regular
from pkpd.estimation.methods.score import Score, score_of

if TYPE_CHECKING:
    from pkpd.estimation.methods.saem_mean import Means
    from pkpd.estimation.problem import Problem

__all__ = ["Ascent", "ascend"]

#: what the objective may still be expected to fall by where a run has converged
ENOUGH = 0.5
#: most steps, and evaluations of each
STEPS, HALVINGS = 25, 4
#: points of importance sampling of each subject, to begin with and at most
POINTS, MOST_POINTS = 256, 4096
#: information that is added on logarithmic scales: a step along what the data do not tell stays short
DAMPED = 0.1
#: noise of the promised decrease above which equations are differentiated, and then points are added
NOISY = 0.25


@dataclass
class Ascent:
    """Where Newton's steps ended.

    Attributes
    ----------
    x : float array, (n,)
    outcome : Outcome
        Of FOCEI there.
    score : Score
    promised : float
        Expected decrease of the objective that is left, the noise of the gradient taken off.
    steps : int
    converged : bool
    message : str
    """

    x: np.ndarray
    outcome: Outcome
    score: Score
    promised: float
    steps: int
    converged: bool
    message: str


@dataclass
class _Place:
    x: np.ndarray
    outcome: Outcome
    score: Score
    step: np.ndarray
    promised: float


class _Slope:
    """Gradient and step at a vector."""

    def __init__(self, problem: Problem, objective: Objective, means: Means, seed: int) -> None:
        self.problem, self.objective, self.means, self.seed = problem, objective, means, seed
        lay = problem.layout
        self.logs = np.array([e.scale in ("log", "logit") for e in lay.entries])
        self.full, self.points = bool(means.others.size), POINTS

    def __call__(self, x: np.ndarray) -> _Place:
        outcome = self.objective(x)
        eta = self.objective.effects(x, outcome)
        place, noise = self._at(x, outcome, eta)
        while noise > NOISY and not (self.full and self.points >= MOST_POINTS):
            self.points *= 2 if self.full else 1
            self.full = True
            place, noise = self._at(x, outcome, eta)
        return place

    def _at(self, x: np.ndarray, outcome: Outcome, eta: np.ndarray) -> tuple[_Place, float]:
        """Return the place and the part of the promised decrease that is noise."""
        lay = self.problem.layout
        score = score_of(self.problem, x, self.means, points=self.points, seed=self.seed, eta=eta, full=self.full)
        fisher = np.nan_to_num(outcome.fisher) + np.diag(np.where(self.logs, DAMPED, 0.0))
        state = SearchState(x, replace(outcome, gradient=score.gradient, fisher=fisher), lay.low, lay.high, self.logs)
        step, promised = state.direction()
        free = state.free()
        noise = 0.0
        if free.any():
            noise = 0.5 * float(
                np.trace(np.linalg.solve(regular(fisher)[np.ix_(free, free)], score.noise[np.ix_(free, free)]))
            )
        return _Place(x, outcome, score, state.within_reach(step)[0], promised - noise), noise


def ascend(
    problem: Problem, objective: Objective, means: Means, x: np.ndarray, seed: int,
    watch: Callable[[int, float, np.ndarray], Any] | None = None,
) -> Ascent:  # fmt: skip
    """Return the maximum of the likelihood near a vector, by Newton's steps where it is not there yet.

    Parameters
    ----------
    problem : Problem
    objective : Objective
        Of FOCEI, for most probable random effects and the expected information.
    means : Means
    x : float array, (n,)
    seed : int
    watch : callable, optional
        Called with the number of each step, objective and vector.
    """
    lay = problem.layout
    slope = _Slope(problem, objective, means, seed)
    here, steps = slope(x), 0
    message = ""
    try:
        while here.promised > ENOUGH and steps < STEPS:
            there = _next(slope, here, lay.low, lay.high)
            if there is None:
                break
            here, steps = there, steps + 1
            if watch is not None:
                watch(steps, here.score.ofv, here.x)
    except KeyboardInterrupt:
        message = f"interrupted after {steps} Newton steps; the values are the best so far"
    settled = here.promised <= ENOUGH and not message
    message = message or _said(slope, here, steps, settled)
    return Ascent(here.x, here.outcome, here.score, here.promised, steps, settled, message)


def _next(slope: _Slope, here: _Place, low: np.ndarray, high: np.ndarray) -> _Place | None:
    """Return the place after a step, shortened until the objective is lower; None where it does not fall."""
    length = 1.0
    for _ in range(HALVINGS):
        there = slope(np.clip(here.x + length * here.step, low, high))
        if there.score.ofv < here.score.ofv or there.promised < ENOUGH:
            return there
        length *= 0.4
    return None


def _said(slope: _Slope, here: _Place, steps: int, settled: bool) -> str:
    lay = slope.problem.layout
    if settled:
        return (
            f"the averages were not at the maximum; {steps} Newton steps by importance sampling went on"
            if steps
            else ""
        )
    worst = np.argsort(here.score.gradient * here.step)[:3]
    names = ", ".join(lay.labels[k] for k in worst)
    return (
        f"not at the maximum: the objective is expected to fall by another {here.promised:.1f} (mostly along {names}); "
        "raise burn_in or smoothing, or chains"
    )
