"""Weighted draws of one patient: importance sampling, batch by batch until enough of them count."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError
from pkpd.estimation.individual.given import PatientData
from pkpd.estimation.individual.likelihood import TermsLikelihood, Weighed
from pkpd.estimation.individual.posterior import EffectsPosterior, log_population, modes_of
from pkpd.estimation.weights import effective, normalised
from pkpd.observation.subject import Subject
from pkpd.people.population import Population
from pkpd.simulation.subjects import subjects_of

if TYPE_CHECKING:
    from pkpd.estimation.problem import Problem
    from pkpd.model.model import Model
    from pkpd.simulation.source import Subjects

__all__ = ["PatientDraws", "Question", "draws_of_effects", "draws_of_people", "varying"]

#: stream of the random numbers
STREAM = 31


@dataclass(frozen=True)
class Question:
    """What is known of a patient, and how hard to look.

    Attributes
    ----------
    patient : PatientData
    draws, most : int
        Of a batch, and in all.
    minimum_ess : float
        Effective draws that are enough.
    every : float
        As for the likelihood.
    seed : int
    """

    patient: PatientData
    draws: int
    most: int
    minimum_ess: float
    every: float
    seed: int

    @property
    def subject(self) -> Subject:
        """The patient with the terms, for a likelihood."""
        p = self.patient
        return Subject("patient", p.regimen, p.covariates, p.terms)


@dataclass(frozen=True)
class PatientDraws:
    """Weighted draws of a patient.

    Attributes
    ----------
    model : Model
    people : Population
    weighed : Weighed
        What the observations say about each.
    ratio : float array, (draw,)
        Logarithm of prior density over that of the proposals.
    first : int array, (observations + 1,)
        Ranges of the cells of each observation.
    mode, spread : float array, (p,), (p, p), or None
        Most probable random effects and their covariance by Laplace's approximation, where there is one prior of them.
    points : float array, (2, cell)
        Predictions for the typical person and at the mode; NaN where there is none.
    distance : float or None
        Squared distance of the mode from 0 in the population; chi-square together with squared residuals.
    messages : tuple of str
    """

    model: Model
    people: Population
    weighed: Weighed
    ratio: np.ndarray
    first: np.ndarray
    mode: np.ndarray | None = None
    spread: np.ndarray | None = None
    points: np.ndarray | None = None
    distance: float | None = None
    messages: tuple[str, ...] = ()

    @property
    def weights(self) -> np.ndarray:
        """Posterior weights, which sum to 1; zeros if nothing is possible."""
        return normalised(self.weighed.loglik.sum(axis=1) + self.ratio)

    @property
    def before(self) -> np.ndarray:
        """Weights without the observations."""
        return normalised(self.ratio)


def varying(model: Model, people: Population) -> dict[str, np.ndarray]:
    """Return what differs between draws: typical values by name, random effects as ``eta_<parameter>``."""
    columns = {n: v for n, v in people.parameters.items() if np.ptp(v) > 0}
    etas = {f"eta_{n}": people.etas[:, i] for i, n in enumerate(model.etas)}
    return columns | {n: v for n, v in etas.items() if np.ptp(v) > 0}


def _grown(q: Question, batch: Callable[[int, int], tuple[Weighed, np.ndarray]]) -> tuple[Weighed, np.ndarray]:
    """Return batches as one sample, as many as it takes for enough draws to count, or all that are allowed.

    Parameters
    ----------
    batch : callable
        From the number of the batch and that of the draws so far to what the observations say about its draws, and
        the logarithms of prior over proposal.
    """
    parts: list[tuple[Weighed, np.ndarray]] = []
    while True:
        parts.append(batch(len(parts), sum(len(ratio) for _, ratio in parts)))
        weighed, ratio = Weighed.together([w for w, _ in parts], 0), np.concatenate([r for _, r in parts])
        ess = effective(normalised(weighed.loglik.sum(axis=1) + ratio))
        if ess >= q.minimum_ess or len(ratio) + q.draws > q.most:
            return weighed, ratio


def draws_of_effects(models: list[Model], problem: Problem | None, q: Question) -> PatientDraws:
    """Return draws of random effects from around their modes and from the population, weighed.

    Parameters
    ----------
    models : list of Model
        The model with its estimates, of which the modes are; then, if that counts, with them as they could have been.
    problem : Problem, optional
        The rows of the patient's table, bound to the first model.
    q : Question
    """
    model = models[0]
    posterior = EffectsPosterior(models, problem, q.subject, q.every)
    proposals, messages = modes_of(posterior)
    rng = np.random.default_rng([q.seed, STREAM])
    counted = range(1, len(models)) if len(models) > 1 else range(1)
    each = math.ceil(q.draws / len(counted))
    effects: list[np.ndarray] = []

    def batch(number: int, done: int) -> tuple[Weighed, np.ndarray]:
        found, ratios = [], []
        for k in counted:
            drawn = proposals.draw(each, rng)
            effects.append(drawn)
            found.append(posterior.evaluate(k, drawn))
            prior = log_population(drawn, posterior.factors[k], posterior.active)
            ratios.append(prior - proposals.log_density(drawn))
        return Weighed.together(found, 0), np.concatenate(ratios)

    weighed, ratio = _grown(q, batch)
    vector = np.tile(np.repeat(counted, each), len(ratio) // (each * len(counted)))
    people = _people(models, vector, np.concatenate(effects), posterior.occasions, problem, q)
    mode, spread = np.zeros(posterior.dim), posterior.factors[0] @ posterior.factors[0].T
    if len(proposals.modes):
        mode, spread = proposals.modes[0], proposals.roots[0] @ proposals.roots[0].T
    points = posterior.evaluate(0, np.array([np.zeros(posterior.dim), mode])).cells
    z = np.linalg.solve(posterior.factors[0], mode)[posterior.active]
    return PatientDraws(
        model, people, weighed, ratio, posterior.first, mode, spread, points, float(z @ z), tuple(messages)
    )


def _people(
    models: list[Model], vector: np.ndarray, effects: np.ndarray, occasions: int, problem: Problem | None, q: Question
) -> Population:
    """Return draws as a population with the patient's covariates."""
    model, n, k = models[0], len(effects), len(models[0].etas)
    people = Population.draw(model, n, covariates=q.patient.covariates, seed=q.seed)
    kappas = effects[:, k:].reshape(n, occasions, len(model.iov_etas)) if occasions else people.given_kappas
    courses = {}
    if problem is not None:
        clock, frame = np.asarray(problem.table.clock, np.float64), problem.table.frame
        courses = {c: _course(clock, frame[c].to_numpy(np.float64)) for c in sorted(problem.data.varying)}
    values = {p: np.array([m.parameters[p].value for m in models])[vector] for p in model.parameters}
    return replace(
        people, etas=effects[:, :k], given_kappas=kappas, n_occasions=max(1, occasions),
        parameters={p: v for p, v in values.items() if np.ptp(v) > 0},
        varying={c: (v,) * n for c, v in courses.items()},
    )  # fmt: skip


