"""Other schedules: exposure and blockade in new patients, and the courses of the reported ones under other doses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.files import netcdf_bytes, write_whole
from pkpd.report.blocks import Table, Text
from pkpd.report.headline import Change
from pkpd.report.words import percent, plural, span

if TYPE_CHECKING:
    from pkpd.dosing.regimen import Regimen
    from pkpd.report.job import ReportJob

__all__ = ["answered", "arms_of", "exposures", "other_courses"]

_NAMES = {
    "AUC24": "area under the curve per day", "Cmax": "peak", "Ctrough": "trough",
    "time_above_IC50": "part of the time above IC50", "blockade_trough": "blocked at the trough",
    "blockade_csf_mean": "blocked in cerebrospinal fluid",
}  # fmt: skip
"""Measures of exposure, as far as a model has them, and their headings."""
_PARTS = ("time_above_IC50", "blockade_trough", "blockade_csf_mean")
_LOGARITHMIC = ("AUC24", "Cmax", "Ctrough")
_NONE = "none"
_CHANGED = {"twice": "twice the doses", "early": "a start three days earlier"}


def _draws(job: ReportJob) -> int:
    return 1000 if job.full else 200


def exposures(job: ReportJob) -> None:
    """Compare the schedules that the model's files know in new patients, and what the study's words add to them."""
    from pkpd.comparison.arms import Arm
    from pkpd.comparison.compare import compare
    from pkpd.comparison.known_schedules import schedules
    from pkpd.comparison.measure import built_in
    from pkpd.plot.schedule import comparison as draw

    model = job.study.problem.model
    known, possible = schedules(model), built_in(model)
    measures = [name for name in _NAMES if name in possible and set(possible[name].outputs) <= set(model.outputs)]
    if not known or not measures or job.drug is None:
        return
    words = job.words.get("schedules", {})
    cohort = str(job.words.get("cohort") or max(job.fit.cohorts.values(), key=list(job.fit.cohorts.values()).count))
    arms: dict[str, Any] = dict(known)
    for other in words.get("also", []):
        arms[other["name"]] = Arm(known[other["schedule"]], other["covariates"])
    found = compare(job.fit, arms, cohort=cohort, n=_draws(job), measures=measures, seed=job.seed)
    job.found["exposures"] = found
    job.keep_table("schedules_exposure", found.table(text=False).pipe(_flat), index=True)
    write_whole(job.folder / "schedules_exposure.nc", netcdf_bytes({None: found.dataset}, lambda _: None))
    section = job.subsection("schedules", "exposure", "Exposure")
    section.add(
        Text(
            "The schedules below were simulated in new patients with what is known about the drug after "
            f"the reports. The trough is the moment before the next dose. {words.get('text', '')}".strip()
        ),
        job.picture(
            "schedules_exposure",
            draw(found, log=[name for name in measures if name in _LOGARITHMIC]),
            "One panel for each measure, one row for each schedule: median, central half and central 90% of the "
            "patients.",
            f"**Schedules of {job.drug} in new patients.** Dot: median; thick line: central half; thin line: central "
            "90%.",
        ),
        _exposure_table(job, found),
    )
    if "sentence" in words:
        middle = (float(np.median(found.samples(words["measure"], name))) for name in words["compared"])
        text = str(words["sentence"]).format(*map(percent, middle))
        section.add(Text(text[:1].upper() + text[1:]))


def _exposure_table(job: ReportJob, found: Any) -> Table:
    heads, columns = [], []
    for name in found.measures:
        unit = str(found.dataset[name].attrs["units"]).replace("*", "·")
        is_part = unit in ("1", "") and name in _PARTS
        heads.append(f"{_NAMES.get(name, name)}{f' [{unit}]' if unit not in ('1', '') else ''}")
        columns.append([_spread(found.samples(name, regimen), is_part) for regimen in found.regimens])
    rows = [[regimen, *(column[k] for column in columns)] for k, regimen in enumerate(found.regimens)]
    return Table(f"Schedules of {job.drug}: middle (90% of the patients)", ["schedule", *heads], rows)


def _spread(values: np.ndarray, is_part: bool) -> str:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    if not is_part:
        return span(middle, low, high)
    texts = [percent(part) for part in (middle, low, high)]
    return texts[0] if len(set(texts)) == 1 else f"{texts[0]} ({texts[1]} to {texts[2]})"


def _flat(frame: Any) -> Any:
    frame.columns = [c if isinstance(c, str) else " ".join(str(part) for part in c).strip() for c in frame.columns]
    return frame


def other_courses(job: ReportJob) -> None:
    """Ask of each patient what no doses, twice the doses, or an earlier start would have changed."""
    import pandas as pd

    from pkpd.comparison.answering import fall_chance
    from pkpd.comparison.compare import compare

    drug, outcomes = job.drug, job.outcomes
    if drug is None or not outcomes:
        return
    rows, kept, late = [], [], 0
    chances: dict[str, dict[str, float]] = {name: {} for name in _CHANGED}
    for patient in job.fit.patients:
        arms, background, window = arms_of(job, patient, drug)
        if not arms:
            continue
        found = compare(
            job.fit, arms, patient=patient, n=_draws(job), background=background, window=window,
            measures=outcomes, seed=job.seed,
        )  # fmt: skip
        late += "early" not in arms
        label = job.names.patient(patient)
        for name in _CHANGED:
            if name in arms:
                chances[name][label] = fall_chance(found, outcomes[0], name, "given", job.relevant)
        rows.append([
            label, _change(found, outcomes[0], "given"),
            *(percent(chances[name][label]) if name in arms else "not asked" for name in _CHANGED),
        ])  # fmt: skip
        kept.append(found.ratios(to="given").reset_index().assign(patient=patient))
    if not rows:
        return
    job.found["changes"] = [Change(text, chances[name]) for name, text in _CHANGED.items() if chances[name]]
    job.keep_table("schedules_patients", pd.concat(kept))
    size = percent(job.relevant)
    job.subsection("schedules", "others", "The same patients under other doses").add(
        Text(
            "For each patient, the model was run again with the patient's own course and other drugs, but other "
            f"doses of {drug}: none at all, twice as many as were given, and the same begun three days earlier. The "
            f"{job.outcome} is summed over two weeks from three days before the start. That a drug which lowers it "
            "lowers it more in larger doses is built into the model; what can be asked is whether it does so by a "
            f"size that matters, here {size}."
        ),
        Table(
            f"{job.outcome[:1].upper()}{job.outcome[1:]} over two weeks: what {drug} did, and how probable it is that "
            f"other doses had lowered it by {size} or more",
            ["patient", f"as given, against no {drug}: middle (95%)", *(f"with {t}" for t in _CHANGED.values())],
            rows,
            "A range that reaches from nothing to almost everything, and a probability between 10% and 90%, mean that "
            f"the reports cannot tell.{_unasked(late)}",
        ),
    )


def _unasked(late: int) -> str:
    """Say why an earlier start was not asked of some patients."""
    if not late:
        return ""
    return (
        f" An earlier start was not asked of {plural(late, 'patient')}, whose first dose is less than three days after "
        "the day on which simulations of the report begin (start_day of its source.toml)."
    )


def arms_of(job: ReportJob, patient: str, drug: str) -> tuple[dict[str, Regimen], Regimen | None, tuple[float, float]]:
    """Return regimens of the drug by name, the other drugs, and two weeks around the start on the model's clock."""
    from pkpd.comparison.answering import given_and_others, window_around
    from pkpd.dosing.regimen import Regimen

    seed, _, who = patient.partition("/")
    evidence = next(e for e in job.study.problem.evidence if e.name == seed)
    given, background = given_and_others(evidence, who, drug, alone=job.study.problem.is_of_one_drug(drug))
    if not len(given.times):
        return {}, None, (0.0, 0.0)
    start = float(given.times[0])
    window = window_around(job.fit, max(start - 72.0, 0.0), start + 264.0)
    arms = {"given": given, _NONE: Regimen.of(), "twice": given + given.shift(12.0)}
    if start >= 72.0:
        arms["early"] = given.shift(-72.0)
    return arms, background, window


def _change(found: Any, measure: str, name: str) -> str:
    ratio = found.samples(measure, name, to=_NONE, ratio=True) - 1.0
    low, middle, high = np.quantile(ratio, [0.025, 0.5, 0.975])
    return f"{100 * middle:.0f}% ({100 * low:.0f}% to {100 * high:.0f}%)".replace("-0%", "0%").replace("-", "−")


def answered(job: ReportJob) -> None:
    """Answer the questions that the files of the study and of its model ask."""
    from pkpd.comparison.questions import answers, known_questions
    from pkpd.plot.schedule import answer as draw

    if not known_questions(job.fit):
        return
    section = job.subsection("schedules", "questions", "Questions that the authors raise")
    for answer in answers(job.fit, n=500 if job.full else 100, seed=job.seed):
        section.add(answer)
        if answer.answered:
            if answer.table is not None:
                job.keep_table(f"question_{answer.name}", _flat(answer.table.reset_index()))
            for name, axes in draw(answer).items():
                job.picture(f"question_{answer.name}_{name}".replace("/", "_").replace(" ", "_"), axes, "", "")
