"""Questions that pharmacokinetics of anakinra alone answer: renal function, the way into cerebrospinal fluid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pkpd.comparison.answer import Answer
from pkpd.comparison.answering import plain
from pkpd.comparison.arms import Arm
from pkpd.comparison.compare import compare
from pkpd.comparison.questions import OpenQuestion
from pkpd.comparison.statistics import number, share
from pkpd.library import load_model
from pkpd.model.model import Model
from pkpd.people.distributions import lognormal, normal
from pkpd.people.population import Population

EQUIVALENT = (0.8, 1.25)
"""Ratios that regulators call the same exposure (bioequivalence)."""

CSF_TARGET = 0.1
"""Concentration in cerebrospinal fluid that trials aimed at, mg/L: 100 ng/mL (Galea 2011; the number not verified)."""

_NORMAL = normal(100, 15, low=80, high=140)
_SEVERE = normal(20, 5, low=10, high=29)


def _model(source: Any) -> Model:
    return source if isinstance(source, Model) else load_model("anakinra")


def half_signal(source: Any, n: int, seed: int) -> tuple[np.ndarray | None, str]:
    """Return IC50 of each subject for a model that does not have one itself, and where it comes from.

    Parameters
    ----------
    source : Model or calibration
    n : int
        Subjects.
    seed : int
    """
    if isinstance(source, Model) and "blockade" in source.outputs:
        return None, "the model's own"
    if not isinstance(source, Model) and callable(getattr(source, "draws", None)):
        try:
            draws = np.asarray(source.draws("IC50"), float)
        except KeyError:
            draws = np.empty(0)
        if draws.ndim == 1 and len(draws):
            return np.random.default_rng([seed, 5]).choice(draws, n), "drawn from the posterior"
    value = load_model("anakinra_inflammation").parameters["IC50"].value
    return np.full(n, value), f"{value:g} mg/L in everybody: 0.024 (Jung 2023) to 0.030 (derived from Urien 2013)"


def every_other_day(name: str, question: str, source: Any, n: int, seed: int) -> Answer:
    """Answer whether every other day at severe renal impairment is the exposure of daily doses at normal function."""
    model = _model(source)
    people = Population.draw(model, n, covariates={"CRCL": _NORMAL}, seed=seed)
    severe = Population.draw(model, n, covariates={"CRCL": _SEVERE}, seed=seed).covariates["CRCL"]
    usual, both, rare = "daily, normal", "daily, CLcr < 30", "every other day, CLcr < 30"
    arms = {
        usual: Arm("100 mg SC daily x14"),
        both: Arm("100 mg SC daily x14", {"CRCL": severe}),
        rare: Arm("100 mg SC every other day x7", {"CRCL": severe}),
    }
    level, origin = half_signal(source, n, seed)
    measures = ["AUC24", "Cavg", "Cmax", "Ctrough", "time_above_IC50", "blockade_trough", "blockade_mean"]
    found = compare(model, arms, population=people, measures=measures, IC50=level)
    ratio = np.quantile(found.samples("AUC24", rare, usual, ratio=True), [0.05, 0.5, 0.95])
    same = EQUIVALENT[0] <= ratio[1] <= EQUIVALENT[1]
    range_usual = np.quantile(found.samples("AUC24", usual), [0.05, 0.95])
    own = found.samples("AUC24", rare)
    inside = float(np.mean((own >= range_usual[0]) & (own <= range_usual[1])))
    verdict = "Yes on average, not in shape" if same else "No"
    answer = (
        f"{verdict}: every other day gives {number(ratio[1])} times (90% {number(ratio[0])}-{number(ratio[2])}) the "
        "exposure per day of daily doses at normal function."
    )
    rows = [
        [arm, *("as is" if arm == usual else plain(found.samples(m, arm, usual, ratio=True), unit=" times")
                for m in ("AUC24", "Cmax", "Ctrough")), plain(found.samples("blockade_trough", arm), 100, "%")]
        for arm in arms
    ]  # fmt: skip
    heads = ["doses", "exposure per day", "peak", "trough", "signal blocked before the next dose"]
    caveats = (
        "A comparison of the same virtual persons with other kidneys; between-subject variability of CL, V and ka, but "
        "not the uncertainty of the renal slope (Yang 2003, r2 0.72).",
        f"Creatinine clearance: normal, 100 (SD 15, 80-140) and 20 (SD 5, 10-29) mL/min. IC50 {origin}.",
        "Absorption sets the trough (flip-flop), and its half-life in renal failure was not reported.",
        f"{share(inside)} of those who get it every other day lie within the central 90% of daily exposure at normal "
        "function.",
    )
    return Answer(
        name, question, answer, found.table(), caveats, {"renal function": found},
        ("AUC24", "Cmax", "Ctrough", "blockade_trough", "blockade_mean"), brief=pd.DataFrame(rows, columns=heads),
    )  # fmt: skip


_DOSES = {
    "100 mg SC daily": "100 mg SC daily x14",
    "100 mg SC BID": "100 mg SC BID x14d",
    "200 mg SC BID": "200 mg SC BID x14d",
    "400 mg SC BID": "400 mg SC BID x14d",
    "500 mg IV, 10 mg/kg/h for 24 h": "500 mg IV bolus + 10 mg/kg/h IV for 24 h",
}
"""The intravenous one is that of a trial after subarachnoid haemorrhage (PMC3892121)."""

_LOW_RATIO = 0.0028
"""CSF/serum of rhesus monkeys at 3-10 mg/kg IV (J Neuroimmunol 2010), against 0.019 of the model."""


def csf_reach(name: str, question: str, source: Any, n: int, seed: int) -> Answer:
    """Answer whether a subcutaneous dose can reach cerebrospinal fluid."""
    model = _model(source)
    prefix = "anakinra." if "anakinra" in model.parts else ""
    kin, kout = f"{prefix}kin_csf", f"{prefix}kout_csf"
    entry, turnover = model.parameters[kin].value, model.parameters[kout].value
    # RSE 19% each (Gueorguieva 2008).
    unsure = {kin: lognormal(entry, 0.19), kout: lognormal(turnover, 0.19)}
    people = Population.draw(model, n, parameters=unsure, seed=seed)
    level, origin = half_signal(source, n, seed)
    target = f"Ccsf > {CSF_TARGET:g} at peak"
    measures = ["Cmax", "Ccsf_max", "Ccsf_mean", "blockade_csf_mean"]
    asked: dict[str, Any] = {"population": people, "measures": measures, "targets": target, "IC50": level}
    found = compare(model, _DOSES, **asked)
    low = {r: Arm(text, parameters={kin: _LOW_RATIO * turnover, kout: turnover}) for r, text in _DOSES.items()}
    tight = compare(model, low, **asked)
    chance = {r: float(found.samples(target, r).mean()) for r in _DOSES}
    under_skin = [r for r in _DOSES if "SC" in r]
    reaching = [r for r in under_skin if chance[r] >= 0.5]
    best = under_skin[-1]
    typical = float(np.median(found.samples("Ccsf_mean", under_skin[0])))
    verdict = f"Only {', '.join(reaching)} would" if reaching else f"Hardly, up to {best}"
    answer = (
        f"{verdict}: with {best} the peak in cerebrospinal fluid passes {1000 * CSF_TARGET:g} ng/mL with a probability "
        f"of {share(chance[best])}."
    )
    rows = [
        [r, plain(found.samples("Ccsf_max", r), 1000.0), share(chance[r]),
         *(plain(each.samples("blockade_csf_mean", r), 100, "%") for each in (found, tight))]
        for r in _DOSES
    ]  # fmt: skip
    heads = ["doses", "peak in cerebrospinal fluid, ng/mL", f"above {1000 * CSF_TARGET:g} ng/mL",
             "signal blocked behind the barrier", "at the monkeys' lower ratio"]  # fmt: skip
    caveats = (
        "Entry and turnover (0.0019 and 0.1 per h) are from infusions after brain haemorrhage, not verified; in "
        "monkeys cerebrospinal fluid held 0.28% of serum instead of 1.9%, and a barrier opened by inflammation may let "
        "more through.",
        "100 ng/mL was a trial's target, not a measured need; by IC50 it would block "
        f"{share(CSF_TARGET / (CSF_TARGET + _level(level, model)))} of the signal. IC50 {origin}.",
        f"An average of {1000 * CSF_TARGET:g} ng/mL would take about {100 * round(CSF_TARGET / typical)} mg under the "
        "skin a day. The model is linear; plasma at 2 mg/kg/h was measured at 22 mg/L, half as much again as it says.",
    )
    return Answer(
        name, question, answer, found.table(), caveats, {"model's ratio": found, "monkeys' ratio": tight},
        ("Ccsf_max", "Ccsf_mean", "blockade_csf_mean", target), log=("Ccsf_max", "Ccsf_mean"),
        thresholds={"Ccsf_max": CSF_TARGET, "Ccsf_mean": CSF_TARGET}, brief=pd.DataFrame(rows, columns=heads),
    )  # fmt: skip


def _level(level: np.ndarray | None, model: Model) -> float:
    return float(np.median(level)) if level is not None else float(model.parameters["IC50"].value)


questions = {
    "every_other_day": OpenQuestion(
        "Is every other day at a creatinine clearance below 30 mL/min the same exposure as daily at normal function?",
        every_other_day,
    ),
    "csf": OpenQuestion("Could any subcutaneous dose have reached the cerebrospinal fluid?", csf_reach),
}
