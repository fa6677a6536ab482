"""What is compared: regimens by name, perhaps with other covariates or parameters, and when they dose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pkpd.comparison.known_schedules import KnownSchedule, named_schedules, schedules
from pkpd.dosing.amounts import factor
from pkpd.dosing.interval import dosing_cycle
from pkpd.dosing.regimen import Regimen
from pkpd.errors import PkpdError, PopulationError, RegimenError, nearest
from pkpd.metrics.schedule import Doses
from pkpd.metrics.schedule import plan as intervals
from pkpd.simulation.doses import bound, from_text
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    from pkpd.model.model import Model
    from pkpd.people.population import Population

__all__ = ["Arm", "Compared", "Plan", "people_of", "read_arms"]


@dataclass(frozen=True)
class Arm:
    """A regimen and what else is different about those who get it.

    Parameters
    ----------
    regimen : Regimen, str or KnownSchedule
        Or the shorthand for it.
    covariates : mapping of name to number or array, shape (subject,)
        Covariates in place of the subjects' own.
    parameters : mapping of name to number or array, shape (subject,)
        Typical values in place of the subjects' own.
    relative : bool, optional
        Whether the regimen's time 0 is the start of the treatment rather than of the subjects' clock; by default so
        for a shorthand and a schedule, not for a Regimen.

    Examples
    --------
    >>> Arm("100 mg every other day x7", {"CRCL": 20}).covariates
    {'CRCL': 20}
    """

    regimen: Regimen | str | KnownSchedule
    covariates: Mapping[str, float | Sequence[float] | np.ndarray] = field(default_factory=dict)
    parameters: Mapping[str, float | Sequence[float] | np.ndarray] = field(default_factory=dict)
    relative: bool | None = None


Compared: TypeAlias = Mapping[str, Regimen | str | KnownSchedule | Arm] | Iterable[str | Regimen] | Regimen | None
"""What is compared: by name; or regimens, shorthand and names of a model's own schedules; None for all of these."""


@dataclass(frozen=True)
class Plan:
    """An arm that is ready to be simulated.

    Attributes
    ----------
    name : str
    arm : Arm
    regimens : tuple of Regimen
        One for all, or one per subject.
    doses : ndarray, shape (doses,)
        Distinct times of its doses, on the model's clock as all times here.
    last : float
        Interval that follows the last of them; 0 where the regimen does not say one (`dosing_cycle`).
    ends : ndarray
        Times at which infusions end.
    day : float
        Length of a day.
    unit : str
        Of the amounts.
    relative : bool
        Whether these times count from the start of the treatment.
    """

    name: str
    arm: Arm
    regimens: tuple[Regimen, ...]
    doses: np.ndarray
    last: float
    ends: np.ndarray
    day: float
    unit: str
    relative: bool = False

    @property
    def stop(self) -> float:
        """End of the treatment: one interval after the last dose, or a day where no interval is known."""
        return float(self.doses[-1] + (self.last or self.day)) if len(self.doses) else 0.0

    def interval(self, start: float, end: float) -> tuple[float, float] | None:
        """Return the last dosing interval between two times, as `exposure` finds it; None where there is none."""
        if not len(self.doses):
            return None
        every = {k: np.asarray(v) for k, v in self.regimens[0].explicit().items() if k != "cmt"}
        resets = np.array([d.time for d in self.regimens[0] if d.evid in (3, 4)], float)
        ss = np.isin(every["time"], [d.time for d in self.regimens[0] if d.ss]).astype(int)
        doses = Doses.of(every["time"], every["amt"], every["ii"], ss, resets)
        return intervals(self.name, np.array([start, end], float), doses, None).last

    def burden(self) -> tuple[float, float]:
        """Return the amount per day, of the first subject, and the doses per day over the treatment."""
        if not len(self.doses):
            return 0.0, 0.0
        days = (self.stop - float(self.doses[0])) / self.day
        # A constant infusion has a rate and no amount.
        given = [d for d in self.regimens[0] if d.gives]
        constant = sum(d.rate for d in given if d.amt in (0.0, np.inf)) * self.day
        total = sum(d.amt for d in self.regimens[0].expand() if d.gives and d.amt < np.inf)
        return total / days + constant, len(self.doses) / days


