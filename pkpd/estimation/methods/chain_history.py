"""What a study knows of the clock that its patients live on: their doses, when they were seen, what a day means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.model.clock import clocked
from pkpd.simulation.doses import regimen_from
from pkpd.simulation.source import History
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    from pkpd.estimation.study.problem import StudyProblem
    from pkpd.evidence.term import Term
    from pkpd.model.model import Model
    from pkpd.observation.subject import Subject
    from pkpd.people.population import Population

__all__ = ["history_of", "seen_of", "with_onset"]


def seen_of(terms: Iterable[Term]) -> tuple[float, float] | None:
    """Return the first and last time that observations speak of; None if there is none."""
    times = [t for term in terms for t in (term.time, term.at, term.time_to) if t is not None]
    return (min(times), max(times)) if times else None


def history_of(problem: StudyProblem, patient: str | None = None, cohort: str | None = None) -> History:
    """Return the history of a patient of a study, or what new patients of a cohort have in common.

    Parameters
    ----------
    problem : StudyProblem
    patient, cohort : str, optional
        With neither, all that is known is which outputs have facts.
    """
    if patient is not None:
        subject = problem.subjects[problem.index_of(patient)]
        name = subject.name.partition("/")[0]
        evidence = next(e for e in problem.evidence if e.name == name)
        day_zero = float(convert_time(evidence.hours(0.0), "h", problem.model.time_unit))
        given = regimen_from(problem.model, subject.regimen, name, subject.covariates)
        return History(
            given=given, day_zero=day_zero, axis=f"day of {name}", seen=seen_of(subject.terms),
            learned=_learned([subject]), ill=True,
        )  # fmt: skip
    if cohort is not None:
        members = [s for s, c in zip(problem.subjects, problem.cohorts, strict=True) if c == cohort]
        return History(
            axis="day from the onset",
            onset=0.0,
            followed=_followed(members, problem.model),
            learned=_learned(members),
            ill=True,
        )
    return History(axis="day from time 0", day_zero=0.0, learned=_learned(problem.subjects))


def _learned(subjects: Iterable[Subject]) -> frozenset[str]:
    return frozenset(term.output for s in subjects for term in s.terms)


def _followed(members: Iterable[Subject], model: Model) -> float:
    """Return how long patients were seen after their first dose: the middle one of them."""
    spans = []
    for subject in members:
        seen = seen_of(subject.terms)
        times = regimen_from(model, subject.regimen, subject.name, subject.covariates).times
        if seen is not None and len(times):
            first = float(times[0])
            spans.append(max(seen[1] - first, 0.0))
    return float(np.median(spans)) if spans else 0.0


def with_onset(model: Model, people: Population, history: History) -> tuple[Population, History]:
    """Return new patients whose illness begins at one time, and that time.

    The parameters that are times of the model's clock are moved together, each patient's by as much as brings the one
    that the model declares first, the onset, to the latest of all patients. A model without such parameters has no
    onset: day 0 is its time 0.
    """
    names = clocked(model)
    if not names:
        return people, replace(history, axis="day from time 0", onset=0.0, day_zero=0.0)
    values: Mapping[str, Any] = {
        n: np.broadcast_to(people.parameters.get(n, np.array(model.parameters[n].value)), (people.n,)) for n in names
    }
    first = names[0]
    onset = values[first] + (people.etas[:, model.etas.index(first)] if first in model.etas else 0.0)
    latest = max(float(onset.max()), 0.0)
    moved = {n: v + (latest - onset) for n, v in values.items()}
    return replace(people, parameters={**people.parameters, **moved}), replace(history, onset=latest, day_zero=latest)
