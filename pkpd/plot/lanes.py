"""Marks with labels on lanes along a time axis, placed so that nothing lies on anything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from pkpd.plot.style import MM

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["GAP", "ROW", "Lane", "Mark", "Placed", "label_width", "place"]

ROW = 2.8
"""Height of one row of a lane, mm."""

GAP = 0.7
"""Least distance between neighbours in a row, mm."""


@dataclass(frozen=True)
class Mark:
    """A symbol on a lane and its label; places are mm from the left end of the axis.

    Attributes
    ----------
    left, right : float
        What the symbol covers.
    draw : function (Axes, y in mm)
        Draws the symbol.
    label : str
    loose : bool
        Whether the label may stand in a row below; else the symbol moves with it, as far as the axis has room for both.
    inside : bool
        Whether the label may stand on the symbol's middle.
    colour : str
        Of the label; the lane's if empty.
    """

    left: float
    right: float
    draw: Callable[[Axes, float], None]
    label: str = ""
    loose: bool = False
    inside: bool = False
    colour: str = ""


@dataclass(frozen=True)
class Placed:
    """Where a mark and its label stand: rows from 0, and the label's left end in mm."""

    mark: Mark
    row: int
    label_row: int
    label_at: float


@dataclass
class Lane:
    """A named row of a strip.

    Attributes
    ----------
    name, colour : str
    marks : list of Mark
        In order of time.
    behind : list of function (Axes, top, height in mm)
        Draw what stands below the rows of marks.
    below : float
        Height kept for it, mm.
    """

    name: str
    colour: str
    marks: list[Mark] = field(default_factory=list)
    behind: list[Callable[[Axes, float, float], None]] = field(default_factory=list)
    below: float = 0.0


def place(marks: Sequence[Mark], width: float, size: float) -> tuple[list[Placed], int]:
    """Return where marks stand on a lane, and the number of rows that they need.

    Parameters
    ----------
    marks : sequence of Mark
    width : float
        Length of the axis, mm.
    size : float
        Size of the labels, pt.
    """
    rows: list[list[tuple[float, float]]] = []
    symbols: dict[int, int] = {}
    for k, mark in enumerate(marks):  # symbols whose labels may leave them come first, so that labels give way
        if mark.loose:
            symbols[k] = _first_free(rows, mark.left, mark.right)
    placed: list[Placed] = []
    for k, mark in enumerate(marks):
        long = label_width(mark.label, size) if mark.label else 0.0
        if mark.loose:
            row, at = _loose_label(rows, mark, long, width, symbols[k])
            placed.append(Placed(mark, symbols[k], row, at))
        else:
            placed.append(_glued(rows, mark, long, width))
    return placed, max(len(rows), 1)


@lru_cache(maxsize=4096)
def label_width(text: str, size: float, bold: bool = False) -> float:
    """Return the width of a text in the figure's font, mm."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    # blanks at the ends take no room
    font = FontProperties(size=size, weight="bold" if bold else "normal")
    width, _, _ = text_to_path.get_text_width_height_descent(text.strip(), font, ismath=False)
    return float(width) / 72 / MM if text.strip() else 0.0


def _is_free(row: Sequence[tuple[float, float]], left: float, right: float) -> bool:
    return all(right + GAP <= a or b + GAP <= left for a, b in row)


def _take(rows: list[list[tuple[float, float]]], k: int, left: float, right: float) -> None:
    while len(rows) <= k:
        rows.append([])
    rows[k].append((left, right))


def _first_free(rows: list[list[tuple[float, float]]], left: float, right: float) -> int:
    """Take the first row with room."""
    # Doses that follow each other without a pause touch; only an overlap moves one away.
    k = next((k for k, row in enumerate(rows) if all(right <= a + 0.55 or b <= left + 0.55 for a, b in row)), len(rows))
    _take(rows, k, left, right)
    return k


def _beside(mark: Mark, long: float, width: float) -> list[tuple[float, float, float]]:
    """Return left and right end of mark with label, and the label's place, for each side that has room."""
    sides: list[tuple[float, float, float]] = []
    if mark.inside and long + 2 * GAP < mark.right - mark.left:
        sides.append((mark.left, mark.right, (mark.left + mark.right - long) / 2))
    if mark.right + GAP + long <= width:
        sides.append((mark.left, mark.right + GAP + long, mark.right + GAP))
    if mark.left - GAP - long >= 0:
        sides.append((mark.left - GAP - long, mark.right, mark.left - GAP - long))
    return sides


def _glued(rows: list[list[tuple[float, float]]], mark: Mark, long: float, width: float) -> Placed:
    """Take the first row in which mark and label have room together; the next one for a label too long for that."""
    sides = _beside(mark, long, width) if long else [(mark.left, mark.right, mark.right)]
    for k in range(len(rows) + 1):
        for left, right, at in sides:
            if k == len(rows) or _is_free(rows[k], left, right):
                _take(rows, k, left, right)
                return Placed(mark, k, k, at)
    own = _first_free(rows, mark.left, mark.right)
    return Placed(mark, own, *_below(rows, mark, long, width, own))


def _loose_label(
    rows: list[list[tuple[float, float]]], mark: Mark, long: float, width: float, own: int
) -> tuple[int, float]:
    """Take room for a label beside its mark, or in a row below it."""
    if not long:
        return own, mark.right
    for left, right, at in ((at, at + long, at) for _, _, at in _beside(mark, long, width)):
        if _is_free(rows[own], left, right):
            _take(rows, own, left, right)
            return own, at
    return _below(rows, mark, long, width, own)


def _below(rows: list[list[tuple[float, float]]], mark: Mark, long: float, width: float, own: int) -> tuple[int, float]:
    """Take room for a label in a row below its mark's."""
    at = max(min(mark.left, width - long), 0.0)
    k = next(
        (k for k in range(own + 1, len(rows)) if _is_free(rows[k], at, at + long)),
        max(len(rows), own + 1),
    )
    _take(rows, k, at, at + long)
    return k, at
