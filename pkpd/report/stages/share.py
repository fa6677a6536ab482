"""The focus parameter of every patient beside what was assumed, and what explains each course."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.comparison.answering import LITTLE, reflects_prior
from pkpd.comparison.answering import taught as moved
from pkpd.report.blocks import Table, Text
from pkpd.report.explanations import explained, read_explanations
from pkpd.report.headline import stories_text
from pkpd.report.knowledge import Group, PatientKnowledge, group_of, known_of, stories_of
from pkpd.report.words import interval, number, percent, span

if TYPE_CHECKING:
    from pkpd.report.job import ReportJob

__all__ = ["share"]

_STATES = {
    "told": "told",
    "leaning": "a direction only",
    "two": "two explanations remain",
    "untold": "not told: rests on the prior",
}


def share(job: ReportJob) -> None:
    """Tabulate and draw the focus parameter of every patient and group, beside its prior."""
    fit, name = job.fit, job.focus
    after, before = fit.draws(name), fit.draws(name, group="prior")
    section = job.section("share")
    if after.ndim == 1:
        silent = moved(fit).get(name, 1.0) < LITTLE
        only = known_of(("", "all patients", ""), after, before, silent=silent, axis=job.focus_axis)
        both = (after[:, None], before[:, None])
        job.found |= {"known": [only], "groups": [group_of("all patients", [only], *both, axis=job.focus_axis)]}
        section.add(
            Text(f"The {job.focus_words} is {interval(after, job.focus_unit)}; before, it was {interval(before)}.")
        )
        return
    columns = [i for i in range(after.shape[1]) if np.ptp(after[:, i]) > 0]
    explanations = read_explanations(job.words.get("explanation", []), job.study)
    people = []
    for i in columns:
        patient = fit.patients[i]
        holds = explained(fit, patient, job.drug, explanations, n=_draws(job), seed=job.seed) if explanations else {}
        who = patient, job.names.patient(patient), fit.cohorts[patient]
        silent = reflects_prior(moved(fit), name, patient)
        people.append(known_of(who, after[:, i], before[:, i], silent=silent, axis=job.focus_axis,
                               stories=stories_of(holds)))  # fmt: skip
    job.found |= {"known": people, "groups": _groups(job, people, after, before)}
    scale = "0 means none of it, 1 all of it. " if job.focus_axis == "share" else ""
    section.add(
        Text(
            f"The question of this report is the {job.focus_words}. {scale}Each patient has an own value; patients of "
            "one group are taken to be alike to a degree that the reports themselves decide. An answer counts as told "
            "if its 95% interval is at most half as wide as before the report, and as resting on the prior if the "
            "report hardly changed what was believed (both beliefs share more than 70% of their area)."
        ),
        _table(job, people),
    )
    _explain(job, people)
    _further(job)


def _draws(job: ReportJob) -> int:
    return 1000 if job.full else 400


def _groups(job: ReportJob, people: list[PatientKnowledge], after: np.ndarray, before: np.ndarray) -> list[Group]:
    given = job.words.get("conditions", {})
    found = []
    for cohort in dict.fromkeys(p.cohort for p in people):
        own = [p for p in people if p.cohort == cohort]
        at = [job.fit.patients.index(p.patient) for p in own]
        condition = str(given.get(cohort, given.get("*", "under the priors and the model of this report")))
        found.append(group_of(job.names.cohort(cohort), own, after[:, at], before[:, at], axis=job.focus_axis,
                              condition=condition))  # fmt: skip
    return found


def _table(job: ReportJob, people: list[PatientKnowledge]) -> Table:
    half = job.focus_axis == "share"
    rows = []
    for p in people:
        draws = job.fit.draws(job.focus)[:, job.fit.patients.index(p.patient)]
        row: list[Any] = [p.label, job.names.cohort(p.cohort), span(p.middle, p.low, p.high)]
        row.append(f"{number(p.before[0])} to {number(p.before[1])}")
        if half:
            row.append(percent(float(np.mean(draws > 0.5))))
        rows.append([*row, _STATES[p.state]])
    heads = ["patient", "group", "middle (95%)", "95% before the report"]
    heads += ["probability of more than half"] * half + ["what the report tells"]
    unit = f" [{job.focus_unit}]" if job.focus_unit else ""
    name = job.focus_name
    return Table(f"{name[:1].upper()}{name[1:]}{unit} by patient", heads, rows)


def _explain(job: ReportJob, people: list[PatientKnowledge]) -> None:
    """Tabulate what explains each patient's course."""
    if not any(p.stories for p in people):
        return
    rows = [[p.label, stories_text(p)] for p in people if p.stories]
    definitions = []
    for each in read_explanations(job.words["explanation"], job.study):
        if each.parameter:
            bound = f"above {each.above:g}" if each.above is not None else f"below {each.below:g}"
            definitions.append(f"'{each.name}': the {job.names.quantity(each.parameter)} is {bound}")
        else:
            meaning = job.study.problem.model.outputs[each.output].meaning or job.names.marker(each.output)
            definitions.append(
                f"'{each.name}': without {job.drug}, the {meaning} would have fallen to "
                f"{percent(each.falls_to or 0.0)} "
                "of its value at the first dose, or less, by a day after the last one"
            )
    job.section("share").add(
        Table(
            "What explains the course of each patient (probabilities)", ["patient", "explanations"], rows,
            f"{'; '.join(definitions)}.",
        )
    )  # fmt: skip


def _further(job: ReportJob) -> None:
    """Say what a further patient of each group would be like."""
    location, spread = f"{job.focus}_location", f"{job.focus}_spread"
    posterior = job.fit.posterior
    if location not in posterior or not posterior[location].ndim > 2:
        return
    draws = job.fit.draws(location)
    groups = [str(g) for g in posterior[location][posterior[location].dims[-1]].values]
    rows = [[job.names.cohort(group), interval(draws[:, i])] for i, group in enumerate(groups)]
    note = ""
    if spread in posterior:
        note = (
            "Patients of one group differ from each other by a standard deviation of "
            f"{interval(job.fit.draws(spread))} "
            f"on the {'logit scale' if job.focus_axis == 'share' else 'scale of the prior'}."
        )
    job.section("share").add(
        Table(f"{job.focus_name}: middle of patients like those of each group", ["group", "middle (95%)"], rows, note)
    )
