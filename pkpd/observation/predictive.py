"""What a model predicts of terms: replicates of what they state, and how probable that was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.model.residual import Ordinal
from pkpd.randomness import RESIDUALS, uniforms

if TYPE_CHECKING:
    from pkpd.observation.api import Likelihood
    from pkpd.observation.term import Term

__all__ = ["Predictive", "Replicates", "predictive", "replicate"]


@dataclass(frozen=True)
class Replicates:
    """What would have been reported.

    Attributes
    ----------
    statistic : float array, (terms,) or (n, terms)
        ``density``: the value; ``peak``, ``nadir``: the extreme of the window; ``below``, ``above``: the share of the
        measurements that are; ``ratio``: the ratio; ``ratio_below``, ``ratio_above``: 1 if it is, else 0; ``grade``:
        the grade. NaN where a subject could not be solved.
    observed : float array, (terms,)
        The same of what was reported; for a grade the lowest of its range.
    """

    statistic: np.ndarray
    observed: np.ndarray


@dataclass(frozen=True)
class Predictive:
    """How probable what was reported is.

    Attributes
    ----------
    probability : float array, (terms,)
        Of the region for ``below``, ``above``, ``ratio_below``, ``ratio_above``, ``grade``; NaN for the others.
    pit : float array, (terms,)
        Probability of less than what was reported (the probability integral transform): uniform if the model is right.
        NaN for regions; of a grade the middle of the range's probabilities.
    """

    probability: np.ndarray
    pit: np.ndarray


def _spread(like: Likelihood, m: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each cell whether it is on the logarithmic scale, and the sd there without reading error."""
    p, term = like.packed, like.cells.term
    output = p.output[term]
    scales = np.broadcast_to(factors, (len(like.subjects), factors.shape[1]))
    e = p.scaled[output]
    s = np.where(e >= 0, scales[like.cells.subject, e] if factors.shape[1] else 1.0, 1.0)
    a, b, family = p.a[output], p.b[output], p.family[output]
    plain = np.where(family == 2, a + b * np.abs(m), np.hypot(a, b * m))
    return family == 0, s * np.where(family == 0, a, np.where(family == 3, 1.0, plain))


def _predicted(like: Likelihood, values: Any, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with np.errstate(invalid="ignore"):
        m = like.predict(values).values
        return m, *_spread(like, m, factors)


def replicate(like: Likelihood, values: Any, factors: np.ndarray, seed: int, n: int | None = None) -> Replicates:
    """Draw all measurements and form of them what each term states.

    Parameters
    ----------
    values : float array, (subjects, free)
    factors : float array, (subjects or 1, scaled)
    seed : int
    n : int, optional
        Number of replicates; one, without its dimension, by default.
    """
    from scipy.special import ndtri

    m, log, sd = _predicted(like, values, factors)
    p, term = like.packed, like.cells.term
    reading = p.reading[term]
    count = 1 if n is None else n
    z = ndtri(uniforms(seed, 0, count, m.size + len(like.terms), RESIDUALS))
    with np.errstate(invalid="ignore"):
        own = np.array([t.kind.startswith("ratio") for t in like.terms], bool)  # their reading error is the ratio's
        extra = np.where(own[term], 0.0, reading) if len(like.terms) else reading
        drawn = np.where(
            log, m * np.exp(np.hypot(sd, extra) * z[:, : m.size]), m + np.hypot(sd, extra * m) * z[:, : m.size]
        )
    out = np.empty((count, len(like.terms)))
    for t, each in enumerate(like.terms):
        cells = slice(p.first[t], p.last[t])
        if each.kind == "grade":
            error = like.model.outputs[each.output].error
            assert isinstance(error, Ordinal)
            out[:, t] = _grades(error, float(m[cells][0]), float(sd[cells][0]), z[:, cells.start])
        else:
            out[:, t] = _STATISTICS[each.kind](drawn[:, cells], each, np.exp(p.reading[t] * z[:, m.size + t]))
            out[np.isnan(drawn[:, cells]).any(axis=1), t] = np.nan
    observed = np.array([1.0 if t.kind in _REGIONS else t.value for t in like.terms])
    return Replicates(out[0] if n is None else out, observed)


def _grades(error: Ordinal, m: float, factor: float, z: np.ndarray) -> np.ndarray:
    if not np.isfinite(m):
        return np.full(z.shape, np.nan)
    return Ordinal([c / factor for c in error.cuts]).draw(np.full(z.shape, m / factor), z)


_REGIONS = ("below", "above", "ratio_below", "ratio_above")
_STATISTICS: dict[str, Callable[[np.ndarray, Term, np.ndarray], np.ndarray]] = {
    "density": lambda y, term, noise: y[:, 0],
    "below": lambda y, term, noise: (y < term.value).mean(axis=1),
    "above": lambda y, term, noise: (y > term.value).mean(axis=1),
    "peak": lambda y, term, noise: y.max(axis=1),
    "nadir": lambda y, term, noise: y.min(axis=1),
    "ratio": lambda y, term, noise: y[:, 1] / y[:, 0] * noise,
    "ratio_below": lambda y, term, noise: (y[:, 1] / y[:, 0] * noise < term.value).astype(float),
    "ratio_above": lambda y, term, noise: (y[:, 1] / y[:, 0] * noise > term.value).astype(float),
}


def predictive(like: Likelihood, values: Any, factors: np.ndarray) -> Predictive:
    """Return for each term the probability of what was reported, and of less.

    Parameters
    ----------
    values : float array, (subjects, free)
    factors : float array, (subjects or 1, scaled)
    """
    from scipy.special import ndtr

    m, log, sd = _predicted(like, values, factors)
    p, term = like.packed, like.cells.term
    count = len(like.terms)
    probability, pit = np.full(count, np.nan), np.full(count, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.where(log, np.hypot(sd, p.reading[term]), np.hypot(sd, p.reading[term] * m))
        value = p.value[term]
        z = np.where(log, np.log(np.maximum(value, 0.0)) - np.log(m), value - m) / total
        lower = ndtr(z)
        relative = np.where(log, sd, sd / m) ** 2
        for t, each in enumerate(like.terms):
            cells = slice(p.first[t], p.last[t])
            below = lower[cells]
            if each.kind.startswith("ratio"):
                before, after = m[cells]
                sd_ratio = np.sqrt(relative[cells].sum() + p.reading[t] ** 2)
                cdf = float(ndtr(np.log(each.value * before / after) / sd_ratio))
                probability[t], pit[t] = _split(each.kind, cdf)
            elif each.kind == "grade":
                below_low, below_high = (
                    1.0 / (1.0 + np.exp((m[cells][0] - cut) / sd[cells][0])) for cut in (p.low[t], p.high[t])
                )
                probability[t], pit[t] = below_high - below_low, 0.5 * (below_low + below_high)
            elif each.kind in ("below", "above"):
                probability[t] = np.prod(below if each.kind == "below" else 1.0 - below)
            else:
                pit[t] = 1.0 - np.prod(1.0 - below) if each.kind == "nadir" else np.prod(below)
    return Predictive(probability, pit)


def _split(kind: str, cdf: float) -> tuple[float, float]:
    if kind == "ratio":
        return np.nan, cdf
    return (cdf if kind == "ratio_below" else 1.0 - cdf), np.nan
