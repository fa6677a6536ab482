"""Doses of a patient under a design: left out for some days, stopped, or given earlier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.checks.first_dose import studied_drug
from pkpd.simulation.doses import regimen_from
from pkpd.simulation.source import drugs_of, first_dose
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    from pkpd.dosing.dose import Dose
    from pkpd.dosing.regimen import Regimen
    from pkpd.estimation.checks.prospects.design import Design
    from pkpd.estimation.study.problem import StudyProblem
    from pkpd.observation.subject import Subject

__all__ = ["doses_under", "start_of", "without_window"]


def start_of(problem: StudyProblem, subject: Subject, design: Design) -> float | None:
    """Return when a patient got the first dose of the studied drug, on the model's clock; None if there was none."""
    drug = design.drug or studied_drug(problem, subject.name)
    given = _given(problem, subject)
    return first_dose(given, problem.model, _states_drug(problem, drug))


def doses_under(problem: StudyProblem, subject: Subject, design: Design, start: float) -> Regimen:
    """Return a patient's doses as the design changes them.

    Parameters
    ----------
    problem : StudyProblem
    subject : Subject
    design : Design
    start : float
        First dose of the studied drug, from which the design's days count, on the model's clock.

    Raises
    ------
    PkpdError
        If the design changes a drug that the study does not give.
    """
    given, day = _given(problem, subject), convert_time(1.0, "d", problem.model.time_unit)
    left, shift = design.without, dict(design.shift)
    if left is None and not shift:
        return given
    named = [*(left.drugs if left is not None else ()), *shift]
    there = {d for s in problem.subjects for d in drugs_of(_given(problem, s), problem.model)}
    known = {drug: _states_drug(problem, drug) for drug in dict.fromkeys(named)}
    if lost := [drug for drug, own in known.items() if not own & there]:
        given_drugs = sorted({d for e in problem.evidence for d in e.drugs if _states_drug(problem, d) & there})
        raise PkpdError(
            f"design '{design.name}': the study gives no '{lost[0]}'{nearest(lost[0], given_drugs)}; it gives "
            f"{', '.join(given_drugs)}"
        )
    out: list[Dose] = []
    for dose, drug in zip(given.doses, drugs_of(given, problem.model), strict=True):
        moved = sum(days for name, days in shift.items() if drug in known[name])
        each = dose.shift(moved * day) if moved else dose
        if left is not None and any(drug in known[name] for name in left.drugs):
            out += without_window(each, start + left.from_day * day, start + left.to_day * day)
        else:
            out.append(each)
    return given.with_doses(out)


def without_window(dose: Dose, begin: float, end: float) -> Iterator[Dose]:
    """Yield what is left of a dose record if nothing is given from one time to before another; infusions are cut.

    Raises
    ------
    PkpdError
        If it is an infusion that never ends, or one whose length the model decides, and the window meets it.

    Examples
    --------
    >>> from pkpd.dosing.dose import Dose
    >>> list(without_window(Dose(48, tinf=48), 12, 24))
    [Dose(12, rate=1), Dose(24, time=24, rate=1)]
    """
    for each in dose.expand():
        length = each.tinf
        if each.amt == np.inf and each.time < end:
            raise PkpdError("doses left out: an infusion at steady state has no end and cannot be cut; give its doses")
        if length is None:
            if not begin <= each.time < end:
                yield each
            continue
        last = each.time + length
        if last <= begin or each.time >= end:
            yield each
            continue
        if each.time < begin:
            yield replace(each, amt=each.rate * (begin - each.time))
        if last > end:
            yield replace(each, time=end, amt=each.rate * (last - end), ss=0, evid=1)


def _given(problem: StudyProblem, subject: Subject) -> Regimen:
    return regimen_from(problem.model, subject.regimen, subject.name, subject.covariates)


def _states_drug(problem: StudyProblem, drug: str) -> set[str]:
    """Return a drug's names among those of the doses; a model of one drug calls it by its own name."""
    return {drug, problem.model.name} if problem.is_of_one_drug(drug) else {drug}
