"""Curves read off figures: rows of ``curves/curves.csv`` and their files, as facts with a reading error."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pkpd.errors import UnitError, nearest
from pkpd.evidence.digitiser import Series, is_date, read_export
from pkpd.evidence.facts import Scope, check_marker, check_value_unit
from pkpd.evidence.faults import SeedFault
from pkpd.evidence.reading import Row, Sink, to_number
from pkpd.evidence.superseded import days_of_curves
from pkpd.evidence.values import Fact, ReportedCurve
from pkpd.evidence.words import CURVES, GRADE, TIME_UNITS, USES
from pkpd.files import is_file_at
from pkpd.units import conversion

__all__ = ["CurveReader", "curves_of_folder", "exports_of", "row_of_arguments"]

#: without these columns nothing can be said of the points
_AXES = ("marker", "time_unit", "zero", "unit", "reading_sd", "below")
_DECIMALS = "decimals have a point, or in all of the file a comma, and then not all with three digits, as of thousands"
_REASON = "read off a figure with a digitiser"
_MOST = 1e100
_SIGNED = ("temperature", "activity")
_LOG10 = "log10 "
#: a measured course has fewer points a day; a line that a digitiser traced has more
_MOST_A_DAY = 8
_ENOUGH = 20
#: how far a grade may lie off a whole number
_OFF = 0.25
_SD = re.compile(r"(\S+)(?:\s+(\S.*))?")


@dataclass
class CurveReader:
    """Reads one curve after another and knows those that were read before.

    Attributes
    ----------
    scope : Scope
        What the report may speak of.
    faults : list of SeedFault
        Gets what is wrong.
    curves : list of ReportedCurve
    points : list of Fact
        All points, curve by curve in the order of time.
    taken : collection of str
        Names of other facts.
    """

    scope: Scope
    faults: list[SeedFault]
    curves: list[ReportedCurve] = field(default_factory=list)
    points: list[Fact] = field(default_factory=list)
    taken: Collection[str] = ()
    _lines: dict[str, int] = field(default_factory=dict)
    _exports: dict[Path, list[Series] | None] = field(default_factory=dict)

    def read(self, row: Row, path: Path, file: str) -> None:
        """Add the curve of a row, whose points stand in ``path``, which faults call ``file``."""
        before = len(self.faults)
        series = self._series(row, path, file)
        of_file = len(self.faults)
        curve = _curve(row, self.scope)
        if first := self._lines.get(curve.name):
            row.fault("file", f"line {first} has this curve already", "keep one row")
        elif any(known.name == curve.name for known in self.curves):
            row.fault("file", f"the evidence has curve '{curve.name}' already", "a file is added once")
        self._lines.setdefault(curve.name, row.line)
        if series is None or any(fault.column in _AXES for fault in self.faults[of_file:]):
            return
        sink = Sink(file, self.faults)
        points = _points(curve, series, self.scope, sink)
        _check_density(curve, points, sink)
        if points:
            self._check_overlap(row, curve, points)
        made = [_fact(curve, k, *point) for k, point in enumerate(sorted(points), start=1)]
        if known := next((fact.fact for fact in made if fact.fact in self.taken), ""):
            row.fault("file", f"there is a fact '{known}' already", "give the file another name")
        if len(self.faults) == before:
            self.curves.append(curve)
            self.points += made

    def _series(self, row: Row, path: Path, file: str) -> Series | None:
        """Return the series that a row means, noting that there is none of its name."""
        if not row["file"]:
            row.fault("file", "file is empty", "name a file of the folder curves/", show=False)
            return None
        if not is_file_at(path):
            beside = exports_of(path.parent)
            listed = f"there is {', '.join(beside) or 'none'}{nearest(path.name, beside)}"
            row.fault("file", "there is no such file", listed)
            return None
        if path not in self._exports:
            self._exports[path] = read_export(path, Sink(file, self.faults))
        found = self._exports[path] or []
        names = [series.name for series in found]
        if len(found) > 1 and not row["series"]:
            row.fault("series", f"the file has {len(found)} series", f"name one of {', '.join(names)}", show=False)
            return None
        if names.count(row["series"]) > 1:
            row.fault("series", f"the file has {names.count(row['series'])} series of this name", "give each its own")
            return None
        if row["series"] and found:
            return None if row.word("series", names) is None else found[names.index(row["series"])]
        return next(iter(found), None)

    def _check_overlap(self, row: Row, curve: ReportedCurve, points: Sequence[tuple[float, float]]) -> None:
        """Note a curve over days of which another one of the same patient and marker is fitted."""
        first, last = min(points)[0], max(points)[0]
        days = days_of_curves(self.points)
        for known in self.curves if curve.use == "fit" else ():
            same = (known.patient, known.marker) == (curve.patient, curve.marker)
            if same and known.name in days and days[known.name][0] < last and first < days[known.name][1]:
                span = "days {:g} to {:g}".format(*days[known.name])
                row.fault("use", f"curve '{known.name}' is fitted for {span} already", "let use of one be check or no")


def row_of_arguments(given: Mapping[str, object], faults: list[SeedFault]) -> Row:
    """Return what a user says of one curve as a row of the table."""
    cells = {name: "" if value is None else str(value).strip() for name, value in given.items()}
    cells |= {"known": "read", "where": cells["where"] or "a figure", "reason": cells["reason"] or _REASON}
    return Row(0, cells, Sink("with_curve", faults))


def curves_of_folder(folder: Path, rows: Sequence[Row], reader: CurveReader) -> None:
    """Read the curves of a seed's folder, noting files of ``curves/`` that no row speaks of."""
    home = folder / CURVES.partition("/")[0]
    for row in rows:
        reader.read(row, home / row["file"], f"{home.name}/{row['file']}")
    named = {row["file"] for row in rows}
    for name in exports_of(home):
        if name not in named:
            what = f"give it a row ('pkpd seeds {folder} --curves' begins one), or take it away"
            Sink(f"{home.name}/{name}", reader.faults).add(None, "", f"no row of {CURVES} speaks of it", None, what)


