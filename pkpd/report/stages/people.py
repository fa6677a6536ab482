"""How much of the disease the focus parameter carries: over all patients, and patient by patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.report.blocks import Table, Text
from pkpd.report.words import chance, interval, learned, number, percent, plural, quantiles

if TYPE_CHECKING:
    from pkpd.report.job import ReportJob

__all__ = ["patients", "share"]


def share(job: ReportJob) -> None:
    """Tabulate and draw the focus parameter of every patient and group, beside its prior."""
    fit, name = job.fit, job.focus
    after, before = fit.draws(name), fit.draws(name, group="prior")
    verdicts = fit.contraction()["verdict"]
    job.found["verdicts"] = verdicts
    section = job.section("share")
    if after.ndim == 1:
        section.add(Text(f"The {_what(job)} is {interval(after)}; before the reports it was {interval(before)}."))
        return
    rows = []
    for i, patient in enumerate(fit.patients):
        if np.ptp(after[:, i]) == 0:
            continue
        middle, low, high = quantiles(after[:, i])
        rows.append(
            [patient, fit.cohorts[patient], middle, f"{number(low)} to {number(high)}", interval(before[:, i]),
             *([percent(float(np.mean(after[:, i] > 0.5)))] if _is_share(job) else []),
             learned(str(verdicts.get(f"{name}[{patient}]", "not taught")))]
        )  # fmt: skip
    heads = ["patient", "cohort", "middle", "95% interval", "before the report", "in words"]
    if _is_share(job):
        heads.insert(5, "chance that it is above half")
    section.add(
        Text(
            f"The question of this report is the {_what(job)}: 0 means none of it, 1 all of it. Each patient has an "
            "own value; patients of one report are taken to be alike to a degree that the reports themselves decide. "
            "The wider an interval, the less the report could tell; an interval as wide as before the report tells "
            "nothing."
        )
    )
    _draw_share(job, section)
    section.add(Table(f"{job.focus_name} by patient", heads, rows))
    _summary(job, after)
    silent = sum(row[-1] in (learned("not taught"), learned("moved, not narrowed")) for row in rows)
    if silent:
        people = plural(len(rows), "patient")
        job.say(
            2,
            f"**What cannot be told:** for {silent} of {people} the report did not narrow the {job.focus_name}; what "
            "is said of them rests on the others and on what was assumed.",
        )
    _groups(job, section)


def _what(job: ReportJob) -> str:
    return str(job.words.get("focus_words", job.focus))


def _is_share(job: ReportJob) -> bool:
    free = next(f for f in job.study.free if f.name == job.focus)
    return free.scale == "logit" and free.limits == (0.0, 1.0)


def _draw_share(job: ReportJob, section: Any) -> None:
    from pkpd.plot.calibration import forest

    outcomes = {
        f"{each.name}/{fact.patient}": bool(fact.value)
        for each in job.study.problem.evidence
        for fact in each.facts
        if fact.marker == "response" and fact.patient and fact.value is not None
    }
    filled = " Filled: patients who responded, open: the others." if outcomes else ""
    section.add(
        job.picture(
            "share",
            forest(job.fit, job.focus, outcomes=outcomes or None, width=130),
            f"Horizontal intervals of the {job.focus_name} of every patient, in colour, over the prior in grey. The "
            "table below holds the same numbers.",
            f"**{job.focus_name} by patient.** Point: middle; thick line: central half; thin line: 95%. Grey: 95% of "
            f"what was believed before the reports.{filled}",
            wide=False,
        )
    )


def _groups(job: ReportJob, section: Any) -> None:
    """Say what a further patient of each group would be like."""
    location, spread = f"{job.focus}_location", f"{job.focus}_spread"
    posterior = job.fit.posterior
    if location not in posterior or not posterior[location].ndim > 2:
        return
    draws = job.fit.draws(location)
    groups = [str(g) for g in posterior[location][posterior[location].dims[-1]].values]
    texts = [f"{group} {interval(draws[:, i])}" for i, group in enumerate(groups)]
    section.add(Text(f"Middle of the patients like those of each report: {'; '.join(texts)}."))
    if spread in posterior:
        section.add(
            Text(
                "Patients of one report differ from each other by a standard deviation of "
                f"{interval(job.fit.draws(spread))} "
                "on the scale of the prior."
            )
        )


def _summary(job: ReportJob, after: np.ndarray) -> None:
    cohorts = job.fit.cohorts
    for cohort in dict.fromkeys(cohorts.values()):
        columns = [i for i, p in enumerate(job.fit.patients) if cohorts[p] == cohort and np.ptp(after[:, i]) > 0]
        if not columns:
            continue
        average = after[:, columns].mean(axis=1)
        middle, low, high = quantiles(average)
        wide = high - low > 0.5 and _is_share(job)
        label = job.words.get("cohorts", {}).get(cohort, cohort)
        average = " on average" if len(columns) > 1 else ""
        job.say(
            1,
            f"**{label}** ({plural(len(columns), 'patient')}): the {_what(job)} was {number(middle)}{average} "
            f"(95% interval {number(low)} to "
            f"{number(high)}).{' That is wide: the report tells little.' if wide else ''}",
        )


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
    facts = job.found["facts"]
    for i, patient in enumerate(job.fit.patients):
        part = job.subsection("patients", patient.replace("/", "-"), _title(job, patient))
        part.add(Text(_sentence(job, i, patient, facts)))
        if (facts["patient"] == patient).any():
            _draw_patient(job, part, patient)


def _title(job: ReportJob, patient: str) -> str:
    seed, _, who = patient.partition("/")
    for evidence in job.study.problem.evidence:
        if evidence.name == seed:
            given = {q.quantity: q.value for q in evidence.quantities if q.patient == who}
            about = ", ".join(
                str(v if isinstance(v, str) else f"{v:g} years")
                for v in (given.get("sex"), given.get("age"), given.get("disease") or given.get("indication"))
                if v is not None
            )
            return f"{patient}: {about}" if about else patient
    return patient


def _sentence(job: ReportJob, i: int, patient: str, facts: Any) -> str:
    fit, name = job.fit, job.focus
    after, before = fit.draws(name), fit.draws(name, group="prior")
    own = facts[facts["patient"] == patient]
    if not len(own):
        own = facts[facts["patient"] == patient.partition("/")[2]]
    fitted, held = own[own["use"] == "fit"], own[own["use"] == "check"]
    said = f"{plural(len(fitted), 'fact')} of this patient inform the model; {int(fitted['inside'].sum())} of them lie "
    said += "inside its 95% interval."
    if len(held):
        said += f" Of {plural(len(held), 'fact')} held back to check it, {int(held['inside'].sum())} lie inside."
    if after.ndim == 1 or np.ptp(after[:, i]) == 0:
        return said
    verdict = learned(str(job.found["verdicts"].get(f"{name}[{patient}]", "not taught")))
    text = f"The {job.focus_name} is {interval(after[:, i])}; before the report it was {interval(before[:, i])}: "
    text += f"{verdict}."
    if _is_share(job):
        text += f" That it is more than half is {chance(float(np.mean(after[:, i] > 0.5)))}."
    return f"{text} {said}"


def _draw_patient(job: ReportJob, part: Any, patient: str) -> None:
    from pkpd.plot.courses import course

    part.add(
        job.picture(
            f"patient_{patient.replace('/', '_')}",
            course(job.fit, patient, draws=400 if job.full else 150, seed=job.seed),
            f"Curves of the markers of {patient} with bands, reported facts as marks, doses of each drug below.",
            f"**{patient}.** Reported facts over what the calibrated model says; doses at the foot.",
        )
    )
