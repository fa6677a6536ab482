"""Other schedules: exposure and blockade in new patients, and the courses of the reported ones under other doses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.files import netcdf_bytes, write_whole
from pkpd.report.page import Answer, Table, Text
from pkpd.report.words import percent

if TYPE_CHECKING:
    from pkpd.dosing.regimen import Regimen
    from pkpd.report.job import ReportJob

__all__ = ["answered", "exposures", "other_courses"]

_EXPOSURE = ("AUC24", "Cmax", "Ctrough", "time_above_IC50", "blockade_trough", "blockade_csf_mean")
_NAMES = {
    "AUC24": "area under the curve per day", "Cmax": "peak", "Ctrough": "trough",
    "time_above_IC50": "part of the time above IC50", "blockade_trough": "blocked at the trough",
    "blockade_csf_mean": "blocked in cerebrospinal fluid",
}  # fmt: skip
_NONE = "none"


def _draws(job: ReportJob) -> int:
    return 1000 if job.full else 200


def _drug(job: ReportJob) -> str | None:
    """Return the drug whose schedules are compared: the study's choice, or anakinra where the model has it."""
    drug = job.words.get("drug", "anakinra")
    states = job.study.problem.model.states
    return str(drug) if any(name in states for name in (f"{drug}.depot", f"{drug}.central")) else None


def exposures(job: ReportJob) -> None:
    """Compare the known schedules by exposure and blockade in new patients, at normal and at poor kidney function."""
    from pkpd.comparison.anakinra import ANAKINRA
    from pkpd.comparison.arms import Arm
    from pkpd.comparison.compare import compare
    from pkpd.plot.schedule import comparison as draw

    model = job.study.problem.model
    if _drug(job) != "anakinra" or "blockade" not in model.outputs:
        return
    cohort = str(job.words.get("cohort") or max(job.fit.cohorts.values(), key=list(job.fit.cohorts.values()).count))
    arms: dict[str, Any] = dict(ANAKINRA)
    if "CRCL" in model.covariates:
        for name in ("100 mg daily", "100 mg every other day"):
            arms[f"{name}, CLcr 20"] = Arm(ANAKINRA[name], {"CRCL": 20})
    found = compare(job.fit, arms, cohort=cohort, n=_draws(job), measures=list(_EXPOSURE), seed=job.seed)
    job.found["exposures"] = found
    job.keep_table("schedules_exposure", found.table(text=False).pipe(_flat), index=True)
    write_whole(job.folder / "schedules_exposure.nc", netcdf_bytes({None: found.dataset}, lambda _: None))
    section = job.section("schedules")
    section.add(
        Text(
            "**Exposure and blockade.** The schedules below were simulated in new patients with what is known about "
            "the drug after the reports. 'Blocked' is the part of the IL-1 signal that anakinra holds back; the "
            "trough is the moment before the next dose, when least is blocked. CLcr 20 stands for a creatinine "
            "clearance of 20 mL/min, everything else for 100."
        ),
        job.picture(
            "schedules_exposure",
            draw(found, log=["AUC24", "Cmax", "Ctrough"]),
            "One panel for each measure, one row for each schedule: median, central half and central 90% of the "
            "patients.",
            "**Schedules of anakinra in new patients.** Dot: median; thick line: central half; thin line: central 90%.",
        ),
        _exposure_table(found),
    )
    daily, twice = (float(np.median(found.samples("blockade_trough", n))) for n in ("100 mg daily", "100 mg BID"))
    text = (
        f"just before the next dose, 100 mg once a day still blocks {percent(daily)} of the IL-1 signal in the middle "
        f"patient with normal kidneys, 100 mg twice a day {percent(twice)}."
    )
    section.add(Text(text[:1].upper() + text[1:]))
    job.say(3, f"**Schedules:** {text}")


def _exposure_table(found: Any) -> Table:
    table = found.table()
    heads = []
    for name in table.columns:
        base, _, unit = str(name).partition(" ")
        heads.append(f"{_NAMES.get(base, base)} {unit}".replace("*", "·").strip())
    rows = [[str(index), *(str(v) for v in row)] for index, row in zip(table.index, table.to_numpy(), strict=True)]
    return Table("Schedules of anakinra: median [5-95% of the patients]", ["schedule", *heads], rows)


