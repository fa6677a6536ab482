"""One dose, in NONMEM's words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from pkpd.dosing.record import COUNTABLE, Compartment
from pkpd.dosing.words import canonical_route
from pkpd.errors import RegimenError
from pkpd.units.time import convert_time

__all__ = ["Dose", "check_fields", "count_before"]

MODELLED = {
    "modelled": -1.0,
    "modeled": -1.0,
    "modelled rate": -1.0,
    "modeled rate": -1.0,
    "modelled duration": -2.0,
    "modeled duration": -2.0,
}
EVIDS = (1, 2, 3, 4, 8)


@dataclass(frozen=True, slots=True, init=False)
class Dose:
    """One dose record: an amount into a compartment at a time, perhaps infused, repeated or at steady state.

    Parameters
    ----------
    amt : float
        Amount, > 0, in the unit of the compartment. A constant infusion at steady state (``ss=1``, ``rate > 0``, no
        ``ii``) has none: 0 if it ends at its time, as NONMEM's record does, ``inf`` if it goes on. 0 also for ``evid``
        2, 3 and 8.
    cmt : str or int, optional
        Name of the state, or its 1-based number; the model's first state by default.
    time : float
        Time of the (first) dose, on the clock of the regimen that it is in: h unless that says otherwise.
    rate : float or str, optional
        Infusion rate, amount per h (per unit of the regimen's clock); ``"modelled"`` (or -1) and ``"modelled
        duration"`` (or -2) leave rate or duration to the model; 0 is a bolus.
    tinf : float, optional
        Duration of the infusion, instead of ``rate``: ``rate = amt / tinf``.
    ii : float, optional
        Interval between doses.
    addl : int
        Additional doses after the first, ``ii`` apart.
    ss : int
        1: the system is brought to steady state of this dose every ``ii``; 2: as 1, added to what is there.
    evid : int
        1 dose, 2 other, 3 reset, 4 reset and dose, 8 replace the amount in the compartment.
    route : str, optional
        ``"IV"``, ``"SC"``, ``"IM"``, ``"PO"``: decides the compartment where ``cmt`` does not, and must not contradict
        it; see `pkpd.dosing.routes.place_of`.

    Raises
    ------
    RegimenError
        If the dose cannot be given as written; every reason is named.

    Examples
    --------
    >>> Dose(100, "depot", ii=24, addl=6)
    Dose(100, 'depot', ii=24, addl=6)
    >>> Dose(100, "central", tinf=2).rate
    50.0
    >>> Dose(-5)
    Traceback (most recent call last):
    pkpd.errors.RegimenError: dose: amt must be > 0, got -5.0
    """

    amt: float
    cmt: Compartment
    time: float
    rate: float
    ii: float
    addl: int
    ss: int
    evid: int
    route: str | None

    def __init__(
        self,
        amt: float,
        cmt: Compartment = None,
        time: float = 0.0,
        *,
        rate: float | str | None = None,
        tinf: float | None = None,
        ii: float | None = None,
        addl: int = 0,
        ss: int = 0,
        evid: int = 1,
        route: str | None = None,
    ) -> None:
        fields, wrong = check_fields(
            dict(  # noqa: C408
                amt=amt, cmt=cmt, time=time, rate=rate, tinf=tinf, ii=ii, addl=addl, ss=ss, evid=evid, route=route
            )
        )  # fmt: skip
        if wrong:
            raise RegimenError(f"dose: {'; '.join(wrong)}")
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        parts = [_short(self.amt)]
        if self.cmt is not None:
            parts.append(repr(self.cmt))
        defaults = {"time": 0.0, "rate": 0.0, "ii": 0.0, "addl": 0, "ss": 0, "evid": 1}
        parts += [f"{n}={_short(getattr(self, n))}" for n, default in defaults.items() if getattr(self, n) != default]
        parts += [f"route={self.route!r}"] if self.route else []
        return f"Dose({', '.join(parts)})"

    @property
    def tinf(self) -> float | None:
        """Duration of the infusion; None for a bolus, a modelled infusion and a constant infusion."""
        return self.amt / self.rate if self.rate > 0 and 0 < self.amt < math.inf else None

    @property
    def gives(self) -> bool:
        """Whether something is given (``evid`` 1 or 4)."""
        return self.evid in (1, 4)

    @property
    def last_time(self) -> float:
        """Time of the last dose of the record, ``time + addl * ii``."""
        return self.time + self.addl * self.ii

    @property
    def times(self) -> np.ndarray:
        """Times of all doses of the record, shape (addl + 1,).

        Examples
        --------
        >>> Dose(100, ii=12, addl=2).times.tolist()
        [0.0, 12.0, 24.0]
        """
        return self.time + np.arange(self.addl + 1) * self.ii

    def start(self, time_unit: str) -> float:
        """Return the time at which the engine begins with the record.

        A constant infusion that goes on was running before its time as well: it begins a moment (0.001 h) earlier, so
        that what is observed at that time sees it.
        """
        return self.time - convert_time(1e-3, "h", time_unit) if self.amt == math.inf else self.time

    def expand(self) -> tuple[Dose, ...]:
        """Return the same doses one by one; only the first resets (``evid`` 4) or is at steady state.

        Examples
        --------
        >>> Dose(100, ii=12, addl=1).expand()
        (Dose(100, ii=12), Dose(100, time=12, ii=12))
        """
        if not self.addl:
            return (self,)
        first = replace(self, addl=0)
        later = replace(first, ss=0, evid=1)
        return (first, *(replace(later, time=float(t)) for t in self.times[1:]))

    def shift(self, time: float) -> Dose:
        """Return the dose given some time later (earlier if negative)."""
        return replace(self, time=self.time + time)

    def in_time(self, unit: str, to: str) -> Dose:
        """Return the dose on another clock: times, interval and rate in another unit of time.

        Examples
        --------
        >>> Dose(100, time=36, rate=10, ii=24, addl=2).in_time("h", "d")
        Dose(100, time=1.5, rate=240, ii=1, addl=2)
        """
        rate = convert_time(self.rate, to, unit) if self.rate > 0 else self.rate
        return replace(self, time=convert_time(self.time, unit, to), rate=rate, ii=convert_time(self.ii, unit, to))

    def scale(self, factor: float) -> Dose:
        """Return the dose with its amount and its given rate multiplied, so that an infusion keeps its duration."""
        rate = self.rate * factor if self.rate > 0 else self.rate
        return replace(self, amt=self.amt * factor, rate=rate)

    def convert(self, ratio: Fraction) -> Dose:
        """Return the dose with amount and rate multiplied by a ratio of whole numbers, so that each is rounded once."""
        up, down = ratio.numerator, ratio.denominator
        return replace(self, amt=self.amt * up / down, rate=self.rate * up / down if self.rate > 0 else self.rate)

    def before(self, time: float) -> tuple[Dose, ...]:
        """Return what starts before a time; a constant infusion at steady state that goes on ends there.

        Examples
        --------
        >>> Dose(float("inf"), rate=8, ss=1).before(3)
        (Dose(0, rate=8, ss=1), Dose(24, rate=8))
        """
        kept = self.until(time)
        if kept is None or self.amt < math.inf:
            return () if kept is None else (kept,)
        steady = replace(self, amt=0.0)
        return (steady, replace(steady, amt=self.rate * (time - self.time), ss=0, evid=1))

    def until(self, time: float) -> Dose | None:
        """Return the record with only the doses that start before a time, or None if there are none."""
        n = count_before(time, self.time, self.ii, self.addl + 1)
        return replace(self, addl=n - 1) if n else None


def count_before(time: float, start: float, every: float, n: int) -> int:
    """Count which of the n times ``start + k * every`` lie before a time.

    Examples
    --------
    >>> count_before(48, 0, 24, 7), count_before(48.1, 0, 24, 7), count_before(0, 0, 24, 7)
    (2, 3, 0)
    """
    if every <= 0 or n <= 1:
        return n if start < time else 0
    k = min(max(math.ceil((time - start) / every), 0), n)
    # The division rounds; the comparison with the times themselves decides.
    while k > 0 and start + (k - 1) * every >= time:
        k -= 1
    while k < n and start + k * every < time:
        k += 1
    return k


def check_fields(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of a dose as plain numbers, and all that is wrong with them.

    Parameters
    ----------
    given : mapping
        The arguments of `Dose`, by name.

    Returns
    -------
    fields : dict
        ``amt cmt time rate ii addl ss evid route``.
    wrong : list of str
        What is wrong, empty if nothing is.
    """
    wrong: list[str] = []
    forever = _goes_on(given)
    amt = math.inf if forever else _number("amt", given["amt"], wrong)
    time = _number("time", given["time"], wrong)
    ii = _number("ii", 0.0 if given["ii"] is None else given["ii"], wrong)
    addl, ss, evid = (_whole(name, given[name], wrong) for name in ("addl", "ss", "evid"))
    if evid not in EVIDS and not wrong:
        wrong.append(f"evid must be 1, 2, 3, 4 or 8, got {evid}")
    rate = _rate(given["rate"], given["tinf"], amt, wrong)
    cmt = _compartment(given["cmt"], wrong)
    fields = {"amt": amt, "cmt": cmt, "time": time, "rate": rate, "ii": ii, "addl": addl, "ss": ss, "evid": evid}
    try:
        fields["route"] = canonical_route(given["route"])
    except RegimenError as error:
        wrong.append(str(error))
    if not wrong:
        wrong = _contradictions(fields)
    return fields, wrong


def _contradictions(f: Mapping[str, Any]) -> list[str]:
    """Say which fields of a dose do not go together."""
    amt, rate, ii, addl, ss, evid = (f[name] for name in ("amt", "rate", "ii", "addl", "ss", "evid"))
    wrong: list[str] = []
    endless = amt == math.inf and ss == 1 and rate > 0
    constant = ii == 0 and (endless or (amt == 0 and ss in (1, 2) and (rate > 0 or rate == -1.0)))
    if evid in (1, 4):
        if not constant and amt <= 0:
            wrong.append(f"amt must be > 0, got {amt!r}")
    elif amt < 0:
        wrong.append(f"amt must be >= 0, got {amt!r}")
    elif evid != 8 and amt > 0:
        wrong.append(f"amt must be 0 with evid {evid}, which gives nothing, got {amt!r}")
    if evid not in (1, 4) and (rate or addl or ss):
        wrong.append(f"rate, tinf, addl and ss go with evid 1 or 4 only, got evid {evid}")
    if ii < 0:
        wrong.append(f"ii must be >= 0 h, got {ii!r}")
    if not 0 <= addl < COUNTABLE:
        wrong.append(f"addl must be {'>= 0' if addl < 0 else 'a number that can be counted'}, got {addl}")
    if addl > 0 and ii == 0:
        wrong.append(f"addl={addl} needs the interval between doses: give ii > 0 h")
    if ss not in (0, 1, 2):
        wrong.append(f"ss must be 0, 1 or 2, got {ss}")
    elif ss and ii == 0 and not constant:
        wrong.append(f"ss={ss} needs ii > 0 h (without ii only for a constant infusion: ss=1, amt=0, rate > 0)")
    return wrong


def _goes_on(given: Mapping[str, Any]) -> bool:
    """Whether a dose is a constant infusion at steady state that does not end."""
    rate, amt = given["rate"], given["amt"]
    endless = isinstance(amt, float) and amt == math.inf and isinstance(rate, int | float | np.number)
    return endless and float(rate) > 0 and given["ss"] == 1 and not given["ii"] and given["evid"] in (1, 4)


def _rate(rate: Any, tinf: Any, amt: float, wrong: list[str]) -> float:
    """Return the rate that ``rate`` or ``tinf`` asks for: 0 for a bolus, -1 or -2 for a modelled infusion."""
    if rate is not None and tinf is not None:
        wrong.append(f"rate and tinf are both given (rate={rate!r}, tinf={tinf!r}); give one of them")
        return 0.0
    if tinf is not None:
        duration = _number("tinf", tinf, wrong)
        if not duration > 0:
            wrong.append(f"tinf must be > 0 h, got {tinf!r}; leave it out for a bolus")
            return 0.0
        return amt / duration
    if isinstance(rate, str):
        if rate.lower() not in MODELLED:
            wrong.append(f"rate must be a number, 'modelled' or 'modelled duration', got {rate!r}")
        return MODELLED.get(rate.lower(), 0.0)
    value = 0.0 if rate is None else _number("rate", rate, wrong)
    if value < 0 and value not in (-1.0, -2.0):
        wrong.append(f"rate must be > 0 (or -1: modelled rate, -2: modelled duration), got {rate!r}")
    return value


def _number(name: str, value: Any, wrong: list[str]) -> float:
    """Return a finite float; note it in ``wrong`` if the value is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        wrong.append(f"{name} must be a number, got {value!r}")
        return 0.0
    if not math.isfinite(number) or isinstance(value, str):
        wrong.append(f"{name} must be a finite number, got {value!r}")
        return 0.0
    return number


def _whole(name: str, value: Any, wrong: list[str]) -> int:
    """Return an int; note it in ``wrong`` if the value is not whole."""
    number = _number(name, value, wrong)
    if number != int(number):
        wrong.append(f"{name} must be a whole number, got {value!r}")
    return int(number)


def _compartment(cmt: Any, wrong: list[str]) -> Compartment:
    """Return a state's name, its number >= 1, or None for the first state."""
    if cmt is None or (isinstance(cmt, str) and cmt.strip()):
        return cmt
    if isinstance(cmt, int | np.integer) and not isinstance(cmt, bool) and cmt >= 1:
        return int(cmt)
    wrong.append(f"cmt must be the name of a state or its number from 1, got {cmt!r}")
    return None


def _short(value: float) -> str:
    """Write a whole float without its ``.0``."""
    return repr(value).removesuffix(".0")
