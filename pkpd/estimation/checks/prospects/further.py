"""What further patients like those of a cohort would show of what its patients have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PkpdError
from pkpd.estimation.checks.prospects.doses import start_of
from pkpd.estimation.checks.prospects.learner import Features, folds_of, predicted, scores_of
from pkpd.estimation.checks.prospects.simulated import measured_subject, on_axes, simulate_terms
from pkpd.estimation.study.held_back import values_of_draws
from pkpd.estimation.study.people import values_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pkpd.estimation.checks.prospects.design import Design
    from pkpd.estimation.study.problem import StudyProblem
    from pkpd.estimation.study.result import StudyFit
    from pkpd.observation.subject import Subject

__all__ = ["further_patients", "new_patient"]

Floats = NDArray[np.float64]


def new_patient(fit: StudyFit, parameter: str, cohort: str, rows: NDArray[np.int64], seed: int) -> Floats:
    """Return a parameter of one new patient of a cohort for each draw, (draws,)."""
    problem = fit.study.problem
    members = [i for i, c in enumerate(problem.cohorts) if c == cohort]
    rng = np.random.default_rng([seed, 13])
    return values_at(fit, problem, rows, rng.choice(members, rows.size), cohort, rng)[0][parameter]


def further_patients(
    fit: StudyFit, design: Design, parameter: str, cohort: str, members: Sequence[int], rows: NDArray[np.int64],
    seed: int,
) -> Floats:  # fmt: skip
    """Return summaries of what further patients would show, for each draw.

    Each takes doses, covariates, parameters without pooling and sorts of facts from a patient of the cohort, in turn.
    A patient's data are summed up by what they say of the parameter, learned by `predicted` over all draws; what they
    say of anything else is left out, so that they tell at least as much.

    Parameters
    ----------
    fit : StudyFit
    design : Design
    parameter, cohort : str
    members : sequence of int
        Patients that the further ones are like.
    rows : int array, (draws,)
    seed : int

    Returns
    -------
    float array, (draws, features)
        Mean and spread of the summaries, and their mean by patient that they are like.

    Raises
    ------
    PkpdError
        If nothing of the parameter is common to patients.
    """
    problem = fit.study.problem
    free = next(f for f in problem.study.free if f.name == parameter)
    if free.level == "patient" and free.pooling is None:
        raise PkpdError(
            f"design '{design.name}': '{parameter}' is each patient's own without pooling, so that further patients "
            "tell nothing of it"
        )
    shares = [len(part) for part in np.array_split(np.arange(design.more), len(members))]
    found = []
    for k, (member, count) in enumerate(zip(members, shares, strict=True)):
        if count:
            subject = _reported(problem, problem.subjects[member], design)
            found.append(_summaries(fit, subject, member, parameter, cohort, np.repeat(rows, count), [seed, 14, k]))
    each = [x.reshape(rows.size, -1) for x in found]
    everyone = np.column_stack(each)
    spread = everyone.std(axis=1, keepdims=True)
    return np.column_stack([everyone.mean(axis=1), spread, *(x.mean(axis=1) for x in each)])


def _reported(problem: StudyProblem, subject: Subject, design: Design) -> Subject:
    """Return a patient with the facts of the report, and with the design's measurements."""
    start = start_of(problem, subject, design)
    if not design.measure or start is None:
        return subject
    further = measured_subject(problem, subject, design, start)
    return replace(further, terms=(*subject.terms, *further.terms))


def _summaries(
    fit: StudyFit, subject: Subject, member: int, parameter: str, cohort: str, rows: NDArray[np.int64],
    seed: Sequence[int],
) -> Floats:  # fmt: skip
    """Return what the data of new patients like one say of their parameter, (rows,); 0, its mean, if they are none."""
    problem, rng = fit.study.problem, np.random.default_rng(seed)
    drawn = values_at(fit, problem, rows, np.full(rows.size, member), cohort, rng)[0]
    values = np.column_stack([drawn[f.name] for f in problem.study.free])
    if not subject.terms:
        return np.zeros(rows.size)
    data = simulate_terms(problem, subject, values, values_of_draws(fit, rows)[1], 1, seed)[:, 0]
    data = on_axes(problem.model, subject.terms, data)
    solved, out = np.isfinite(data).all(axis=1), np.zeros(rows.size)
    _, groups = np.unique(rows[solved], return_inverse=True)
    folds = folds_of(groups, seed[0])
    out[solved] = predicted(Features(data[solved], folds, seed[0]), scores_of(drawn[parameter])[solved], groups)
    return out
