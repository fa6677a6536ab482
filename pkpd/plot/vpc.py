"""Figure of a visual predictive check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.estimation.checks import visual
from pkpd.kinds import kind_of
from pkpd.plot.frame import figure_width
from pkpd.plot.layers import log_axis
from pkpd.plot.style import COLOURS, GREY, MM, axis_label, house_style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from pkpd.estimation.result import Fit

__all__ = ["vpc"]

_MIDDLE, _OUTER = COLOURS[1], COLOURS[0]
_INK = "#222222"


def vpc(
    fit: Fit | xr.Dataset, output: str | None = None, *, log: bool = False, points: bool = True,
    width: str | float = "double", **options: Any,
) -> np.ndarray:  # fmt: skip
    """Draw a visual predictive check.

    Bands are the intervals of each percentile of the simulated data sets, thin lines their medians; black lines are the
    percentiles of the data, circles the data. Strokes at the top are the edges of bins. Where there is a limit of
    quantification (dotted), a panel below has the fraction of the data under it. For grades a panel has their shares.

    Parameters
    ----------
    fit : Fit or xarray.Dataset
        A fit, or what its ``vpc()`` returned.
    output : str, optional
        All by default; each output and stratum has a panel.
    log : bool
        Logarithmic axis of values.
    points : bool
        Draw the data.
    width : {"single", "double"} or float
    **options
        Of ``pkpd.checks.vpc``: ``n``, ``bins``, ``prediction_corrected``, ``by``, ``x``, ``lloq``, ``seed`` ...

    Returns
    -------
    ndarray of Axes
        One a panel, without those of fractions below the limit; for an output of grades, of its last grade.

    Raises
    ------
    DataError
        If the output is unknown.
    """
    import matplotlib.pyplot as plt

    check = _checked(fit, output, options)
    names = check["output"].values.tolist()
    if output is not None and output not in names:
        raise DataError(f"vpc: there is no output '{output}'; there is {', '.join(names)}{nearest(output, names)}")
    cells = [
        (o, s) for o, name in enumerate(names) for s in range(check.sizes["stratum"])
        if output in (None, name) and check["count"].values[o, s].any()
    ]  # fmt: skip
    total = figure_width(width)
    columns = min(len(cells), max(int(total // 55), 1), 3)
    rows = -(-len(cells) // columns)
    limited = "observed_below" in check and bool(np.isfinite(check["observed_below"].values).any())
    with house_style():
        panel = (total - 14) / columns - 4
        height = float(np.clip(0.72 * panel, 40, 70))
        low = 15.0 if limited else 0.0
        figure = plt.figure(figsize=(total * MM, (rows * (height + low + 12) + 10) * MM), layout="constrained")
        figure.get_layout_engine().set(w_pad=4 / 72, h_pad=3 / 72, wspace=0.02, hspace=0.02)  # type: ignore[union-attr]
        outer = figure.add_gridspec(rows, columns)
        axes = []
        for k, (o, s) in enumerate(cells):
            part = outer[k // columns, k % columns]
            axes.append(_cell(figure, part, check, o, s, (height, low, log, points)))
        _titles(axes, check, cells)
        _key(figure, check, total)
    return np.array(axes, object)


def _checked(fit: Any, output: str | None, options: dict[str, Any]) -> Any:
    if kind_of(fit) == "Fit":
        return visual.vpc(fit, **({} if output is None else {"output": output}), **options)
    if "bin_middle" not in getattr(fit, "data_vars", ()):
        raise DataError(f"vpc: a fit is needed, or what pkpd.checks.vpc(fit) returned, got {type(fit).__name__}")
    if options:
        raise DataError(f"vpc: {', '.join(options)} cannot be changed in a check already made; give the fit")
    return fit


def _titles(axes: list[Any], check: Any, cells: list[tuple[int, int]]) -> None:
    for ax, (o, s) in zip(axes, cells, strict=True):
        words = [str(check["output"].values[o])] if check.sizes["output"] > 1 else []
        words += [str(check["stratum"].values[s])] if check.sizes["stratum"] > 1 else []
        if words:
            ax.set_title(", ".join(words), pad=5)


def _cell(figure: Any, part: Any, check: Any, o: int, s: int, how: tuple[float, float, bool, bool]) -> Axes:
    """Draw one output of one stratum."""
    height, low, log, points = how
    shares = "observed_share" in check and bool(np.isfinite(check["observed_share"].values[o, s]).any())
    limited = low > 0 and bool(
        np.nanmax(np.append(check["observed_below"].values[o, s], 0)) > 0 or np.isfinite(_limit(check, o, s))
    )
    if limited and not shares:
        inner = part.subgridspec(2, 1, height_ratios=(height, low), hspace=0.06)
        ax, under = figure.add_subplot(inner[0]), figure.add_subplot(inner[1])
        _below(under, check, o, s)
        ax.tick_params(labelbottom=False)
        under.set_xlim(*_range(check, o, s))
        under.set_xlabel(axis_label(check["bin_middle"].attrs, "x"))
    else:
        ax = figure.add_subplot(part)
        ax.set_xlabel(axis_label(check["bin_middle"].attrs, "x"))
    (_grades if shares else _bands)(ax, check, o, s, log, points)
    ax.set_xlim(*_range(check, o, s))
    return ax


def _range(check: Any, o: int, s: int) -> tuple[float, float]:
    left, right = float(np.nanmin(check["bin_left"].values[o, s])), float(np.nanmax(check["bin_right"].values[o, s]))
    pad = 0.025 * ((right - left) or 1.0)
    return left - pad, right + pad


def _limit(check: Any, o: int, s: int) -> float:
    values = check["LLOQ"].values[_rows(check, o, s)]
    values = np.unique(values[np.isfinite(values)])
    return float(values[0]) if values.size == 1 else np.nan


def _rows(check: Any, o: int, s: int) -> np.ndarray:
    name, stratum = check["output"].values[o], check["stratum"].values[s]
    return (check["row_output"].values == name) & (check["row_stratum"].values == stratum)


def _used(check: Any, o: int, s: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the bins with data and their middles."""
    bins = np.flatnonzero(check["count"].values[o, s] > 0)
    middle = check["bin_middle"].values[o, s, bins]
    return bins, middle


