"""Figures of a calibration: what was believed and what was learned, patient by patient, and how far to trust it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.plot.frame import figure_width, new_frame
from pkpd.plot.style import COLOURS, GREY, MM, colour_of, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pkpd.calibration.result import Calibration
    from pkpd.calibration.sbc import RankTest

__all__ = ["densities", "forest", "predicted", "ranks", "traces"]

_PRIOR = "#BDBDBD"
_BAND = "#E4E4E4"
_ROW = 4.2


def densities(
    calibration: Calibration, names: Sequence[str] | None = None, *, width: str | float = "double"
) -> Any:
    """Draw prior and posterior density of each number, in its unit.

    Parameters
    ----------
    calibration : Calibration
    names : sequence of str, optional
        Variables of the posterior; all that are no patient's own by default. Of one with a dim, each entry has a curve
        in the colour of its cohort.
    width : {"single", "double"} or float

    Returns
    -------
    ndarray of Axes

    Raises
    ------
    DataError
        If a name is no variable of the calibration.
    """
    known = {v.name: v for v in calibration.variables}
    chosen = _names(names, known, [v.name for v in calibration.variables if v.kind != "patient"])
    with house_style():
        frame = new_frame(len(chosen), width, None, 0, share_x=False)
        for i, (ax, name) in enumerate(zip(frame.axes, chosen, strict=True)):
            _density(ax, calibration, known[name], frame.width)
            if frame.first_column(i):
                ax.set_ylabel("Density")
        _legend(frame.axes[0], calibration, any(known[n].dims for n in chosen))
    return np.array(frame.axes, object)


def _names(names: Sequence[str] | None, known: Mapping[str, Any], default: Sequence[str]) -> list[str]:
    chosen = list(default if names is None else names)
    if strange := [n for n in chosen if n not in known]:
        hints = ", ".join(f"'{n}'{nearest(n, known)}" for n in strange)
        raise DataError(f"the calibration has no variable {hints}; it has {', '.join(known)}")
    if not chosen:
        raise DataError("names is empty; there is nothing to draw")
    return chosen


def _label(calibration: Calibration, variable: Any) -> tuple[str, str]:
    """Return the name as the title says it, and quantity and unit as the axis does."""
    kinds = {"location": "location of", "spread": "spread of", "error": "error factor of"}
    title = f"{kinds.get(variable.kind, '')} {variable.free}".strip()
    parameter = calibration.study.problem.model.parameters.get(variable.free)
    unit = parameter.unit if parameter is not None and variable.kind not in ("spread", "error") else ""
    return title, unit.replace("*", "·")


def _density(ax: Axes, calibration: Calibration, variable: Any, width: float) -> None:
    """Draw one panel; densities are per unit of the axis, which is logarithmic on the log scale."""
    groups = list(dict.fromkeys(calibration.cohorts.values()))
    prior, posterior = (calibration.draws(variable.name, group=g) for g in ("prior", "posterior"))
    one = prior if prior.ndim == 1 else prior[:, 0]
    x, y = _curve(one, variable)
    ax.fill_between(x, 0, y, color=_PRIOR, alpha=0.55, linewidth=0, label="_prior", zorder=1)
    top = float(y.max())
    columns = posterior[:, None] if posterior.ndim == 1 else posterior
    for j in range(columns.shape[1]):
        if np.ptp(columns[:, j]) == 0:
            continue
        x, y = _curve(columns[:, j], variable)
        cohort = j if variable.dims == ("cohort",) else groups.index(list(calibration.cohorts.values())[j])
        ax.plot(x, y, color=colour_of(cohort if variable.dims else 0), linewidth=1.0, label="_posterior", zorder=3)
        top = max(top, float(y.max()))
    title, unit = _label(calibration, variable)
    ax.set_title(textwrap.shorten(title, int(width / 1.35), placeholder="..."), fontsize=7, pad=3)
    ax.set_xlabel(f"[{unit}]" if unit else "", fontsize=7, labelpad=1)
    ax.set_ylim(0, 1.08 * top)
    ax.set_yticks([])
    if variable.scale == "log":
        _log_axis(ax)
    elif variable.scale == "logit":
        ax.set_xlim(*variable.limits)


def _log_axis(ax: Axes) -> None:
    """Make the x axis logarithmic with plain numbers, few enough to be read."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_xscale("log")
    low, high = ax.get_xlim()
    decades = np.log10(high / low)
    subs = (1.0,) if decades > 1.6 else (1.0, 3.0) if decades > 0.7 else (1.0, 2.0, 3.0, 5.0, 7.0)
    ax.xaxis.set_major_locator(LogLocator(subs=subs, numticks=5))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _curve(draws: np.ndarray, variable: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return a density of draws: on the log axis for the log scale, by change of variable on the logit scale."""
    from scipy.stats import gaussian_kde

    low, high = variable.limits
    part = (draws - low) / (high - low)
    x = np.log(draws) if variable.scale == "log" else np.log(part / (1 - part)) if variable.scale == "logit" else draws
    x = x[np.isfinite(x)]
    ends = np.quantile(x, [0.002, 0.998])
    grid = np.linspace(*(ends + np.array([-0.12, 0.12]) * np.ptp(ends)), 240)
    y = gaussian_kde(x)(grid)
    if variable.scale == "logit":
        share = 1 / (1 + np.exp(-grid))
        # near a bound the density of a logit-normal number falls to 0, but a kernel's tail need not
        return low + (high - low) * share, y / np.maximum(share * (1 - share) * (high - low), 0.01)
    return (np.exp(grid), y) if variable.scale == "log" else (grid, y)


def _legend(ax: Axes, calibration: Calibration, by_cohort: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Patch(color=_PRIOR, alpha=0.55, linewidth=0, label="prior")]
    handles.append(Line2D([], [], color=COLOURS[0], linewidth=1.6, label="posterior"))
    if by_cohort:
        groups = list(dict.fromkeys(calibration.cohorts.values()))
        handles[1:] = [Line2D([], [], color=colour_of(g), linewidth=1.6, label=n) for g, n in enumerate(groups)]
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))


def forest(
    calibration: Calibration,
    name: str,
    *,
    outcomes: Mapping[str, bool] | None = None,
    width: str | float = "single",
    ax: Axes | None = None,
) -> Any:
    """Draw a parameter of every patient by cohort: median, 50% and 95% interval, over the 95% interval of the prior.

    Parameters
    ----------
    calibration : Calibration
    name : str
        A parameter at level ``patient``.
    outcomes : mapping of patient to bool, optional
        Who responded: medians of responders are filled, of others open.
    width : {"single", "double"} or float
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If the parameter is no patient's own.
    """
    import matplotlib.pyplot as plt

    known = {v.name: v for v in calibration.variables}
    _names([name], {n: v for n, v in known.items() if v.dims == ("patient",)}, ())
    rows = _forest_rows(calibration, name, known)
    with house_style():
        if ax is None:
            size = (figure_width(width) * MM, (_ROW * len(rows) + 17) * MM)
            _, ax = plt.subplots(figsize=size, layout="constrained")
        for y, (label, prior, draws, colour, patient) in enumerate(rows):
            _forest_row(ax, y, prior, draws, colour, bool(patient), None if outcomes is None else outcomes.get(patient))
            if not patient and y:
                ax.axhline(y - 0.5, color=_BAND, linewidth=0.6, zorder=0)
        ax.set_yticks(range(len(rows)), [r[0] for r in rows])
        for tick, row in zip(ax.get_yticklabels(), rows, strict=True):
            tick.set_fontweight("normal" if row[4] else "bold")
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.tick_params(axis="y", length=0)
        title, unit = _label(calibration, known[name])
        meaning = calibration.study.problem.model.parameters[known[name].free].meaning or title
        ax.set_xlabel(textwrap.fill(meaning[:1].upper() + meaning[1:] + (f" [{unit}]" if unit else ""), 52))
        if known[name].scale == "log":
            _log_axis(ax)
        elif known[name].scale == "logit":
            ax.set_xlim(*known[name].limits)
        _forest_key(ax, outcomes is not None)
    return ax


def _forest_rows(calibration: Calibration, name: str, known: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return (label, prior, draws, colour, patient), cohort by cohort; the cohort's location, if any, comes first."""
    draws, prior = calibration.draws(name), calibration.draws(name, group="prior")
    location = known.get(f"{name}_location")
    out: list[tuple[Any, ...]] = []
    groups = list(dict.fromkeys(calibration.cohorts.values()))
    for g, cohort in enumerate(groups):
        if location is not None and location.dims:
            pair = [calibration.draws(location.name, group=x)[:, g] for x in ("prior", "posterior")]
            out.append((cohort, *pair, colour_of(g), ""))
        else:
            out.append((cohort, None, None, colour_of(g), ""))
        for i, (patient, own) in enumerate(calibration.cohorts.items()):
            if own == cohort:
                label = patient.partition("/")[2] or patient
                out.append((label, prior[:, i], draws[:, i], colour_of(g), patient))
    return out


def _forest_row(
    ax: Axes, y: int, prior: np.ndarray | None, draws: np.ndarray | None, colour: str, own: bool, outcome: bool | None
) -> None:
    if prior is None or draws is None:
        return
    low, high = np.quantile(prior, [0.025, 0.975])
    ax.barh(y, high - low, left=low, height=0.72, color=_BAND, linewidth=0, label="_prior", zorder=1)
    outer, inner = np.quantile(draws, [0.025, 0.975]), np.quantile(draws, [0.25, 0.75])
    ax.plot(outer, [y, y], color=colour, linewidth=0.8, solid_capstyle="butt", label="_95", zorder=2)
    ax.plot(inner, [y, y], color=colour, linewidth=2.6, solid_capstyle="butt", label="_50", zorder=3)
    face = colour if outcome or (outcome is None and own) else "white"
    ax.plot([np.median(draws)], [y], "o" if own else "D", markersize=4.2 if own else 3.8, markerfacecolor=face,
            markeredgecolor=colour, markeredgewidth=0.9, label="_median", zorder=4)  # fmt: skip


def _forest_key(ax: Axes, outcomes: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    look: dict[str, Any] = {"color": GREY, "markersize": 4, "linewidth": 0}
    handles: list[Any] = [Patch(color=_BAND, linewidth=0, label="prior 95%")]
    handles.append(Line2D([], [], color=GREY, linewidth=0.8, label="95%"))
    handles.append(Line2D([], [], color=GREY, linewidth=2.6, label="50%"))
    if outcomes:
        handles.append(Line2D([], [], marker="o", **look, label="responded"))
        handles.append(Line2D([], [], marker="o", markerfacecolor="white", **look, label="did not"))
    ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=len(handles), columnspacing=0.8)


def predicted(calibration: Calibration, *, width: str | float = "double") -> Any:
    """Draw how probable the reported facts are under the posterior.

    Left, for values, peaks, nadirs and ratios, the probability of less than was reported, sorted: along the diagonal if
    the model is right, and steeper in the middle since the model was fitted to the same facts. Right, the probability
    of reported bounds and grades. Facts outside are named.

    Parameters
    ----------
    calibration : Calibration
    width : {"single", "double"} or float

    Returns
    -------
    ndarray of Axes, shape (2,)
    """
    from scipy.stats import beta

    table = calibration.facts()
    markers = list(dict.fromkeys(table["marker"]))
    with house_style():
        frame = new_frame(2, width, None, 0, share_x=False)
        left, right = frame.axes
        some = table[table["pit"].notna()].sort_values("pit")
        n = len(some)
        if n:
            at = np.arange(1, n + 1)
            low, high = beta.ppf(0.025, at, n + 1 - at), beta.ppf(0.975, at, n + 1 - at)
            left.fill_between(at / (n + 1), low, high, color=_BAND, linewidth=0, label="_band")
            _points(left, at / (n + 1), some["pit"].to_numpy(), some, markers)
        left.set(xlim=(0, 1), ylim=(0, 1), xlabel="Expected if the model is right", ylabel="Probability of less")
        left.axhspan(0, 0.025, color=COLOURS[1], alpha=0.12, linewidth=0)
        left.axhspan(0.975, 1, color=COLOURS[1], alpha=0.12, linewidth=0)
        left.set_title(f"Values, peaks, nadirs, ratios ({n})", fontsize=7)
        other = table[table["pit"].isna()].sort_values("probability")
        m = len(other)
        _points(right, np.arange(1, m + 1), other["probability"].to_numpy(), other, markers)
        right.axhspan(0, 0.05, color=COLOURS[1], alpha=0.12, linewidth=0)
        right.set(xlim=(0, m + 1), ylim=(0, 1.02), xlabel="Fact, least probable first", ylabel="Probability of the statement")
        right.set_title(f"Bounds, directions, grades ({m})", fontsize=7)
        _marker_key(left, markers)
    return np.array(frame.axes, object)


def _points(ax: Axes, x: np.ndarray, y: np.ndarray, rows: Any, markers: Sequence[str]) -> None:
    colours = [_marker_colour(markers, m) for m in rows["marker"]]
    ax.scatter(x, y, s=9, c=colours, linewidths=0, label="_fact", zorder=3)
    inside = rows["inside"].to_numpy()
    for k, i in enumerate(np.flatnonzero(~inside)):
        patient = rows["patient"].iloc[i].replace("/", " ")
        place: dict[str, Any] = {"xytext": (6, 8 + 8 * k if y[i] < 0.5 else -8 - 8 * k), "textcoords": "offset points"}
        ax.annotate(f"{patient} {rows['marker'].iloc[i]}", (x[i], y[i]), **place, fontsize=6, color=GREY,
                    arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": GREY})  # fmt: skip


def _marker_colour(markers: Sequence[str], marker: str) -> str:
    more = ("#999999", "#8B5A2B", "#6A3D9A")
    return (*COLOURS, *more)[markers.index(marker) % (len(COLOURS) + len(more))]


def _marker_key(ax: Axes, markers: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    figure = ax.get_figure(root=True)
    assert figure is not None
    look: dict[str, Any] = {"marker": "o", "linewidth": 0, "markersize": 3.4}
    handles = [Line2D([], [], color=_marker_colour(markers, m), label=m, **look) for m in markers]
    figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), 9))