def exports_of(home: Path) -> list[str]:
    """Return the names of the files of a folder that may hold curves."""
    table = Path(CURVES).name
    found = home.iterdir() if home.is_dir() else ()
    return sorted(path.name for path in found if path.suffix.lower() in (".csv", ".tsv") and path.name != table)


# -- a row


def _curve(row: Row, scope: Scope) -> ReportedCurve:
    if not row["patient"] or scope.patients is not None:
        row.word("patient", list(scope.patients or ()))
    use = row.word("use", USES) or ""
    check_marker(row, None, use, scope.markers)
    _check_unit(row, scope.markers)
    time_unit = row.word("time_unit", TIME_UNITS) or "day"
    below = row.number("below", "> 0", lambda number: number > 0)
    sd, sd_unit = _reading(row)
    known, where, reason = row.origin(refused=f"use is {use}" if use in ("check", "no") else "")
    parts = [row["patient"], row["marker"], Path(row["file"]).stem]
    words = set(_plain(row["series"]).lower().split("_")) - {"", row["patient"].lower(), row["marker"].lower()}
    if words:
        parts.append(row["series"])
    return ReportedCurve(
        name="_".join(_plain(part) for part in parts),
        file=row["file"],
        series=row["series"],
        patient=row["patient"],
        marker=row["marker"],
        time_unit=time_unit,
        zero=row.number("zero") or 0.0,
        unit=row["unit"],
        reading_sd=sd,
        reading_unit=sd_unit,
        below=below,
        use=use,
        known=known,
        where=where,
        reason=reason,
    )


def _check_unit(row: Row, markers: Mapping[str, str]) -> None:
    if row["unit"] == GRADE:
        for column in ("reading_sd", "below"):
            if row[column]:
                row.fault(column, f"grades have no {column}", "leave it empty")
        return
    check_value_unit(replace(row, cells={**row.cells, "unit": _bare(row["unit"])}), markers)


def _reading(row: Row) -> tuple[float, str]:
    """Return the reading error and its unit, which is empty if it is relative."""
    rule = "relative, > 0 and <= 1, or with a unit, such as 0.2 degC: how far a second reading would be off"
    if row["unit"] == GRADE:
        return 0.0, ""
    if not row["reading_sd"]:
        row.fault("reading_sd", "reading_sd is empty", f"it must be {rule}", show=False)
        return 0.0, ""
    found = _SD.fullmatch(row["reading_sd"])
    value, unit = (to_number(found[1]), found[2] or "") if found else (None, "")
    if value is None or value <= 0 or (value > 1 and not unit):
        row.fault("reading_sd", f"reading_sd must be {rule}")
        return 0.0, ""
    if unit and row["unit"].startswith(_LOG10):
        row.fault("reading_sd", "of a logarithm it must be relative", "0.1 in log10 are 0.23")
    elif unit:
        try:
            conversion(unit, row["unit"])
        except UnitError as error:
            row.fault("reading_sd", f"its unit must convert to {row['unit'] or 'a number without a unit'}", str(error))
            return 0.0, ""
    return value, unit


