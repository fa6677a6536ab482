"""From reported facts to terms of the likelihood: the model's clock and units, one kind for another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pkpd.errors import UnitError, nearest
from pkpd.evidence.kinds import FactKind, kind_of_fact
from pkpd.evidence.term import Term
from pkpd.evidence.words import SUPERSEDED
from pkpd.observation.subject import faults_of
from pkpd.units import conversion
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["Reported", "check_terms", "fact_terms", "idle_factors", "matches", "superseded_facts"]


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
    curve : str
        The curve that it is a point of; empty for a fact of the text.
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
    curve: str = ""


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a name fits one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def fact_terms(
    evidence: Any,
    model: Model,
    exclude: Iterable[str],
    reinterpret: Mapping[tuple[str, str], float],
    patients: Iterable[str],
    include: Iterable[str] = (),
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
    include : iterable of str
        Patterns of facts that the seed holds back and that are fitted all the same.

    Returns
    -------
    reported : list of Reported
    faults : list of str
    """
    out: list[Reported] = []
    faults: list[str] = []
    for fact in _facts(evidence, "fit", exclude, patients, include):
        found = _understood(evidence, model, fact, reinterpret)
        if isinstance(found, str):
            faults.append(found)
        else:
            out.append(found)
    return out, faults


def idle_factors(evidence: Any, reinterpret: Mapping[tuple[str, str], float]) -> list[str]:
    """Return which factors on the values of a seed's markers change nothing, and why."""
    out: list[str] = []
    for seed, marker in reinterpret:
        if seed != evidence.name:
            continue
        kinds = {f.kind: kind_of_fact(f.kind, f.op) for f in evidence.facts if f.marker == marker}
        if not kinds:
            known = dict.fromkeys(f.marker for f in evidence.facts)
            near = f"{nearest(marker, known)}; there are {', '.join(known)}"
            out.append(f"reinterpret {(seed, marker)}: the seed has no fact about '{marker}'{near}")
        elif not any(kind is not None and kind.has_unit for kind in kinds.values()):
            out.append(
                f"reinterpret {(seed, marker)}: facts of kind {', '.join(kinds)} have no unit, and a factor changes "
                "nothing; leave it out"
            )
    return out


def check_terms(
    evidence: Any,
    model: Model,
    exclude: Iterable[str],
    reinterpret: Mapping[tuple[str, str], float],
    patients: Iterable[str],
    include: Iterable[str] = (),
) -> list[Reported]:
    """Return the facts of a seed that are held back from a fit, as far as the model can predict them.

    Parameters and the form of the facts are those of `fact_terms`; a fact that no likelihood could take is left out.
    """
    errors = {name: output.error for name, output in model.outputs.items()}
    out: list[Reported] = []
    for fact in _facts(evidence, "check", exclude, patients, include):
        kind = kind_of_fact(fact.kind, fact.op)
        if kind is None or any(getattr(fact, column) in (None, "") for column in kind.needs):
            continue
        found = _understood(evidence, model, fact, reinterpret)
        if isinstance(found, Reported) and not any(faults_of(found.term, errors, 0.0, math.inf)):
            out.append(found)
    return out


def superseded_facts(evidence: Any, exclude: Iterable[str], patients: Iterable[str]) -> list[str]:
    """Return the names of facts that are not fitted as a curve shows them; parameters are those of `fact_terms`."""
    return [f"{evidence.name}/{fact.fact}" for fact in _facts(evidence, SUPERSEDED, exclude, patients)]


def _facts(
    evidence: Any, use: str, exclude: Iterable[str], patients: Iterable[str], include: Iterable[str] = ()
) -> list[Any]:
    """Return the facts of a seed that are used so, of some patients."""
    wanted = set(patients)

    def used(fact: Any, name: str) -> str:
        return "fit" if fact.use == "check" and matches(name, include) else fact.use

    return [
        fact
        for fact in evidence.facts
        if f"{evidence.name}/{fact.patient}" in wanted
        and used(fact, name := f"{evidence.name}/{fact.fact}") == use
        and not matches(name, exclude)
    ]


def _understood(evidence: Any, model: Model, fact: Any, reinterpret: Mapping[tuple[str, str], float]) -> Reported | str:
    """Return a fact on the model's clock and in its units, or why that cannot be."""
    name = f"{evidence.name}/{fact.fact}"
    if fact.marker not in model.outputs:
        return (
            f"fact '{name}' is about {fact.marker}, of which model '{model.name}' has no output"
            f"{nearest(fact.marker, model.outputs)}; leave it out (a study: exclude, evidence: without(...))"
        )
    kind = kind_of_fact(fact.kind, fact.op)
    if kind is None:
        return f"fact '{name}' of kind '{fact.kind}' has no likelihood"
    factor = 1.0
    if kind.has_unit and fact.value is not None:
        try:
            factor = conversion(fact.unit, model.outputs[fact.marker].unit)
        except UnitError as error:
            return f"fact '{name}': {error}"
        factor *= reinterpret.get((evidence.name, fact.marker), 1.0)
    return _reported(evidence, model, fact, name, kind, factor)


def _reported(evidence: Any, model: Model, fact: Any, name: str, kind: FactKind, factor: float) -> Reported:
    def time(day: float | None) -> float | None:
        return None if day is None else convert_time(evidence.hours(day), "h", model.time_unit)

    value = float("nan") if fact.value is None else fact.value * factor
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
    number = "" if fact.value is None else f"{value:.4g}"
    if value_to not in (None, value):
        number = f"{number} to {value_to:.4g}".lstrip()
    when = f"day {fact.time:g}" if fact.time_to is None else f"day {fact.time:g} to {fact.time_to:g}"
    seen = "" if fact.at is None else f" on day {fact.at:g}"
    text = kind.words(fact.marker, f"{number} {unit}".rstrip() if number else "", when, seen)
    days = (fact.time, fact.time_to, fact.at)
    return Reported(name, patient, fact.marker, kind.name, text, term, *days, curve=fact.curve)