def ranks(test: RankTest, names: Sequence[str] | None = None, *, bins: int = 10, width: str | float = "double") -> Any:
    """Draw how often the truth had which rank; between the lines in 99 of 100 bins if the posterior is one.

    Parameters
    ----------
    test : RankTest
    names : sequence of str, optional
        At most 16 by default: those whose ranks are least probable.
    bins : int
    width : {"single", "double"} or float

    Returns
    -------
    ndarray of Axes

    Raises
    ------
    DataError
        If a name was not ranked.
    """
    from scipy.stats import binom

    table = test.test(bins)
    chosen = _names(names, dict.fromkeys(test.ranks.columns), list(table.index[:16]))
    counts = test.bins(bins)
    n = len(test.ranks)
    low, high = binom.ppf([0.005, 0.995], n, 1 / bins)
    with house_style():
        frame = new_frame(len(chosen), width, None, 0)
        for i, (ax, name) in enumerate(zip(frame.axes, chosen, strict=True)):
            ax.axhspan(low, high, color=_BAND, linewidth=0, zorder=0)
            at = (np.arange(bins) + 0.5) / bins
            ax.bar(at, counts.loc[name], width=0.92 / bins, color=COLOURS[0], linewidth=0, label="_rank", zorder=2)
            ax.axhline(n / bins, color=GREY, linewidth=0.6, zorder=3)
            title = textwrap.shorten(name, int(frame.width / 1.35), placeholder="...")
            ax.set_title(f"{title}, p = {table.loc[name, 'p']:.2g}", fontsize=6.5, pad=3)
            ax.set_xlim(0, 1)
            if frame.last_row(i):
                ax.set_xlabel("Rank of the truth")
            if frame.first_column(i):
                ax.set_ylabel(f"Reports of {n}")
    return np.array(frame.axes, object)


