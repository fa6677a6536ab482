"""Curves read off a figure, as facts with a reading error."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from pkpd.errors import DataError, UnitError, nearest
from pkpd.evidence.reading import to_number
from pkpd.evidence.values import Fact
from pkpd.units import conversion

__all__ = ["ReportedCurve", "curve_facts"]

_DAYS = {"day": 1.0, "h": 1 / 24, "min": 1 / 1440, "week": 7.0}
_SIGNED = ("temperature", "activity")


@dataclass(frozen=True)
class ReportedCurve:
    """What a user says of a digitised curve; see `Evidence.with_curve`.

    ``target`` is the unit of the model's output.
    """

    path: Path
    patient: str
    marker: str
    unit: str
    target: str
    reading_sd: float
    time_unit: str
    below: float | None
    use: str
    where: str

    def check(self) -> None:
        """Raise DataError with all arguments that cannot be used."""
        wrong: list[str] = []
        if not isinstance(self.reading_sd, int | float) or not 0 < self.reading_sd <= 1:
            wrong.append(f"reading_sd must be > 0 and <= 1, relative to the value, got {self.reading_sd!r}")
        if self.time_unit not in _DAYS:
            hint = nearest(str(self.time_unit), _DAYS)
            wrong.append(f"time_unit must be {', '.join(_DAYS)}, got {self.time_unit!r}{hint}")
        if self.use not in ("fit", "check"):
            wrong.append(f"use must be fit or check, got {self.use!r}{nearest(str(self.use), ('fit', 'check'))}")
        if self.below is not None and not (isfinite(self.below) and self.below > 0):
            wrong.append(f"below must be > 0, got {self.below!r}")
        try:
            conversion(self.unit, self.target)
        except UnitError as error:
            wrong.append(f"{self.marker} is in {self.target or 'no unit'}: {error}")
        if not self.path.is_file():
            wrong.append("there is no such file")
        if wrong:
            raise DataError(f"curve '{self.path}': {'; '.join(wrong)}")


def curve_facts(curve: ReportedCurve, start_day: float, taken: Collection[str]) -> tuple[Fact, ...]:
    """Return the points of a curve as facts, in the order of time.

    Parameters
    ----------
    curve : ReportedCurve
    start_day : float
        Day before which there is nothing.
    taken : collection of str
        Names that facts have already.

    Raises
    ------
    DataError
        If an argument cannot be used, or with every row that cannot be understood.
    """
    curve.check()
    points: list[tuple[float, float]] = []
    wrong: list[str] = []
    for line, cells in _rows(curve.path):
        point, problem = _point(cells, curve, start_day)
        if point is None:
            wrong.append(f"row {line}: {problem}")
        else:
            points.append(point)
    if wrong:
        rows = f"{len(wrong)} row{'s' if len(wrong) > 1 else ''} cannot be used"
        raise DataError("\n".join([f"curve '{curve.path}': {rows}", *(f"  {text}" for text in wrong)]))
    if not points:
        raise DataError(f"curve '{curve.path}': there is no point in it; it needs two columns, time and value")
    made = tuple(_fact(curve, k, *point) for k, point in enumerate(sorted(points), start=1))
    if any(fact.fact in taken for fact in made):
        raise DataError(
            f"curve '{curve.path}': the evidence has facts named {made[0].fact} already; a file is added once for a "
            "patient and marker"
        )
    return made


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return the cells of each row below the header, with its number; numbers have a decimal point.

    A header is any row before the first that holds a digit in each of two cells.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"curve '{path}': the file is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip(" \t;,")]
    sign = next((sign for sign in (";", "\t") if any(sign in line for _, line in lines)), ",")
    rows = [(number, [cell.strip().strip('"') for cell in line.split(sign)]) for number, line in lines]
    if sign != ",":
        rows = [(number, [_pointed(cell) for cell in cells]) for number, cells in rows]
    first = next((k for k, (_, cells) in enumerate(rows) if _is_data(cells)), len(rows))
    return rows[first:]


def _is_data(cells: list[str]) -> bool:
    """Tell a row of the curve from a header: one of its cells is a number, or looks like one that went wrong."""
    return any(cell[:1].isdigit() or cell[:2].strip("+-.")[:1].isdigit() for cell in cells)


def _pointed(cell: str) -> str:
    return cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell


def _point(cells: list[str], curve: ReportedCurve, start_day: float) -> tuple[tuple[float, float] | None, str]:
    """Return day and value of a row, or what is wrong with it."""
    while len(cells) > 2 and not cells[-1]:
        cells = cells[:-1]
    if len(cells) != 2:
        more = "export one curve a file, with semicolons if decimals have commas"
        return None, f"{len(cells)} cells instead of 2 ({more})"
    time, value = (to_number(cell) for cell in cells)
    if time is None or value is None:
        return None, f"no number, got {cells[0 if time is None else 1]!r}"
    day = time * _DAYS[curve.time_unit]
    if day < start_day:
        return None, f"day {day:g} is before start_day, {start_day:g}"
    if value <= 0 and curve.below is None and curve.marker not in _SIGNED:
        return None, f"value must be > 0, got {value:g} (give below=, the limit of quantification)"
    return (day, value), ""


def _fact(curve: ReportedCurve, number: int, day: float, value: float) -> Fact:
    censored = curve.below is not None and value <= curve.below
    stem = "".join(letter if letter.isalnum() else "_" for letter in curve.path.stem)
    figure = f"{curve.where}, " if curve.where else ""
    return Fact(
        fact=f"{curve.patient}_{curve.marker}_{stem}_{number}",
        patient=curve.patient,
        marker=curve.marker,
        kind="below" if censored else "value",
        time=day,
        time_to=None,
        at=None,
        op="",
        printed=f"{value:g}",
        printed_unit=curve.unit,
        value=curve.below if censored else value,
        value_to=None,
        unit=curve.unit,
        reading_sd=0.0 if censored else float(curve.reading_sd),
        use=curve.use,
        known="read",
        where=f"{figure}point {number} of {curve.path.name}",
        reason="read off a figure with a digitiser",
    )
