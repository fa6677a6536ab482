"""House style of the figures: sizes, colours, labels, time ticks."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from pkpd.errors import DataError, UnitError, nearest
from pkpd.units.time import time_ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "GREY", "WIDTHS", "axis_label", "colour_of", "house_style", "time_scale", "time_ticks"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Colours that stay apart in every common colour blindness (Okabe M, Ito K. Color universal design, 2008)."""

GREY = "#595959"

WIDTHS = {"single": 85.0, "double": 180.0}
"""Width of one and of two journal columns, mm."""

MM = 1 / 25.4

_STEPS = {
    "h": (0.25, 0.5, 1, 2, 4, 6, 12, 24, 48, 72, 96, 120, 168, 336, 672, 1344, 2688, 5376),
    "d": (0.25, 0.5, 1, 2, 7, 14, 28, 56, 84, 112, 168, 364),
}
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"],
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "ytick.minor.size": 1.8,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.2,
    "legend.borderaxespad": 0.0,
    "lines.linewidth": 1.1,
    "figure.dpi": 150,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
}


def house_style() -> AbstractContextManager[None]:
    """Return a context in which matplotlib draws in this library's style.

    Every function of `pkpd.plot` draws within it; nothing stays changed after it.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> with house_style():
    ...     size = plt.rcParams["font.size"]
    >>> size
    8.0
    """
    import matplotlib as mpl

    return mpl.rc_context(_STYLE)


def colour_of(index: int) -> str:
    """Return the colour of the group with this number."""
    return COLOURS[index % len(COLOURS)]


def axis_label(attrs: Mapping[str, Any], name: str, height: float | None = None) -> str:
    """Write quantity and unit, ``"Plasma concentration [mg/L]"``, in lines that fit an axis of a height in mm."""
    text = str(attrs.get("long_name", name)).replace("_", " ")
    text = text[:1].upper() + text[1:]
    unit = str(attrs.get("units", "1")).replace("*", "·")
    if unit not in ("1", ""):
        text += f" [{unit}]"
    if height is None:
        return text
    return textwrap.fill(text, max(int(height / 1.55), 12), break_long_words=False)


def time_scale(unit: str, shown: str) -> float:
    """Return the factor from the data's time unit to the one shown.

    Raises
    ------
    DataError
        If one of the units is not known as a time.
    """
    if shown not in _STEPS:
        raise DataError(f"time_unit '{shown}' is unknown; there is h, d{nearest(shown, _STEPS)}")
    try:
        return float(time_ratio(unit, shown))
    except UnitError as error:
        raise DataError(f"time of what is to be drawn: {error}") from None


def time_ticks(ax: Axes, end: float, shown: str, width: float) -> None:
    """Put ticks at whole days or parts of them, as many as an axis of a width in mm holds."""
    from matplotlib.ticker import MultipleLocator

    most = max(width / 9.5, 3)
    span = end - ax.get_xlim()[0]
    step = next((s for s in _STEPS[shown] if span / s <= most), None)
    if step is not None:
        ax.xaxis.set_major_locator(MultipleLocator(step))
