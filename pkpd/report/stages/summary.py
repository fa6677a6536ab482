"""What the report says in short: the question, the figure, sentences with their conditions, and exceptions in red."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from pkpd.comparison.answering import listed
from pkpd.report.blocks import Picture
from pkpd.report.explanations import read_explanations
from pkpd.report.headline import (
    Misfit,
    change_sentence,
    misfit_alerts,
    misfit_sentence,
    told_sentence,
    untold_sentence,
)
from pkpd.report.stages.rivals import favoured
from pkpd.report.stages.sensitivity import resting

if TYPE_CHECKING:
    from pkpd.report.job import ReportJob
    from pkpd.report.knowledge import Group

__all__ = ["in_short"]


def in_short(job: ReportJob) -> None:
    """Write the top of the page from what the stages found."""
    page, found = job.page, job.found
    page.question = [" ".join(str(job.words.get("question", _question(job))).split())]
    misfit = _misfit(job)
    page.alerts = misfit_alerts(misfit)
    if "computation" in found:
        page.alerts.append(found["computation"])
    page.picture = _figure(job)
    odd = {row["label"] for row in misfit.exceptions}
    groups = [replace(group, condition=_condition(job, group, odd)) for group in found["groups"]]
    page.summary = [
        told_sentence(groups, job.focus_words, job.focus_unit),
        untold_sentence(groups, job.focus_name, job.focus_unit, _besides(job)),
    ]
    if found.get("changes") and job.drug is not None:
        page.summary.append(change_sentence(found["changes"], job.outcome, job.drug, job.relevant))
    page.summary.append(misfit_sentence(misfit))
    if "tell" in found:
        page.summary.append(f"**What would tell.** {found['tell']}")


def _besides(job: ReportJob) -> list[str]:
    """Return the names of explanations that the focus has no part in."""
    declared = read_explanations(job.words.get("explanation", []), job.study)
    return [each.name for each in declared if each.parameter != job.focus]


def _question(job: ReportJob) -> str:
    """Return what a report asks whose study does not say it."""
    doses = f", would other doses of {job.drug} have changed anything," if job.found.get("changes") else ""
    count = len(job.fit.patients)
    of = f"of each of {count} patients" if count > 1 else "of this patient"
    return f"How large was the {job.focus_words} {of}{doses} and what can the reports not tell?"


def _misfit(job: ReportJob) -> Misfit:
    facts = job.found["facts"]
    rows = job.found.get("rivals", [])
    rivals = [favoured(rows, c, job.names.cohort(c)) for c in dict.fromkeys(str(r["cohort"]) for r in rows)]
    return Misfit(
        job.found["together"], job.found["outside"], int((facts["use"] == "fit").sum()), len(job.found["summary"]),
        [text for text in rivals if text],
    )  # fmt: skip


def _condition(job: ReportJob, group: Group, odd: Collection[str]) -> str:
    """Return the assumption of a group, the facts that its answer rests on, and whose course is not reproduced."""
    label = {p.patient: p.label for p in group.people}
    rests = resting(job.found.get("ledger"), list(label), label)
    missed = [p.label for p in group.people if p.label in odd]
    doubt = f"but the model does not reproduce the course of {listed(missed, len(group.people))}" if missed else ""
    return "; ".join(filter(None, (group.condition, rests, doubt)))


def _figure(job: ReportJob) -> Picture | None:
    """Draw the focus of every patient over its prior; None where patients share it."""
    from pkpd.plot.calibration import forest

    known = {p.patient: p for p in job.found["known"] if p.patient}
    if not known:
        return None
    outcomes = {
        f"{each.name}/{fact.patient}": bool(fact.value)
        for each in job.study.problem.evidence
        for fact in each.facts
        if fact.marker == "response" and fact.patient and fact.value is not None
    }
    labels = {p: job.names.patient(p) for p in job.fit.patients}
    labels |= {c: job.names.cohort(c) for c in dict.fromkeys(job.fit.cohorts.values())}
    faint = [p.patient for p in known.values() if p.state == "untold"]
    name = job.focus_name
    drawn = forest(
        job.fit, job.focus, outcomes=outcomes or None, labels=labels, faint=faint, title=job.focus_words, width=150
    )
    filled = " Filled: patients who responded, open: the others." if outcomes else ""
    resting_on = " Dashed and grey: the answer rests on the prior." if faint else ""
    return job.picture(
        "share",
        drawn,
        f"Horizontal intervals of the {name} of every patient over the prior in grey; a table under Results holds the "
        "same numbers.",
        f"**{name[:1].upper()}{name[1:]} by patient.** Point: middle; thick line: central half; thin line: 95%. Band: "
        f"95% of what was believed before the reports. Diamond: middle of the group.{resting_on}{filled}",
        wide=False,
    )
