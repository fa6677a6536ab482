"""Questions that the authors of the reports raise about their own patients: an early start, twice-daily doses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pkpd.comparison.answer import Answer
from pkpd.comparison.answering import (
    CLEAR,
    RULED_OUT,
    approximate,
    belief,
    contrasts_of_all,
    fall_chance,
    given_and_others,
    plain,
    reflects_prior,
    taught,
    verdicts,
    window_around,
)
from pkpd.comparison.compare import compare
from pkpd.comparison.measure import Measure, built_in
from pkpd.comparison.questions import OpenQuestion
from pkpd.comparison.result import Comparison
from pkpd.comparison.statistics import share
from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, LibraryError
from pkpd.evidence.evidence import Evidence
from pkpd.evidence.seeds import load_seed
from pkpd.simulation.source import model_from

SHARE, WHAT = "tone.phi", "the share of IL-1"
DRUG = "anakinra"

LATE = ("p2", "p3", "p6", "p8")
"""Strati's patients whose anakinra began on day 41, 31, 31 and 14; the others' on days 6 to 10."""

RELEVANT = 0.25
"""A fall by this part is what would matter to a patient; smaller ones are not counted."""

_EARLY, _LONG, _GIVEN = "early", "early, continued", "as given"
_DAILY, _TWICE = "daily throughout", "BID throughout"
_JUDGED = {
    "ICANS_grade_days": "days with neurotoxicity, times their grade",
    "activity_area": "inflammatory activity",
    "CRP_area": "C-reactive protein",
    "ferritin_peak": "peak of ferritin",
}


def _evidence(name: str, question: str, source: Any, seed_name: str, patients: tuple[str, ...]) -> Evidence | Answer:
    """Return the evidence, or an answer that says why the question cannot be answered."""
    try:
        evidence = load_seed(seed_name)
    except (LibraryError, DataError) as error:
        return Answer(name, question, f"Not answered: {error}")
    known = getattr(source, "patients", None)
    missing = [f"{seed_name}/{p}" for p in patients if known is not None and f"{seed_name}/{p}" not in known]
    if missing:
        return Answer(name, question, f"Not answered: the calibration has no {', '.join(missing)}.")
    return evidence


def _toxicity_day(evidence: Evidence, patient: str) -> float | None:
    """Return the day on which treatment of the toxicity began."""
    days = [
        f.time
        for f in evidence.facts
        if f.patient == patient and f.marker == "toxicity_treatment_start" and f.time is not None
    ]
    return min(days) if days else None


def late_starters(name: str, question: str, source: Any, n: int, seed: int) -> Answer:
    """Answer whether an early start of anakinra would have helped those who got it late."""
    evidence = _evidence(name, question, source, "strati2020", LATE)
    if isinstance(evidence, Answer):
        return evidence
    sought = [m for m in ("ICANS_grade_days", "ICANS_days_grade3", "activity_area", "CRP_area", "ferritin_peak")
              if m in built_in(model_from("questions", source))]  # fmt: skip
    found: dict[str, Comparison] = {}
    none, rows = [], []
    chances: dict[str, dict[str, float]] = {_EARLY: {}, _LONG: {}}
    known = taught(source)
    for patient in LATE:
        given, rest = given_and_others(evidence, patient, DRUG)
        first = float(given.times[0])
        day = _toxicity_day(evidence, patient)
        start = first if day is None else float(evidence.hours(day))
        who = patient.upper()
        if start >= first:
            none.append(who)
            continue
        arms = _early_arms(given, start)
        window = window_around(source, start, float(given.times[-1]) + 24.0 * 7)
        found[who] = compare(
            source, arms, patient=f"strati2020/{patient}", n=n, seed=seed, background=rest, window=window,
            measures=sought,
        )  # fmt: skip
        measure = _headline(evidence, patient, sought)
        for arm in chances:
            chances[arm][who] = fall_chance(found[who], measure, arm, _GIVEN, RELEVANT)
        rests = reflects_prior(known, SHARE, f"strati2020/{patient}")
        days = (f"{evidence.day(time):g}" for time in (first, start))
        gains = (share(chances[arm][who]) for arm in chances)
        rows.append([who, *days, _JUDGED[measure], *gains, "the prior" if rests else "the report"])
    if not found:
        return Answer(name, question, "Not answered: nobody's treatment of toxicity began before anakinra.")
    answer = (
        f"A gain of a quarter or more from the same course begun early is {verdicts(chances[_EARLY])}; from an early "
        f"course that goes on to the real end it is {verdicts(chances[_LONG])}."
    )
    heads = ["patient", "began on day", "could have on day", "judged by", "probability of a gain: early",
             "early, continued", "rests on"]  # fmt: skip
    caveats = (
        *approximate(source),
        *(belief(known, SHARE, f"strati2020/{p.lower()}", WHAT, p) for p in found),
        *([f"{', '.join(none)} got anakinra on the day on which treatment of the toxicity began: no earlier start."]
          if none else []),
        "Likely is a probability of 90% or more, ruled out one of 10% or less. Early is the day on which the toxicity "
        "was first treated. Steroids and tocilizumab stay as they were, though a response might have spared them; "
        "survival is not modelled.",
        "A course of 7 days that begins early also ends early: 'early, continued' goes on to the end of the real one.",
        "P8 was treated for HLH, and got a single dose of 200 mg; for this patient grades were not reported.",
    )  # fmt: skip
    table = contrasts_of_all(found, _GIVEN)
    brief = pd.DataFrame(rows, columns=heads)
    return Answer(name, question, answer, table, caveats, found, sought, _GIVEN, brief=brief)


def _early_arms(given: Regimen, start: float) -> dict[str, Regimen]:
    """Return the course as it was, the same begun early, and one that goes on from early to the real end."""
    doses = given.explicit()
    first, last = doses["time"][0], doses["time"][-1]
    every = doses["ii"][0] or 24.0
    count = int(np.floor((last - start) / every + 1e-9))
    long = Regimen(amt=doses["amt"][0], cmt=doses["cmt"][0], time=start, ii=every, addl=count, unit=given.unit)
    return {_GIVEN: given, _EARLY: given.shift(start - first), _LONG: long}


def _headline(evidence: Evidence, patient: str, sought: list[str]) -> str:
    """Return the measure that a patient is judged by: grades where any was reported, else the activity."""
    graded = any(f.patient == patient and f.marker == "ICANS" and f.use == "fit" for f in evidence.facts)
    order = ["ICANS_grade_days", "activity_area"] if graded else ["activity_area", "ferritin_peak"]
    return next((m for m in order if m in sought), sought[0])


def twice_daily(name: str, question: str, source: Any, n: int, seed: int) -> Answer:
    """Answer whether twice-daily doses mattered in Naviglio's patient."""
    evidence = _evidence(name, question, source, "naviglio2021", ())
    if isinstance(evidence, Answer):
        return evidence
    patient = evidence.patients[0]
    given, rest = given_and_others(evidence, patient, DRUG)
    arms = _naviglio_arms(given)
    if arms is None:
        return Answer(name, question, "Not answered: the evidence has no switch to twice-daily doses.")
    model = model_from("questions", source)
    possible = built_in(model)
    names = ("blockade_trough", "blockade_mean", "activity_area", "CRP_area", "CRP_day_below_10", "ferritin_peak")
    measures: list[str | Measure] = [m for m in names if m in possible]
    if "temperature" in model.outputs:
        measures.append(_fever())
    full = f"{evidence.name}/{patient}"
    found = compare(
        source, arms, patient=full, n=n, seed=seed, background=rest, measures=measures,
        window=window_around(source, float(given.times[0]), float(given.times[-1]) + 12.0),
    )  # fmt: skip
    caveats = (
        *approximate(source),
        belief(taught(source), SHARE, full, WHAT, patient.upper()),
        "The report gives no days: the axis is nominal, and the day of the switch is assumed.",
        "Weight and creatinine clearance are not reported (reference values); renal toxicity was, and impaired kidneys "
        "would make daily doses last longer and the switch matter less.",
        "Steroids were stopped after anakinra began in all scenarios, on the same days.",
    )
    answer, brief = _mattered(found)
    return Answer(
        name, question, answer, found.table(), caveats, {patient.upper(): found}, found.measures, brief=brief
    )  # fmt: skip


