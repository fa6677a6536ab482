"""Questions that the authors of the reports raise about their own patients: an early start, twice-daily doses."""

from __future__ import annotations

from typing import Any

import numpy as np

from pkpd.comparison.answer import Answer
from pkpd.comparison.answering import (
    approximate,
    belief,
    change,
    contrasts,
    contrasts_of_all,
    given_and_others,
    reflects_prior,
    taught,
    window_around,
)
from pkpd.comparison.compare import compare
from pkpd.comparison.measure import Measure, built_in
from pkpd.comparison.questions import OpenQuestion
from pkpd.comparison.result import Comparison
from pkpd.comparison.statistics import number, share
from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, LibraryError
from pkpd.evidence.evidence import Evidence
from pkpd.evidence.seeds import load_seed
from pkpd.simulation.source import model_from

SHARE, WHAT = "tone.phi", "the share of IL-1"
DRUG = "anakinra"

LATE = ("p2", "p3", "p6", "p8")
"""Strati's patients whose anakinra began on day 41, 31, 31 and 14; the others' on days 6 to 10."""

_EARLY, _LONG, _GIVEN = "early", "early, continued", "as given"
_CLEAR, _GAIN = 0.9, 0.9


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
    said, none = [], []
    gains: dict[str, list[str]] = {_EARLY: [], _LONG: []}
    for patient in LATE:
        given, rest = given_and_others(evidence, patient, DRUG)
        first = float(given.times[0])
        day = _toxicity_day(evidence, patient)
        start = first if day is None else float(evidence.hours(day))
        if start >= first:
            none.append(patient.upper())
            continue
        arms = _early_arms(given, start)
        window = window_around(source, start, float(given.times[-1]) + 24.0 * 7)
        who = patient.upper()
        found[who] = compare(
            source, arms, patient=f"strati2020/{patient}", n=n, seed=seed, background=rest, window=window,
            measures=sought,
        )  # fmt: skip
        measure = _headline(evidence, patient, sought)
        text, clear = _gain(found[who], measure)
        label, unit = measure.replace("_", " "), found[who].dataset[measure].attrs["units"]
        when = f"day {evidence.day(start):g} instead of {evidence.day(first):g}"
        said.append(f"{who}, {when}, change of {label} [{unit}]: {text}.")
        for arm in clear:
            gains[arm].append(who)
    if not found:
        return Answer(name, question, "Not answered: nobody's treatment of toxicity began before anakinra.")
    winners = {arm: ", ".join(names) or "nobody" for arm, names in gains.items()}
    answer = (
        "A clear gain (at least 10% less, with a probability of at least 90%) from the same course begun early: "
        f"{winners[_EARLY]}; from an early course that goes on to the real end: {winners[_LONG]}. {' '.join(said)}"
    )
    known = taught(source)
    doubtful = [who for who in found if reflects_prior(known, SHARE, f"strati2020/{who.lower()}")]
    if doubtful:
        answer += (
            f" For {', '.join(doubtful)} this mostly reflects the prior: the report taught little about IL-1's share."
        )
    if none:
        answer += (
            f" {', '.join(none)} got anakinra on the day on which treatment of the toxicity began: no earlier start."
        )
    caveats = (
        *approximate(source),
        *(belief(known, SHARE, f"strati2020/{p.lower()}", WHAT, ("w_csf",)) for p in found),
        "Early is the day on which the toxicity was first treated. Steroids and tocilizumab stay as they were, though "
        "a response might have spared them; survival is not modelled.",
        "A course of 7 days that begins early also ends early: 'early, continued' goes on to the end of the real one.",
        "P8 was treated for HLH, and got a single dose of 200 mg; for this patient grades were not reported.",
    )
    return Answer(name, question, answer, contrasts_of_all(found, _GIVEN), caveats, found, sought, _GIVEN)


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


def _gain(found: Comparison, measure: str) -> tuple[str, list[str]]:
    """Say what an early start changes in one patient, and which arms are a clear gain."""
    rows = contrasts(found, _GIVEN)
    text, clear = [], []
    for arm in (_EARLY, _LONG):
        row = rows[arm, measure]
        chance = row["P(better)"]
        if chance >= _CLEAR and row["ratio"] <= _GAIN:
            clear.append(arm)
        text.append(f"{arm} {change(row)}, less with a probability of {share(chance)}")
    return "; ".join(text), clear


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
    known = taught(source)
    caveats = (
        *approximate(source),
        belief(known, SHARE, full, WHAT),
        "The report gives no days: the axis is nominal, and the day of the switch is assumed.",
        "Weight and creatinine clearance are not reported (reference values); renal toxicity was, and impaired kidneys "
        "would make daily doses last longer and the switch matter less.",
        "Steroids were stopped after anakinra began in all scenarios, on the same days.",
    )
    answer = _mattered(found)
    if reflects_prior(known, SHARE, full):
        answer += " This mostly reflects the prior: the report taught little about IL-1's share."
    return Answer(
        name, question, answer, found.table(), caveats, {patient.upper(): found}, found.measures,
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
        "daily throughout": Regimen(amt=amt, cmt=cmt, time=np.array(kept), ii=24.0, unit=given.unit),
        "BID throughout": Regimen(amt=amt, cmt=cmt, time=float(times[0]), ii=12.0, addl=2 * days - 1, unit=given.unit),
    }


def _mattered(found: Comparison) -> str:
    """Say what twice-daily doses changed."""
    rows = contrasts(found, "daily throughout")
    given = {m: rows[_GIVEN, m] for m in found.measures}
    trough = found.table(["blockade_trough"])["blockade_trough"]
    parts = [f"Blockade at trough: {trough['daily throughout']} with daily doses, {trough[_GIVEN]} as given."]
    main = next((m for m in ("activity_area", "CRP_area") if m in given), None)
    if main is not None:
        row = given[main]
        chance, ratio = row["P(better)"], row["ratio"]
        clear = chance >= _CLEAR and ratio <= _GAIN
        label = {"activity_area": "inflammatory activity over the course", "CRP_area": "CRP over the course"}[main]
        parts.insert(0, "Yes, by the model." if clear else "It hardly mattered, or the reports cannot tell.")
        parts.append(
            f"The {label} as given is {number(ratio)} times (90% {number(row['ratio_low'])}-"
            f"{number(row['ratio_high'])}) that of daily doses throughout; less with a probability of {share(chance)}."
        )
    if "fever_days" in given:
        parts.append(f"Days with fever change by {change(given['fever_days'])}.")
    return " ".join(parts)


questions = {
    "early_start": OpenQuestion(
        "Would Strati's late starters (P2, P3, P6, P8) have gained by an early start?", late_starters, of_patients=True
    ),
    "twice_daily": OpenQuestion("Did twice-daily dosing matter in Naviglio's patient?", twice_daily, of_patients=True),
}
