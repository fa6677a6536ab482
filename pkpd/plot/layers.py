"""What one panel of a concentration plot is made of: bands, lines, doses, observations, thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.plot.style import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_bands", "draw_doses", "draw_observed", "draw_spaghetti", "draw_thresholds", "log_axis", "quantiles"]

_ALPHA = (0.16, 0.26, 0.34)
_ROW = 6.0


def quantiles(values: np.ndarray, bands: Sequence[float]) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Return the median and the limits of central bands over subjects, leaving out those with missing values.

    Parameters
    ----------
    values : ndarray, shape (subject, time)
        Concentrations.
    bands : sequence of float
        Fraction of the subjects within each band.

    Returns
    -------
    median : ndarray, shape (time,)
        NaN if no subject is left.
    limits : list of (ndarray, ndarray), each shape (time,)
        Lower and upper limit of each band.
    """
    seen = values[np.isfinite(values).all(axis=1)]
    if not len(seen):
        gap = np.full(values.shape[1], np.nan)
        return gap, [(gap, gap) for _ in bands]
    levels = [0.5, *(level for band in bands for level in ((1 - band) / 2, (1 + band) / 2))]
    found = np.quantile(seen, levels, axis=0)
    return found[0], [(found[1 + 2 * i], found[2 + 2 * i]) for i in range(len(bands))]


def draw_bands(
    ax: Axes, time: np.ndarray, values: np.ndarray, bands: Sequence[float], colour: str, log: bool
) -> list[np.ndarray]:
    """Draw the median as a line over its bands, the widest in the lightest tone.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    time : ndarray, shape (time,)
        Times as shown.
    values : ndarray, shape (subject, time)
        Concentrations.
    bands : sequence of float
        Fraction of the subjects within each band.
    colour : str
        Colour of the group.
    log : bool
        Leave out a median that is not positive, and let a band that reaches zero run out of the axis.

    Returns
    -------
    list of ndarray
        What was drawn, for the limits of the axis.
    """
    median, limits = quantiles(values, bands)
    order = np.argsort(bands)[::-1]
    for depth, i in enumerate(order):
        low, high = limits[i]
        if log:
            low, high = np.maximum(low, 1e-12 * np.maximum(high, 1e-300)), _positive(high)
        alpha = _ALPHA[min(depth, len(_ALPHA) - 1)] if len(bands) > 1 else 0.2
        ax.fill_between(time, low, high, color=colour, alpha=alpha, linewidth=0, label="_band", zorder=2)
    ax.plot(time, _positive(median) if log else median, color=colour, label="_median", zorder=4)
    return [median, *(edge for pair in limits for edge in pair)]


def draw_spaghetti(
    ax: Axes, time: np.ndarray, values: np.ndarray, count: int, colour: str, log: bool
) -> list[np.ndarray]:
    """Draw single subjects as thin lines, evenly chosen among those without missing values."""
    seen = values[np.isfinite(values).all(axis=1)]
    chosen = seen[np.unique(np.linspace(0, len(seen) - 1, min(count, len(seen))).astype(int))] if len(seen) else seen
    alpha = float(np.clip(6 / max(len(chosen), 1), 0.12, 0.5))
    for row in chosen:
        shown = _positive(row) if log else row
        ax.plot(time, shown, color=colour, alpha=alpha, linewidth=0.5, label="_subject", zorder=3)
    return list(chosen)


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


def draw_doses(ax: Axes, rows: Sequence[tuple[np.ndarray, str]], width: float) -> bool:
    """Mark dose times below the data, a row for each regimen, between the data and the time axis.

    Parameters
    ----------
    ax : Axes
        Its x limits must be set.
    rows : sequence of (ndarray, str)
        Dose times as shown, and the colour.
    width : float
        Width of the axes, mm.

    Returns
    -------
    bool
        True if the doses are so close that strokes replace the triangles.
    """
    from matplotlib.transforms import ScaledTranslation

    figure = ax.get_figure(root=True)
    if figure is None or not rows:
        return False
    ax.spines["bottom"].set_position(("outward", _ROW * len(rows) + 2.5))
    low, high = ax.get_xlim()
    points = width * 72 / 25.4
    inside = [times[(times >= low) & (times <= high)] for times, _ in rows]
    gaps = [float(np.diff(times).min()) if len(times) > 1 else high - low for times in inside]
    space = min(gaps) / (high - low) * points
    dense = 0.62 * space < 2.2
    for row, (times, (_, colour)) in enumerate(zip(inside, rows, strict=True)):
        down = ScaledTranslation(0, -(_ROW * (row + 0.5) + 1.0) / 72, figure.dpi_scale_trans)
        ax.plot(
            times,
            np.zeros(len(times)),
            linestyle="none",
            marker="|" if dense else "^",
            markersize=3.6 if dense else min(0.62 * space, 3.6),
            markeredgewidth=0.6 if dense else 0,
            color=colour,
            transform=ax.get_xaxis_transform() + down,
            clip_on=False,
            label="_doses",
            zorder=5,
        )
    return dense


def draw_observed(ax: Axes, time: np.ndarray, values: np.ndarray, colour: str, log: bool) -> list[np.ndarray]:
    """Draw observations as open circles; on a logarithmic axis those that are not positive are left out."""
    keep = values > 0 if log else np.isfinite(values)
    ax.plot(
        time[keep],
        values[keep],
        linestyle="none",
        marker="o",
        markersize=3,
        markerfacecolor="white",
        markeredgecolor=colour,
        markeredgewidth=0.7,
        label="_observed",
        zorder=6,
    )
    return [values[keep]]


def draw_thresholds(ax: Axes, thresholds: Mapping[str, float], named: bool) -> None:
    """Draw dashed lines at concentrations, named behind the right end of the axis."""
    for name, value in thresholds.items():
        ax.axhline(value, color=GREY, linewidth=0.7, linestyle=(0, (4, 2.5)), label="_threshold", zorder=3.5)
        if named:
            place: dict[str, Any] = {"xycoords": ax.get_yaxis_transform(), "textcoords": "offset points"}
            ax.annotate(name, (1.0, value), (3, 0), **place, va="center", ha="left", color=GREY, fontsize=7)


def log_axis(ax: Axes, floor: float, top: float) -> None:
    """Make the y axis logarithmic, from `floor` to `top`, with plain numbers where they are short."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_yscale("log")
    ax.set_ylim(floor, top)
    decades = np.log10(top / floor)
    subs = (1.0,) if decades > 2 else (1.0, 3.0) if decades > 1 else (1.0, 2.0, 5.0)
    ax.yaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
    ax.yaxis.set_minor_locator(LogLocator(subs=list(range(2, 10)), numticks=60))
    ax.yaxis.set_minor_formatter(NullFormatter())
    if floor > 1e-4 and top < 1e5:
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
