"""Figures of a fit: observed against predicted, residuals, how the search went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.estimation.checks.residuals import diagnostics
from pkpd.kinds import kind_of, needs
from pkpd.plot.frame import figure_width, new_frame
from pkpd.plot.layers import log_axis
from pkpd.plot.style import COLOURS, GREY, MM, axis_label, house_style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from pkpd.estimation.result import Fit

__all__ = ["convergence", "diagnosed", "goodness_of_fit", "is_wide", "smooth", "spaced"]

_POINT = COLOURS[0]
_TREND = COLOURS[1]
_BAND = "#E4E4E4"
#: factor that 95% of the data span from which on axes of concentration are logarithmic
_WIDE = 30.0


def goodness_of_fit(
    fit: Fit | xr.Dataset, output: str | None = None, *, log: bool | None = None, width: str | float = "double",
    **options: Any,
) -> np.ndarray:  # fmt: skip
    """Draw the usual plots of goodness of fit.

    Of each output: data against population and individual predictions, CWRES against time and PRED, IWRES against
    IPRED, and quantiles of NPDE with the 95% band of each point. The coloured line is a local mean; dashed lines hold
    95% of standard normal residuals. Carets hang from the limit of censored data.

    Parameters
    ----------
    fit : Fit or xarray.Dataset
        A fit, or what its ``diagnostics()`` returned.
    output : str, optional
        All outputs with residuals by default, below each other.
    log : bool, optional
        Logarithmic axes of data and predictions; where 95% of them span a factor above 30 by default.
    width : {"single", "double"} or float
    **options
        Of ``pkpd.checks.diagnostics``: ``n``, ``seed`` ...

    Returns
    -------
    ndarray of Axes, shape (outputs, 6)

    Raises
    ------
    DataError
        If the output is unknown or has no residuals.
    """
    table = diagnosed(fit, options)
    known = [o for o in dict.fromkeys(table["output"].values.tolist()) if np.isfinite(_of(table, "IWRES", o)).any()]
    if output is not None and output not in known:
        raise DataError(
            f"goodness_of_fit: no residuals of output '{output}'; there are {', '.join(known)}{nearest(output, known)}"
        )
    chosen = known if output is None else [output]
    if not chosen:
        raise DataError("goodness_of_fit: no output has residuals; a VPC shows grades")
    import matplotlib.pyplot as plt

    total = figure_width(width)
    columns = 3 if total > 110 else 2
    rows = 6 // columns
    with house_style():
        panel = (total - 14) / columns - 6
        tall = len(chosen) * rows * (0.86 * panel + 11) + 4
        figure, grid = plt.subplots(
            len(chosen) * rows, columns, figsize=(total * MM, tall * MM), squeeze=False, layout="constrained"
        )
        spaced(figure)
        axes = grid.reshape(len(chosen), 6)
        for row, name in zip(axes, chosen, strict=True):
            _panels(row, table, name, log)
            if len(chosen) > 1:
                row[0].set_title(name)
        _gof_key(figure, bool((table["CENS"].values != 0).any()))
    return axes


def _gof_key(figure: Any, censored: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linewidth=0, marker="o", markersize=2.6, markeredgewidth=0, color=_POINT, label="observation"),
        Line2D([], [], color=_TREND, linewidth=1.1, label="local mean"),
        Line2D([], [], color=GREY, linewidth=0.6, linestyle=(0, (4, 2.5)), label="±1.96"),
    ]
    if censored:
        caret: dict[str, Any] = {
            "linewidth": 0,
            "marker": 11,
            "markersize": 4,
            "markeredgewidth": 0,
            "color": COLOURS[3],
        }
        handles.insert(1, Line2D([], [], label="below the limit", **caret))
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))


def diagnosed(fit: Any, options: dict[str, Any]) -> Any:
    """Return the diagnostics of a fit, or those given."""
    if kind_of(fit) == "Fit":
        return diagnostics(fit, **options)
    if "CWRES" not in getattr(fit, "data_vars", ()):
        raise DataError(f"a fit is needed, or what pkpd.checks.diagnostics(fit) returned, got {type(fit).__name__}")
    return fit


def is_wide(values: np.ndarray) -> bool:
    """Tell whether the middle 95% of positive data want a logarithmic axis."""
    positive = values[values > 0]
    if positive.size < 0.9 * values.size or positive.size < 2:
        return False
    low, high = np.quantile(positive, [0.025, 0.975])
    return bool(high > _WIDE * low)


def _of(table: Any, name: str, output: str) -> np.ndarray:
    return np.asarray(table[name].values, float)[table["output"].values == output]


def spaced(figure: Any, points: float = 4.0) -> None:
    """Set the room between panels."""
    figure.get_layout_engine().set(w_pad=points / 72, h_pad=points / 72, wspace=0.025, hspace=0.025)


def _panels(row: Any, table: Any, output: str, log: bool | None) -> None:
    """Draw the six panels of one output."""
    dv, pred, ipred = (_of(table, n, output) for n in ("DV", "PRED", "IPRED"))
    cens, time, cwres = (_of(table, n, output) for n in ("CENS", "TIME", "CWRES"))
    unit = table["unit"].values[table["output"].values == output][0]
    clock = axis_label(table["TIME"].attrs, "TIME")
    wide = is_wide(dv[cens == 0]) if log is None else log
    said = f" [{unit}]" if unit != "1" else ""
    _against(row[0], pred, dv, cens, wide, f"Population prediction{said}", f"{output}{said}")
    _against(row[1], ipred, dv, cens, wide, f"Individual prediction{said}", f"{output}{said}")
    _residuals(row[2], ipred, _of(table, "IWRES", output), wide, f"Individual prediction{said}", "IWRES")
    _residuals(row[3], time, cwres, False, clock, "CWRES")
    _residuals(row[4], pred, cwres, wide, f"Population prediction{said}", "CWRES")
    if "NPDE" in table and np.isfinite(_of(table, "NPDE", output)).any():
        _quantiles(row[5], _of(table, "NPDE", output), "NPDE")
    else:
        _quantiles(row[5], cwres, "CWRES")


def _points(ax: Axes, x: np.ndarray, y: np.ndarray, **more: Any) -> None:
    many = float(np.clip(14 / np.sqrt(max(len(x), 1)), 0.25, 0.75))
    look: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 2.6, "markeredgewidth": 0, "alpha": many}
    ax.plot(x, y, **(look | {"color": _POINT, "label": "_data", "zorder": 2} | more))


def _against(ax: Axes, f: np.ndarray, y: np.ndarray, cens: np.ndarray, log: bool, x_name: str, y_name: str) -> None:
    """Draw data against predictions, with the line of identity."""
    ok = np.isfinite(f) & np.isfinite(y) & ((f > 0) & (y > 0) if log else True)
    own = ok & (cens == 0)
    _points(ax, f[own], y[own])
    if (ok & (cens != 0)).any():
        limited = ok & (cens == 1)
        ax.plot(f[limited], y[limited], linestyle="none", marker=11, markersize=4, color=COLOURS[3], alpha=0.7,
                markeredgewidth=0, label="_censored", zorder=2)  # fmt: skip
    every = np.concatenate([f[ok], y[ok]])
    if not every.size:
        return
    low, high = float(every.min()), float(every.max())
    low, high = (low / 1.4, high * 1.4) if log else (low - 0.04 * (high - low), high + 0.04 * (high - low))
    ax.plot([low, high], [low, high], color=GREY, linewidth=0.7, zorder=1, label="_identity")
    at, mean = smooth(np.log(f[own]), np.log(y[own])) if log else smooth(f[own], y[own])
    at, mean = (np.exp(at), np.exp(mean)) if log else (at, mean)
    ax.plot(at, mean, color=_TREND, linewidth=1.1, zorder=4, label="_trend")
    if log:
        log_axis(ax, low, high)
        _log_x(ax, low, high)
    else:
        ax.set(xlim=(low, high), ylim=(low, high))
    ax.set_box_aspect(0.86)
    ax.set(xlabel=x_name, ylabel=y_name)


def _log_x(ax: Axes, low: float, high: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_xscale("log")
    ax.set_xlim(low, high)
    decades = np.log10(high / low)
    subs = (1.0,) if decades > 1.6 else (1.0, 3.0) if decades > 1 else (1.0, 2.0, 5.0)
    ax.xaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
    ax.xaxis.set_minor_formatter(NullFormatter())
    if low > 1e-4 and high < 1e5:
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _residuals(ax: Axes, x: np.ndarray, r: np.ndarray, log: bool, x_name: str, y_name: str) -> None:
    """Draw residuals about 0."""
    ok = np.isfinite(x) & np.isfinite(r) & ((x > 0) if log else True)
    ax.axhline(0, color=GREY, linewidth=0.7, zorder=1)
    for level in (-1.96, 1.96):
        ax.axhline(level, color=GREY, linewidth=0.6, linestyle=(0, (4, 2.5)), zorder=1)
    _points(ax, x[ok], r[ok])
    if ok.any():
        at, mean = smooth(np.log(x[ok]) if log else x[ok], r[ok])
        ax.plot(np.exp(at) if log else at, mean, color=_TREND, linewidth=1.1, zorder=4, label="_trend")
        most = max(3.2, 1.08 * float(np.abs(r[ok]).max()))
        ax.set_ylim(-most, most)
        if log:
            _log_x(ax, float(x[ok].min()) / 1.4, float(x[ok].max()) * 1.4)
    ax.set_box_aspect(0.86)
    ax.set(xlabel=x_name, ylabel=y_name)


def _quantiles(ax: Axes, z: np.ndarray, name: str) -> None:
    """Draw sorted scores against normal quantiles; the band holds 95% of each order statistic."""
    from scipy.special import ndtri
    from scipy.stats import beta

    z = np.sort(z[np.isfinite(z)])
    if not z.size:
        return
    at = np.arange(1, z.size + 1)
    expected = ndtri((at - 0.5) / z.size)
    low, high = (ndtri(beta.ppf(p, at, z.size + 1 - at)) for p in (0.025, 0.975))
    ax.fill_between(expected, low, high, color=_BAND, linewidth=0, label="_band", zorder=0)
    most = max(float(np.abs(z).max()), float(expected[-1])) * 1.08
    ax.plot([-most, most], [-most, most], color=GREY, linewidth=0.7, zorder=1, label="_identity")
    _points(ax, expected, z)
    ax.set(xlim=(-most, most), ylim=(-most, most), xlabel="Standard normal quantile", ylabel=f"{name} quantile")
    ax.set_box_aspect(0.86)


def smooth(x: np.ndarray, y: np.ndarray, share: float = 0.6, points: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return a local linear mean with tricube weights of the nearest share of the points; empty for too few.

    Source: Cleveland WS. J Am Stat Assoc 1979;74:829-836, without its robust iterations.

    Examples
    --------
    >>> at, mean = smooth(np.arange(20.0), 2 * np.arange(20.0))
    >>> bool(np.allclose(mean, 2 * at))
    True
    """
    values = np.unique(x)
    if values.size < 4 or x.size < 8:
        return np.empty(0), np.empty(0)
    at = np.linspace(values[0], values[-1], points)
    need = max(int(np.ceil(share * x.size)), 4)
    mean = np.empty(points)
    for k, x0 in enumerate(at):
        far = np.abs(x - x0)
        reach = max(float(np.partition(far, need - 1)[need - 1]), float(np.sort(np.abs(values - x0))[2])) * 1.0001
        w = np.clip(1 - (far / reach) ** 3, 0, None) ** 3
        d = x - x0
        s0, s1, s2 = w.sum(), (w * d).sum(), (w * d * d).sum()
        t0, t1 = (w * y).sum(), (w * d * y).sum()
        det = s0 * s2 - s1 * s1
        mean[k] = (s2 * t0 - s1 * t1) / det if det > 1e-12 * s0 * s2 else t0 / s0
    return at, mean


