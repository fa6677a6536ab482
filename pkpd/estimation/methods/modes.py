"""The mode of a density with a gradient, found from several starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PkpdError

__all__ = ["Believed", "LogDensity", "PosteriorMode", "climbed", "find_mode", "first_finite"]

Floats = NDArray[np.float64]
_WALL = 1e10  # what the optimiser sees in place of an infinite value


class LogDensity(Protocol):
    """A log density of an unconstrained vector, with its gradient; ``calls`` counts evaluations."""

    calls: int

    @property
    def dim(self) -> int:
        """Length of the vector."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """What each entry of the vector is."""
        ...

    def logp(self, q: Floats) -> float:
        """Return the log density, ``-inf`` where it cannot be had."""
        ...

    def logp_grad(self, q: Floats) -> tuple[float, Floats]:
        """Return the log density and its gradient, shape (dim,); ``-inf`` and zeros where it cannot be had."""
        ...


class Believed(LogDensity, Protocol):
    """A log density with a prior that starts can be drawn from."""

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """Return draws of the vector from the prior, shape (n, dim)."""
        ...

    def impossible(self, q: Floats) -> list[str]:
        """Return what has no density at q, where the equations can be solved."""
        ...


@dataclass(frozen=True, eq=False)
class PosteriorMode:
    """A maximum of a log posterior on its unconstrained axis.

    Attributes
    ----------
    q : array, shape (dim,)
    logp : float
    gradient_norm : float
        Largest absolute entry of the gradient; 0 at a mode.
    reached : array, shape (starts,)
        Log density at which each start ended: one mode if they agree.
    calls : int
        Evaluations.
    """

    q: Floats
    logp: float
    gradient_norm: float
    reached: Floats
    calls: int


def first_finite(posterior: Believed, rng: np.random.Generator, spread: float = 0.5, tries: int = 200) -> Floats:
    """Return a draw from a narrowed prior at which the density can be had.

    Raises
    ------
    PkpdError
        If there is none among the first `tries`.
    """
    q = np.zeros(posterior.dim)
    for attempt in range(tries):
        # closer to the centre of the prior the longer nothing is found
        q = posterior.draw(1, rng)[0] * spread * (1.0 - attempt / tries)
        if np.isfinite(posterior.logp(q)):
            return q
    raise PkpdError(f"no starting point: the density is 0 at {tries} draws of the prior; {_why(posterior, q)}")


def _why(posterior: Believed, q: Floats) -> str:
    """Return what makes the density 0 at a draw from near the centre of the prior."""
    off = posterior.impossible(q)
    if not off:
        return "the equations cannot be solved there, or a fact is impossible under the model"
    rest = f" and {len(off) - 3} more" if len(off) > 3 else ""
    return (
        f"impossible under the model near the centre of the prior: {', '.join(off[:3])}{rest}. Check times, values and "
        "doses (at the time of the first dose there is nothing yet)"
    )


def find_mode(
    posterior: Believed,
    *,
    starts: int = 4,
    seed: int = 0,
    max_iterations: int = 500,
    first: Floats | None = None,
    tick: Callable[[int, float], None] | None = None,
) -> PosteriorMode:
    """Return the highest mode that L-BFGS with exact gradients finds.

    Parameters
    ----------
    posterior : Believed
    starts : int
        The centre of the prior (or ``first``), and draws of a narrowed prior.
    seed : int
        Of the starts; the same seed finds the same mode.
    max_iterations : int
        Of each start.
    first : array, shape (dim,), optional
        Where the first start is.
    tick : callable, optional
        Called with the number and the log density of every finished start.

    Raises
    ------
    PkpdError
        If no start reaches a finite density.
    """
    rng = np.random.default_rng([seed, 1])
    begun = posterior.calls
    best: Floats | None = None
    reached = np.full(starts, -np.inf)
    for k in range(starts):
        q0 = (np.zeros(posterior.dim) if first is None else first) if k == 0 else first_finite(posterior, rng)
        if k == 0 and not np.isfinite(posterior.logp(q0)):
            q0 = first_finite(posterior, rng)
        q, reached[k] = climbed(posterior, q0, max_iterations)
        if tick is not None:
            tick(k, float(reached[k]))
        if best is None or reached[k] > np.max(reached[:k]):
            best = q
    assert best is not None
    logp, gradient = posterior.logp_grad(best)
    if not np.isfinite(logp):
        raise PkpdError(f"no mode found: none of {starts} starts reached a finite density")
    return PosteriorMode(best, logp, float(np.abs(gradient).max()), reached, posterior.calls - begun)


def climbed(density: LogDensity, q: Floats, max_iterations: int = 500) -> tuple[Floats, float]:
    """Return where L-BFGS ends from a start, and the log density there."""
    from scipy.optimize import minimize

    options = {"maxiter": max_iterations, "maxcor": 20, "ftol": 1e-12, "gtol": 1e-5, "maxls": 30}
    found = minimize(_cost, q, args=(density,), jac=True, method="L-BFGS-B", options=options)
    return found.x, -float(found.fun)


def _cost(q: Floats, posterior: LogDensity) -> tuple[float, Floats]:
    logp, gradient = posterior.logp_grad(q)
    return (-logp, -gradient) if np.isfinite(logp) else (_WALL, np.zeros(posterior.dim))
