"""From reported facts to terms of the likelihood: the model's clock and units, one kind for another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pkpd.errors import UnitError, nearest
from pkpd.evidence.kinds import FactKind, kind_of_fact
from pkpd.evidence.term import Term
from pkpd.units import conversion
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["Reported", "fact_terms", "matches"]


@dataclass(frozen=True)
class Reported:
    """A fact as it enters the likelihood.

    Attributes
    ----------
    name : str
        ``"seed/fact"``.
    patient : str
        ``"seed/patient"``.
    marker, kind : str
        Output of the model, and kind of the term.
    text : str
        The statement in words, in the model's unit.
    term : Term
    day, day_to, at : float or None
        As reported.
    """

    name: str
    patient: str
    marker: str
    kind: str
    text: str
    term: Term
    day: float
    day_to: float | None
    at: float | None


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a name fits one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def fact_terms(
    evidence: Any,
    model: Model,
    exclude: Iterable[str],
    reinterpret: Mapping[tuple[str, str], float],
    patients: Iterable[str],
) -> tuple[list[Reported], list[str]]:
    """Return the facts of a seed that are fitted, and what is wrong with them.

    Parameters
    ----------
    evidence : Evidence
    model : Model
        Gives outputs and their units, and the clock of the terms.
    exclude : iterable of str
        Patterns of ``"seed/fact"``.
    reinterpret : mapping of (seed, marker) to float
        Factors on values.
    patients : iterable of str
        Whose facts, ``"seed/patient"``.

    Returns
    -------
    reported : list of Reported
    faults : list of str
    """
    out: list[Reported] = []
    faults: list[str] = []
    wanted = set(patients)
    for fact in evidence.facts:
        name = f"{evidence.name}/{fact.fact}"
        if fact.use != "fit" or f"{evidence.name}/{fact.patient}" not in wanted or matches(name, exclude):
            continue
        if fact.marker not in model.outputs:
            faults.append(
                f"fact '{name}' is about {fact.marker}, of which model '{model.name}' has no output"
                f"{nearest(fact.marker, model.outputs)}; leave it out (a study: exclude, evidence: without(...))"
            )
            continue
        kind = kind_of_fact(fact.kind, fact.op)
        if kind is None:
            faults.append(f"fact '{name}' of kind '{fact.kind}' has no likelihood")
            continue
        factor = 1.0
        if kind.has_unit:
            try:
                factor = conversion(fact.unit, model.outputs[fact.marker].unit)
            except UnitError as error:
                faults.append(f"fact '{name}': {error}")
                continue
            factor *= reinterpret.get((evidence.name, fact.marker), 1.0)
        out.append(_reported(evidence, model, fact, name, kind, factor))
    return out, faults


def _reported(evidence: Any, model: Model, fact: Any, name: str, kind: FactKind, factor: float) -> Reported:
    def time(day: float | None) -> float | None:
        return None if day is None else convert_time(evidence.hours(day), "h", model.time_unit)

    value = fact.value * factor
    value_to = None if fact.value_to is None else fact.value_to * factor
    term = Term(
        name=name,
        kind=kind.name,
        output=fact.marker,
        time=convert_time(evidence.hours(fact.time), "h", model.time_unit),
        time_to=time(fact.time_to),
        value=value,
        value_to=value_to,
        at=time(fact.at),
        reading_sd=fact.reading_sd or 0.0,
    )
    patient = f"{evidence.name}/{fact.patient}"
    unit = model.outputs[fact.marker].unit if kind.has_unit else ""
    number = f"{value:.4g}" if value_to in (None, value) else f"{value:.4g} to {value_to:.4g}"
    days = f"day {fact.time:g}" if fact.time_to is None else f"day {fact.time:g} to {fact.time_to:g}"
    seen = "" if fact.at is None else f" on day {fact.at:g}"
    text = kind.words(fact.marker, f"{number} {unit}".rstrip(), days, seen)
    return Reported(name, patient, fact.marker, kind.name, text, term, fact.time, fact.time_to, fact.at)
