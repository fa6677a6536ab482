"""Overview of a clinical report: each patient a strip with doses, facts and events on the day axis."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.kinds import needs
from pkpd.plot.frame import figure_width
from pkpd.plot.glyphs import INK, SIZE
from pkpd.plot.key import draw_key, flow, key_entries
from pkpd.plot.lanes import ROW, Lane, Placed, label_width, place
from pkpd.plot.strips import Scale, day_of_death, drug_colour, lanes_of
from pkpd.plot.style import GREY, MM, house_style, time_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pkpd.evidence.evidence import Evidence

__all__ = ["evidence"]

_HEADER = 4.3
_BETWEEN = 1.5
_FOOT = 8.0
_RIGHT = 2.5
_GUTTER = 4.0
_TWO = 150.0
_ALONE = 3


@dataclass
class _Strip:
    """A patient's lanes, each with its marks in place and its height in mm."""

    patient: str
    lanes: list[tuple[Lane, list[Placed], float]]

    @property
    def height(self) -> float:
        return sum(height for _, _, height in self.lanes) or ROW


def evidence(
    evidence: Evidence,
    *,
    patients: Sequence[str] | None = None,
    width: str | float = "single",
    columns: int | None = None,
) -> np.ndarray:
    """Draw what a report says: one strip a patient, with doses, facts and events on the day axis.

    What was read is filled; what was derived or assumed is open or dashed. Where doses follow each other they are
    written ``100 q24h ×7``; a long infusion shows its total, and its height the daily amount. Statements without a
    day or a patient are not drawn.

    Parameters
    ----------
    evidence : Evidence
        From `pkpd.seeds.load`.
    patients : sequence of str, optional
        Patients to draw; all unless given.
    width : {"single", "double"} or float
        Width of the figure: one journal column, two, or a number in mm; it is as tall as it must be.
    columns : int, optional
        Columns of strips; two where there is room for them and there are more than three patients, else one.

    Returns
    -------
    ndarray of Axes
        One a patient, for further changes; x is the day of the report, y is mm from the top of the strip.

    Raises
    ------
    DataError
        If a patient or the width is unknown, or there are fewer patients than columns.
    """
    needs("plot.evidence", evidence, ("Evidence",), "pkpd.seeds.load reads one")
    import matplotlib.pyplot as plt

    chosen = list(evidence.patients if patients is None else patients)
    for patient in chosen:
        if patient not in evidence.patients:
            hint = nearest(patient, evidence.patients)
            known = ", ".join(evidence.patients)
            raise DataError(f"evidence '{evidence.name}' has no patient '{patient}'; it has {known}{hint}")
    if not chosen:
        raise DataError(f"evidence '{evidence.name}': patients is empty; leave it out to draw all")
    total = figure_width(width)
    wanted = (2 if total >= _TWO and len(chosen) > _ALONE else 1) if columns is None else columns
    if not 1 <= wanted <= len(chosen):
        raise DataError(f"columns must be from 1 to {len(chosen)}, the number of patients, got {columns!r}")
    with house_style():
        first, last = _span(evidence, chosen)
        left = _left_margin(evidence, chosen, Scale(first, last, total))
        room = (total - _GUTTER * (wanted - 1)) / wanted
        scale = Scale(first, last, room - left - _RIGHT)
        groups = _columns([_strip(evidence, patient, scale) for patient in chosen], wanted)
        entries = key_entries(evidence, chosen)
        lines = flow(entries, total)
        origin = _wrapped(f"Day 0: {evidence.source.day_zero}", total - 2.0)
        head, foot = 3.1 * len(lines) + 0.8, _FOOT + 2.5 * len(origin)
        tall = head + foot + max(sum(map(_taken, group)) for group in groups)
        figure = plt.figure(figsize=(total * MM, tall * MM))
        made: list[Axes] = []
        for column, group in enumerate(groups):
            made += _draw_column(figure, group, evidence, scale, (column * (room + _GUTTER), left, head, tall))
        draw_key(figure.add_axes((0, 1 - head / tall, 1, head / tall)), lines, total, head)
        figure.text(1.0 / total, 0.8 / tall, "\n".join(origin), fontsize=5.5, color=GREY, va="bottom", linespacing=1.1)
    return np.array(made, object)


