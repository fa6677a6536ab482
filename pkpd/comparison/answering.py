"""What answers about schedules are made of: patients' doses, contrasts in words, honesty about the prior."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.comparison.result import Comparison
from pkpd.comparison.statistics import number, share
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.dosing.regimen import Regimen
    from pkpd.evidence.evidence import Evidence

__all__ = [
    "approximate", "belief", "change", "contrasts", "contrasts_of_all", "given_and_others", "middle", "reflects_prior",
    "taught", "window_around",
]  # fmt: skip

_LITTLE = 0.3
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
    return known.get(f"{parameter}[{patient}]", 1.0) < _LITTLE


def belief(known: Mapping[str, float], parameter: str, patient: str, what: str, extra: tuple[str, ...] = ()) -> str:
    """Say how much the evidence taught about what an answer depends on.

    Parameters
    ----------
    known : mapping
        Of `taught`.
    parameter, patient : str
    what : str
        The parameter in words.
    extra : tuple of str
        Names of further numbers.
    """
    found = {n: known[n] for n in (f"{parameter}[{patient}]", *extra) if n in known}
    if not found:
        return f"{patient}: how much the evidence taught about {what} is not known."
    text = ", ".join(f"{n} {share(max(c, 0.0))}" for n, c in found.items())
    verdict = "; the answer mostly reflects the prior" if reflects_prior(known, parameter, patient) else ""
    return f"{patient}: how far the evidence moved the prior: {text}{verdict}."


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
