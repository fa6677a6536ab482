"""Figures of how far to trust a calibration: predicted facts, ranks of the truth, chains."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.kinds import needs
from pkpd.plot.calibration import chosen_names
from pkpd.plot.frame import figure_width, new_frame
from pkpd.plot.style import COLOURS, GREY, MM, colour_of, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pkpd.estimation.checks.sbc import RankTest
    from pkpd.estimation.study.result import StudyFit

__all__ = ["predicted", "ranks", "traces"]

_BAND = "#E4E4E4"


def predicted(calibration: StudyFit, *, labels: Mapping[str, str] | None = None, width: str | float = "double") -> Any:
    """Draw how probable the reported facts that were fitted are under the posterior.

    Left, for values, peaks, nadirs and ratios, the probability of less than was reported, sorted: along the diagonal if
    the model is right, and nearer to a half since the model was fitted to the same facts. Right, the probability
    of reported bounds and grades. Facts outside are named.

    Parameters
    ----------
    calibration : StudyFit
    labels : mapping of marker to str, optional
        What markers are called.
    width : {"single", "double"} or float

    Returns
    -------
    ndarray of Axes, shape (2,)
    """
    needs("plot.predicted", calibration, ("StudyFit",), "pkpd.fit(study) and pkpd.load_fit make one")
    from scipy.stats import beta

    table = calibration.facts().query("use == 'fit'")
    markers = list(dict.fromkeys(table["marker"]))
    with house_style():
        frame = new_frame(2, width, None, 0, share_x=False)
        left, right = frame.axes
        some = table.loc[table["pit"].notna()].sort_values(by="pit")
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
        other = table.loc[table["pit"].isna()].sort_values(by="probability")
        m = len(other)
        _points(right, np.arange(1, m + 1), other["probability"].to_numpy(), other, markers)
        right.axhspan(0, 0.05, color=COLOURS[1], alpha=0.12, linewidth=0)
        right.set(
            xlim=(0, m + 1), ylim=(0, 1.02), xlabel="Fact, least probable first", ylabel="Probability of the statement"
        )
        right.set_title(f"Bounds, directions, grades ({m})", fontsize=7)
        _marker_key(left, markers, labels or {})
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


def _marker_key(ax: Axes, markers: Sequence[str], labels: Mapping[str, str]) -> None:
    from matplotlib.lines import Line2D

    figure = ax.get_figure(root=True)
    assert figure is not None
    look: dict[str, Any] = {"marker": "o", "linewidth": 0, "markersize": 3.4}
    handles = [Line2D([], [], color=_marker_colour(markers, m), label=labels.get(m, m), **look) for m in markers]
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
    chosen = chosen_names(names, dict.fromkeys(test.ranks.columns), list(table.index[:16]))
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


def traces(calibration: StudyFit, names: Sequence[str] | None = None, *, width: str | float = "double") -> Any:
    """Draw the chains of each number, and how their ranks are shared: evenly, if the chains agree.

    Parameters
    ----------
    calibration : StudyFit
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
    needs("plot.traces", calibration, ("StudyFit",), "pkpd.fit(study) and pkpd.load_fit make one")
    import matplotlib.pyplot as plt
    from scipy.stats import rankdata

    table = calibration.summary()
    chosen = chosen_names(names, dict.fromkeys(table.index), list(table.sort_values("rhat", ascending=False).index[:6]))
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


def _number(calibration: StudyFit, name: str) -> np.ndarray:
    """Return draws of one number, shape (chain, draw)."""
    variable, _, label = name.partition("[")
    data = calibration.posterior[variable]
    if label:
        data = data.sel({str(data.dims[-1]): label.removesuffix("]")})
    return np.asarray(data.values, float)
