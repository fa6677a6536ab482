"""Figure of what further measurements would tell: width of the interval today, and with each design, by cohort."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError
from pkpd.estimation.checks.prospects.ranking import MIDDLE, NEW, gain_of, ranked, rows_about
from pkpd.plot.frame import figure_width
from pkpd.plot.style import GREY, MM, colour_of, house_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["prospects"]

_ROW, _TODAY, _INK = 7.0, "#C8C8C8", "#222222"
#: share of the width from which a gain is set in bold
_MUCH = 0.2
#: mm of a letter; letters in a line of a label
_LETTER, _LINE = 1.35, 24


def prospects(
    table: pd.DataFrame, *, quantity: str, cohorts: Mapping[str, str] | None = None, width: str | float = "double"
) -> Any:
    """Draw for each design how wide the 90% interval of a parameter is today, and how wide it would be.

    A panel for each cohort, a row for each design, what tells most on top: the grey bar is today's width, the coloured
    one what would be left, each the mean over patients; dots are single patients. Rows below the line are about further
    patients: the middle of the cohort, and a new one.

    Parameters
    ----------
    table : DataFrame
        `Prospects.table`, or read back from a file.
    quantity : str
        What the parameter is, with its unit if it has one, for the axis.
    cohorts : mapping of cohort to str, optional
        Titles of the panels; by default the cohorts' names.
    width : {"single", "double"} or float

    Returns
    -------
    ndarray of Axes

    Raises
    ------
    DataError
        If the table has no row.
    """
    import matplotlib.pyplot as plt

    if table.empty:
        raise DataError("plot.prospects: the table has no row; there is nothing to draw")
    lines = _lines(table)
    groups = list(dict.fromkeys(str(r["cohort"]) for _, rows in lines for r in rows))
    total, titles = figure_width(width), dict(cohorts or {})
    top = max(float(max(r["width_now"], r["width"])) for _, rows in lines for r in rows)
    room = max(len(line) for label, _ in lines for line in label.split("\n")) * _LETTER
    with house_style():
        figure, grid = plt.subplots(
            1, len(groups), sharey=True, squeeze=False, layout="constrained",
            figsize=(total * MM, (_ROW * len(lines) + 25) * MM),
        )  # fmt: skip
        axes = list(grid.flat)
        letters = int((total - room) / len(groups) / 1.5)
        for g, (ax, cohort) in enumerate(zip(axes, groups, strict=True)):
            for y, (_, rows) in enumerate(lines):
                _bar(ax, y, [r for r in rows if r["cohort"] == cohort], colour_of(g), top)
            _frame(ax, [rows[0]["patient"] for _, rows in lines], top)
            ax.set_title(_title(titles.get(cohort, cohort), max(letters, 12)), fontsize=7.5)
        axes[0].set_yticks(range(len(lines)), [label for label, _ in lines])
        axes[0].set_ylim(len(lines) - 0.4, -0.6)
        figure.supxlabel(
            f"{quantity[:1].upper()}{quantity[1:]}, width of the 90% interval (shorter is better)", fontsize=8
        )
        _key(figure, len(groups), len(rows_about(table)) > len(groups))
    return np.array(axes, object)


def _lines(table: pd.DataFrame) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return label and rows of each line from the top; first those about patients of the study."""
    own = rows_about(table)
    out = [(textwrap.fill(g.label, _LINE), [r for r in own if r["design"] == g.design]) for g in ranked(own)]
    for about, words in ((MIDDLE, "middle of such patients"), (NEW, "a new patient")):
        rows = rows_about(table, about)
        for name in dict.fromkeys(r["design"] for r in rows):
            each = [r for r in rows if r["design"] == name]
            out.append((f"{textwrap.fill(str(each[0]['label']), _LINE)}:\n{words}", each))
    return out


def _title(text: str, letters: int) -> str:
    """Return a title in lines; one that is too long breaks before a bracket rather than in it."""
    if len(text) <= letters or " (" not in text:
        return textwrap.fill(text, letters)
    before, _, after = text.partition(" (")
    return f"{textwrap.fill(before, letters)}\n({after}"


def _bar(ax: Axes, y: int, rows: Sequence[Mapping[str, Any]], colour: str, top: float) -> None:
    """Draw one bar; its text stands to the right of all bars."""
    if not rows:
        ax.text(0.0, y, " not tried", va="center", fontsize=6.5, color=GREY, style="italic")
        return
    gain = gain_of(rows)
    ax.barh(y, gain.width_now, height=0.6, color=_TODAY, linewidth=0, zorder=1)
    ax.barh(y, min(gain.width, gain.width_now), height=0.6, color=colour, linewidth=0, zorder=2)
    if len(rows) > 1:
        ax.plot(
            [r["width"] for r in rows], [y] * len(rows), "o", color="white", markeredgecolor=_INK, markersize=2.4,
            markeredgewidth=0.5, zorder=3,
        )  # fmt: skip
    text = f"−{100 * gain.narrower:.0f}%" if gain.is_sure and gain.narrower >= 0.01 else "no gain"
    ax.text(
        1.06 * top, y, text, va="center", ha="left", fontsize=7, color=_INK if gain.counts else GREY,
        fontweight="bold" if gain.counts and gain.narrower >= _MUCH else "normal",
    )  # fmt: skip


def _frame(ax: Axes, patients: Sequence[str], top: float) -> None:
    """Set limits, and part rows about patients of the study from those about others."""
    from matplotlib.ticker import MaxNLocator

    ax.set_xlim(0, 1.32 * top)
    ticks = MaxNLocator(3).tick_values(0, top)
    ax.set_xticks([t for t in ticks if 0 <= t <= 1.08 * top])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.spines["bottom"].set_bounds(0, ax.get_xticks()[-1])
    first = next((k for k, who in enumerate(patients) if who in (MIDDLE, NEW)), 0)
    if first:
        ax.axhline(first - 0.5, color=GREY, linewidth=0.5)


def _key(figure: Any, groups: int, dots: bool) -> None:
    from matplotlib.legend_handler import HandlerTuple
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    with_it = tuple(Patch(color=colour_of(g), linewidth=0) for g in range(groups))
    handles: list[Any] = [Patch(color=_TODAY, linewidth=0), with_it]
    labels = ["today", "with the measurement"]
    if dots:
        handles.append(Line2D([], [], marker="o", linestyle="none", color="white", markeredgecolor=_INK,
                              markersize=3))  # fmt: skip
        labels.append("single patients")
    figure.legend(
        handles, labels, loc="outside upper left", ncols=len(handles), fontsize=7,
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0.0)},
    )  # fmt: skip
