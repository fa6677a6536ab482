"""Plots of exposure metrics by regimen."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.kinds import needs
from pkpd.plot.frame import FigureFrame, new_frame, value_limits
from pkpd.plot.layers import draw_thresholds, log_axis
from pkpd.plot.style import axis_label, colour_of, house_style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["exposure"]

_KINDS = ("interval", "box", "strip")
_MOST_POINTS = 300
_NAMES = {
    "AUC_extrapolated": "AUC extrapolated, fraction",
    "CL_F": "CL/F",
    "Cmax_tau": "Cmax over tau",
    "Tmax_tau": "Tmax over tau",
    "accumulation_Cmax": "accumulation of Cmax",
    "half_life": "half-life",
    "time_above": "time above threshold",
    "time_above_tau": "fraction of tau above threshold",
}


def exposure(
    data: xr.Dataset,
    metric: str | Sequence[str] = "AUCtau",
    *,
    by: str = "regimen",
    kind: str = "interval",
    log: bool = False,
    thresholds: Mapping[str, float] | None = None,
    width: str | float | None = None,
    ax: Axes | None = None,
) -> Any:
    """Draw exposure metrics of the subjects, regimen beside regimen.

    Parameters
    ----------
    data : Dataset
        Result of `pkpd.metrics`; values that are missing are left out.
    metric : str or sequence of str
        Variables to draw, one panel each.
    by : str
        Dim whose entries stand beside each other.
    kind : {"interval", "box", "strip"}
        Subjects as points beside the median with the central 50% (thick) and 90% (thin); a box with whiskers at 5 and
        95%; or points and median only.
    log : bool
        Logarithmic axis; values that are not positive are not drawn.
    thresholds : mapping of str to float, optional
        Values to mark, by their label.
    width : {"single", "double"} or float, optional
        Width of the figure: one journal column, two, or a number in mm; one column for one metric unless given.
    ax : Axes, optional
        Where to draw one metric; a new figure unless given.

    Returns
    -------
    Axes, or ndarray of Axes for a sequence of metrics
        For further changes.

    Raises
    ------
    DataError
        If a metric, a dim or the kind is unknown, or a metric has no value at all.
    """
    import xarray as xr

    if not isinstance(data, xr.Dataset):
        needs("plot.exposure", data, ("exposure",), "pkpd.exposure makes one of a simulation's curves")
    metrics = [metric] if isinstance(metric, str) else list(metric)
    known = [str(n) for n, v in data.data_vars.items() if "flag_values" not in v.attrs]
    for name in metrics:
        if name not in known:
            raise DataError(f"exposure has no metric '{name}'; it has {', '.join(known)}{nearest(name, known)}")
    if kind not in _KINDS:
        raise DataError(f"kind '{kind}' is unknown; there is {', '.join(_KINDS)}{nearest(kind, _KINDS)}")
    dims = [str(d) for d in data.dims]
    if by not in dims and by != "regimen":
        raise DataError(f"by='{by}': the exposure has no such dim; it has {', '.join(dims)}{nearest(by, dims)}")
    samples = {name: _samples(data, name, by, log) for name in metrics}
    if width is None:
        width = "single" if len(metrics) == 1 else "double"
    labels = [str(v) for v in data[by].values] if by in dims else [""]
    with house_style():
        frame = new_frame(len(metrics), width, ax, 0, share_x=False)
        for i, name in enumerate(metrics):
            _panel(frame, i, data[name], samples[name], labels, kind, log, thresholds or {})
    return frame.axes[0] if isinstance(metric, str) else np.array(frame.axes, object)


def _samples(data: xr.Dataset, name: str, by: str, log: bool) -> list[np.ndarray]:
    """Values of each group that can be drawn."""
    values = data[name]
    left = [str(d) for d in values.dims if d not in (by, "subject")]
    if left:
        raise DataError(f"'{name}' also has dim {', '.join(left)}; select one value with .sel({left[0]}=...)")
    rows = (
        [values.sel({by: key}).values.ravel() for key in data[by].values]
        if by in values.dims
        else [values.values.ravel()]
    )
    kept = [row[np.isfinite(row) & ((row > 0) | (not log))].astype(float) for row in rows]
    if not any(len(row) for row in kept):
        status = next((s for s in ("interval_status", "half_life_status") if s in data), None)
        why = f"; see {status}" if status else ""
        raise DataError(f"'{name}' has no value to draw{why}")
    return kept


def _panel(
    frame: FigureFrame,
    i: int,
    values: xr.DataArray,
    samples: list[np.ndarray],
    labels: list[str],
    kind: str,
    log: bool,
    thresholds: Mapping[str, float],
) -> None:
    """Draw one metric."""
    panel = frame.axes[i]
    for j, sample in enumerate(samples):
        if not len(sample):
            continue
        if len(sample) == 1:
            panel.plot([j], sample, "o", color=colour_of(j), markersize=4, label="_value")
        elif kind == "box":
            _box(panel, j, sample)
        else:
            _points(panel, j, sample, beside=kind == "interval")
            _interval(panel, j, sample, spread=kind == "interval")
    shown = [np.quantile(s, [0.05, 0.95]) for s in samples if len(s)] if kind == "box" else samples
    low, high = value_limits(shown, list(thresholds.values()), log, decades=9.0)
    if log:
        log_axis(panel, low, high)
    else:
        panel.set_ylim(low, high)
    draw_thresholds(panel, thresholds, named=True)
    panel.set_xlim(-0.55, len(samples) - 0.45)
    room = int(frame.width / max(len(samples), 1) / 1.45)
    labels = [textwrap.fill(label, max(room, 4), break_long_words=False) for label in labels]
    crowded = max(len(line) for label in labels for line in (label or " ").split("\n")) > room
    panel.set_xticks(range(len(labels)), labels, rotation=30 if crowded else 0, ha="right" if crowded else "center")
    panel.tick_params(axis="x", length=0)
    panel.set_ylabel(axis_label(_short(values), str(values.name), frame.height))


def _short(values: xr.DataArray) -> dict[str, str]:
    """Use the metric's own name where its description would not fit an axis."""
    attrs = {str(k): str(v) for k, v in values.attrs.items() if k == "units"}
    return attrs | {"long_name": _NAMES.get(str(values.name), str(values.name))}


