"""Regimens: doses on one clock, as values that add, shift and repeat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.amounts import amount_ratio, canonical_unit, shortest
from pkpd.dosing.build import DEFAULTS, doses_of
from pkpd.dosing.dose import Dose
from pkpd.dosing.ended import amount_given, one_by_one, together, without_ended
from pkpd.dosing.interval import dosing_cycle
from pkpd.dosing.record import RECORD, Compartment
from pkpd.dosing.routes import places_of
from pkpd.dosing.text import doses_repr, doses_text
from pkpd.errors import RegimenError
from pkpd.options import is_number
from pkpd.timegrid import one_time
from pkpd.units.time import canonical_time

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Regimen"]


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Regimen:
    """Doses on one clock, an immutable value.

    ``Regimen(amt=100, cmt="depot", ii=24, addl=6)`` is one dose record; every argument but ``doses``, the units and
    ``name`` may also be a sequence, one value a record. ``a + b`` gives both on the clock of the first, ``a * 2`` twice
    the amounts. Amounts without a unit are in that of the compartment that is dosed; added to amounts in mg they need a
    compartment that counts mg. Two regimens are equal if they have the same records in order of time and the same
    units; the name does not matter.

    Parameters
    ----------
    amt, cmt, time, rate, tinf, ii, addl, ss, evid, route
        As for `Dose`: amounts in the unit of the regimen, times in ``time_unit``, rates per ``time_unit``.
    doses : iterable of Dose or mapping, optional
        The records themselves (or mappings of `Dose`'s arguments), instead of the arguments above.
    unit : str, optional
        Unit of all amounts; by default that of the compartment that is dosed.
    time_unit : str
        Unit of all times of the regimen: ``s min h d w``. Whoever doses a model with it puts it on the model's clock.
    name : str, optional
        What the regimen is called in results and in errors.

    Attributes
    ----------
    doses : tuple of Dose
        The records, sorted by time; records at the same time keep their order.
    mixed : bool
        Whether amounts without a unit were added to amounts in ``unit``.

    Raises
    ------
    RegimenError
        If doses cannot be given as written; all of them are counted.

    Examples
    --------
    >>> q24h = Regimen(amt=100, cmt="depot", ii=24, addl=5, name="q24h")
    >>> (Regimen(amt=200, cmt="depot") + q24h.shift(24)).times.tolist()
    [0.0, 24.0, 48.0, 72.0, 96.0, 120.0, 144.0]
    >>> Regimen(amt=[100, -5], time=[0, 12], name="q12h")
    Traceback (most recent call last):
    pkpd.errors.RegimenError: regimen 'q12h', dose 2: amt must be > 0, got -5.0
    """

    doses: tuple[Dose, ...]
    unit: str | None
    time_unit: str
    name: str | None
    mixed: bool

    def __init__(
        self,
        amt: float | Sequence[float] | np.ndarray | None = None,
        cmt: Compartment | Sequence[Compartment] = None,
        time: float | Sequence[float] | np.ndarray = 0.0,
        *,
        rate: float | str | Sequence[float | str] | np.ndarray | None = None,
        tinf: float | Sequence[float] | np.ndarray | None = None,
        ii: float | Sequence[float] | np.ndarray | None = None,
        addl: int | Sequence[int] | np.ndarray = 0,
        ss: int | Sequence[int] | np.ndarray = 0,
        evid: int | Sequence[int] | np.ndarray = 1,
        route: str | Sequence[str] | None = None,
        doses: Iterable[Dose | Mapping[str, Any]] | None = None,
        unit: str | None = None,
        time_unit: str = "h",
        name: str | None = None,
    ) -> None:
        who = f"regimen {name!r}" if name else "regimen"
        given = dict(zip(DEFAULTS, (amt, cmt, time, rate, tinf, ii, addl, ss, evid, route), strict=True))
        time_unit = canonical_time(time_unit, f"{who}: time_unit")
        order = tuple(sorted(doses_of(given, doses, who, time_unit), key=lambda dose: dose.time))
        unit = None if unit is None else canonical_unit(unit)
        fields = {"doses": order, "unit": unit, "time_unit": time_unit, "name": name, "mixed": False}
        for field, value in fields.items():
            object.__setattr__(self, field, value)

    @classmethod
    def of(cls, *doses: Dose, unit: str | None = None, time_unit: str = "h", name: str | None = None) -> Regimen:
        """Return the regimen of some doses."""
        return cls(doses=doses, unit=unit, time_unit=time_unit, name=name)

    @classmethod
    def parse(
        cls,
        text: str,
        cmt: Compartment = None,
        *,
        routes: Mapping[str, Compartment] | None = None,
        weight: float | None = None,
        unit: str | None = None,
        time_unit: str = "h",
        name: str | None = None,
    ) -> Regimen:
        """Read a clinician's shorthand; `pkpd.dosing.shorthand` has the grammar.

        Parameters
        ----------
        text : str
            For example ``"100 mg SC q24h x7"`` or ``"100 mg BID x1d then 100 mg daily x4"``.
        cmt : str or int, optional
            Compartment of doses that name neither a route in ``routes`` nor a compartment (``into depot``).
        routes : mapping, optional
            Compartment by route: ``{"SC": "depot", "IV": "central"}``; by default the model that is dosed decides.
        weight : float, optional
            Body weight in kg, for amounts per kg.
        unit : str, optional
            Unit that the amounts are converted to; by default the first that the text names.
        time_unit : str
            Unit of the regimen's clock: ``s min h d w``.
        name : str, optional
            Name of the regimen.

        Raises
        ------
        RegimenError
            With the place in the text that is not understood, and what is.

        Examples
        --------
        >>> regimen = Regimen.parse("100 mg BID x1d then 100 mg daily x4", cmt="depot")
        >>> regimen.times.tolist(), regimen.total
        ([0.0, 12.0, 24.0, 48.0, 72.0, 96.0], 600.0)
        """
        from pkpd.dosing.shorthand import parse

        doses, unit = parse(text, cmt, routes=routes, weight=weight, unit=unit, time_unit=time_unit)
        return cls(doses=doses, unit=unit, time_unit=time_unit, name=name)

    def __len__(self) -> int:
        return len(self.doses)

    def __iter__(self) -> Iterator[Dose]:
        return iter(self.doses)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Regimen):
            return NotImplemented
        return (self.doses, self.unit, self.time_unit) == (other.doses, other.unit, other.time_unit)

    def __hash__(self) -> int:
        return hash((self.doses, self.unit, self.time_unit))

    @property
    def times(self) -> np.ndarray:
        """Times of all doses that are given, additional ones too, in ``time_unit``, ascending; shape (doses,)."""
        return np.array([dose.time for dose in one_by_one(self.doses, self.time_unit)], dtype=float)

    @property
    def total(self) -> float:
        """Sum of all amounts given, in the unit of the regimen."""
        return amount_given(self.doses, self.time_unit)

    def explicit(self) -> dict[str, list]:
        """Return all doses one by one as lists ``time``, ``amt``, ``cmt`` and ``ii``, for plots and summaries.

        Examples
        --------
        >>> Regimen(amt=100, cmt="depot", ii=12, addl=1).explicit()
        {'time': [0.0, 12.0], 'amt': [100.0, 100.0], 'cmt': ['depot', 'depot'], 'ii': [12.0, 12.0]}
        """
        doses = one_by_one(self.doses, self.time_unit)
        return {field: [getattr(dose, field) for dose in doses] for field in ("time", "amt", "cmt", "ii")}

    def records(self, states: Sequence[str]) -> np.ndarray:
        """Return the doses as the engine reads them.

        Parameters
        ----------
        states : sequence of str
            The model's states, in order. A dose without ``cmt`` goes where its route does, see
            `pkpd.dosing.routes.place_of`, or into the first.

        Returns
        -------
        ndarray of RECORD, shape (records,)
            Sorted by time; amounts and times in the units of the regimen.

        Raises
        ------
        RegimenError
            If the model lacks a compartment, or a route contradicts it.

        Examples
        --------
        >>> Regimen(amt=100, cmt="central").records(["depot", "central"])["cmt"]
        array([1])
        """
        rows = [
            (d.start(self.time_unit), d.evid, place, d.amt, d.rate, d.ii, d.addl, d.ss)
            for d, place in zip(self.doses, places_of(self.doses, states, self._who), strict=True)
        ]
        return np.array(rows, dtype=RECORD)

    def into(self, states: Sequence[str]) -> Regimen:
        """Return the same doses with the compartment named where the route, or a drug's name, decides among states.

        Raises
        ------
        RegimenError
            As for `records`.

        Examples
        --------
        >>> Regimen(amt=80, route="IV").into(["depot", "central"])
        Regimen.parse('80 IV into central')
        """
        places = places_of(self.doses, states, self._who)
        unsaid = [d.route is not None if d.cmt is None else "." in str(d.cmt) for d in self.doses]
        if not any(unsaid):
            return self
        return self.with_doses(
            replace(dose, cmt=states[place]) if here else dose
            for dose, place, here in zip(self.doses, places, unsaid, strict=True)
        )

    def to_frame(self) -> pd.DataFrame:
        """Return the records, times in ``time_unit``, as a data frame with NONMEM's columns."""
        import pandas as pd

        return pd.DataFrame({n.upper(): [getattr(dose, n) for dose in self.doses] for n in RECORD.names or ()})

    # -- other regimens made from it

    def __add__(self, other: Regimen | Dose) -> Regimen:
        if isinstance(other, Dose):
            other = Regimen.of(other, unit=self.unit, time_unit=self.time_unit)
        if not isinstance(other, Regimen):
            return NotImplemented
        unit = self.unit or other.unit
        second = other if other.unit is None or unit is None else other.to(unit)
        doses = together(self.doses, second.in_time(self.time_unit).doses)
        bare = any(any(dose.gives for dose in each) and each.unit is None for each in (self, other))
        mixed = self.mixed or other.mixed or (bare and unit is not None)
        return self.with_doses(doses, unit=unit, mixed=mixed, name=self.name if self.name == other.name else None)

    def __radd__(self, other: object) -> Regimen:
        return self if isinstance(other, int) and other == 0 else NotImplemented  # sum() starts from 0

    def __mul__(self, factor: float) -> Regimen:
        return self.scale(factor) if isinstance(factor, int | float | np.number) else NotImplemented

    __rmul__ = __mul__

    def shift(self, time: float | np.ndarray) -> Regimen:
        """Return the regimen given some time later (earlier if negative), in ``time_unit``."""
        return self.with_doses(dose.shift(self._time("the time of shift", time)) for dose in self.doses)

    def scale(self, factor: float) -> Regimen:
        """Return the regimen with all amounts multiplied by a factor > 0; infusions keep their duration."""
        if not (is_number(factor) and factor > 0):
            raise RegimenError(f"{self._who}: amounts can be scaled by a factor > 0, got {factor!r}")
        return self.with_doses(dose.scale(float(factor)) for dose in self.doses)

    def repeat(self, n: int, every: float | np.ndarray) -> Regimen:
        """Return the regimen given n times, the copies some time > 0 apart, in ``time_unit``.

        Examples
        --------
        >>> Regimen(amt=100, ii=24, addl=2).repeat(2, every=168).times.tolist()
        [0.0, 24.0, 48.0, 168.0, 192.0, 216.0]
        """
        if not (is_number(n) and n == int(n) and n >= 1):
            raise RegimenError(f"{self._who}: n of repeat must be a whole number >= 1, got {n!r}")
        step = self._time("every", every, positive=n > 1)
        return self.with_doses(dose.shift(k * step) for k in range(int(n)) for dose in self.doses)

    def until(self, time: float | np.ndarray) -> Regimen:
        """Return only the doses that start before a time, in ``time_unit``; an infusion under way runs to its end.

        A constant infusion at steady state, which has none, ends at that time.
        """
        return self.with_doses(part for d in self.doses for part in d.before(self._time("the time of until", time)))

    def then(self, other: Regimen) -> Regimen:
        """Return this regimen, followed by another whose clock starts one interval after the last dose of this one.

        The interval is that after the last dose (`dosing_cycle`: its ``ii``, or the gap that doses without ``ii`` were
        seen to repeat) or, where there is none (a single loading dose), ``ii`` of the other's first.

        Raises
        ------
        RegimenError
            If neither has an interval: then say when with ``self + other.shift(time)``.

        Examples
        --------
        >>> Regimen(amt=200).then(Regimen(amt=100, ii=24, addl=1)).times.tolist()
        [0.0, 24.0, 48.0]
        """
        other = other.in_time(self.time_unit)
        every = self.explicit()
        if not every["time"]:
            return self + other
        last = every["time"][-1]
        follow = next((dose.ii for dose in other.doses if dose.gives), 0.0)
        interval = dosing_cycle(every["time"], every["amt"], every["ii"]).after or follow
        if not interval:
            raise RegimenError(
                f"{self._who}: the last dose, at {shortest(last)} {self.time_unit}, has no interval, nor has the first "
                "dose of the regimen to follow; give ii, or say when with a + b.shift(time)"
            )
        return self + other.shift(last + interval)

    def reset(self, time: float) -> Regimen:
        """Return the regimen with all compartments reset to their initial state at a time in ``time_unit`` (EVID 3)."""
        return self.with_doses((*self.doses, Dose(0.0, time=time, evid=3)))

    def expand(self) -> Regimen:
        """Return the same doses with no ``addl`` left; a later dose at steady state (``ss=1``) ends additional ones."""
        return self.with_doses(d for dose in without_ended(self.doses, self.time_unit) for d in dose.expand())

    def to(self, unit: str) -> Regimen:
        """Return the same doses in another unit.

        Raises
        ------
        RegimenError
            If the regimen has no unit, or one of another kind.

        Examples
        --------
        >>> Regimen(amt=0.5, unit="g").to("mg").doses
        (Dose(500),)
        """
        ratio = amount_ratio(self._who, self.unit, unit, self.mixed)
        return self.with_doses((dose.convert(ratio) for dose in self.doses), unit=unit)

    def in_time(self, unit: str) -> Regimen:
        """Return the same doses on another clock: all times, and rates per time, in another unit.

        Raises
        ------
        UnitError
            If it is no unit of time.

        Examples
        --------
        >>> Regimen(amt=100, ii=24, addl=2).in_time("d").times.tolist()
        [0.0, 1.0, 2.0]
        """
        unit = canonical_time(unit)
        if unit == self.time_unit:
            return self
        return self.with_doses((dose.in_time(self.time_unit, unit) for dose in self.doses), time_unit=unit)

    def named(self, name: str | None) -> Regimen:
        """Return the same regimen under another name."""
        return self.with_doses(self.doses, name=name)

    def with_doses(self, doses: Iterable[Dose], *, mixed: bool | None = None, **units: Any) -> Regimen:
        """Return a regimen of other doses, all else the same but for ``unit``, ``time_unit`` or ``name`` if given."""
        same: dict[str, Any] = {"unit": self.unit, "time_unit": self.time_unit, "name": self.name}
        made = Regimen(doses=doses, **(same | units))
        object.__setattr__(made, "mixed", self.mixed if mixed is None else mixed)
        return made

    def __str__(self) -> str:
        return doses_text(self.doses, self.unit, self.time_unit)

    def __repr__(self) -> str:
        return doses_repr(self.doses, self.unit, self.time_unit, self.name)

    def _time(self, what: str, given: Any, *, positive: bool = False) -> float:
        return one_time(given, self.time_unit, f"{self._who}: {what}", positive=positive)

    @property
    def _who(self) -> str:
        return f"regimen {self.name!r}" if self.name else "regimen"
