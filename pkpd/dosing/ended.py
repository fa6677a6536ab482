"""What a dose at steady state (SS=1) ends: it begins all compartments anew, so that nothing else goes on past it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pkpd.dosing.amounts import shortest
from pkpd.dosing.dose import Dose, count_before
from pkpd.dosing.record import NEAR
from pkpd.units.time import convert_time

__all__ = ["amount_given", "ended_by", "ended_within", "ends_of", "one_by_one", "together", "without_ended"]


def without_ended(doses: Sequence[Dose], time_unit: str) -> tuple[Dose, ...]:
    """Return records with the additional doses only that no later record at steady state ends.

    Parameters
    ----------
    doses : sequence of Dose
        In order of time.

    Examples
    --------
    >>> kept = without_ended([Dose(100, ii=12, addl=5, ss=1), Dose(50, time=36, ii=12, addl=1, ss=1)], "h")
    >>> [dose.addl for dose in kept]
    [2, 1]
    """
    times = np.array([dose.time for dose in doses])
    ends = ends_of(np.array([_anew(dose) for dose in doses], bool), times, time_unit)
    return tuple(
        replace(dose, addl=max(count_before(end, dose.time, dose.ii, dose.addl + 1) - 1, 0))
        if dose.addl and end < np.inf
        else dose
        for dose, end in zip(doses, ends.tolist(), strict=True)
    )


def ends_of(anew: np.ndarray, time: np.ndarray, time_unit: str) -> np.ndarray:
    """Return from when on the doses of each record are ended by the next record behind it at steady state (SS=1).

    Parameters
    ----------
    anew : bool array, (records,)
        Whether a record begins all compartments anew.
    time : float array, (records,)
    time_unit : str

    Returns
    -------
    float array, (records,)
        Inf where there is no such record.
    """
    rows = np.flatnonzero(anew)
    following = np.searchsorted(rows, np.arange(len(anew)), side="right")
    return np.append(time[rows], np.inf)[following] - convert_time(NEAR, "h", time_unit)


def one_by_one(doses: Sequence[Dose], time_unit: str) -> list[Dose]:
    """Return all doses that are given, each by itself, in order of time."""
    singles = (single for dose in without_ended(doses, time_unit) for single in dose.expand() if single.gives)
    return sorted(singles, key=lambda dose: dose.time)


def amount_given(doses: Sequence[Dose], time_unit: str) -> float:
    """Return the sum of all amounts that are given."""
    return float(sum(dose.amt * (dose.addl + 1) for dose in without_ended(doses, time_unit) if dose.gives))


def together(one: Sequence[Dose], other: Sequence[Dose]) -> list[Dose]:
    """Return the records of two regimens that are both given, in order of time.

    Each keeps its order. Where one begins at steady state, it comes first at that time: what the other gives then is
    added to it, not ended by it.

    Examples
    --------
    >>> [dose.ss for dose in together([Dose(100, "depot")], [Dose(50, "central", ii=12, ss=1)])]
    [1, 0]
    """
    first = {dose.time for dose in other if _anew(dose)} - {dose.time for dose in one if _anew(dose)}
    marked = [(dose.time, 1, dose) for dose in one]
    marked += [(dose.time, 0 if dose.time in first else 2, dose) for dose in other]
    return [dose for *_, dose in sorted(marked, key=lambda each: each[:2])]


def ended_by(steady: Sequence[Dose], given: Sequence[Dose], time_unit: str) -> str:
    """Say what records at steady state would end of other doses that are given as well; an empty text for nothing.

    Doses into the same compartment that are all given before are no loss: the steady state takes their place. A record
    that resets (EVID 4) is meant to end what was.
    """
    near = convert_time(NEAR, "h", time_unit)
    for dose in steady:
        if not _anew(dose) or dose.evid == 4:
            continue
        for each in given:
            earlier = each.gives and each.time < dose.time - near
            at_once = _anew(each) and abs(each.time - dose.time) <= near
            if at_once or (earlier and (_place(each) != _place(dose) or each.last_time >= dose.time - near)):
                return (
                    f"the dose at steady state (ss=1) at {shortest(dose.time)} {time_unit} begins all compartments "
                    f"anew, and ends the doses that are given from {shortest(each.time)} {time_unit} on"
                )
    return ""


def ended_within(doses: Sequence[Dose], time_unit: str) -> str:
    """Say what a record at steady state ends of the records before it; an empty text for nothing."""
    found = (ended_by([dose], doses[:k], time_unit) for k, dose in enumerate(doses) if _anew(dose))
    return next((text for text in found if text), "")


def _anew(dose: Dose) -> bool:
    return dose.gives and dose.ss == 1


def _place(dose: Dose) -> object:
    return dose.route if dose.cmt is None else dose.cmt