def _flat(frame: Any) -> Any:
    frame.columns = [c if isinstance(c, str) else " ".join(str(part) for part in c).strip() for c in frame.columns]
    return frame


def other_courses(job: ReportJob) -> None:
    """Ask of each patient what no doses, twice the doses, or an earlier start would have changed."""
    import pandas as pd

    from pkpd.comparison.compare import compare

    model, drug = job.study.problem.model, _drug(job)
    if drug is None or "activity_area" not in _measures(model):
        return
    rows, kept = [], []
    for patient in job.fit.patients:
        arms, background, window = _arms(job, patient, drug)
        if not arms:
            continue
        found = compare(
            job.fit, arms, patient=patient, n=_draws(job), background=background, window=window,
            measures=_measures(model), seed=job.seed,
        )  # fmt: skip
        rows.append([patient, *(_change(found, n, _NONE) if n in arms else "" for n in ("given", "twice", "early"))])
        kept.append(found.ratios(to="given").reset_index().assign(patient=patient))
    if not rows:
        return
    job.keep_table("schedules_patients", pd.concat(kept))
    job.section("schedules").add(
        Text(
            "**The same patients under other doses.** For each patient, the model was run again with the patient's "
            "own course and other drugs, but other doses of anakinra: none at all, those that were given, twice as "
            "many of them, and the same begun three days earlier. The table says how much lower the inflammatory "
            "activity would have been, summed over two weeks from three days before the start, than without anakinra."
        ),
        Table(
            "Inflammatory activity over two weeks, change against no anakinra: median (95% of what is possible)",
            ["patient", "as given", "given twice as often", "begun three days earlier"],
            rows,
            "A range that reaches from nothing to almost everything means that the reports cannot tell.",
        ),
    )


def _measures(model: Any) -> list[str]:
    from pkpd.comparison.measure import built_in

    known = built_in(model)
    return [n for n in ("activity_area", "CRP_area", "ferritin_peak", "ICANS_grade_days") if n in known]


def _arms(job: ReportJob, patient: str, drug: str) -> tuple[dict[str, Regimen], Regimen | None, tuple[float, float]]:
    """Return regimens of the drug by name, the other drugs, and two weeks around the start, h."""
    from pkpd.dosing.regimen import Regimen

    seed, _, who = patient.partition("/")
    evidence = next(e for e in job.study.problem.evidence if e.name == seed)
    given = evidence.regimen(who, (drug,), prefix=True)
    if not len(given.times):
        return {}, None, (0.0, 0.0)
    others = tuple(d for d in evidence.drugs if d != drug)
    background = evidence.regimen(who, others, prefix=True) if others else None
    if background is not None and not len(background.times):
        background = None
    start = float(given.times[0])
    window = (max(start - 72.0, 0.0), start + 264.0)
    arms = {"given": given, _NONE: Regimen.of(), "twice": given + given.shift(12.0)}
    if start >= 72.0:
        arms["early"] = given.shift(-72.0)
    return arms, background, window


def _change(found: Any, name: str, base: str) -> str:
    ratio = found.samples("activity_area", name, to=base, ratio=True) - 1.0
    low, middle, high = np.quantile(ratio, [0.025, 0.5, 0.975])
    return f"{100 * middle:.0f}% ({100 * low:.0f}% to {100 * high:.0f}%)".replace("-0%", "0%").replace("-", "−")


def answered(job: ReportJob) -> None:
    """Answer the questions that the reports' authors raise, where the study has these patients."""
    from pkpd.comparison.questions import questions
    from pkpd.plot.schedule import answer as draw

    if _drug(job) != "anakinra" or not {"naviglio2021", "strati2020"} <= {e.name for e in job.study.problem.evidence}:
        return
    section = job.section("schedules")
    section.add(Text("**Questions that the authors raise.**"))
    for answer in questions(job.fit, n=500 if job.full else 100, seed=job.seed):
        section.add(Answer(answer.question, answer.answer, answer.caveats))
        if answer.answered:
            if answer.table is not None:
                job.keep_table(f"question_{answer.name}", _flat(answer.table.reset_index()))
            for name, axes in draw(answer).items():
                job.picture(f"question_{answer.name}_{name}".replace("/", "_").replace(" ", "_"), axes, "", "")
