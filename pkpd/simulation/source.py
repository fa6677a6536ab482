"""What a verb is about: a model, or what is known after data, of which people are drawn."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.record import compartment_index
from pkpd.dosing.regimen import Regimen
from pkpd.errors import PkpdError
from pkpd.kinds import Kind, needs
from pkpd.model.model import Model
from pkpd.people.suited import check_suited
from pkpd.simulation.doses import bound

if TYPE_CHECKING:
    from pkpd.people.population import Population

__all__ = [
    "KINDS", "History", "Source", "Subjects", "drugs_of", "first_dose", "model_from", "one_person",
    "other_drugs",
]  # fmt: skip

KINDS = ("Model", "Fit", "StudyFit", "Individual")
"""What a verb can be about; each says which of them it takes."""

_OWN = ("depot", "central")
"""States of a model's one drug, which the names of its states do not tell."""


class Source(Kind):
    """Base of what is known after data: a model, and people drawn from it on a clock of their own.

    Its kind is one of `KINDS`; anything else is refused by every verb that asks for people.
    """

    @property
    def doses(self) -> Regimen | None:
        """What the one person that it is about was given; None where it is about many."""
        return None

    def subjects(self, verb: str, n: int, seed: int, patient: str | None = None, cohort: str | None = None) -> Subjects:
        """Return n people drawn from it.

        Raises
        ------
        PkpdError
            If it does not know the patient or the cohort, or nobody at all.
        """
        raise PkpdError(f"{verb} has no use for a {self.kind}{'; ' if self.advice else ''}{self.advice}")

    def refuse(self, verb: str, **chosen: str | None) -> None:
        """Raise PkpdError if a patient or a cohort is asked for of a source that has none."""
        if asked := [name for name, value in chosen.items() if value is not None]:
            raise PkpdError(f"{verb}: a {self.kind} knows no {' or '.join(asked)}; a StudyFit does")


@dataclass(frozen=True)
class History:
    """The clock that people live on: what they got, when they were seen, what a day means. Times as of the model.

    Attributes
    ----------
    given : Regimen or None
        All doses of one patient.
    day_zero : float or None
        Time of day 0; None where days count from the start of the schedules.
    axis : str
        What a day is: ``"day of strati2020"``.
    seen : tuple of (float, float) or None
        First and last observation.
    onset : float or None
        When the illness of new patients begins.
    followed : float
        How long after the start new patients are observed, as those before them were.
    learned : frozenset of str or None
        Outputs that something was observed of; None where that is not known.
    ill : bool
        Whether the people are patients, whose markers move while they are ill.
    now : float
        Where the schedules begin if nothing else says so.
    notes : tuple of str
        What else a reader of anything about these people must know.
    """

    given: Regimen | None = None
    day_zero: float | None = None
    axis: str = "day from the start of the schedules"
    seen: tuple[float, float] | None = None
    onset: float | None = None
    followed: float = 0.0
    learned: frozenset[str] | None = None
    ill: bool = False
    now: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subjects:
    """People that a verb is about.

    Attributes
    ----------
    model : Model
    people : Population
    about : str
        Who they are, and what the spread over them means.
    history : History
    """

    model: Model
    people: Population
    about: str
    history: History


def drugs_of(regimen: Regimen, model: Model) -> list[str]:
    """Return which drug each dose record gives: the part of a composed model, else the state itself.

    ``depot`` and ``central`` of a model without parts are one drug, called by the model's name.

    Examples
    --------
    >>> from pkpd.library import load_model
    >>> model = load_model("anakinra_inflammation")
    >>> drugs_of(Regimen(amt=[1, 2], cmt=["anakinra.depot", "dexamethasone.central"]), model)
    ['anakinra', 'dexamethasone']
    """
    states = tuple(model.states)
    found = []
    for dose in bound(model, regimen).doses:
        index = compartment_index(dose.cmt, states)
        name = str(dose.cmt) if index is None else states[index]
        part, _, own = name.rpartition(".")
        found.append(part or (model.name if own in _OWN else own))
    return found


def model_from(
    verb: str, given: Any, takes: Collection[str] = KINDS, instead: Mapping[str, str] | None = None
) -> Model:
    """Return the model of a source.

    Parameters
    ----------
    verb : str
        Who asks, for the message.
    given : Model or Source
    takes : collection of str
        Which of `KINDS` the verb has a use for.
    instead : mapping of kind to str, optional
        What to do with one that it has none for.

    Raises
    ------
    PkpdError
        If the verb has no use for it; the message says which sources it takes, and what to do.

    Examples
    --------
    >>> model_from("fit", "pk1_iv", ("Model", "Fit"))
    Traceback (most recent call last):
    pkpd.errors.PkpdError: fit takes a Model or a Fit, got the text 'pk1_iv'; load it first: pkpd.models['pk1_iv']
    """
    needs(verb, given, takes, instead=instead)
    return given if isinstance(given, Model) else given.model


def one_person(verb: str, given: Any, population: Population | None) -> Model:
    """Return the model of a source for a verb that takes the typical person where no population is given.

    Raises
    ------
    PkpdError
        If the source is about people with parameters of their own, and no population says who is meant, or if the
        population is none of its model.
    """
    advice = "say who is meant: population=source.population(n, ...)"
    if population is not None:
        model = model_from(verb, given)
        check_suited(verb, model, population)
        return model
    return model_from(
        verb, given, ("Model", "Fit"), {"StudyFit": advice, "Individual": advice}
    )  # fmt: skip


def first_dose(regimen: Regimen | None, model: Model, drugs: Collection[str]) -> float | None:
    """Return the time of the first dose of some drugs, on the model's clock; None if there is none."""
    if regimen is None:
        return None
    own = bound(model, regimen)
    times = [d.time for d, drug in zip(own.doses, drugs_of(own, model), strict=True) if d.gives and drug in drugs]
    return float(np.min(times)) if times else None


def other_drugs(
    regimen: Regimen | None, model: Model, drugs: Collection[str]
) -> tuple[Regimen | None, tuple[str, ...]]:
    """Return the doses of all other drugs, and their names; None if there is none."""
    if regimen is None:
        return None, ()
    names = drugs_of(regimen, model)
    kept = [d for d, drug in zip(regimen.doses, names, strict=True) if drug not in drugs]
    others = tuple(dict.fromkeys(drug for drug in names if drug not in drugs))
    if not kept:
        return None, ()
    return regimen.with_doses(kept), others
