"""When the course of a drug begins in a patient of a study, and when what a fact speaks of ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pkpd.units.time import convert_time

if TYPE_CHECKING:
    from pkpd.estimation.study.problem import StudyProblem
    from pkpd.evidence.term import Term

__all__ = ["first_dose", "last_time", "studied_drug"]


def studied_drug(problem: StudyProblem, patient: str) -> str:
    """Return the drug that the report of a patient is about; empty without doses."""
    seed = patient.partition("/")[0]
    return next(e for e in problem.evidence if e.name == seed).studied


def first_dose(problem: StudyProblem, patient: str, drug: str) -> float | None:
    """Return the time of a patient's first dose of a drug, on the model's clock; None without one."""
    seed, _, name = patient.partition("/")
    evidence = next(e for e in problem.evidence if e.name == seed)
    days = [row.start for row in evidence.doses if row.patient == name and row.drug == drug]
    return convert_time(float(evidence.hours(min(days))), "h", problem.model.time_unit) if days else None


def last_time(term: Term) -> float:
    """Return the end of what a fact speaks of, on the model's clock."""
    return term.time if term.time_to is None else term.time_to
