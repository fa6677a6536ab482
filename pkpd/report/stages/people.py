"""Patient by patient: reported facts over the curves of the posterior, and what is told in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pkpd.report.blocks import Text
from pkpd.report.headline import stories_text
from pkpd.report.knowledge import PatientKnowledge
from pkpd.report.words import number, percent, plural, span

if TYPE_CHECKING:
    from pkpd.report.job import ReportJob

__all__ = ["patients"]

_STATES = {
    "told": "The report tells it",
    "leaning": "The report gives a direction only",
    "two": "Two explanations remain",
    "untold": "The report does not tell it, and the answer rests on what was assumed",
}


def patients(job: ReportJob) -> None:
    """Show each patient: reported facts over the curves of the posterior, and a sentence made of numbers."""
    job.section("patients").add(
        Text(
            "Each figure shows what the calibrated model says of one patient (line: middle; bands: half and 95% of "
            "what is possible) and what was reported (marks). A band says how well the course is known, not how much "
            "the marker scatters from day to day. Grades are shown as the probability of each, with the reported ones "
            "above."
        )
    )
    known = {p.patient: p for p in job.found["known"]}
    together = {row["patient"]: row for row in job.found.get("together", [])}
    for patient in job.fit.patients:
        part = job.subsection("patients", patient.replace("/", "-"), _title(job, patient))
        part.add(Text(_sentence(job, known.get(patient), patient, together.get(patient))))
        if (job.found["facts"]["patient"] == patient).any():
            _draw_patient(job, part, patient)


def _title(job: ReportJob, patient: str) -> str:
    seed, _, who = patient.partition("/")
    label = job.names.patient(patient)
    for evidence in job.study.problem.evidence:
        if evidence.name == seed:
            given = {q.quantity: q.value for q in evidence.quantities if q.patient == who}
            about = ", ".join(
                str(v if isinstance(v, str) else f"{v:g} years")
                for v in (given.get("sex"), given.get("age"), given.get("disease") or given.get("indication"))
                if v is not None
            )
            return f"{label}: {about}" if about else label
    return label


def _sentence(job: ReportJob, known: PatientKnowledge | None, patient: str, together: Any) -> str:
    facts = job.found["facts"]
    fitted = facts[(facts["patient"] == patient) & (facts["use"] == "fit")]
    outside = len(fitted) - int(fitted["inside"].sum())
    said = []
    if known is not None:
        size = span(known.middle, known.low, known.high, job.focus_unit)
        text = f"The {job.focus_name} is {size}; before the report it was between {number(known.before[0])} and "
        text += f"{number(known.before[1])}. {_STATES[known.state]}"
        if known.stories and known.state == "two":
            text += f": {stories_text(known)}"
        said.append(f"{text}.")
    count = f"{plural(len(fitted), 'fact')} of this patient {'informs' if len(fitted) == 1 else 'inform'} the model"
    said.append(f"{count}{f'; {outside} of them missed' if outside else ''}.")
    if together is not None:
        said.append(
            f"New data from it show {percent(together['share'])} of the {int(together['facts'])} qualitative "
            f"ones, and all at once with a probability of {percent(together['all'])}."
            if together["facts"] > 1
            else f"New data show the one qualitative fact with a probability of {percent(together['share'])}."
        )
    return " ".join(said)


def _draw_patient(job: ReportJob, part: Any, patient: str) -> None:
    from pkpd.plot.courses import course

    label = job.names.patient(patient)
    part.add(
        job.picture(
            f"patient_{patient.replace('/', '_')}",
            course(job.fit, patient, draws=400 if job.full else 150, seed=job.seed),
            f"Curves of the markers of {label} with bands, reported facts as marks, doses of each drug below.",
            f"**{label}.** Reported facts over what the calibrated model says; doses at the foot.",
        )
    )