def _points(ax: Axes, at: int, sample: np.ndarray, beside: bool) -> None:
    """Draw subjects as points, spread sideways in a fixed pattern; an even choice by rank where there are many."""
    count = min(len(sample), _MOST_POINTS)
    shown = np.sort(sample)[np.linspace(0, len(sample) - 1, count).astype(int)]
    # Multiples of the golden ratio fill the width evenly and are the same in every run.
    spread = (np.arange(len(shown)) * 0.6180339887498949) % 1.0 - 0.5
    x = at + (0.14 + 0.22 * spread if beside else 0.4 * spread)
    ax.plot(
        x, shown, "o", color=colour_of(at), alpha=0.35, markersize=2, markeredgewidth=0, label="_subjects", zorder=2
    )


def _interval(ax: Axes, at: int, sample: np.ndarray, spread: bool) -> None:
    """Draw the median, with lines over the central 50 and 90%."""
    low, quarter, middle, upper, high = np.quantile(sample, [0.05, 0.25, 0.5, 0.75, 0.95])
    x = at - 0.12 if spread else at
    colour = colour_of(at)
    if spread:
        ax.plot([x, x], [low, high], color=colour, linewidth=0.9, solid_capstyle="butt", label="_90", zorder=3)
        ax.plot([x, x], [quarter, upper], color=colour, linewidth=3.2, solid_capstyle="butt", label="_50", zorder=3)
        ax.plot(
            [x],
            [middle],
            "o",
            markersize=4.2,
            color="white",
            markeredgecolor=colour,
            markeredgewidth=1.1,
            label="_median",
            zorder=4,
        )
    else:
        ax.plot([x - 0.28, x + 0.28], [middle, middle], color=colour, linewidth=1.6, label="_median", zorder=4)


def _box(ax: Axes, at: int, sample: np.ndarray) -> None:
    colour = colour_of(at)
    line: dict[str, Any] = {"color": colour, "linewidth": 0.9}
    ax.boxplot(
        [sample],
        positions=[at],
        widths=0.5,
        whis=(5, 95),
        showfliers=False,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": colour, "alpha": 0.3, "edgecolor": colour},
        medianprops={"color": colour, "linewidth": 1.6},
        whiskerprops=line,
        capprops=line,
    )