def _bands(ax: Axes, check: Any, o: int, s: int, log: bool, points: bool) -> None:
    """Draw percentiles of data and of simulated data."""
    bins, at = _used(check, o, s)
    rows = _rows(check, o, s)
    x, dv = check["x"].values[rows], check["DV"].values[rows]
    measured = ~check["below"].values[rows] & np.isfinite(dv) & ((dv > 0) if log else True)
    levels = check["percentile"].values
    observed, simulated = check["observed"].values[o, s][:, bins], check["simulated"].values[o, s][:, bins]
    shown = [dv[measured], simulated[np.isfinite(simulated)], observed[np.isfinite(observed)]]
    every = np.concatenate([v[v > 0] if log else v for v in shown])
    if not every.size:
        return
    if log:
        low, high = float(every.min()) / 1.3, float(every.max()) * 1.3
        log_axis(ax, low, high)
    else:
        span = float(every.max() - min(every.min(), 0)) or 1.0
        low, high = float(min(every.min(), 0)) - 0.03 * span, float(every.max()) + 0.05 * span
        ax.set_ylim(low, high)
    corrected = bool(check.attrs.get("prediction_corrected"))
    limit = np.nan if corrected else _limit(check, o, s)
    floor = limit if np.isfinite(limit) else low
    if points:
        many = float(np.clip(10 / np.sqrt(max(measured.sum(), 1)), 0.2, 0.6))
        ax.plot(x[measured], dv[measured], linestyle="none", marker="o", markersize=2.4, markerfacecolor="none",
                markeredgecolor=GREY, markeredgewidth=0.5, alpha=many, label="_data", zorder=1)  # fmt: skip
    for k, level in enumerate(levels):
        colour = _MIDDLE if level == 0.5 else _OUTER
        band = np.where(np.isneginf(simulated[k]), floor, simulated[k])
        band = np.maximum(band, low) if log else band
        ax.fill_between(at, band[:, 0], band[:, 2], color=colour, alpha=0.25, linewidth=0, label="_band", zorder=2)
        middle = np.where(np.isfinite(simulated[k, :, 1]), simulated[k, :, 1], np.nan)
        ax.plot(at, middle, color=colour, linewidth=0.7, label="_simulated", zorder=3)
        seen = np.where(np.isfinite(observed[k]), observed[k], np.nan)
        style = "-" if level == 0.5 else (0, (4, 2))
        ax.plot(
            at,
            seen,
            color=_INK,
            linewidth=1.1,
            linestyle=style,
            marker="o",
            markersize=2.2,
            label="_observed",
            zorder=5,
        )
    if np.isfinite(limit):
        ax.axhline(limit, color=GREY, linewidth=0.7, linestyle=(0, (1, 1.5)), label="_limit", zorder=4)
    _edges(ax, check, o, s)
    unit = str(check["unit"].values[o])
    words = {
        "long_name": str(check["meaning"].values[o]) + (", prediction-corrected" if corrected else ""),
        "units": unit,
    }
    ax.set_ylabel(axis_label(words, "output", 46))


