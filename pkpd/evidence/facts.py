"""Rows of ``facts.csv``: what was reported, checked by kind."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pkpd.errors import nearest
from pkpd.evidence.kinds import FactKind, fact_kinds
from pkpd.evidence.reading import Row, to_number
from pkpd.evidence.values import Fact
from pkpd.evidence.words import GRADE, MEANS, OPERATORS, USES

__all__ = ["Scope", "check_marker", "check_value_unit", "facts"]


@dataclass(frozen=True)
class Scope:
    """What the facts of a report may speak of.

    Attributes
    ----------
    patients : collection of str or None
        None if they could not be read.
    markers : mapping of str to str
        Markers that models have outputs for, and their units.
    start_day : float or None
        Day before which there is nothing, if it is known.
    """

    patients: Collection[str] | None
    markers: Mapping[str, str]
    start_day: float | None


def facts(rows: Sequence[Row], scope: Scope) -> list[Fact]:
    """Return the rows as values, noting all that is wrong."""
    made: list[Fact] = []
    lines: dict[str, int] = {}
    for row in rows:
        name = row.text("fact", "give it a name of its own, such as p1_marker_peak")
        first = lines.setdefault(name, row.line)
        if name and first != row.line:
            row.fault("fact", f"line {first} has the same name", "names are unique within a report")
        made.append(_fact(row, name, scope))
    return made


def _fact(row: Row, name: str, scope: Scope) -> Fact:
    word = (
        row.word("kind", fact_kinds(), more="; one of your own is known once its file, or the study, is loaded") or ""
    )
    kind = fact_kinds().get(word)
    use = row.word("use", USES) or ""
    op = row.word("op", OPERATORS, optional=True) or ""
    if row["patient"] and scope.patients is not None:
        row.word("patient", list(scope.patients))
    check_marker(row, kind, use, scope.markers)
    time, time_to, at = _window(row, kind, scope.start_day)
    value, value_to, text = _values(row, kind)
    _check_fit(row, kind, use)
    _check_unit(row, kind, scope.markers)
    sd = row.number("reading_sd", "from 0 to 1, relative", lambda number: 0 <= number <= 1)
    known, where, reason = row.origin(refused=f"use is {use}" if use in ("check", "no") else "")
    return Fact(
        fact=name,
        patient=row["patient"],
        marker=row["marker"],
        kind=word,
        time=time,
        time_to=time_to,
        at=at,
        op=op,
        printed=row["printed"],
        printed_unit=row["printed_unit"],
        value=value,
        value_to=value_to,
        unit=row["unit"],
        reading_sd=sd or 0.0,
        use=use,
        known=known,
        where=where,
        reason=reason,
        text=text,
    )


def check_marker(row: Row, kind: FactKind | None, use: str, markers: Mapping[str, str]) -> None:
    """Note a marker that is only spelt otherwise than one that is known; others are those of one's own models."""
    marker = row.text("marker", "say what was measured or what happened")
    if not marker or marker in markers:
        return
    plain = {_plain(known): known for known in markers}
    if _plain(marker) in plain:
        row.fault("marker", f"this marker is called '{plain[_plain(marker)]}'")
    elif use == "fit" and (kind is None or kind.fitted) and (hint := nearest(marker, markers)):
        listed = f"models have {', '.join(markers)}{hint}"
        row.fault("marker", "no model output", f"{listed}; further ones go under [markers] in source.toml")


def _window(
    row: Row, kind: FactKind | None, start_day: float | None
) -> tuple[float | None, float | None, float | None]:
    """Return the days of a fact, noting those before the start and in the wrong order."""
    days = {column: row.number(column) for column in ("time", "time_to", "at")}
    for column, day in days.items():
        if day is not None and start_day is not None and day < start_day:
            row.fault(column, f"before start_day, {start_day:g}", "move start_day of source.toml, or mend the day")
    time, time_to, at = days["time"], days["time_to"], days["at"]
    if time is not None and time_to is not None and time_to < time:
        row.fault("time_to", f"before time, {time:g}", "a window runs from time to time_to")
    if at is not None and kind is not None and kind.shape != "extreme":
        takers = " and ".join(f"{word}s" for word, each in fact_kinds().items() if each.shape == "extreme")
        row.fault("at", f"a fact of kind {row['kind']} has no day 'at'", f"leave it empty; 'at' is for {takers}")
    elif at is not None:
        low, high = (time if time is not None else at), (time_to if time_to is not None else at)
        if not low <= at <= high:
            row.fault("at", f"outside the window, {low:g} to {high:g}", "widen the window, or mend the day")
    return time, time_to, at


def _values(row: Row, kind: FactKind | None) -> tuple[float | None, float | None, str]:
    """Return value, value_to and the text that stands for a value."""
    if kind is not None and not kind.fitted:
        number = to_number(row["value"])
        return number, row.number("value_to"), "" if number is not None else row["value"]
    rule, holds = ("", None) if kind is None or kind.rule is None else kind.rule
    value, value_to = (row.number(column, rule, holds) for column in ("value", "value_to"))
    if value is not None and value_to is not None and value_to < value:
        row.fault("value_to", f"below value, {value:g}", "a range runs from value to value_to")
    return value, value_to, ""


def _check_fit(row: Row, kind: FactKind | None, use: str) -> None:
    """Note what a fact that is to be fitted lacks, and what it says that no likelihood would know of."""
    if use != "fit":
        return
    word = row["kind"]
    if kind is not None and not kind.fitted:
        row.fault("use", f"a fact of kind {word} has no likelihood", "allowed: check, no")
        return
    if not row["patient"]:
        row.fault("patient", "a fact to fit needs a patient", "use is check or no for a cohort", show=False)
    if kind is None:
        return
    for column in kind.needs:
        if not row[column]:
            row.fault(column, f"a {word} to fit needs {column}", "give it, or let use be check or no", show=False)
    for column, what in MEANS.items():
        if row[column] and column not in (*kind.needs, *kind.also):
            row.fault(column, f"a {word} to fit has no {column}, {what}", "leave it empty, or let use be check or no")
    if kind.takes == "grade" and row["reading_sd"]:
        row.fault("reading_sd", f"a {word} to fit has no reading_sd, which is relative", "leave it empty")


def _check_unit(row: Row, kind: FactKind | None, markers: Mapping[str, str]) -> None:
    """Note a unit that is missing, or in which the marker cannot be told."""
    if kind is None or not kind.fitted:
        return
    if not kind.has_unit:
        if row["unit"] not in ("", "1", GRADE):
            row.fault("unit", f"a {row['kind']} has no unit", "leave it empty")
        return
    if row["value"] or row["unit"]:
        check_value_unit(row, markers)


def check_value_unit(row: Row, markers: Mapping[str, str]) -> None:
    """Note a unit of values that is missing, or in which the marker cannot be told."""
    unit = markers.get(row["marker"])
    if not row["unit"] and unit != "":
        row.fault("unit", "unit is empty", f"allowed: what converts to {unit}" if unit else "name one", show=False)
    elif unit is not None and row["unit"]:
        row.converts("unit", unit, row["marker"])
    elif row["unit"]:
        row.reads("unit")


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
