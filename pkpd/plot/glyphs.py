"""Signs of an overview: doses, facts and events drawn on a lane at a height in mm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pkpd.evidence.kinds import Glyph, fact_kinds
from pkpd.evidence.words import SUPERSEDED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pkpd.evidence.values import Fact, ReportedDose

__all__ = [
    "GRADES",
    "INK",
    "SIZE",
    "UNUSED",
    "draw_bound",
    "draw_change",
    "draw_course",
    "draw_curve",
    "draw_event",
    "draw_grade",
    "draw_limit",
    "draw_nothing",
    "draw_span",
    "draw_symbol",
    "draw_ticks",
    "glyph_of",
    "ink_of",
    "window",
]

SIZE = 6.0
"""Size of labels, pt."""

INK = "#222222"

UNUSED = "#8c8c8c"

_95 = 1.96
"""Standard deviations on either side."""

GRADES = ("#f2f2f2", "#fee391", "#fec44f", "#ec7014", "#993404")
"""Colours of grades 0 to 4 (ColorBrewer YlOrBr; the grade is written on them)."""


def glyph_of(fact: Fact) -> Glyph:
    """Return how a fact is drawn, as its kind says."""
    return fact_kinds()[fact.kind].glyph


def ink_of(fact: Fact) -> str:
    """Return the colour of a fact: grey if nothing is made of it, or a curve is in its place."""
    return UNUSED if fact.use in ("no", SUPERSEDED) else INK


def draw_span(ax: Axes, y: float, *, row: ReportedDose, colour: str, height: float) -> None:
    """Draw a long infusion as a bar of days."""
    from matplotlib.patches import Rectangle

    look = _look(row.known, colour)
    ax.add_patch(
        Rectangle((row.start, y + 1.05 - height), row.end - row.start, height, linewidth=0.6, zorder=3, **look)
    )


def draw_ticks(ax: Axes, y: float, *, row: ReportedDose, colour: str, wide: float) -> None:
    """Draw each dose as a bar at its day."""
    from matplotlib.patches import Rectangle

    look = _look(row.known, colour)
    for day in row.days:
        box = Rectangle((day, y - 1.05), wide, 2.1, linewidth=0.4, zorder=3, **{**look, "linestyle": "-"})
        ax.add_patch(box)


def draw_course(ax: Axes, y: float, *, fact: Fact, colour: str) -> None:
    """Draw a course whose single days were not printed."""
    ax.plot(window(fact), [y, y], ":", color=colour, linewidth=0.9, zorder=2, label="_course")
    ax.plot(window(fact), [y, y], "|", color=colour, markersize=3, zorder=2, label="_course")


def draw_symbol(ax: Axes, y: float, *, fact: Fact, day: float, sign: str, size: float) -> None:
    """Draw a symbol at a day, on the line of its window."""
    if fact.time is not None and fact.time_to is not None:
        ax.plot(window(fact), [y, y], color="#c4c4c4", linewidth=0.5, zorder=1, label="_window")
    ink, open_ = ink_of(fact), fact.known != "read"
    ax.plot(
        [day],
        [y],
        sign,
        markersize=size,
        color="white" if open_ else ink,
        markeredgecolor=ink,
        markeredgewidth=0.7,
        zorder=5,
        label=f"_{fact.kind}",
    )


def draw_bound(ax: Axes, y: float, *, fact: Fact, half: float) -> None:
    """Draw an upper or lower bound."""
    ends = window(fact)
    draw_limit(ax, ends, y, below=glyph_of(fact) == "ceiling", read=fact.known == "read", half=half, ink=ink_of(fact))


def draw_limit(
    ax: Axes, ends: Sequence[float], y: float, *, below: bool, read: bool, half: float, ink: str = INK
) -> None:
    """Draw a bar from one day to another with arrows to the side that is allowed; ``half`` widens a single day."""
    side = 1.0 if below else -1.0
    level = y - 1.05 * side
    left, right = (ends[0] - half, ends[0] + half) if ends[0] == ends[1] else (ends[0], ends[1])
    dashes = "-" if read else (0, (2.2, 1.4))
    ax.plot([left, right], [level, level], color=ink, linewidth=0.8, linestyle=dashes, zorder=3, label="_bound")
    head: dict[str, Any] = {"arrowstyle": "-|>,head_width=0.1,head_length=0.18", "shrinkA": 0, "shrinkB": 0}
    head |= {"linewidth": 0.6, "facecolor": ink if read else "white", "edgecolor": ink}
    for day in sorted({*ends}):
        ax.annotate("", (day, y + 0.5 * side), (day, level), arrowprops=head, zorder=4)


def draw_change(ax: Axes, y: float, *, fact: Fact, last: float) -> None:
    """Draw a change as an arrow that falls, rises, or does neither."""
    # "More than half" is no rise and "less than twice" no fall: such an arrow is level.
    ratio = fact.value or 1.0
    falls, rises = ratio <= 1 and fact.op != ">", ratio >= 1 and fact.op != "<"
    rise = 0.0 if falls == rises else -0.75 if falls else 0.75
    # The axis runs downwards, as the lanes are counted.
    look: dict[str, Any] = {
        "arrowstyle": "-|>,head_width=0.12,head_length=0.25",
        "linewidth": 0.9,
        "color": ink_of(fact),
        "linestyle": "-" if fact.known == "read" else (0, (2.2, 1.2)),
        "shrinkA": 0,
        "shrinkB": 0,
    }
    ax.annotate("", (last, y - rise), (fact.time or 0.0, y + rise), arrowprops=look, zorder=4)


def draw_grade(ax: Axes, y: float, *, fact: Fact, text: str, half: float) -> None:
    """Draw a grade as a box with its number."""
    from matplotlib.patches import Rectangle

    day = fact.time or 0.0
    middle = round(((fact.value or 0.0) + (fact.value_to if fact.value_to is not None else fact.value or 0.0)) / 2)
    face = GRADES[min(max(middle, 0), 4)]
    dashed = fact.known != "read"
    box = Rectangle(
        (day - half, y - 1.15),
        2 * half,
        2.3,
        facecolor=face,
        edgecolor=INK,
        linewidth=0.6,
        linestyle=(0, (2.0, 1.3)) if dashed else "-",
        zorder=4,
        label="_grade",
    )
    ax.add_patch(box)
    dark = middle >= 4
    ax.text(day, y, text, fontsize=SIZE, ha="center", va="center_baseline", color="white" if dark else INK, zorder=5)


def draw_curve(ax: Axes, y: float, height: float, *, facts: Sequence[Fact]) -> None:
    """Draw values that follow each other, with 95% of their reading error, on a scale of their own from zero.

    Curves are lines of their own; what is at or under a limit hangs from it.
    """
    top = max((fact.value or 0.0) * (1 + _95 * fact.reading_sd) for fact in facts) or 1.0
    scale = (height - 1.0) / top
    base = y + height - 0.7
    for name in dict.fromkeys(fact.curve for fact in facts):
        own = [fact for fact in facts if fact.curve == name]
        values = [fact.value or 0.0 for fact in own]
        place = ([fact.time or 0.0 for fact in own], [base - scale * value for value in values])
        ink = ink_of(own[0])
        ax.plot(*place, "-", color=ink, linewidth=0.6, zorder=3, label="_curve")
        error = [_95 * scale * abs(value) * fact.reading_sd for fact, value in zip(own, values, strict=True)]
        ax.errorbar(*place, error, fmt="o", color=ink, elinewidth=0.5, markersize=1.4, zorder=3, label="_reading")
        if limits := [k for k, fact in enumerate(own) if fact.kind == "below"]:
            ax.plot(*([line[k] for k in limits] for line in place), "v", color=ink, markersize=1.8, zorder=3,
                    label="_limit")  # fmt: skip


def draw_event(ax: Axes, y: float, *, day: float, dies: bool, read: bool) -> None:
    """Draw an event, a death as a dagger."""
    if dies:
        ax.text(day, y, "†", fontsize=9, fontweight="bold", ha="center", va="center", color=INK, zorder=6)
    else:
        face = INK if read else "white"
        look: dict[str, Any] = {"color": face, "markeredgecolor": INK, "markeredgewidth": 0.6}
        ax.plot([day], [y], "D", markersize=2.4, zorder=5, label="_event", **look)


def _look(known: str, colour: str) -> Mapping[str, Any]:
    """Return fill and edge: what is not read is pale and has a dashed edge."""
    from matplotlib.colors import to_rgba

    if known == "read":
        return {"facecolor": colour, "edgecolor": colour, "linestyle": "-"}
    return {"facecolor": to_rgba(colour, 0.22), "edgecolor": colour, "linestyle": (0, (2.2, 1.4))}


def window(fact: Fact) -> list[float]:
    """Return the first and last day of a fact."""
    first = fact.time or 0.0
    return [first, first if fact.time_to is None else fact.time_to]


def draw_nothing(ax: Axes, y: float) -> None:
    """Draw no symbol: the label belongs to a curve."""