# -- the search


def convergence(fit: Fit, names: Sequence[str] | None = None, *, width: str | float = "double") -> np.ndarray:
    """Draw how the objective and the estimates moved from iteration to iteration.

    Of SAEM the vertical line is where the smoothing begins, and the objective is that given the random effects of the
    chains. Dashed lines are the last values.

    Parameters
    ----------
    fit : Fit
    names : sequence of str, optional
        Columns of the trace; all by default.
    width : {"single", "double"} or float

    Returns
    -------
    ndarray of Axes

    Raises
    ------
    DataError
        If the fit has no trace, or not one of these names.
    """
    needs("plot.convergence", fit, ("Fit",), "pkpd.fit makes one")
    trace = list(fit.trace)
    known = [k for k in (trace[0] if trace else {}) if k != "iteration" and isinstance(trace[-1][k], int | float)]
    if len(trace) < 2:
        raise DataError(f"convergence: a fit by {fit.method} has no trace of iterations to draw")
    chosen = known if names is None else list(names)
    if strange := [n for n in chosen if n not in known]:
        hints = ", ".join(f"'{n}'{nearest(n, known)}" for n in strange)
        raise DataError(f"convergence: the trace has no {hints}; it has {', '.join(known)}")
    from matplotlib.ticker import MaxNLocator

    at = np.array([step.get("iteration", k) for k, step in enumerate(trace)], float)
    phases = [float(v) for v in np.atleast_1d(fit.extra.get("burn_in", []))]
    objective = "-2 log L given effects" if phases else "OFV"
    with house_style():
        frame = new_frame(len(chosen), width, None, 0, share_x=False)
        for i, (ax, name) in enumerate(zip(frame.axes, chosen, strict=True)):
            values = np.array([step.get(name, np.nan) for step in trace], float)
            ax.plot(at, values, color=COLOURS[0], linewidth=0.9, label="_trace", zorder=3)
            ax.axhline(values[-1], color=GREY, linewidth=0.5, linestyle=(0, (4, 2.5)), zorder=1)
            for start in phases:
                ax.axvline(start, color=GREY, linewidth=0.5, zorder=1, label="_phase")
            parameter = fit.model.parameters.get(name)
            unit = "" if parameter is None or not parameter.unit else f" [{parameter.unit.replace('*', '·')}]"
            ax.set_title((objective if name == "ofv" else name) + unit, fontsize=7, pad=2)
            ax.margins(x=0.02)
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            if frame.last_row(i):
                ax.set_xlabel("Iteration")
    return np.array(frame.axes, object)