# -- columns of strips


def _columns(strips: list[_Strip], count: int) -> list[list[_Strip]]:
    """Divide the strips, in their order, into columns of which the tallest is as short as can be."""
    best: list[list[_Strip]] = []
    for cuts in combinations(range(1, len(strips)), count - 1):
        parts = [strips[a:b] for a, b in pairwise((0, *cuts, len(strips)))]
        if not best or max(sum(map(_taken, p)) for p in parts) < max(sum(map(_taken, p)) for p in best):
            best = parts
    return best


def _taken(strip: _Strip) -> float:
    return strip.height + _HEADER + _BETWEEN


def _draw_column(
    figure: Figure,
    group: Sequence[_Strip],
    evidence: Evidence,
    scale: Scale,
    place: tuple[float, float, float, float],
) -> list[Axes]:
    """Draw strips below each other; ``place`` is where the column begins, its left margin, the head and the height."""
    x, left, top, tall = place
    total = figure.get_figwidth() / MM
    made: list[Axes] = []
    for strip in group:
        top += _HEADER
        box = ((x + left) / total, 1 - (top + strip.height) / tall, scale.width / total, strip.height / tall)
        ax = figure.add_axes(box, sharex=made[0] if made else None)
        _draw_strip(ax, strip, evidence, scale, left)
        made.append(ax)
        top += strip.height + _BETWEEN
    for ax in made[:-1]:
        ax.tick_params(labelbottom=False, length=0)
    made[-1].set_xlabel("Day", fontsize=7, labelpad=1.5)
    return made


def _wrapped(text: str, width: float) -> list[str]:
    """Break a text into lines of a width in mm."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if label_width(longer, 5.5) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


# -- the day axis


def _span(evidence: Evidence, patients: Sequence[str]) -> tuple[float, float]:
    """Return the first and last day that is drawn, with room at both ends."""
    days = [day for row in evidence.doses if row.patient in patients for day in (row.start, row.end)]
    for fact in evidence.facts:
        if fact.patient in patients and fact.kind not in ("order", "text"):
            days += [day for day in (fact.time, fact.time_to, fact.at) if day is not None]
    low, high = (min(days), max(days)) if days else (0.0, 1.0)
    room = 0.03 * max(high - low, 1.0)
    return low - room, high + room


def _left_margin(evidence: Evidence, patients: Sequence[str], scale: Scale) -> float:
    """Return the room for the names of the lanes, mm."""
    names = {lane.name for patient in patients for lane in lanes_of(evidence, patient, scale)}
    return max((label_width(name, SIZE) for name in names), default=10.0) + 2.6


# -- strips


def _strip(evidence: Evidence, patient: str, scale: Scale) -> _Strip:
    lanes: list[tuple[Lane, list[Placed], float]] = []
    for lane in lanes_of(evidence, patient, scale):
        placed, rows = place(lane.marks, scale.width, SIZE)
        lanes.append((lane, placed, rows * ROW + lane.below))
    return _Strip(patient, lanes)


def _draw_strip(ax: Axes, strip: _Strip, evidence: Evidence, scale: Scale, left: float) -> None:
    ax.set_xlim(scale.first, scale.last)
    ax.set_ylim(strip.height, 0)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    time_ticks(ax, scale.last, "d", 1.5 * scale.width)
    ax.tick_params(labelsize=6.5, pad=1.5)
    ax.grid(axis="x", color="#e4e4e4", linewidth=0.4)
    ax.set_axisbelow(True)
    _draw_background(ax, strip, evidence, scale)
    y = 0.0
    for k, (lane, placed, height) in enumerate(strip.lanes):
        if k:
            ax.axhline(y, color="#ececec", linewidth=0.4, zorder=0)
        for draw in lane.behind:
            draw(ax, y + height - lane.below, lane.below)
        middle = y + ROW / 2
        name = ax.annotate(
            lane.name,
            (0, middle),
            (-1.2 / 25.4 * 72, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            fontsize=SIZE,
            ha="right",
            va="center_baseline",
            color=lane.colour,
        )
        name.set_annotation_clip(False)
        for one in placed:
            one.mark.draw(ax, middle + one.row * ROW)
            if one.mark.label:
                _draw_label(ax, one, middle, one.mark.colour or lane.colour, scale)
        y += height
    _draw_header(ax, strip, evidence, left, scale)


def _draw_label(ax: Axes, one: Placed, middle: float, colour: str, scale: Scale) -> None:
    from matplotlib.patches import Rectangle

    x, y = scale.first + scale.days(one.label_at), middle + one.label_row * ROW
    long = scale.days(label_width(one.mark.label, SIZE))
    pad = scale.days(0.35)
    ax.add_patch(Rectangle((x - pad, y - 0.8), long + 2 * pad, 1.6, color="white", linewidth=0, zorder=5.4, alpha=0.85))
    ax.text(x, y, one.mark.label, fontsize=SIZE, ha="left", va="center_baseline", color=colour, zorder=5.5)


def _draw_background(ax: Axes, strip: _Strip, evidence: Evidence, scale: Scale) -> None:
    """Shade the days on the drug that is studied, and end the strip at the patient's death."""
    rows = [row for row in evidence.doses if row.patient == strip.patient and row.drug == evidence.studied]
    for row in rows:
        end = row.days[-1] + (row.interval or 24.0) / 24
        colour = drug_colour(row.drug, evidence)
        ax.axvspan(row.start, min(end, scale.last), color=colour, alpha=0.07, linewidth=0, zorder=0)
    death = day_of_death(evidence, strip.patient)
    if death is not None:
        ax.axvspan(death, scale.last, color="#f1f1f1", linewidth=0, zorder=0.5)
        ax.axvline(death, color=INK, linewidth=0.7, zorder=0.9)


