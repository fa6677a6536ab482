"""Draws of one patient: proposals around the modes and from the population, weighed, and as people."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.methods.complete import Complete
from pkpd.estimation.methods.objective import factor_of
from pkpd.estimation.methods.saem_chains import occasions_of
from pkpd.estimation.problem import Problem
from pkpd.estimation.result import Fit
from pkpd.estimation.simulation import estimate_draws
from pkpd.estimation.uncertainty.sampled import Sampled
from pkpd.estimation.vector import PopulationVector
from pkpd.people.population import Population

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["PatientDraws", "people_of", "sample", "vectors_of"]

#: degrees of freedom of the proposals around a mode, and share of draws that comes from the population
NU, SHARE = 5.0, 0.2
#: draws of the estimates that share the proposals of a posterior with their uncertainty
VECTORS = 50


@dataclass(frozen=True)
class PatientDraws:
    """Draws of random effects, (n, p), with one of the vectors each, predictions, and logarithms of weights."""

    effects: np.ndarray
    vectors: list[np.ndarray]
    vector: np.ndarray
    f: np.ndarray
    log_posterior: np.ndarray
    log_prior: np.ndarray


def vectors_of(
    fit: Model | Fit, problem: Problem, seed: int, uncertainty: bool | Sampled | np.ndarray
) -> list[np.ndarray]:
    """Return vectors of the patient's problem: at the estimates, or as they could have been."""
    if uncertainty is False or not isinstance(fit, Fit):
        return [problem.layout.start]
    drawn = estimate_draws(fit, VECTORS, seed, uncertainty)
    return [_moved(problem, PopulationVector(fit.layout.rebuilt(x), problem.data)) for x in drawn]


def _moved(problem: Problem, layout: PopulationVector) -> np.ndarray:
    if layout.size != problem.layout.size:
        raise PkpdError("estimate_individual: a draw of the estimates has another layout; use uncertainty=False")
    return layout.start


def sample(
    problem: Problem, modes: np.ndarray, roots: np.ndarray, vectors: list[np.ndarray], n: int, rng: np.random.Generator
) -> PatientDraws:
    """Draw from the mixture of t distributions and the population, and weigh the draws."""
    layout, p = problem.layout, modes.shape[1]
    each = math.ceil(n / len(vectors))
    complete = Complete(problem, each)
    active = occasions_of(complete)[0]
    prior = factor_of(layout.natural(layout.start), problem.links.occasions)
    parts = []
    for k, x in enumerate(vectors):
        z = rng.standard_normal((each, p)) / np.sqrt(rng.chisquare(NU, (each, 1)) / NU)
        at, population = rng.integers(len(modes), size=each), rng.random(each) < SHARE
        effects = modes[at] + np.einsum("iab,ib->ia", roots[at], z)
        effects = np.where(population[:, None], rng.standard_normal((each, p)) @ prior.T, effects)
        effects = np.where(active, effects, 0.0)
        log_h = np.logaddexp(
            math.log(SHARE) + _log_normal(effects, prior, active),
            math.log1p(-SHARE) + _log_t(effects, modes, roots, active),
        )
        factor = factor_of(layout.natural(x), problem.links.occasions)
        f = complete.predict(x[: layout.q], effects)
        l = complete.loglik(f, x[layout.q + layout.w :])
        log_prior = _log_normal(effects, factor, active) - log_h
        parts.append((effects, np.full(each, k), f.reshape(each, -1), l + log_prior, log_prior))
    effects, vector, f, log_posterior, log_prior = (np.concatenate(v) for v in zip(*parts, strict=True))
    return PatientDraws(effects, vectors, vector, f, log_posterior, log_prior)


def _log_normal(x: np.ndarray, factor: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Return the log-density of normal vectors, without the constant that all densities here share."""
    z = np.linalg.solve(factor, x.T).T
    return -0.5 * (z * z)[:, active].sum(axis=1) - np.log(np.diag(factor))[active].sum()


def _log_t(x: np.ndarray, modes: np.ndarray, roots: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Return the log-density of the mixture of t distributions, in the units of ``_log_normal``."""
    d = int(active.sum())
    constant = math.lgamma(0.5 * (NU + d)) - math.lgamma(0.5 * NU) - 0.5 * d * math.log(0.5 * NU)
    each = []
    for mode, root in zip(modes, roots, strict=True):
        z = np.linalg.solve(root, (x - mode).T).T[:, active]
        size = np.linalg.slogdet(root[np.ix_(active, active)])[1]
        each.append(constant - 0.5 * (NU + d) * np.log1p((z * z).sum(axis=1) / NU) - size)
    return np.logaddexp.reduce(each, axis=0) - math.log(len(modes))


def people_of(model: Model, problem: Problem, found: PatientDraws) -> Population:
    """Return the draws as a population with the patient's covariates."""
    data, n = problem.data, len(found.effects)
    people = Population.typical(model, n, covariates={k: float(v[0]) for k, v in data.constant.items()})
    k, occasions = len(model.etas), problem.links.occasions
    kappas = found.effects[:, k:].reshape(n, occasions, len(model.iov_etas)) if occasions else people.given_kappas
    clock, frame = np.asarray(data.table.clock, np.float64), data.table.frame
    varying = {c: _course(clock, frame[c].to_numpy(np.float64)) for c in sorted(data.varying)}
    return replace(
        people, etas=found.effects[:, :k], given_kappas=kappas, n_occasions=max(1, occasions),
        parameters=_typical(problem, found), varying={c: (v,) * n for c, v in varying.items()},
    )  # fmt: skip


def _typical(problem: Problem, found: PatientDraws) -> dict[str, np.ndarray]:
    """Return the typical values of each draw, where they differ."""
    moved = [e.name for e in problem.layout.entries if e.kind == "theta"]
    values = [problem.layout.natural(x).theta for x in found.vectors]
    if len(values) == 1:
        return {}
    return {n: np.array([v[n] for v in values])[found.vector] for n in moved}


def _course(clock: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a covariate's times and values, the last of rows at one time."""
    last = np.append(np.diff(clock) > 0, True)
    return clock[last], values[last]
