"""Populations drawn from a posterior: a known patient, or a new one of a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.spreads import HalfNormal
from pkpd.estimation.study.priors import Free, declared_for
from pkpd.estimation.study.problem import StudyProblem
from pkpd.model.scales import from_scale, to_scale
from pkpd.people.columns import count
from pkpd.people.population import Population
from pkpd.randomness import check_seed

if TYPE_CHECKING:
    from pkpd.estimation.study.record import StudyRecord

__all__ = ["draw_people", "values_at"]

Floats = NDArray[np.float64]


def draw_people(
    calibration: StudyRecord,
    n: int,
    patient: str | None,
    cohort: str | None,
    like: str | None,
    covariates: Mapping[str, Any],
    variability: bool,
    seed: int,
) -> Population:
    """Return a population, see ``StudyFit.population``."""
    problem = calibration.study.problem
    who = f"calibration of '{calibration.study.name}'"
    if (patient is None) == (cohort is None):
        raise PkpdError(
            f"{who}: population needs either patient or cohort, got {'neither' if cohort is None else 'both'}"
        )
    if like is not None and cohort is None:
        raise PkpdError(f"{who}: like is for a new patient of a cohort, not for patient '{patient}'")
    if cohort is not None and cohort not in problem.groups:
        raise PkpdError(
            f"{who}: there is no cohort '{cohort}'{nearest(cohort, problem.groups)}; "
            f"there are {', '.join(problem.groups)}"
        )
    n = count(who, "n", n, "people")
    rng = np.random.default_rng([check_seed(seed), 6])
    total = calibration.posterior.sizes["chain"] * calibration.posterior.sizes["draw"]
    rows = np.concatenate([rng.permutation(total) for _ in range(-(-n // total))])[:n]
    if patient is not None:
        at = np.full(n, problem.index_of(patient))
    elif like is not None:
        at = np.full(n, problem.index_of(like))
    else:
        members = [i for i, c in enumerate(problem.cohorts) if c == cohort]
        at = rng.choice(members, n)
    values, deviations = values_at(calibration, problem, rows, at, cohort, rng)
    if cohort is not None and like is None:
        values |= _declared(problem.study.fixed, cohort, n)
    given = dict(covariates)
    if patient is not None:
        own = problem.subjects[int(at[0])].covariates
        given = {**{k: v for k, v in own.items() if k in problem.model.covariates}, **given}
    people = Population.draw(problem.model, n, covariates=given, parameters=values, seed=seed)
    return replace(people, etas=_effects(people, problem, deviations, variability and patient is None))


def _effects(people: Population, problem: StudyProblem, deviations: Mapping[str, Floats], variability: bool) -> Floats:
    """Return the random effects that are left beside what was drawn from the posterior.

    They were drawn together with those that the deviations z of pooled parameters take the place of, and are given
    these: ``eta + Omega_kp Omega_pp^-1 (sd_p z_p - eta_p)`` has the conditional distribution.
    """
    etas = np.zeros(people.etas.shape)
    if not variability:
        return etas
    by_patient = {f.name for f in problem.study.free if f.level == "patient"}
    keep = [k for k, name in enumerate(people.eta_names) if name not in by_patient]
    pooled = [k for k, name in enumerate(people.eta_names) if name in deviations]
    etas[:, keep] = people.etas[:, keep]
    if keep and pooled:
        omega = problem.model.omega
        z = np.column_stack([deviations[people.eta_names[k]] for k in pooled])
        lacking = z * np.sqrt(np.diag(omega)[pooled]) - people.etas[:, pooled]
        etas[:, keep] += np.linalg.solve(omega[np.ix_(pooled, pooled)], lacking.T).T @ omega[np.ix_(pooled, keep)]
    return etas


def values_at(
    calibration: StudyRecord, problem: StudyProblem, rows: NDArray[Any], at: NDArray[Any], cohort: str | None, rng: Any
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return parameters of each subject, and how far pooled ones of new patients are from the location, in spreads.

    Parameters
    ----------
    calibration : StudyRecord
    problem : StudyProblem
    rows : int array, (n,)
        Draw of the posterior that each subject is of.
    at : int array, (n,)
        Patient whose parameters without pooling each has.
    cohort : str or None
        Whose new patients they are; None for the patients themselves.
    rng : Generator
    """
    out: dict[str, Floats] = {}
    deviations: dict[str, Floats] = {}
    fixed = {name for s in problem.subjects for name in s.values}
    for name in sorted(fixed):
        start = problem.model.parameters[name].value
        by_patient = np.array([s.values.get(name, start) for s in problem.subjects])
        out[name] = by_patient[at]
    for f in problem.study.free:
        draws = calibration.draws(f.name)
        if f.level == "shared":
            out[f.name] = draws[rows]
        elif f.pooling is None or cohort is None:
            out[f.name] = draws[rows, at]
        else:
            out[f.name], deviations[f.name] = _new(calibration, problem, f, rows, cohort, rng)
    return out, deviations


def _declared(fixed: Mapping[str, float | Mapping[str, float]], cohort: str, n: int) -> dict[str, Floats]:
    """Return the known values of n new patients: those declared for their cohort, or else for all others."""
    out = {}
    for name, value in fixed.items():
        if isinstance(value, Mapping) and (found := declared_for(value, cohort)) is not None:
            out[name] = np.full(n, float(found))
    return out


def _new(
    calibration: StudyRecord, problem: StudyProblem, f: Free, rows: NDArray[Any], cohort: str, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return a pooled parameter of new patients, location + spread z on its axis where the model allows it, and z."""
    g = problem.groups.index(cohort) if f.pooling == "cohort" else 0
    if f"{f.name}_location" in calibration.posterior:
        location = calibration.draws(f"{f.name}_location")
        centre = to_scale(location[rows, g] if location.ndim > 1 else location[rows], f.scale, f.limits)
    else:
        centre = np.full(len(rows), f.location_of(cohort)[0])
    if isinstance(f.spread, HalfNormal):
        spread: Any = calibration.draws(f"{f.name}_spread")[rows]
    else:
        spread = f.spread
    low, high = problem.design.limits.get(f.name, (-np.inf, np.inf))
    z = rng.standard_normal(len(rows))
    out = from_scale(centre + spread * z, f.scale, f.limits)
    while (bad := np.flatnonzero((out < low) | (out > high))).size:
        z[bad] = rng.standard_normal(bad.size)
        out = from_scale(centre + spread * z, f.scale, f.limits)
    return out, z
