"""Rows of ``doses.csv``: what was given, and the regimens that follow from it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from pkpd.dosing.dose import Dose
from pkpd.dosing.regimen import Regimen
from pkpd.evidence.reading import Row
from pkpd.evidence.values import ReportedDose
from pkpd.evidence.words import INTO
from pkpd.units import conversion
from pkpd.units.time import convert_time

__all__ = ["doses", "is_of_one_drug", "regimen_of"]


def doses(
    rows: Sequence[Row], patients: Collection[str] | None, drugs: Collection[str], start_day: float | None
) -> list[ReportedDose]:
    """Return the rows as values, noting all that is wrong.

    Parameters
    ----------
    rows : sequence of Row
    patients : collection of str or None
        Patients of the report; None if they could not be read.
    drugs : collection of str
        Drugs that the report may name.
    start_day : float or None
        Day before which nothing may be given, if it is known.
    """
    lines: dict[tuple[str, ...], int] = {}
    made: list[ReportedDose] = []
    for row in rows:
        first = lines.setdefault(tuple(row[name] for name in row.cells), row.line)
        if first != row.line:
            row.fault("", f"the same as line {first}", "raise number, or keep one row")
        made.append(_given(row, patients, drugs, start_day))
    return made


def _given(row: Row, patients: Collection[str] | None, drugs: Collection[str], start_day: float | None) -> ReportedDose:
    if patients is not None and row.text("patient", "say who got it") and row["patient"] not in patients:
        row.word("patient", list(patients))
    drug = row.word("drug", list(drugs)) or row["drug"]
    route = row.word("route", list(INTO)) or row["route"]
    row.text("printed", "quote the schedule as printed")
    amt = _needed(row, "amt", "> 0", above=0.0)
    row.converts("unit", "mg", "a dose")
    start = _needed(row, "start", "a day")
    if start is not None and start_day is not None and start < start_day:
        row.fault("start", f"before start_day, {start_day:g}", "move start_day of source.toml to before the first dose")
    number = _needed(row, "number", "a whole number > 0", above=0.0, whole=True)
    interval = row.number("interval", "> 0 h, or empty for one dose", lambda hours: hours > 0)
    if number is not None and number > 1 and not row["interval"]:
        row.fault("interval", f"{number:g} doses need an interval", "give the hours between them", show=False)
    duration = row.number("duration", "> 0 h, or empty for a bolus", lambda hours: hours > 0)
    if duration is not None and route == "IM":
        row.fault("duration", "a dose given IM is no infusion", "leave it empty, or say IV, SC (a pump) or PO")
    known, where, reason = row.origin()
    return ReportedDose(
        patient=row["patient"],
        drug=drug,
        printed=row["printed"],
        amt=amt or 0.0,
        unit=row["unit"],
        route=route,
        start=start or 0.0,
        interval=interval,
        number=int(number or 1),
        duration=duration,
        known=known,
        where=where,
        reason=reason,
    )


def _needed(row: Row, column: str, rule: str, *, above: float | None = None, whole: bool = False) -> float | None:
    """Return a number that must be there."""
    if not row[column]:
        row.fault(column, f"{column} is empty", f"it must be {rule}", show=False)
        return None

    def holds(value: float) -> bool:
        return (above is None or value > above) and (not whole or value == int(value))

    return row.number(column, rule, holds)


def regimen_of(given: Iterable[ReportedDose], start_day: float, prefix: bool, name: str) -> Regimen:
    """Return doses as a regimen in mg, on a clock of hours since ``start_day``.

    Parameters
    ----------
    given : iterable of ReportedDose
    start_day : float
        Day that is time 0.
    prefix : bool
        Whether compartments are those of a composed model, ``anakinra.depot``, or of the drug's own, ``depot``.
    name : str
        Name of the regimen.
    """
    made = [
        Dose(
            one.amt * conversion(one.unit, "mg"),
            f"{one.drug}.{INTO[one.route]}" if prefix else INTO[one.route],
            convert_time(one.start - start_day, "d", "h"),
            tinf=one.duration,
            ii=one.interval if one.number > 1 else None,
            addl=one.number - 1,
        )
        for one in given
    ]
    return Regimen(doses=made, unit="mg", name=name)


def is_of_one_drug(states: Collection[str], drugs: Collection[str]) -> bool:
    """Tell a model of one drug alone, whose compartments ``depot`` and ``central`` carry no drug's name.

    Examples
    --------
    >>> is_of_one_drug(["depot", "central"], ["anakinra"]), is_of_one_drug(["anakinra.depot"], ["anakinra"])
    (True, False)
    """
    named = any(state.startswith(f"{drug}.") for state in states for drug in drugs)
    return not named and not {*INTO.values()}.isdisjoint(states)
