"""How well estimates are known: the covariance of the estimated vector from curvature and scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import PkpdError, nearest

if TYPE_CHECKING:
    from pkpd.estimation.methods.objective import Outcome
    from pkpd.estimation.vector import PopulationVector

__all__ = ["KINDS", "Covariance", "covariance_of"]

KINDS = ("R", "S", "RS", "linearised")
#: step of the differences of gradients, in standard errors as the expected information has them
STEP = 0.02
#: smallest eigenvalue of R or S, on the scale of its diagonal, that is taken as above 0
SINGULAR = 1e-8
#: expected information on a number on a logarithmic scale below which there is none: a standard error of 1000 there
NOTHING = 1e-6


@dataclass(frozen=True)
class Covariance:
    """Covariance of the estimates.

    Attributes
    ----------
    kind : {"R", "S", "RS", "linearised", "posterior"}
    labels : tuple of str
        Estimated quantities on their natural scale, see :attr:`pkpd.estimation.vector.PopulationVector.labels`.
    matrix : float array, (n, n)
        Of these; NaN in rows of what is held at a bound or unknown.
    scaled : float array, (n, n)
        Of the estimated vector.
    R, S : float array, (n, n)
        Half the second derivative of the objective, a quarter of the sum of squared gradients of subjects; of the
        vector. Of kind ``linearised``, R is the expected information.
    condition_number : float
        Largest over smallest eigenvalue of the correlation matrix of the estimates.
    held : tuple of str
        What is held at a bound, or the data do not tell, and is left out.
    """

    kind: str
    labels: tuple[str, ...]
    matrix: np.ndarray
    scaled: np.ndarray
    R: np.ndarray
    S: np.ndarray
    condition_number: float
    held: tuple[str, ...]


def covariance_of(
    objective: Callable[[np.ndarray], Outcome], layout: PopulationVector, x: np.ndarray, kind: str = "R",
    believed: np.ndarray | None = None,
) -> tuple[Covariance | None, str]:  # fmt: skip
    """Return the covariance at the estimates, and a message where there is none or something is to be said.

    Parameters
    ----------
    objective : callable
        Returns objective, gradients and expected second derivative.
    layout : PopulationVector
    x : float array, (n,)
        Estimated vector.
    kind : {"R", "S", "RS", "linearised"}
        ``R``: inverse of R, half the second derivative of the objective. ``S``: inverse of S, the sum over subjects of
        squared gradients of their log-likelihood. ``RS``: the sandwich ``R^-1 S R^-1``, NONMEM's default.
        ``linearised``: inverse of the expected information of the model linearised at the most probable random effects,
        which is positive definite wherever the estimates come from.
    believed : float array, (n, n), optional
        Information of priors that are part of the objective but of no subject, added to S: with it all kinds are the
        covariance of the posterior.

    Notes
    -----
    R comes from central differences of the exact gradient.
    """
    if kind not in KINDS:
        raise PkpdError(f"covariance: kind must be {', '.join(KINDS)}, got {kind!r}{nearest(str(kind), KINDS)}")
    here = objective(x)
    tiny = 1e-3 * _lengths(layout, x, here)
    free = (x > layout.low + tiny) & (x < layout.high - tiny)
    free &= ~_unknown(layout, here)
    n, who = x.size, np.flatnonzero(free)
    labels = layout.labels
    R, S = np.full((n, n), np.nan), np.full((n, n), np.nan)
    S[:] = 0.25 * here.gradient_i.T @ here.gradient_i
    if believed is not None:
        S += believed
    if kind == "linearised":
        R[np.ix_(who, who)] = 0.5 * here.fisher[np.ix_(who, who)]
    elif kind != "S":
        R = _curvature(objective, layout, x, here, who)
    if not who.size:
        return None, f"the data do not tell any of {', '.join(labels)}, or all are at bounds"
    scaled, message = _invert(kind, R[np.ix_(who, who)], S[np.ix_(who, who)], [labels[k] for k in who])
    if scaled is None:
        return None, message
    full = np.full((n, n), np.nan)
    full[np.ix_(who, who)] = scaled
    J = layout.jacobian(x)[:, who]
    with np.errstate(over="ignore", invalid="ignore"):  # a variance can be larger than any number
        matrix = J @ scaled @ J.T
    still = ~np.any(np.abs(J) > 0, axis=1)
    matrix[still] = np.nan
    matrix[:, still] = np.nan
    held = tuple(labels[k] for k in np.flatnonzero(still))
    sd = np.sqrt(np.diag(scaled))
    values = np.linalg.eigvalsh(scaled / np.outer(sd, sd))
    condition = float(values[-1] / values[0]) if values[0] > 0 else math.inf
    if held:
        message = f"no standard error for {', '.join(held)}: at a bound, or the data do not tell it"
    return Covariance(kind, labels, matrix, full, R, S, condition, held), message


def _unknown(layout: PopulationVector, here: Outcome) -> np.ndarray:
    """Return of which numbers on a logarithmic scale the data know nothing: their interval would be 0 .. inf."""
    information = 0.5 * np.nan_to_num(np.diag(here.fisher), nan=0.0)
    return np.array([e.scale != "additive" for e in layout.entries], bool) & (information < NOTHING)


def _lengths(layout: PopulationVector, x: np.ndarray, here: Outcome) -> np.ndarray:
    """Return by how much each number has to move to be another one, in whatever unit it is written.

    On logarithmic scales that is 1 + |x|; else the standard error by the expected information, or the number itself.
    """
    information = 0.5 * np.nan_to_num(np.diag(here.fisher), nan=0.0)
    own = np.where(x == 0.0, 1.0, np.abs(x))
    with np.errstate(divide="ignore"):
        told = np.where(information > 0.0, 1.0 / np.sqrt(np.maximum(information, 0.0)), own)
    additive = np.array([e.scale == "additive" for e in layout.entries], bool)
    return np.where(additive, told, np.abs(x) + 1.0)


def _curvature(
    objective: Callable[[np.ndarray], Outcome], layout: PopulationVector, x: np.ndarray, here: Outcome, who: np.ndarray
) -> np.ndarray:
    """Return half the second derivative by central differences of gradients."""
    n = x.size
    H = np.full((n, n), np.nan)
    information, lengths = 0.5 * np.diag(here.fisher), _lengths(layout, x, here)
    for k in who:
        if layout.entries[k].scale == "additive":
            h = STEP * lengths[k]
        else:
            h = min(STEP / math.sqrt(information[k]) if information[k] > 1e-4 else STEP, 0.05)
        e = np.zeros(n)
        e[k] = h
        H[:, k] = (objective(x + e).gradient - objective(x - e).gradient) / (2.0 * h)
    H = 0.5 * (H + H.T)
    return 0.5 * H


def _invert(kind: str, R: np.ndarray, S: np.ndarray, labels: list[str]) -> tuple[np.ndarray | None, str]:
    """Return the covariance of the vector, None with the reason where R or S is singular."""
    for name, matrix in (("R", R), ("S", S)):
        if name not in kind and not (kind == "linearised" and name == "R"):
            continue
        if not np.isfinite(matrix).all():
            return None, f"the {name} matrix cannot be computed near the estimates: the objective is not finite there"
        scale = np.sqrt(np.maximum(np.abs(np.diag(matrix)), 1e-300))
        values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
        if values[0] < SINGULAR:
            worst = np.argsort(-np.abs(vectors[:, 0]))[:3]
            among = ", ".join(labels[k] for k in worst if abs(vectors[k, 0]) > 0.2)
            what = "is singular" if values[0] > -SINGULAR else "is not positive definite"
            why = (
                "the data do not tell these apart, or the search has not ended at a minimum"
                if name == "R"
                else "there are too few subjects for so many estimates"
            )
            return None, f"the {name} matrix {what} (smallest eigenvalue {values[0]:.1e}, along {among}): {why}"
    if kind == "S":
        return np.linalg.inv(S), ""
    inverse = np.linalg.inv(R)
    return (inverse @ S @ inverse if kind == "RS" else inverse), ""
