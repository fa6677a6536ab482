"""What answers about schedules are made of: patients' doses, contrasts in words, honesty about the prior."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.comparison.result import Comparison
from pkpd.comparison.statistics import number
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.dosing.regimen import Regimen
    from pkpd.evidence.evidence import Evidence

__all__ = [
    "CLEAR",
    "LITTLE",
    "RULED_OUT",
    "approximate",
    "belief",
    "change",
    "contrasts",
    "contrasts_of_all",
    "fall_chance",
    "given_and_others",
    "listed",
    "middle",
    "plain",
    "reflects_prior",
    "taught",
    "verdicts",
    "window_around",
]  # fmt: skip

CLEAR = 0.9
"""Probability from which on a size is called likely."""
RULED_OUT = 0.1
"""Probability up to which a size is ruled out."""
_NAMED = 4
LITTLE = 0.3
"""Distance from the prior below which an answer mostly reflects it."""


@functools.lru_cache(maxsize=1)
def taught(source: Any) -> dict[str, float]:
    """Return how far the evidence moved each number away from its prior: 0 not at all, 1 altogether.

    That is one minus the area that both densities have in common, so that a shift counts as well as a narrowing.

    Parameters
    ----------
    source : StudyFit
        With a method ``contraction`` that returns a table with column ``overlap``, by names like
        ``"phi[seed/p2]"``.
    """
    table = getattr(source, "contraction", lambda: None)()
    return {} if table is None else {str(k): 1.0 - float(v) for k, v in table["overlap"].to_dict().items()}


def reflects_prior(known: Mapping[str, float], parameter: str, patient: str) -> bool:
    """Return whether the evidence is known to have taught little about a patient's parameter."""
    return known.get(f"{parameter}[{patient}]", 1.0) < LITTLE


def belief(known: Mapping[str, float], parameter: str, patient: str, what: str, label: str = "") -> str:
    """Say how much the evidence taught about what an answer depends on.

    Parameters
    ----------
    known : mapping
        Of `taught`.
    parameter, patient : str
    what : str
        The parameter in words.
    label : str
        The patient in words; as the study names it by default.

    Examples
    --------
    >>> belief({"phi[s/a]": 0.05}, "phi", "s/a", "the share", "A")
    'A: the report says almost nothing about the share, so that this rests on what was assumed.'
    """
    who, name = label or patient, f"{parameter}[{patient}]"
    if name not in known:
        return f"{who}: how much the report taught about {what} is not known."
    if reflects_prior(known, parameter, patient):
        return f"{who}: the report says almost nothing about {what}, so that this rests on what was assumed."
    return f"{who}: the report changed what was believed of {what}."


def fall_chance(found: Comparison, measure: str, regimen: str, to: str, part: float) -> float:
    """Return how probable it is that a regimen lowers a measure by a part or more of what it is under another.

    Who has nothing to lose, a measure of 0, loses nothing.
    """
    new, old = (found.dataset[measure].sel(regimen=name).values for name in (regimen, to))
    valid = ~(np.isnan(new) | np.isnan(old))
    lower = (old > 0) & (new <= (1.0 - part) * old)
    return float(lower[valid].mean()) if valid.any() else float("nan")


def verdicts(chances: Mapping[str, float]) -> str:
    """Say of whom something is likely, ruled out, or cannot be told, as part of a sentence.

    Examples
    --------
    >>> verdicts({"P1": 0.95, "P2": 0.02, "P3": 0.4})
    'likely for P1, ruled out for P2, and not to be told for P3'
    >>> verdicts({"P1": 0.05, "P2": 0.02})
    'ruled out for all 2 patients'
    """
    sides: dict[str, list[str]] = {"likely": [], "ruled out": [], "not to be told": []}
    for who, chance in chances.items():
        side = "likely" if chance >= CLEAR else "ruled out" if chance <= RULED_OUT else "not to be told"
        sides[side].append(who)
    parts = [f"{side} for {listed(who, len(chances))}" for side, who in sides.items() if who]
    return f"{', '.join(parts[:-1])}, and {parts[-1]}" if len(parts) > 1 else "".join(parts)