def read_arms(regimens: Compared, model: Model, people: Population) -> list[Plan]:
    """Return what a user gave to be compared, ready to be simulated.

    Parameters
    ----------
    regimens : mapping of name to Regimen, str, KnownSchedule or Arm; or a sequence
        See :func:`pkpd.comparison.known_schedules.named_schedules` for a sequence; None for all of the model's.
    model : Model
        Gives the clock, and the compartments of routes.
    people : Population
        Gives the weights for doses per kg.

    Raises
    ------
    RegimenError
        If a name is unknown, or a regimen cannot be understood; all of them are named.
    """
    named = _named(regimens, model)
    plans, wrong = [], []
    for name, value in named.items():
        arm = value if isinstance(value, Arm) else Arm(value)
        try:
            plans.append(_plan(str(name), arm, model, people_of(model, people, arm)))
        except PkpdError as error:
            wrong.append(f"'{name}': {error}")
    if wrong:
        many = f"{len(wrong)} of {len(named)} regimens cannot be compared: " if len(wrong) > 1 else "regimen "
        raise RegimenError(f"compare: {many}{'; '.join(wrong)}")
    return plans


def _named(regimens: Compared, model: Model) -> dict[str, Any]:
    if isinstance(regimens, Mapping):
        if not regimens:
            raise RegimenError("compare: there is nothing to compare; give a mapping of name to regimen")
        known = schedules(model)
        return {str(name): _of_model(given, known) for name, given in regimens.items()}
    return named_schedules(model, [regimens] if isinstance(regimens, (str, Regimen)) else regimens)


def _of_model(given: Any, known: Mapping[str, KnownSchedule]) -> Any:
    """Return the schedule of the model that a text is the name of; anything else as it is."""
    if isinstance(given, Arm):
        return replace(given, regimen=_of_model(given.regimen, known))
    return known.get(given, given) if isinstance(given, str) else given


def _plan(name: str, arm: Arm, model: Model, people: Population) -> Plan:
    regimens = _regimens(arm.regimen, name, model, people)
    day = convert_time(1.0, "d", model.time_unit)
    given = regimens[0].explicit()
    time = np.asarray(given["time"], float)
    doses = np.unique(time)
    last = dosing_cycle(time, given["amt"], given["ii"]).after
    ends = [d.time + d.tinf for d in regimens[0].expand() if d.tinf is not None]
    regimens, unit = _in_mg(regimens, model)
    relative = isinstance(arm.regimen, (str, KnownSchedule)) if arm.relative is None else arm.relative
    return Plan(name, arm, regimens, doses, last, np.unique(np.asarray(ends, float)), day, unit, relative)


def _in_mg(regimens: tuple[Regimen, ...], model: Model) -> tuple[tuple[Regimen, ...], str]:
    """Return regimens with amounts in mg where they can be, and the unit that they are in."""
    states = list(model.states.values())
    own = {states[int(k)].unit for r in regimens if r.unit is None for k in r.records(tuple(model.states))["cmt"]}
    unit = regimens[0].unit or next(iter(own), "")
    if len({*own, *(r.unit for r in regimens if r.unit)}) > 1 or factor(unit, "mg") is None:
        return regimens, unit
    named = (r if r.unit else Regimen(doses=r.doses, unit=unit, time_unit=r.time_unit, name=r.name) for r in regimens)
    return tuple(r.to("mg") for r in named), "mg"


def _regimens(given: Regimen | str | KnownSchedule, name: str, model: Model, people: Population) -> tuple[Regimen, ...]:
    if isinstance(given, Regimen):
        return (bound(model, given),)
    if isinstance(given, KnownSchedule):
        return tuple(bound(model, each) for each in given.regimens(model, people, name))
    if isinstance(given, str):
        return tuple(bound(model, each) for each in from_text(given, model, people, name))
    raise RegimenError(f"a regimen is a Regimen, an Arm or the shorthand for one, got {given!r}")


def people_of(model: Model, people: Population, arm: Arm) -> Population:
    """Return the subjects with the covariates and parameters of an arm.

    Raises
    ------
    PopulationError
        If a name is unknown or the values do not fit the subjects; all of them are named.
    """
    if not arm.covariates and not arm.parameters:
        return people
    wrong: list[str] = []
    columns: dict[str, dict[str, np.ndarray]] = {}
    for noun, given, known in (
        ("covariate", arm.covariates, model.covariates),
        ("parameter", arm.parameters, model.parameters),
    ):
        columns[noun] = {}
        for name, value in given.items():
            if name not in known:
                wrong.append(f"model '{model.name}' has no {noun} '{name}'{nearest(name, known)}")
                continue
            array = np.asarray(value, float)
            if array.shape not in ((), (people.n,)) or not np.isfinite(array).all():
                wrong.append(f"{noun} '{name}' must be a finite number or one per subject ({people.n}), got {value!r}")
                continue
            columns[noun][name] = np.full(people.n, array) if array.ndim == 0 else array.copy()
    if wrong:
        raise PopulationError("; ".join(wrong))
    return replace(
        people,
        covariates={**people.covariates, **columns["covariate"]},
        parameters={**people.parameters, **columns["parameter"]},
        varying={k: v for k, v in people.varying.items() if k not in columns["covariate"]},
    )
