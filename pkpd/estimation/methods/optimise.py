"""The outer problem: a quasi-Newton method with exact gradients that begins with the expected second derivative."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pkpd.estimation.methods.objective import Outcome

__all__ = ["Search", "SearchState", "Step", "minimise", "settle"]

#: longest step of a number on a logarithmic scale
LONGEST = 1.0
#: predicted decrease of the objective below which the search ends
DECREASE = 2e-6


@dataclass(frozen=True)
class Step:
    """One accepted point of the search."""

    iteration: int
    ofv: float
    x: np.ndarray
    decrease: float


@dataclass
class Search:
    """Result of a search.

    Attributes
    ----------
    x : float array, (n,)
    outcome : Outcome
    converged : bool
    message : str
        Why it ended.
    steps : list of Step
    hessian : float array, (n, n)
        Last approximation of the second derivative.
    evaluations : int
    """

    x: np.ndarray
    outcome: Outcome
    converged: bool
    message: str
    steps: list[Step] = field(default_factory=list)
    hessian: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    evaluations: int = 0


class SearchState:
    """Point, objective and metric of a search with bounds."""

    def __init__(self, x: np.ndarray, outcome: Outcome, low: np.ndarray, high: np.ndarray, logs: np.ndarray) -> None:
        self.x, self.outcome, self.low, self.high, self.logs = x, outcome, low, high, logs
        self.B = regular(outcome.fisher)

    def free(self) -> np.ndarray:
        """Return the numbers that are not held at a bound by the gradient."""
        g = self.outcome.gradient
        return ~(((self.x <= self.low) & (g > 0)) | ((self.x >= self.high) & (g < 0)))

    def direction(self) -> tuple[np.ndarray, float]:
        """Return the step and the decrease that it promises."""
        free, g = self.free(), self.outcome.gradient
        step = np.zeros_like(self.x)
        if free.any():
            B = self.B[np.ix_(free, free)]
            try:
                step[free] = -np.linalg.solve(B, g[free])
            except np.linalg.LinAlgError:  # at a ridge the curvature falls below what numbers can hold
                step[free] = -np.linalg.solve(regular(B), g[free])
        return step, -0.5 * float(g @ step)

    def within_reach(self, step: np.ndarray) -> list[np.ndarray]:
        """Return steps whose every part is within reason, the better one first.

        A part that the objective hardly tells can be very long; it is cut by itself, so that it does not shorten the
        others. The whole step made short is the other way, and the first one where it leads downhill further.
        """
        reach = np.where(self.logs, LONGEST, 3.0 * (np.abs(self.x) + 1.0 / np.sqrt(np.maximum(np.diag(self.B), 1e-8))))
        ratio = float((np.abs(step) / reach).max(initial=0.0))
        if ratio <= 1.0:
            return [step]
        cut, short = np.clip(step, -reach, reach), step / ratio
        g = self.outcome.gradient
        return [cut, short] if g @ cut < g @ short else [short]

    def update(self, s: np.ndarray, y: np.ndarray) -> None:
        """Update the metric by BFGS, damped so that it stays positive definite (Powell 1978)."""
        Bs = self.B @ s
        sBs, sy = float(s @ Bs), float(s @ y)
        if sBs <= 0.0:
            return
        if sy < 0.2 * sBs:
            t = 0.8 * sBs / (sBs - sy)
            y = t * y + (1.0 - t) * Bs
            sy = float(s @ y)
        self.B += np.outer(y, y) / sy - np.outer(Bs, Bs) / sBs


def regular(B: np.ndarray) -> np.ndarray:
    """Return a matrix made positive definite, on the scale of its own diagonal."""
    scale = np.sqrt(np.maximum(np.diag(B), 1e-10))
    values, vectors = np.linalg.eigh(B / np.outer(scale, scale))
    values = np.maximum(values, 1e-3)
    return (vectors * values) @ vectors.T * np.outer(scale, scale)


def minimise(
    objective: Callable[[np.ndarray], Outcome], x: np.ndarray, low: np.ndarray, high: np.ndarray, logs: np.ndarray,
    *, limit: int = 200, decrease: float = DECREASE, watch: Callable[[Step, Outcome], Any] | None = None,
) -> Search:  # fmt: skip
    """Minimise an objective within bounds.

    Parameters
    ----------
    objective : callable
        Returns objective, gradient and expected second derivative.
    x : float array, (n,)
        Start; the objective must be finite there.
    low, high : float array, (n,)
    logs : bool array, (n,)
        Numbers on a logarithmic scale, for which a step of 1 is long.
    limit : int
        Most iterations.
    decrease : float
        Predicted decrease at which to end.
    watch : callable, optional
        Called with each accepted step; what it raises ends the search.

    Notes
    -----
    KeyboardInterrupt ends the search with the best point so far.
    """
    outcome = objective(x)
    state = SearchState(x.copy(), outcome, low, high, logs)
    search = Search(state.x, outcome, False, "", hessian=state.B, evaluations=1)
    try:
        _run(objective, state, search, limit, decrease, watch)
    except KeyboardInterrupt:
        search.message = f"interrupted after {len(search.steps)} iterations; the values are the best so far"
    search.x, search.outcome, search.hessian = state.x, state.outcome, state.B
    return search


def _run(
    objective: Callable[[np.ndarray], Outcome], state: SearchState, search: Search, limit: int, decrease: float,
    watch: Callable[[Step, Outcome], Any] | None,
) -> None:  # fmt: skip
    fresh = True
    for iteration in range(limit + 1):
        step, promised = state.direction()
        found = Step(iteration, state.outcome.ofv, state.x.copy(), promised)
        search.steps.append(found)
        if watch is not None:
            watch(found, state.outcome)
        if promised < decrease:
            search.converged, search.message = True, f"converged: the predicted decrease is {promised:.1e}"
            return
        if iteration == limit:
            break
        moved = None
        for within in state.within_reach(step):
            moved = moved or _line(objective, state, search, within, promised)
        if moved is None:
            if fresh:
                # rounding limits what can still be gained
                search.converged = promised < 1e-3
                search.message = f"no lower value was found along the search direction (promised {promised:.1e})"
                return
            state.B, fresh = regular(state.outcome.fisher), True
            continue
        trial, outcome = moved
        s, y = trial - state.x, outcome.gradient - state.outcome.gradient
        far = bool(np.any(np.abs(s[state.logs]) > 0.5))
        state.x, state.outcome = trial, outcome
        if far:
            state.B, fresh = regular(outcome.fisher), True
        else:
            state.update(s, y)
            fresh = False
    search.message = f"stopped after {limit} iterations; raise max_iterations"


def _line(
    objective: Callable[[np.ndarray], Outcome], state: SearchState, search: Search, step: np.ndarray, promised: float
) -> tuple[np.ndarray, Outcome] | None:
    """Return the first point along a step that is low enough, or None."""
    length = 1.0
    before, slope = state.outcome.ofv, float(state.outcome.gradient @ step)
    for _ in range(12):
        trial = np.clip(state.x + length * step, state.low, state.high)
        outcome = objective(trial)
        search.evaluations += 1
        if math.isfinite(outcome.ofv) and outcome.ofv <= before + 1e-4 * length * slope + 1e-10 * abs(before):
            return trial, outcome
        if not math.isfinite(outcome.ofv):
            length *= 0.25
            continue
        # minimum of the parabola through value, slope and the trial
        curve = outcome.ofv - before - length * slope
        best = -0.5 * slope * length * length / curve if curve > 0 else 0.5 * length
        length = min(max(best, 0.1 * length), 0.5 * length)
        if length * promised < 1e-9:
            break
    return None


def settle(
    objective: Callable[[np.ndarray], Outcome], x: np.ndarray, low: np.ndarray, high: np.ndarray, logs: np.ndarray,
    *, limit: int = 200, decrease: float = DECREASE, watch: Callable[[Step, Outcome], Any] | None = None,
) -> Search:  # fmt: skip
    """Find where a gradient vanishes that is not exactly that of the objective, by scoring steps.

    Arguments and result as for :func:`minimise`. Steps are halved while the promised decrease grows.
    """
    outcome = objective(x)
    state = SearchState(x.copy(), outcome, low, high, logs)
    search = Search(state.x, outcome, False, f"stopped after {limit} iterations; raise max_iterations", evaluations=1)
    length, last = 1.0, math.inf
    try:
        for iteration in range(limit + 1):
            state.B = regular(state.outcome.fisher)
            step, promised = state.direction()
            found = Step(iteration, state.outcome.ofv, state.x.copy(), promised)
            search.steps.append(found)
            if watch is not None:
                watch(found, state.outcome)
            if promised < decrease or not math.isfinite(promised):
                search.converged = promised < decrease
                search.message = f"converged: the predicted decrease is {promised:.1e}"
                break
            length = max(0.5 * length, 0.05) if promised > last else min(1.0, 1.5 * length)
            last = promised
            trial = np.clip(state.x + length * state.within_reach(step)[0], low, high)
            outcome = objective(trial)
            search.evaluations += 1
            while not math.isfinite(outcome.ofv) and search.evaluations < 5 * limit:
                trial = 0.5 * (trial + state.x)
                outcome = objective(trial)
                search.evaluations += 1
            state.x, state.outcome = trial, outcome
    except KeyboardInterrupt:
        search.message = f"interrupted after {len(search.steps)} iterations"
    search.x, search.outcome, search.hessian = state.x, state.outcome, state.B
    return search