def listed(labels: Sequence[str], total: int, most: int = _NAMED) -> str:
    """Return patients by name where they are few, ``most`` at most, else as a count.

    Examples
    --------
    >>> listed(["Li p1", "Li p2", "Kim p1"], 14), listed(["a", "b"], 2), listed([], 2)
    ('Li p1 and p2, Kim p1', 'all 2 patients', 'nobody')
    """
    if not labels:
        return "nobody"
    if len(labels) == total and total > 1:
        return f"all {total} patients"
    if len(labels) > most:
        return f"{len(labels)} of {total} patients"
    by_report: dict[str, list[str]] = {}
    for label in labels:
        report, _, who = label.rpartition(" ")
        by_report.setdefault(report, []).append(who)
    texts = [f"{report} {_joined(who)}".strip() for report, who in by_report.items()]
    return ", ".join(texts) if any(len(who) > 1 for who in by_report.values()) else _joined(texts)


def _joined(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def plain(values: np.ndarray, factor: float = 1.0, unit: str = "") -> str:
    """Write median and central 90% of draws for a small table.

    Examples
    --------
    >>> plain(np.array([0.5, 0.5]), 100, "%")
    '50% (50 to 50)'
    """
    low, half, high = (
        f"{x:.0f}" if abs(x) >= 10 else f"{x:.2g}" for x in factor * np.quantile(values, [0.05, 0.5, 0.95])
    )
    return f"{half}{unit} ({low} to {high})"


def approximate(source: Any) -> tuple[str, ...]:
    """Return a caveat for a posterior that is an approximation."""
    if getattr(source, "method", "") != "mode":
        return ()
    return ("From the normal approximation at the mode (method='map'); the posterior of record is method='nuts'.",)


def given_and_others(
    evidence: Evidence, patient: str, drug: str, *, alone: bool = False
) -> tuple[Regimen, Regimen | None]:
    """Return a patient's doses of a drug, and those of all others; None if there are none.

    Compartments are those of a composed model, or of a model of the drug ``alone``, for which there are no others.
    """
    if alone:
        return evidence.regimen(patient, (drug,)), None
    names = tuple(d for d in evidence.drugs if d != drug)
    others = evidence.regimen(patient, names, prefix=True) if names else None
    return evidence.regimen(patient, (drug,), prefix=True), others if others is not None and len(others) else None


def window_around(source: Any, start: float, end: float) -> tuple[float, float]:
    """Return two times in h on the clock of a source's model."""
    from pkpd.simulation.source import model_from

    unit = model_from("questions", source).time_unit
    return float(convert_time(start, "h", unit)), float(convert_time(end, "h", unit))


def contrasts(found: Comparison, to: str) -> dict[tuple[str, str], dict[str, float]]:
    """Return the paired contrasts with a regimen, by regimen and measure."""
    numbers = found.ratios(to=to).drop(columns="unit")
    return {(str(key[0]), str(key[1])): row for key, row in numbers.to_dict(orient="index").items()}


def contrasts_of_all(found: Mapping[str, Comparison], to: str) -> pd.DataFrame:
    """Return the paired contrasts of several comparisons as one table, by patient."""
    import pandas as pd

    return pd.concat({who: one.ratios(to=to) for who, one in found.items()}, names=["patient"])


def change(row: Mapping[str, float]) -> str:
    """Write the difference of a contrast with its central 90%."""
    low, high = number(row["difference_low"]), number(row["difference_high"])
    return f"{number(row['difference'])} (90% {low} to {high})"


def middle(found: Comparison, measure: str, regimen: str, factor: float = 1.0) -> str:
    """Write the median of a measure with its central 90%."""
    low, half, high = factor * np.quantile(found.samples(measure, regimen), [0.05, 0.5, 0.95])
    return f"{number(half)} ({number(low)}-{number(high)})"
