"""The inner problem: the most probable random effects of every subject, all subjects at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Evaluate", "InnerState", "Modes", "better_modes", "find_modes"]

#: decrement (gradient times Newton step) at which a subject has converged, and steps at most
CONVERGED, LIMIT = 1e-13, 300
#: decrements below which rounding decides whether the value falls
SMALL = 1e-7
#: longest step of a random effect, in standard deviations
LONGEST = 3.0


@dataclass
class InnerState:
    """Values at some random effects.

    Attributes
    ----------
    u : float array, (m, p)
    value : float array, (m,)
        ``-l + u^T u / 2``.
    gradient, step : float array, (m, p)
    decrement : float array, (m,)
    M : float array, (m, d, d)
    """

    u: np.ndarray
    value: np.ndarray
    gradient: np.ndarray
    step: np.ndarray
    decrement: np.ndarray
    M: np.ndarray

    @classmethod
    def at(cls, u: np.ndarray, d: int) -> InnerState:
        """Return room for values at u."""
        m, p = u.shape
        zeros = np.zeros
        return cls(u, zeros(m), zeros((m, p)), zeros((m, p)), zeros(m), zeros((m, d, d)))

    def take(self, other: InnerState, chosen: np.ndarray) -> None:
        """Take the values of some subjects from another state."""
        for name in ("u", "value", "gradient", "step", "decrement", "M"):
            getattr(self, name)[chosen] = getattr(other, name)[chosen]


@dataclass
class Modes:
    """Result of the inner problem.

    Attributes
    ----------
    state : InnerState
    converged : bool array, (m,)
    rounds : int
        Solutions of the equations that it took.
    """

    state: InnerState
    converged: np.ndarray
    rounds: int


#: writes the values of some subjects at ``state.u``
Evaluate = Callable[[InnerState, np.ndarray], None]


def find_modes(evaluate: Evaluate, u: np.ndarray, d: int, limit: int = LIMIT, who: np.ndarray | None = None) -> Modes:
    """Minimise ``-l + u^T u / 2`` of each subject by Newton's method with expected curvature and halved steps.

    Parameters
    ----------
    evaluate : callable
    u : float array, (m, p)
        Where to begin.
    d : int
        Number of random directions.
    limit : int
        Most solutions of the equations.
    who : int array, optional
        Subjects; others are left as not converged.
    """
    m = u.shape[0]
    now, trial = InnerState.at(u.copy(), d), InnerState.at(u.copy(), d)
    if who is not None:
        now.value[:] = np.inf
    evaluate(now, np.arange(m) if who is None else who)
    lost = ~np.isfinite(now.value)
    if who is not None:
        lost[np.setdiff1d(np.arange(m), who)] = False
    if lost.any():  # begin again where nothing can be computed
        now.u[lost] = 0.0
        evaluate(now, np.flatnonzero(lost))
    rounds, length = 1, np.ones(m)
    active = np.isfinite(now.value) & (now.decrement > CONVERGED)
    stuck = np.zeros(m, bool)
    while active.any() and rounds < limit:
        chosen = np.flatnonzero(active)
        step = now.step[chosen]
        longest = np.abs(step).max(axis=1, initial=0.0)
        length[chosen] = np.minimum(length[chosen], LONGEST / np.maximum(longest, 1e-300))
        trial.u[chosen] = now.u[chosen] + length[chosen, None] * step
        evaluate(trial, chosen)
        rounds += 1
        better = _better(now, trial, chosen, length)
        accepted, refused = chosen[better], chosen[~better]
        now.take(trial, accepted)
        length[accepted] = 1.0
        length[refused] *= 0.3
        small = refused[(length[refused] < 1e-4) | (now.decrement[refused] < 1e-10)]
        stuck[small] = now.decrement[small] > SMALL
        active[small] = False
        active[accepted] = now.decrement[accepted] > CONVERGED
    converged = np.isfinite(now.value) & (now.decrement <= SMALL) & ~stuck
    return Modes(now, converged, rounds)


def better_modes(
    evaluate: Evaluate, found: Modes, d: int, *, lost_only: bool = False, tries: int = 2, seed: int = 0
) -> tuple[Modes, np.ndarray]:
    """Look for better random effects from zero and from drawn ones; return the best, and which subjects changed.

    Parameters
    ----------
    evaluate, d
        As for :func:`find_modes`.
    found : Modes
        What is there.
    lost_only : bool
        Only subjects that have not converged.
    tries : int
        Drawn starts beside zero.
    """
    rng = np.random.default_rng(seed)
    best = found.state
    changed, converged = np.zeros(best.u.shape[0], bool), found.converged.copy()
    for k in range(tries + 1):
        start = rng.standard_normal(best.u.shape) if k else np.zeros_like(best.u)
        who = np.flatnonzero(~converged) if lost_only else None
        if who is not None and not who.size:
            break
        other = find_modes(evaluate, start, d, LIMIT // 2, who)
        with np.errstate(invalid="ignore"):
            lower = other.converged & ((other.state.value < best.value - 1e-4) | ~converged)
        best.take(other.state, np.flatnonzero(lower))
        changed |= lower
        converged |= other.converged
    return Modes(best, converged, found.rounds), changed


def _better(now: InnerState, trial: InnerState, chosen: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Tell for which subjects the trial is accepted."""
    before, after = now.value[chosen], trial.value[chosen]
    with np.errstate(invalid="ignore"):
        falls = after <= before - 1e-4 * length[chosen] * now.decrement[chosen]
        # where rounding hides the fall, the gradient must get smaller
        close = (now.decrement[chosen] < SMALL) & (trial.decrement[chosen] < 0.5 * now.decrement[chosen])
        noise = np.abs(after - before) <= 1e-9 * (1.0 + np.abs(before))
    return np.isfinite(after) & (falls | (close & noise))