def _draw_header(ax: Axes, strip: _Strip, evidence: Evidence, left: float, scale: Scale) -> None:
    """Write who the patient is, as far as one line holds it."""
    found = re.fullmatch(r"p(\d+)", strip.patient)
    who = f"Patient {found[1]}" if found else strip.patient
    start = label_width(who, 7.0, bold=True) + 1.8
    said = _said(evidence, strip.patient)
    while said and label_width("; ".join(said), SIZE) + start > left + scale.width:
        said.pop()
    place_: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "baseline"}
    at = (-left + 0.8) / 25.4 * 72
    rise = 1.2 / 25.4 * 72
    ax.annotate(who, (0, 1), (at, rise), fontsize=7, fontweight="bold", color=INK, **place_)
    ax.annotate("; ".join(said), (0, 1), (at + start / 25.4 * 72, rise), fontsize=SIZE, color=GREY, **place_)
    ax.plot(
        [-left / scale.width + 0.01, 1], [1, 1], color="#9a9a9a", linewidth=0.5, transform=ax.transAxes, clip_on=False
    )


def _said(evidence: Evidence, patient: str) -> list[str]:
    """Return age and sex, disease, reason for the drug and weight."""
    rows = {row.quantity: row for row in evidence.quantities if row.patient == patient}
    words: list[str] = []
    age, sex = rows.get("age"), rows.get("sex")
    person = [f"{age.value:g} y"] if age is not None and isinstance(age.value, float) else []
    person += [str(sex.value)] if sex is not None and sex.value is not None else []
    if person:
        words.append(", ".join(person))
    if any(f.marker == "death" and f.patient == patient and f.value != 0 and f.time is None for f in evidence.facts):
        words.append("died, day not told")
    for name in ("disease", "indication"):
        row = rows.get(name)
        if row is not None and (row.printed or row.value):
            words.append(row.printed or str(row.value))
    for name, unit in (("WT", "kg"), ("CRCL", "mL/min")):
        value = evidence.covariates(patient).get(name)
        if value is not None:
            open_ = "" if rows[name].known == "read" else " (" + rows[name].known + ")"
            words.append(f"{'CLcr ' if name == 'CRCL' else ''}{value:.3g} {unit}{open_}")
    return words