def _fever() -> Measure:
    return Measure(
        "fever_days", "d", "days of the window with a temperature above 38 degC", ("temperature",),
        lambda c: c.above("temperature", 38.0, c.window) * (c.window[1] - c.window[0]) / c.day, "less",
    )  # fmt: skip


def _naviglio_arms(given: Regimen) -> dict[str, Regimen] | None:
    """Return daily then twice daily as given, daily throughout, and twice daily from the start."""
    doses = given.explicit()
    times = np.asarray(doses["time"], float)
    every = np.asarray(doses["ii"], float)
    if not ((every > 0) & (every <= 12.0)).any() or not (every > 12.0).any():
        return None
    kept = [times[0]]
    for t in times[1:]:
        if t - kept[-1] >= 20.0:
            kept.append(float(t))
    days = round((float(times[-1]) - float(times[0])) / 24.0 + 0.5)
    amt, cmt = doses["amt"][0], doses["cmt"][0]
    return {
        _GIVEN: given,
        _DAILY: Regimen(amt=amt, cmt=cmt, time=np.array(kept), ii=24.0, unit=given.unit),
        _TWICE: Regimen(amt=amt, cmt=cmt, time=float(times[0]), ii=12.0, addl=2 * days - 1, unit=given.unit),
    }


def _mattered(found: Comparison) -> tuple[str, pd.DataFrame]:
    """Say whether twice-daily doses changed anything by a relevant size, with the numbers."""
    main = next(m for m in ("activity_area", "CRP_area", "blockade_trough") if m in found.measures)
    chance = fall_chance(found, main, _GIVEN, _DAILY, RELEVANT)
    verdict = "Yes" if chance >= CLEAR else "No" if chance <= RULED_OUT else "The report cannot tell"
    answer = (
        f"{verdict}: that the switch lowered the {_JUDGED.get(main, 'signal')} over the course by a quarter or more, "
        f"against daily doses throughout, has a probability of {share(chance)}."
    )
    rows = []
    for text, arm in (("daily doses throughout", _DAILY), ("as given", _GIVEN), ("twice daily from the start", _TWICE)):
        row = [text, plain(found.samples("blockade_trough", arm), 100, "%")]
        row.append("as is" if arm == _DAILY else plain(found.samples(main, arm, _DAILY, ratio=True), 100, "%"))
        if "fever_days" in found.measures:
            row.append(plain(found.samples("fever_days", arm)))
        rows.append(row)
    heads = ["doses", "signal blocked before the next dose", f"{_JUDGED.get(main, main)}, of that with daily doses"]
    return answer, pd.DataFrame(rows, columns=[*heads, "days with fever"][: len(rows[0])])


questions = {
    "early_start": OpenQuestion(
        "Would Strati's late starters (P2, P3, P6, P8) have gained by an early start?", late_starters, of_patients=True
    ),
    "twice_daily": OpenQuestion("Did twice-daily dosing matter in Naviglio's patient?", twice_daily, of_patients=True),
}