def _edges(ax: Axes, check: Any, o: int, s: int) -> None:
    edges = np.append(check["bin_left"].values[o, s], check["bin_right"].values[o, s])
    edges = np.unique(edges[np.isfinite(edges)])
    look: dict[str, Any] = {"linestyle": "none", "marker": "|", "markersize": 4, "markeredgewidth": 0.6, "color": GREY}
    ax.plot(edges, np.ones(edges.size), transform=ax.get_xaxis_transform(), clip_on=False, label="_edges", **look)


def _below(ax: Axes, check: Any, o: int, s: int) -> None:
    """Draw the fraction below the limit."""
    bins, at = _used(check, o, s)
    seen, band = check["observed_below"].values[o, s, bins], check["simulated_below"].values[o, s, bins]
    ax.fill_between(at, band[:, 0], band[:, 2], color=COLOURS[2], alpha=0.25, linewidth=0, label="_band")
    ax.plot(at, band[:, 1], color=COLOURS[2], linewidth=0.7, label="_simulated")
    ax.plot(at, seen, color=_INK, linewidth=0.9, marker="o", markersize=2.2, label="_observed")
    top = float(np.nanmax([*seen, *band[:, 2], 0.1]))
    ax.set_ylim(-0.04 * top, min(1.08 * top, 1.04))
    ax.set_ylabel("Below\nlimit")


def _grades(ax: Axes, check: Any, o: int, s: int, log: bool, points: bool) -> None:
    """Draw the share of each grade."""
    bins, at = _used(check, o, s)
    seen, band = check["observed_share"].values[o, s][:, bins], check["simulated_share"].values[o, s][:, bins]
    for grade in np.flatnonzero(np.isfinite(seen).any(axis=1)):
        colour = COLOURS[grade % len(COLOURS)]
        ax.fill_between(at, band[grade, :, 0], band[grade, :, 2], color=colour, alpha=0.25, linewidth=0, label="_band")
        ax.plot(at, seen[grade], color=colour, linewidth=1.2, marker="o", markersize=2.6, label="_observed", zorder=4,
                markeredgecolor=_INK, markeredgewidth=0.4)  # fmt: skip
        ax.annotate(f"{grade}", (at[-1], seen[grade, -1]), (4, 0), textcoords="offset points", va="center", fontsize=7)
    ax.set_ylim(-0.02, 1.02)
    ax.set_ylabel(f"{check['output'].values[o]}: share of grade")


def _key(figure: Any, check: Any, total: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if "observed" not in check:
        return
    levels = [f"{100 * p:g}th" for p in check["percentile"].values if p != 0.5]
    outer = " and ".join(levels)
    level = f"{100 * float(check.attrs['level']):g}%"
    handles: list[Any] = [
        Line2D([], [], color=_INK, linewidth=1.1, marker="o", markersize=2.2, label="observed median"),
        Line2D([], [], color=_INK, linewidth=1.1, linestyle=(0, (4, 2)), label=f"observed {outer} percentiles"),
        Patch(facecolor=_MIDDLE, alpha=0.25, label=f"simulated median, {level} interval"),
        Patch(facecolor=_OUTER, alpha=0.25, label=f"simulated {outer} percentiles, {level} interval"),
    ]
    if not levels:
        handles = [handles[0], handles[2]]
    figure.legend(handles=handles, loc="outside upper left", ncols=2 if total > 110 else 1)
