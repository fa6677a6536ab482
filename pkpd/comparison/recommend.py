"""Which schedule meets a target in one patient, with what probability and at what burden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from pkpd.comparison.arms import Arm, Compared, Plan, read_arms
from pkpd.comparison.compare import compare
from pkpd.comparison.result import DISCLAIMER, Comparison
from pkpd.comparison.statistics import bound as rule_of_three
from pkpd.comparison.statistics import chance_error, share
from pkpd.comparison.target import Targets, read_targets, target_measure
from pkpd.dosing.regimen import Regimen
from pkpd.errors import PkpdError
from pkpd.estimation.individual.result import Individual
from pkpd.options import check_known
from pkpd.simulation.doses import bound, on_clock, regimen_from
from pkpd.simulation.source import drugs_of, model_from, other_drugs
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.comparison.measure import Measure
    from pkpd.model.model import Model
    from pkpd.simulation.arguments import Times

__all__ = ["Recommendation", "recommend"]


class CompareSettings(TypedDict, total=False):
    """Options of `compare` that a recommendation hands on."""

    times: Times | None
    window: tuple[float, float] | None
    measures: str | Sequence[str | Measure] | None
    background: Regimen | str | bool | None
    concentration: str | None
    IC50: float | np.ndarray | None
    rtol: float
    atol: float


@dataclass(frozen=True, eq=False, repr=False)
class Recommendation:
    """Schedules by the probability that they meet a target in one patient.

    Attributes
    ----------
    target : str
    table : DataFrame
        One row a schedule, the most probable first and the lighter first among equals: ``probability`` and its Monte
        Carlo ``error`` (of 0 and 1 the bound 3 / n, the rule of three), ``before`` (the probability without this
        patient's observations), ``mg_per_day``, ``doses_per_day``.
    statement : str
        What follows from it, and what does not; what speaks against the patient's levels comes first.
    comparison : Comparison
        The measures behind it.
    """

    target: str
    table: pd.DataFrame
    statement: str
    comparison: Comparison

    def __repr__(self) -> str:
        shown = self.table.round({"error": 3, "before": 3, "mg_per_day": 1, "doses_per_day": 2})
        pairs = zip(self.table["probability"].tolist(), self.table["error"].tolist(), strict=True)
        shown["probability"] = [_honest(*pair) for pair in pairs]
        return f"Target: {self.target}\n{shown.to_string()}\n{self.statement}\n{DISCLAIMER}"


def recommend(
    patient: Individual,
    regimens: Compared,
    target: Targets,
    *,
    now: float | None = None,
    also: Regimen | str | None = None,
    wanted: float = 0.9,
    n: int = 1000,
    seed: int = 0,
    **settings: Unpack[CompareSettings],
) -> Recommendation:
    """Return schedules by the probability that they meet a target, from now on.

    Parameters
    ----------
    patient : Individual
        Of :func:`pkpd.individual`.
    regimens : mapping of name to Regimen, str or KnownSchedule, or a sequence of them
        As for `compare`; each on a clock that starts now.
    target : str, Target, mapping or sequence
        Such as ``"blockade > 0.9 at trough"`` or ``{"CRP": ("<", 10, "by day 5")}``; of several, all must be met. Days
        count from now, when the schedules begin.
    now : float, optional
        When the schedules begin, in the model's time unit; after the last observation by default (that it is earlier is
        said). What the patient's regimen plans of the same drugs from then on is dropped; other drugs go on as planned.
    also : Regimen or str, optional
        Other drugs that go on whatever is chosen, on the patient's clock.
    wanted : float
        Probability that counts as reaching the target.
    n : int
        Draws.
    seed : int
    **settings
        As for `compare`.

    Raises
    ------
    PkpdError
        If the target or a regimen cannot be understood.

    Examples
    --------
    >>> from pkpd.library import load_model
    >>> from pkpd.estimation.individual.api import individual
    >>> ann = individual(load_model("anakinra"), covariates={"CRCL": 100}, draws=300)
    >>> found = recommend(ann, ["100 mg daily", "100 mg BID"], "blockade > 0.5 at trough", IC50=0.027, n=100)
    >>> found.table.index[0]
    '100 mg BID'
    """
    targets = read_targets(target)
    if not targets:
        raise PkpdError("recommend: there is no target; give one, such as 'blockade > 0.9 at trough'")
    if not 0 < wanted < 1:
        raise PkpdError(f"recommend: wanted must be between 0 and 1, got {wanted}")
    model_from(
        "recommend", patient, ("Individual",),
        dict.fromkeys(("Model", "Fit"), "make one of a patient's levels: individual(source, table) or "
                      "individual(source, levels, regimen=...)")
        | {"StudyFit": "make one of a new patient's levels: individual(fit, levels, regimen=..., cohort=...)"},
    )  # fmt: skip
    check_known("recommend", settings, ["now", "also", "wanted", "n", "seed", *CompareSettings.__annotations__])
    history = patient.history()
    start = history.now if now is None else float(on_clock(patient.model, now, "recommend: now"))
    if not np.isfinite(start):
        raise PkpdError(f"recommend: now must be a finite time, got {now}")
    people = patient.population(n, seed=seed)
    plans = read_arms(regimens, patient.model, people)
    arms = {p.name: Arm(p.regimens[0].shift(start), p.arm.covariates, p.arm.parameters) for p in plans}
    besides = None if also is None else regimen_from(patient.model, also, "recommend: also", people)
    background = _goes_on(patient.model, history.given, plans, start, besides)
    day = convert_time(1.0, "d", patient.model.time_unit)
    stop = start + max([p.stop for p in plans] + [day * t.day for t in targets if t.day is not None])
    measure = target_measure(targets, patient.model, "target")
    asked: dict[str, Any] = {"background": background, "window": (start, stop), "start": start, **settings}
    chosen = [*asked.pop("measures", ()), measure]
    found = compare(patient, arms, n=n, seed=seed, measures=chosen, **asked)
    before = compare(
        patient.model, arms, population=patient.population(n, observed=False, seed=seed), measures=[measure], **asked
    )
    table = _table(found, before, min(patient.ess, n))
    text = " and ".join(map(str, targets))
    statement = _statement(table, patient, wanted, min(patient.ess, n))
    if patient.contradictions:
        first, *rest = patient.contradictions
        statement = f"{first[0].upper()}{first[1:]} first: {'; '.join(rest)}. {statement}"
    if start < history.now:
        unit = patient.model.time_unit
        statement = (
            f"The schedules begin at {start:g} {unit}, before the last level, at {history.now:g} {unit}, which is "
            f"known nevertheless. {statement}"
        )
    return Recommendation(text, table, statement, found)


def _honest(probability: float, error: float) -> str:
    """Write a probability; one that all or none of the draws have as a bound, and a dash where there is none."""
    if np.isnan(probability):
        return "-"
    if probability >= 1.0:
        return f"> {1 - error:.3f}"
    return f"{probability:.3f}" if probability > 0 else f"< {error:.3f}"


def _goes_on(
    model: Model, given: Regimen | None, plans: Sequence[Plan], start: float, also: Regimen | None
) -> Regimen | None:
    """Return what a patient gets whatever is chosen: past doses, other drugs as planned, and what else is asked for."""
    drugs = {drug for plan in plans for drug in drugs_of(plan.regimens[0], model)}
    others, names = other_drugs(given, model, drugs)
    past = None if given is None else other_drugs(bound(model, given).until(start), model, names)[0]
    parts = [part for part in (past, others, also) if part is not None]
    return sum(parts[1:], parts[0]) if parts else None


def _table(found: Comparison, before: Comparison, effective: float) -> pd.DataFrame:
    import pandas as pd

    data = found.dataset
    probability = data["target"].mean("subject").values
    table = pd.DataFrame(
        {
            "probability": probability,
            "error": [chance_error(p, effective) for p in probability.tolist()],
            "before": before.dataset["target"].mean("subject").values,
            "mg_per_day": data["mg_per_day"].values,
            "doses_per_day": data["doses_per_day"].values,
        },
        index=pd.Index(found.regimens, name="regimen"),
    )
    return table.sort_values(by=["probability", "mg_per_day", "doses_per_day"], ascending=[False, True, True])


def _statement(table: pd.DataFrame, patient: Individual, wanted: float, draws: float) -> str:
    every = {str(name): {str(k): float(v) for k, v in row.items()} for name, row in table.iterrows()}
    # A target at a trough says nothing of a schedule that has none.
    unsaid = [name for name, row in every.items() if np.isnan(row["probability"])]
    rows = {name: row for name, row in every.items() if name not in unsaid}
    nothing = f"The target has no meaning for {', '.join(repr(name) for name in unsaid)}." if unsaid else ""
    if not rows:
        return nothing
    best = next(iter(rows))
    top = rows[best]
    reach = [name for name, row in rows.items() if row["probability"] >= wanted]
    if reach and rule_of_three(draws) > 1 - wanted + 1e-9:
        text = (
            f"{draws:.0f} effective draws are too few to tell a probability of at least {share(wanted)}, "
            f"{np.ceil(3 / (1 - wanted) - 1e-9):.0f} are needed (n=...); the best, '{best}', has "
            f"{share(top['probability'], draws)}."
        )
    elif reach:
        lightest = min(reach, key=lambda name: (rows[name]["mg_per_day"], rows[name]["doses_per_day"]))
        text = (
            f"'{lightest}' is the lightest schedule that meets the target with a probability of at least "
            f"{share(wanted)}: {share(rows[lightest]['probability'], draws)}."
        )
    else:
        text = (
            f"No schedule meets the target with a probability of {share(wanted)}; the best, '{best}', has "
            f"{share(top['probability'], draws)}."
        )
    close = [
        name
        for name, row in rows.items()
        if name != best and top["probability"] - row["probability"] <= 2 * np.hypot(row["error"], top["error"])
    ]
    if close:
        text += f" The draws cannot tell '{best}' apart from {', '.join(repr(r) for r in close)}."
    return " ".join(filter(None, (text, nothing, _honesty(table, patient))))


def _honesty(table: pd.DataFrame, patient: Individual) -> str:
    """Say whether this is the patient's answer or the prior's."""
    moved = float(np.nanmax(np.abs(table["probability"].to_numpy() - table["before"].to_numpy())))
    taught = patient.learned()
    if patient.history().seen is None:
        return "There are no observations of the patient: this is what is believed of anybody like them."
    if moved < 0.05:
        return (
            "The patient's observations changed no probability by 5 points or more: the answer mostly reflects what "
            "was believed before."
        )
    about = f" They taught about {', '.join(t.removeprefix('eta_') for t in taught[:4])}." if taught else ""
    return f"The observations moved a probability by up to {100 * moved:.0f} points.{about}"