def traces(calibration: Calibration, names: Sequence[str] | None = None, *, width: str | float = "double") -> Any:
    """Draw the chains of each number, and how their ranks are shared: evenly, if the chains agree.

    Parameters
    ----------
    calibration : Calibration
    names : sequence of str, optional
        Numbers as in the summary, ``"phi[seed/patient]"``; the six with the highest R-hat by default.
    width : {"single", "double"} or float

    Returns
    -------
    ndarray of Axes, shape (number, 2)

    Raises
    ------
    DataError
        If a number is unknown.
    """
    import matplotlib.pyplot as plt
    from scipy.stats import rankdata

    table = calibration.summary()
    chosen = _names(names, dict.fromkeys(table.index), list(table.sort_values("rhat", ascending=False).index[:6]))
    total = figure_width(width)
    with house_style():
        size = (total * MM, (24 * len(chosen) + 8) * MM)
        _, grid = plt.subplots(len(chosen), 2, figsize=size, squeeze=False, layout="constrained", width_ratios=(2, 1))
        for row, name in zip(grid, chosen, strict=True):
            values = _number(calibration, name)
            rank = rankdata(values).reshape(values.shape) / values.size
            for c, chain in enumerate(values):
                row[0].plot(chain, color=colour_of(c), linewidth=0.4, alpha=0.85, label="_chain")
                count, edges = np.histogram(rank[c], 20, (0, 1))
                row[1].stairs(count, edges, color=colour_of(c), linewidth=0.9, label="_rank")
            row[1].axhline(values.shape[1] / 20, color=GREY, linewidth=0.6, linestyle="--")
            rhat, ess = table.loc[name, "rhat"], table.loc[name, "ess_bulk"]
            row[0].set_title(f"{name}: R-hat {rhat:.3f}, effective size {ess:.0f}", fontsize=7)
            row[1].set_ylim(0, None)
            row[0].margins(x=0)
        grid[-1, 0].set_xlabel("Draw")
        grid[-1, 1].set_xlabel("Rank among all chains")
    return grid


def _number(calibration: Calibration, name: str) -> np.ndarray:
    """Return draws of one number, shape (chain, draw)."""
    variable, _, label = name.partition("[")
    data = calibration.posterior[variable]
    if label:
        data = data.sel({str(data.dims[-1]): label.removesuffix("]")})
    return np.asarray(data.values, float)
