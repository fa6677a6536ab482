"""Weighted draws of one patient: importance sampling from what is known of others, adapted to the patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.regimen import Regimen
from pkpd.errors import PkpdError
from pkpd.evidence.term import Term
from pkpd.observation.api import Likelihood
from pkpd.observation.packing import checked_records
from pkpd.observation.subject import Subject
from pkpd.simulation.source import History, Subjects
from pkpd.simulation.subjects import subjects_of
from pkpd.simulation.weighted import effective, normalised, varying

if TYPE_CHECKING:
    from pkpd.model.model import Model
    from pkpd.people.population import Population

__all__ = ["Proposal", "Question", "WeightedDraws", "weighted_draws"]

_BLOCK = 250
_DEFENCE = 0.2
"""Share of an adapted batch that comes from the prior, so that no weight can exceed its inverse."""

_LEAST = 1e-6
"""Part of the prior's variance that a proposal keeps in every direction."""

_WIDER = 1.4
"""Factor on the variance of an adapted proposal, which must not be narrower than what it aims at."""


@dataclass(frozen=True)
class Question:
    """What is known of a patient, and how hard to look.

    Attributes
    ----------
    regimen : Regimen
    terms : tuple of Term
    covariates : mapping of name to float
    cohort : str or None
    draws, most : int
        WeightedDraws of a batch, and in all.
    minimum_ess : float
    every : float or None
        As for the likelihood.
    seed : int
    """

    regimen: Regimen
    terms: tuple[Term, ...]
    covariates: Mapping[str, float]
    cohort: str | None
    draws: int
    most: int
    minimum_ess: float
    every: float | None
    seed: int


@dataclass(frozen=True)
class WeightedDraws:
    """Weighted draws.

    Attributes
    ----------
    model : Model
    about : str
        What they are draws of.
    people : Population
    loglik : ndarray, shape (draw, term)
        -inf where a draw could not be solved.
    ratio : ndarray, shape (draw,)
        Logarithm of prior density over that of the proposals.
    kernel : Proposal
        The likelihood that weighs them.
    history : History
        Of those that they are draws of.
    """

    model: Model
    about: str
    people: Population
    loglik: np.ndarray
    ratio: np.ndarray
    kernel: Proposal
    history: History

    @property
    def weights(self) -> np.ndarray:
        """Posterior weights, which sum to 1; zeros if nothing is possible."""
        return normalised(self.loglik.sum(axis=1) + self.ratio)


@dataclass(frozen=True)
class _Normal:
    """A normal distribution of random effects, and the part of its batch that comes from the prior."""

    mean: np.ndarray
    factor: np.ndarray
    defence: float

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return self.mean + rng.standard_normal((n, len(self.mean))) @ self.factor.T

    def log_density(self, x: np.ndarray) -> np.ndarray:
        z = np.linalg.solve(self.factor, (x - self.mean).T)
        return -0.5 * (z * z).sum(axis=0) - np.log(np.diag(self.factor)).sum()


def weighted_draws(source: Any, question: Question) -> WeightedDraws:
    """Return draws of the source's people with their log-likelihood, batch by batch until enough of them count.

    The first batch comes from the source. Where its people differ in normal random effects only, later ones come from
    a normal distribution fitted to the weighted draws so far, mixed with the prior; all batches together are weighted
    as one sample of their mixture (Owen A, Zhou Y. J Am Stat Assoc 2000;95:135). Otherwise later ones are as the first.

    Parameters
    ----------
    source : Model, calibration
    question : Question
    """
    q = question
    who = subjects_of(source, q.draws, None, None, q.cohort, dict(q.covariates), q.seed, verb="individual")
    kernel = Proposal(who, q)
    parts, loglik = [who.people], [kernel.evaluate(who.people)]
    adapted = _adaptable(who)
    proposals: list[_Normal] = []
    while True:
        found = _together(who, kernel, parts, loglik, proposals if adapted else None)
        total = found.people.n
        if effective(found.weights) >= q.minimum_ess or total + q.draws > q.most:
            return found
        k = len(parts)
        if adapted:
            proposals.append(_fitted(found))
            people = replace(who.people, etas=_batch(who.model, proposals[-1], q.draws, [q.seed, 7, k]))
        else:
            people = subjects_of(source, q.draws, None, None, q.cohort, dict(q.covariates), q.seed + k).people
        # All batches are one population: each draw has a place of its own in the random streams.
        place = np.arange(total, total + people.n)
        parts.append(replace(people, labels=place + 1, index=place, seed=parts[0].seed))
        loglik.append(kernel.evaluate(people))


