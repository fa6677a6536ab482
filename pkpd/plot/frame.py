"""Figure, axes, limits and legend around the panels."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.plot.style import GREY, MM, WIDTHS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FigureFrame", "figure_width", "new_frame", "place_legend", "value_limits"]

_MARGIN = 13.0
_LETTER = 1.45


@dataclass(frozen=True)
class FigureFrame:
    """Axes of one figure and their sizes.

    Attributes
    ----------
    axes : list of Axes
        Panels, row by row.
    columns : int
        Panels in a row.
    width, height : float
        Size of one panel's axes, mm, roughly.
    given : bool
        The caller's Axes are drawn on.
    """

    axes: list[Axes]
    columns: int
    width: float
    height: float
    given: bool

    def first_column(self, i: int) -> bool:
        """Tell whether panel `i` is at the left."""
        return i % self.columns == 0

    def last_column(self, i: int) -> bool:
        """Tell whether panel `i` is at the right."""
        return i % self.columns == self.columns - 1 or i == len(self.axes) - 1

    def last_row(self, i: int) -> bool:
        """Tell whether no panel is below panel `i`."""
        return i + self.columns >= len(self.axes)


def figure_width(width: str | float) -> float:
    """Return a width in mm.

    Raises
    ------
    DataError
        If it is neither a known name nor a number from 30 to 500.
    """
    if isinstance(width, str):
        if width not in WIDTHS:
            raise DataError(f"width '{width}' is unknown; there is single, double or mm{nearest(width, WIDTHS)}")
        return WIDTHS[width]
    if not 30 <= width <= 500:
        raise DataError(f"width must be from 30 to 500 mm, got {width}")
    return float(width)


def new_frame(count: int, width: str | float, ax: Axes | None, rows_of_doses: int, share_x: bool = True) -> FigureFrame:
    """Make a figure with `count` panels, or take the caller's Axes.

    Raises
    ------
    DataError
        If Axes are given for several panels.
    """
    total = figure_width(width)
    if ax is not None:
        if count != 1:
            raise DataError(f"ax: {count} panels do not fit one Axes; leave out ax or facet")
        figure = ax.get_figure(root=True)
        scale = 25.4 / figure.dpi if figure is not None else 1.0
        extent = ax.get_window_extent()
        return FigureFrame([ax], 1, extent.width * scale, extent.height * scale, given=True)
    import matplotlib.pyplot as plt

    most = max(int(total // 40), 1)
    rows = -(-count // most)
    columns = -(-count // rows)
    panel = (total - _MARGIN) / columns - 3
    height = float(np.clip(0.72 * panel, 36, 58))
    tall = rows * (height + 7 + 2.2 * rows_of_doses) + 14
    figure, grid = plt.subplots(
        rows,
        columns,
        sharex=share_x,
        sharey=share_x,
        squeeze=False,
        figsize=(total * MM, tall * MM),
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=3 / 72, h_pad=4 / 72, wspace=0.03, hspace=0.03)  # pyright: ignore[reportOptionalMemberAccess, reportCallIssue]
    axes = list(grid.flat)
    for i, extra in enumerate(axes[count:]):
        extra.set_visible(False)
        axes[count - columns + i].tick_params(labelbottom=True)
    return FigureFrame(axes[:count], columns, panel, height, given=False)


def value_limits(
    drawn: Sequence[np.ndarray], marks: Sequence[float], log: bool, decades: float = 4.0
) -> tuple[float, float]:
    """Return the lower and upper limit of the value axis for what is drawn on it.

    Parameters
    ----------
    drawn : sequence of ndarray
        All values drawn.
    marks : sequence of float
        Thresholds, which must be seen.
    log : bool
        Start at the smallest positive value, but not more than `decades` below the largest; otherwise at zero, or below
        the smallest negative value.
    decades : float
        Largest span of a logarithmic axis.
    """
    every = np.concatenate([np.asarray(marks, float), *[np.ravel(part) for part in drawn]])
    every = every[np.isfinite(every)]
    if log:
        every = every[every > 0]
    if not len(every):
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = float(every.min()), float(every.max())
    if log:
        return max(low, high * 10**-decades) / 1.3, high * 1.3
    pad = 0.05 * ((high - min(low, 0.0)) or 1.0)
    return (low - pad if low < 0 else 0.0), high + pad


def place_legend(frame: FigureFrame, names: Sequence[str], colours: Sequence[str], key: Sequence[str]) -> None:
    """Put the names of the groups and a key to the marks above the panels, in as many rows as they need."""
    from matplotlib.lines import Line2D

    if not names and not key:
        return
    room = frame.width if frame.columns == 1 else frame.columns * (frame.width + 3)
    text = textwrap.fill("; ".join(key), max(int(room / _LETTER), 20))
    handles = [Line2D([], [], color=colour, linewidth=1.6) for colour in colours]
    longest = max((len(name) for name in names), default=1)
    columns = int(np.clip(room / (_LETTER * longest + 7), 1, max(len(names), 1)))
    look: dict[str, Any] = {"handles": handles, "labels": list(names), "ncols": columns, "title": text}
    if not names:
        # The key stands alone: a label without a handle.
        look = {"handles": [Line2D([], [], linewidth=0)], "labels": [text], "handlelength": 0, "handletextpad": 0}
        look["labelcolor"] = GREY
    look |= {"alignment": "left", "title_fontproperties": {"size": 7}, "borderpad": 0.0, "labelspacing": 0.35}
    if len(frame.axes) == 1:
        legend = frame.axes[0].legend(loc="lower left", bbox_to_anchor=(0.0, 1.03), **look)
    else:
        figure = frame.axes[0].get_figure(root=True)
        if figure is None:
            return
        legend = figure.legend(loc="outside upper left", borderaxespad=0.6, **look)
    legend.get_title().set_color(GREY)
