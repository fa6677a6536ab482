"""An evidence ledger: what is known of each patient without each group of facts."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError
from pkpd.plot.frame import figure_width
from pkpd.plot.style import MM, colour_of, house_style

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ledger"]

_ROW = 3.1
_COLUMNS = 4
_BASE = "#B0B0B0"
_SHIFT = 0.5
_NEEDED = ("without", "facts", "patient", "cohort", "2.5%", "50%", "97.5%", "shift")


def ledger(
    table: pd.DataFrame,
    *,
    title: str = "",
    labels: Mapping[str, str] | None = None,
    limits: tuple[float, float] | None = None,
    width: str | float = "double",
) -> Any:
    """Draw medians and 95% intervals of a parameter with all facts (grey) and without each group of them (colour).

    Medians that move by half a posterior standard deviation or more are filled.

    Parameters
    ----------
    table : DataFrame
        Of ``pkpd.checks.evidence_ledger``: the first label of ``without`` is the fit with all facts.
    title : str
        Of the x axis.
    labels : mapping of patient to str, optional
    limits : (float, float), optional
        Of the x axis.
    width : {"single", "double"} or float

    Returns
    -------
    ndarray of Axes, one a group of facts

    Raises
    ------
    DataError
        If a column is missing, or there is no group.
    """
    import matplotlib.pyplot as plt

    if missing := [c for c in _NEEDED if c not in table.columns]:
        raise DataError(f"ledger: the table has no column {', '.join(missing)}")
    groups = list(dict.fromkeys(table["without"]))
    if len(groups) < 2:
        raise DataError("ledger: the table has no group of facts")
    base, shown = groups[0], [g for g in groups[1:] if not g.startswith(f"{groups[0]},")]
    people = list(dict.fromkeys(table["patient"]))
    rows = -(-len(shown) // _COLUMNS)
    with house_style():
        size = (figure_width(width) * MM, rows * (max(_ROW * len(people), 9.0) + 13) * MM + 6 * MM)
        figure, grid = plt.subplots(
            rows, min(_COLUMNS, len(shown)), figsize=size, layout="constrained", squeeze=False, sharex=True, sharey=True
        )
        axes = list(grid.ravel())
        for ax in axes[len(shown) :]:
            ax.set_visible(False)
        for k, (ax, group) in enumerate(zip(axes, shown, strict=False)):
            _panel(ax, table, people, base, group)
            ax.set_title("\n".join(textwrap.wrap(f"without {group}", 26)), fontsize=7)
            if k % _COLUMNS == 0:
                ax.set_yticks(range(len(people)), [(labels or {}).get(p, p) for p in people])
            ax.tick_params(axis="y", length=0)
            if k + min(_COLUMNS, len(shown)) >= len(shown):  # nothing stands below
                ax.tick_params(axis="x", labelbottom=True)
            ax.set_ylim(len(people) - 0.4, -0.6)
            if limits is not None:
                ax.set_xlim(*limits)
        figure.supxlabel(title, fontsize=8)
    return np.array(axes[: len(shown)], object)


def _panel(ax: Any, table: pd.DataFrame, people: list[str], base: str, group: str) -> None:
    cohorts = list(dict.fromkeys(table["cohort"]))
    for y, patient in enumerate(people):
        own = table.loc[table["patient"] == patient]
        for row in own.loc[own["without"] == base].to_dict("records"):
            ax.plot(
                [row["2.5%"], row["97.5%"]], [y, y], color=_BASE, linewidth=3.2, solid_capstyle="butt", label="_all"
            )
            ax.plot([row["50%"]], [y], "|", color="white", markersize=4, label="_all")
        for row in own.loc[own["without"] == group].to_dict("records"):
            colour = colour_of(cohorts.index(row["cohort"]))
            ax.plot([row["2.5%"], row["97.5%"]], [y, y], color=colour, linewidth=0.9, label="_without")
            face = colour if abs(row["shift"]) >= _SHIFT else "white"
            ax.plot([row["50%"]], [y], "o", color=colour, markerfacecolor=face, markersize=3.4, label="_without")