class Proposal:
    """The likelihood of one patient's terms for blocks of draws; what does not depend on them is prepared once."""

    def __init__(self, who: Subjects, q: Question) -> None:
        people, model = who.people, who.model
        columns = varying(model, people)
        self.model, self.free, self.terms = model, list(columns), q.terms
        if any(np.ptp(v) > 0 for v in people.covariates.values()):
            raise PkpdError("individual: covariates differ between the draws; give those of the patient as numbers")
        fixed = {n: float(v[0]) for n, v in people.parameters.items() if n not in columns}
        covariates = {n: float(people.covariates[n][0]) for n in model.covariates}
        self.size = min(_BLOCK, people.n)
        patient = Subject("patient", q.regimen, covariates, q.terms, fixed)
        # What is wrong with the patient is wrong with every draw; it is said once.
        checked_records(model, [patient])
        subjects = [replace(patient, name=f"draw {i + 1}") for i in range(self.size)]
        self.kernel = Likelihood(model, subjects, self.free, every=q.every) if q.terms else None

    def evaluate(self, people: Population) -> np.ndarray:
        """Return the log-likelihood, shape (draw, term); one column of zeros without terms."""
        if self.kernel is None:
            return np.zeros((people.n, 1))
        values = self._values(people)
        out = np.empty((people.n, len(self.terms)))
        for start in range(0, people.n, self.size):
            rows = np.arange(start, min(start + self.size, people.n))
            # The last block is filled up with draws that are not used.
            filled = np.resize(rows, self.size)
            found = self.kernel.evaluate(values[filled], gradient=False)
            each = found.terms.reshape(self.size, len(self.terms)).copy()
            each[found.status != 0] = -np.inf
            out[rows] = each[: len(rows)]
        return np.where(np.isnan(out), -np.inf, out)

    def _values(self, people: Population) -> np.ndarray:
        columns = varying(self.model, people)
        return np.column_stack([columns[n] for n in self.free]) if self.free else np.zeros((people.n, 0))

    def predicted(self, people: Population, weights: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what would have been observed, (draw, term), and how probable less than was observed is, (term,).

        Parameters
        ----------
        people : Population
        weights : ndarray, shape (draw,)
            Of these, by which as many draws are taken as a block has.
        seed : int

        Returns
        -------
        replicates, rank : ndarray
            Of a bound or a grade the rank is half its probability.
        """
        assert self.kernel is not None
        mass = np.cumsum(weights) / weights.sum()
        at = np.searchsorted(mass, (np.arange(self.size) + 0.5) / self.size)
        values = self._values(people)[np.minimum(at, people.n - 1)]
        shape = (self.size, len(self.terms))
        drawn = self.kernel.replicate(values, seed=seed).statistic.reshape(shape)
        found = self.kernel.cdf(values)
        rank = np.where(np.isnan(found.probability), found.pit, 0.5 * found.probability)
        return drawn, np.nanmean(rank.reshape(shape), axis=0)


def _adaptable(who: Subjects) -> bool:
    """Return whether draws differ in random effects of a known normal distribution only."""
    names = varying(who.model, who.people)
    return bool(names) and all(n.startswith("eta_") for n in names) and len(names) == len(who.model.etas)


def _together(
    who: Subjects, kernel: Proposal, parts: Sequence[Population], loglik: Sequence[np.ndarray],
    proposals: list[_Normal] | None,
) -> WeightedDraws:  # fmt: skip
    """Return all batches as one sample of the mixture that they came from."""
    first = replace(parts[0], labels=np.arange(1, parts[0].n + 1), index=np.arange(parts[0].n))
    people = first if len(parts) == 1 else first.concat(*parts[1:])
    ratio = np.zeros(people.n)
    if proposals:
        prior = _prior(who.model).log_density(people.etas)
        sizes = [part.n / people.n for part in parts]
        mixture = np.full(people.n, sizes[0])
        for size, one in zip(sizes[1:], proposals, strict=True):
            with np.errstate(over="ignore"):
                relative = np.exp(one.log_density(people.etas) - prior)
            mixture += size * (one.defence + (1 - one.defence) * relative)
        ratio = -np.log(mixture)
    return WeightedDraws(who.model, who.about, people, np.concatenate(loglik), ratio, kernel, who.history)


def _prior(model: Model) -> _Normal:
    return _Normal(np.zeros(len(model.etas)), np.linalg.cholesky(model.omega), 1.0)


def _fitted(found: WeightedDraws) -> _Normal:
    """Return a normal proposal with the moments of the weighted draws, in the directions that the data speak of."""
    omega, etas = found.model.omega, found.people.etas
    log_weights = found.loglik.sum(axis=1)
    # Weights of few effective draws are flattened first: a proposal must not be fitted to a handful of points.
    power = 1.0
    while effective(normalised(power * log_weights + found.ratio)) < 100.0 and power > 1e-3:
        power *= 0.8
    weights = normalised(power * log_weights + found.ratio)
    if not weights.any():
        return _prior(found.model)
    mean = weights @ etas
    centred = etas - mean
    spread = _WIDER * (centred * weights[:, None]).T @ centred
    moved = (np.diag(spread) < 0.9 * _WIDER * np.diag(omega)) | (np.abs(mean) > 0.3 * np.sqrt(np.diag(omega)))
    cov = np.where(np.outer(moved, moved), spread, np.where(np.outer(~moved, ~moved), omega, 0.0))
    # Where few draws have all the weight their spread is singular; no direction is taken for known beyond this.
    factor = np.linalg.cholesky(cov + _LEAST * np.diag(np.diag(omega)))
    return _Normal(np.where(moved, mean, 0.0), factor, _DEFENCE)


def _batch(model: Model, proposal: _Normal, n: int, seed: list[int]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    safe = round(proposal.defence * n)
    return np.concatenate([_prior(model).draw(safe, rng), proposal.draw(n - safe, rng)])
