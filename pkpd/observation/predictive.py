"""What a model predicts of terms: replicates of what they state, and how probable that was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pkpd.evidence.kinds import kind_named
from pkpd.evidence.term import Term
from pkpd.model.residual import ResidualError
from pkpd.observation.rules import Factors, RuleGroup, Said, summed
from pkpd.randomness import RESIDUALS, uniforms

__all__ = ["Measured", "Predictive", "Replicates", "predictive", "replicate"]


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


@dataclass(frozen=True)
class Measured:
    """What terms are formed of.

    Attributes
    ----------
    terms : list of Term
    first : int array, (terms + 1,)
        Ranges of cells.
    term : int array, (cells,)
        The term that each cell belongs to.
    errors : dict of output to ResidualError
    f, factor : float array, (cells,)
        Predictions, and factors on the standard deviations of their errors.
    """

    terms: Sequence[Term]
    first: np.ndarray
    term: np.ndarray
    errors: dict[str, ResidualError]
    f: np.ndarray
    factor: np.ndarray


def replicate(cells: Measured, seed: int, n: int | None = None) -> Replicates:
    """Draw all measurements and form of them what each term states.

    Parameters
    ----------
    cells : Measured
    seed : int
    n : int, optional
        Number of replicates; one, without its dimension, by default.
    """
    from scipy.special import ndtri

    terms, m = cells.terms, cells.f
    kinds = [kind_named(t.kind) for t in terms]
    count = 1 if n is None else n
    z = ndtri(uniforms(seed, 0, count, m.size + len(terms), RESIDUALS))
    reading = np.array([t.reading_sd if k.reads_cells else 0.0 for t, k in zip(terms, kinds, strict=True)])[cells.term]
    output = np.array([t.output for t in terms], object)[cells.term]
    drawn = np.empty((count, m.size))
    with np.errstate(all="ignore"):
        for name, error in cells.errors.items():
            own = output == name
            law = error.widened(m[own], cells.factor[own], reading[own])
            drawn[:, own] = law.draw(m[own], z[:, : m.size][:, own])
        drawn[:, np.isnan(m)] = np.nan
        out = np.empty((count, len(terms)))
        for t, (term, kind) in enumerate(zip(terms, kinds, strict=True)):
            y = drawn[:, cells.first[t] : cells.first[t + 1]]
            out[:, t] = kind.statistic(y, term, np.exp(term.reading_sd * z[:, m.size + t]))
            out[np.isnan(y).any(axis=1), t] = np.nan
    observed = np.array([k.observed(t) for t, k in zip(terms, kinds, strict=True)])
    return Replicates(out[0] if n is None else out, observed)


def predictive(cells: Measured, factors: Factors, said: Said) -> Predictive:
    """Return for each term the probability of what was reported, and of less.

    Parameters
    ----------
    cells : Measured
    factors : Factors
    said : Said
    """

    def total(groups: Sequence[RuleGroup]) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.exp(summed(groups, cells.errors, said, cells.f, cells.factor))

    region = np.array([kind_named(t.kind).region for t in cells.terms], bool)
    less, more = total(factors.less), 1.0 - total(factors.more)
    return Predictive(np.where(region, total(factors.all), np.nan), np.where(np.isnan(less), more, less))
