"""Dosing intervals of one regimen that the observation times cover."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace

import numpy as np

from pkpd.dosing.interval import Cycle, dosing_cycle
from pkpd.errors import RegimenError

__all__ = ["Doses", "Schedule", "plan"]

Span = tuple[float, float]
_UNKNOWN = Cycle()


@dataclass(frozen=True)
class Doses:
    """Doses of one regimen, one entry per distinct time.

    Attributes
    ----------
    time : ndarray, shape (n,)
        Increasing dose times, in the unit of the observation times.
    amt : ndarray, shape (n,)
        Total amount given at each time; NaN where it is not known.
    cycle : Cycle
        How the doses go on after the last one.
    steady : ndarray of bool, shape (n,)
        Doses in steady state: the same was given before them, for ever.
    resets : ndarray
        Times at which all compartments begin anew.
    cmt : tuple of str
        Compartments that are dosed.
    unit : str
        Unit of the amounts; empty where it is not known or differs between doses.
    """

    time: np.ndarray
    amt: np.ndarray
    cycle: Cycle = _UNKNOWN
    steady: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    resets: np.ndarray = field(default_factory=lambda: np.zeros(0))
    cmt: tuple[str, ...] = ()
    unit: str = ""

    @classmethod
    def of(
        cls, time: np.ndarray, amt: np.ndarray, ii: np.ndarray, ss: np.ndarray, resets: np.ndarray,
        cmt: tuple[str, ...] = (), unit: str = "",
    ) -> Doses:  # fmt: skip
        """Return doses from lists with one entry a dose, in order of time."""
        distinct, which = np.unique(time, return_inverse=True)
        total = np.bincount(which, weights=amt, minlength=len(distinct))
        steady = np.zeros(len(distinct), bool)
        np.logical_or.at(steady, which, ss > 0)
        return cls(distinct, total, dosing_cycle(time, amt, ii), steady, resets, cmt, unit)

    def with_amount(self, amt: float) -> Doses:
        """Return the same doses with one amount for each, without a unit."""
        return replace(self, amt=np.full(len(self.time), amt), unit="")

    def begins_steady(self, at: float, slack: float) -> bool:
        """Return whether a dose in steady state is given at a time."""
        return bool(len(self.steady)) and bool((self.steady & (np.abs(self.time - at) <= slack)).any())


@dataclass(frozen=True)
class Schedule:
    """Which dosing intervals are observed.

    Attributes
    ----------
    first, last : tuple of (float, float), or None
        Start and end of the first and the last interval within the observation times; ``first`` only where an
        accumulation can be computed.
    spans : tuple of (float, float)
        All dosing intervals within the observation times.
    dose : float
        Amount given in the last interval; NaN where it is not known.
    total : float
        Amount given by all doses before the last observation time.
    lone : float or None
        Time of the dose, where the regimen is one dose and not in steady state.
    status : int
        Index into ``FLAGS["interval_status"]``.
    steady : bool
        The last interval begins with a dose in steady state.
    late : bool
        A dose was given before the first observation time.
    doses : Doses or None
        What is given.
    """

    first: Span | None = None
    last: Span | None = None
    spans: tuple[Span, ...] = ()
    dose: float = np.nan
    total: float = np.nan
    lone: float | None = None
    status: int = 2
    steady: bool = False
    late: bool = False
    doses: Doses | None = field(default=None, repr=False)

    @property
    def begins_anew(self) -> bool:
        """Whether a reset takes away what is left of the doses before it."""
        return self.doses is not None and bool((self.doses.resets > self.doses.time[0]).any())

    @property
    def shape(self) -> tuple[object, ...]:
        """What persons with other amounts, but the same times, have in common."""
        times = b"" if self.doses is None else self.doses.time.tobytes()
        flags = self.steady, self.late, self.begins_anew
        return self.first, self.last, self.spans, self.lone, self.status, *flags, times


def plan(name: str, observed: np.ndarray, doses: Doses | None, tau: float | None) -> Schedule:
    """Find the first and the last dosing interval that the observation times cover.

    An interval runs from a dose to the next one; after the last dose, and where several doses make a cycle, as
    `dosing_cycle` says. With `tau`, each runs from a dose for `tau`; without doses they start at the first observation.

    Parameters
    ----------
    name : str
        Regimen, for error texts.
    observed : ndarray, shape (n,)
        Increasing observation times.
    doses : Doses or None
        What is given.
    tau : float or None
        Length of an interval, in the unit of `observed`.

    Raises
    ------
    RegimenError
        If `tau` is not a positive finite number.
    """
    if tau is not None and not (np.isfinite(tau) and tau > 0):
        raise RegimenError(f"regimen '{name}': tau must be finite and > 0, got {tau}")
    begin, end = float(observed[0]), float(observed[-1])
    slack = 1e-9 * max(1.0, abs(begin), abs(end))
    if doses is None:
        if tau is None:
            return Schedule()
        count = max(int((end - begin + slack) // tau), 1)
        doses = Doses(begin + tau * np.arange(count), np.full(count, np.nan))
    counted = doses.time < end - slack
    lone = len(doses.time) == 1 and not doses.steady.any()
    basis = Schedule(
        total=float(doses.amt[counted].sum()) if counted.any() else np.nan,
        lone=float(doses.time[0]) if lone else None,
        late=bool(doses.time[0] < begin - slack),
        doses=doses,
    )
    every = _without_resets(_intervals(doses, tau, slack), doses.resets, slack)
    if not every:
        return basis
    covered = [span for span in every if span[0] >= begin - slack and span[1] <= end + slack]
    if not covered:
        return Schedule(total=basis.total, lone=basis.lone, late=basis.late, doses=doses, status=3)
    first, last = covered[0], covered[-1]
    given = [float(doses.amt[(doses.time >= a - slack) & (doses.time < b - slack)].sum()) for a, b in (first, last)]
    steady = doses.begins_steady(last[0], slack)
    status = _status(doses, every, first, last, given, slack)
    return Schedule(
        first if status == 0 else None, last, tuple(covered), given[1], basis.total, basis.lone, status, steady,
        basis.late, doses,
    )  # fmt: skip


def _status(doses: Doses, every: list[Span], first: Span, last: Span, given: list[float], slack: float) -> int:
    """Return whether the last interval can be compared with the first one."""
    if doses.begins_steady(every[0][0], slack):
        return 8
    if first != every[0]:
        return 5
    if first == last:
        return 4
    same = any(math.isnan(amt) for amt in given) or math.isclose(given[0], given[1], rel_tol=1e-9)
    return 0 if same and math.isclose(first[1] - first[0], last[1] - last[0], rel_tol=1e-9) else 6


def _intervals(doses: Doses, tau: float | None, slack: float) -> list[Span]:
    """Return all dosing intervals in order."""
    time = doses.time
    if tau is not None:
        return [(float(t), float(t) + tau) for t in time]
    length = doses.cycle.length
    if not length:
        return [(float(a), float(b)) for a, b in itertools.pairwise(time)]
    last = float(time[-1])
    start = float(time[time > last - length + slack][0])
    starts, end = [start], start + length
    while True:  # earlier cycles begin a whole number of lengths before, where doses stand
        near = time[np.abs(time - (start - len(starts) * length)) <= slack]
        if not len(near):
            break
        starts.append(float(near[0]))
    starts.reverse()
    lead = [float(t) for t in time[time < starts[0] - slack]]
    borders = [*lead, *starts, end]
    return list(itertools.pairwise(borders))


def _without_resets(spans: list[Span], resets: np.ndarray, slack: float) -> list[Span]:
    """Leave out intervals in which the compartments begin anew."""
    if not len(resets):
        return spans
    return [s for s in spans if not ((resets > s[0] + slack) & (resets < s[1] - slack)).any()]