def _bare(unit: str) -> str:
    """Return the unit of the values themselves where the axis has their logarithms."""
    return unit.removeprefix(_LOG10)


def _plain(text: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in text)


# -- its points


def _points(curve: ReportedCurve, series: Series, scope: Scope, sink: Sink) -> list[tuple[float, float]]:
    """Return day and value of each point, noting those that cannot be used."""
    if not series.points:
        sink.add(None, "", f"series '{series.name}' has no point", None, "it needs two columns, time and value")
    dates = [(line, x) for line, x, _ in series.points if is_date(x)]
    if dates:
        also = f" and in {len(dates) - 1} more rows" if len(dates) > 1 else ""
        days = "calibrate the axis with numbers, such as days: the report counts days, not dates"
        sink.add(dates[0][0], "x", f"a date{also}", dates[0][1], days)
        return []
    points: list[tuple[float, float]] = []
    for line, x, y in series.points:
        point, wrong = _point(curve, x, y, scope)
        if point is not None:
            points.append(point)
        else:
            column, problem, remedy = wrong
            sink.add(line, column, problem, x if column == "x" else y, remedy)
    return points


def _point(
    curve: ReportedCurve, x: str, y: str, scope: Scope
) -> tuple[tuple[float, float] | None, tuple[str, str, str]]:
    """Return day and value, or the column that is wrong, what is wrong with it and what to do."""
    right = ("", "", "")
    time, value = to_number(x), to_number(y)
    if time is None or value is None:
        return None, ("x" if time is None else "y", "no number", _DECIMALS)
    day = curve.zero + time * TIME_UNITS[curve.time_unit]
    if scope.start_day is not None and day < scope.start_day:
        early = f"day {day:g} is before start_day, {scope.start_day:g}"
        return None, ("x", early, "mend zero, or start_day of source.toml")
    if curve.unit.startswith(_LOG10):
        value = 10.0 ** min(value, 300.0)
    if not (math.isfinite(day) and value < _MOST):
        return None, ("x" if not math.isfinite(day) else "y", "more than any axis has", "mend the axis or the unit")
    if curve.below is not None and value <= curve.below:
        return (day, value), right
    if curve.unit == GRADE:
        grade = round(value)
        good = abs(value - grade) <= _OFF and grade in (0, 1, 2, 3, 4)
        return ((day, float(grade)) if good else None), ("y", "no grade from 0 to 4", "read it again")
    if value <= 0 and curve.marker not in _SIGNED:
        return None, ("y", "value must be > 0", "give below, the limit of quantification, or leave the point out")
    if _relative(curve, value) > 1:
        wide = f"the reading error, {curve.reading_sd:g} {curve.reading_unit}, is more than the value"
        return None, ("y", wide, "give below, a limit of no less than that")
    return (day, value), right


def _check_density(curve: ReportedCurve, points: Sequence[tuple[float, float]], sink: Sink) -> None:
    """Note a traced line: each of its points would count as a measurement."""
    if not points or curve.time_unit not in ("day", "week"):
        return
    days = max(points)[0] - min(points)[0]
    if len(points) > max(_ENOUGH, _MOST_A_DAY * days):
        remedy = "export the measured points alone: each point counts as a measurement"
        sink.add(None, "", f"{len(points)} points in {days:.3g} days are a traced line", None, remedy)


def _relative(curve: ReportedCurve, value: float) -> float:
    """Return the standard deviation of reading relative to a value."""
    if not curve.reading_unit:
        return curve.reading_sd
    size = curve.reading_sd * conversion(curve.reading_unit, curve.unit)
    return size / abs(value) if value else math.inf


def _fact(curve: ReportedCurve, number: int, day: float, value: float) -> Fact:
    censored = curve.below is not None and value <= curve.below
    graded = curve.unit == GRADE
    printed = math.log10(value) if curve.unit.startswith(_LOG10) else value
    return Fact(
        fact=f"{curve.name}_{number}",
        patient=curve.patient,
        marker=curve.marker,
        kind="below" if censored else "grade" if graded else "value",
        time=day,
        time_to=None,
        at=None,
        op="",
        printed=f"{printed:.4g}",
        printed_unit=curve.unit,
        value=curve.below if censored else value,
        value_to=None,
        unit=_bare(curve.unit),
        reading_sd=0.0 if censored or graded else _relative(curve, value),
        use=curve.use,
        known=curve.known,
        where=f"{curve.where}, point {number} of {curve.file}",
        reason=curve.reason or _REASON,
        curve=curve.name,
    )