def _course(clock: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a covariate's times and values, the last of rows at one time."""
    last = np.append(np.diff(clock) > 0, True)
    return clock[last], values[last]


def draws_of_people(source: Any, cohort: str | None, q: Question) -> tuple[PatientDraws, Subjects]:
    """Return people drawn from a source that knows them by their parameters, weighed, and who they are."""
    who = _subjects(source, cohort, q, q.seed)
    likelihood: TermsLikelihood | None = None
    if q.patient.terms:
        likelihood = _likelihood(who, q)
    parts: list[Population] = []

    def batch(number: int, done: int) -> tuple[Weighed, np.ndarray]:
        people = who.people if not number else _subjects(source, cohort, q, q.seed + number).people
        # All batches are one population: each draw has a place of its own in the random streams.
        place = np.arange(done, done + people.n)
        parts.append(replace(people, labels=place + 1, index=place, seed=who.people.seed))
        none = np.zeros((people.n, 0))
        if likelihood is None:
            return Weighed(none, none), np.zeros(people.n)
        columns = varying(who.model, who.people)
        values = [_column(who.model, people, name) for name in columns]
        return likelihood.evaluate(np.column_stack(values) if values else none), np.zeros(people.n)

    weighed, ratio = _grown(q, batch)
    people = parts[0] if len(parts) == 1 else parts[0].concat(*parts[1:])
    first = np.zeros(1, np.int64) if likelihood is None else likelihood.first
    return PatientDraws(who.model, people, weighed, ratio, first), who


def _subjects(source: Any, cohort: str | None, q: Question, seed: int) -> Subjects:
    return subjects_of(source, q.draws, None, None, cohort, dict(q.patient.covariates), seed, verb="individual")


def _column(model: Model, people: Population, name: str) -> np.ndarray:
    if name.startswith("eta_"):
        return people.etas[:, list(model.etas).index(name.removeprefix("eta_"))]
    return people.parameters[name]


def _likelihood(who: Subjects, q: Question) -> TermsLikelihood:
    people, model = who.people, who.model
    columns = varying(model, people)
    if any(np.ptp(v) > 0 for v in people.covariates.values()):
        raise DataError("individual: covariates differ between the draws; give those of the patient as numbers")
    fixed = {n: float(v[0]) for n, v in people.parameters.items() if n not in columns}
    covariates = {n: float(people.covariates[n][0]) for n in model.covariates}
    patient = replace(q.subject, covariates=covariates, values=fixed)
    return TermsLikelihood(model, patient, list(columns), q.every)
