"""Figure of the single subjects of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.estimation.checks.residuals import diagnostics
from pkpd.estimation.checks.subject_curves import curves
from pkpd.kinds import needs
from pkpd.plot.fit import is_wide
from pkpd.plot.frame import new_frame
from pkpd.plot.layers import log_axis
from pkpd.plot.style import COLOURS, GREY, axis_label, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pkpd.estimation.result import Fit

__all__ = ["individuals"]


def individuals(
    fit: Fit, output: str | None = None, *, subjects: Sequence[Any] | None = None, per_page: int = 12,
    points: int = 150, log: bool | None = None, share_y: bool = True, width: str | float = "double",
) -> list[np.ndarray]:  # fmt: skip
    """Draw each subject's data with the individual and the population prediction, in pages.

    Parameters
    ----------
    fit : Fit
    output : str, optional
        The first one observed by default.
    subjects : sequence, optional
        IDs; all with data by default.
    per_page : int
        Subjects of a figure.
    points : int
        Times of the curves.
    log : bool, optional
        Logarithmic axis; where 95% of the data span a factor above 30 by default.
    share_y : bool
        One axis of values for all panels of a page.
    width : {"single", "double"} or float

    Returns
    -------
    list of ndarray of Axes
        One array a page, an Axes a subject.

    Raises
    ------
    DataError
        If the output or a subject is unknown.
    """
    needs("plot.individuals", fit, ("Fit",), "pkpd.fit makes one")
    table = diagnostics(fit, n=0)
    known = list(dict.fromkeys(table["output"].values.tolist()))
    if output is not None and output not in known:
        raise DataError(
            f"individuals: output '{output}' is not observed; there is {', '.join(known)}{nearest(output, known)}"
        )
    name = known[0] if output is None else output
    if per_page < 1:
        raise DataError(f"individuals: per_page must be 1 or more, got {per_page}")
    own = table["output"].values == name
    labels = _chosen_subjects(table, own, subjects)
    lines = curves(fit, points, [name])
    wide = is_wide(table["DV"].values[own & (table["CENS"].values == 0)]) if log is None else log
    import matplotlib as mpl

    pages = [labels[first : first + per_page] for first in range(0, len(labels), per_page)]
    with mpl.rc_context({"figure.max_open_warning": 0}):
        return [_page(table, lines, name, page, wide, share_y, width) for page in pages]


def _chosen_subjects(table: Any, own: np.ndarray, subjects: Sequence[Any] | None) -> list[Any]:
    seen = list(dict.fromkeys(table["ID"].values[own].tolist()))
    if subjects is None:
        return seen
    texts = {str(v): v for v in seen}
    if strange := [s for s in subjects if str(s) not in texts]:
        raise DataError(
            f"individuals: {len(strange)} subjects have no data of this output: {', '.join(map(str, strange[:5]))}; "
            f"those with data are {', '.join(list(texts)[:8])}{', ...' if len(texts) > 8 else ''}"
        )
    return [texts[str(s)] for s in subjects]


def _page(
    table: Any, lines: Any, name: str, labels: Sequence[Any], log: bool, share_y: bool, width: str | float
) -> np.ndarray:
    with house_style():
        frame = new_frame(len(labels), width, None, 0, share_x=False)
        tops: list[tuple[float, float]] = []
        for i, (ax, label) in enumerate(zip(frame.axes, labels, strict=True)):
            tops.append(_subject(ax, table, lines, name, label, log))
            if frame.first_column(i):
                ax.set_ylabel(axis_label({"units": str(lines["unit"].values[0])}, name, frame.height))
            if frame.last_row(i):
                ax.set_xlabel(axis_label(lines["time"].attrs, "time"))
        low, high = min(t[0] for t in tops), max(t[1] for t in tops)
        for ax, own in zip(frame.axes, tops, strict=True):
            a, b = (low, high) if share_y else own
            if log:
                log_axis(ax, a / 1.4, b * 1.4)
            else:
                ax.set_ylim(a - 0.05 * (b - a) if a < 0 else 0, b + 0.06 * (b - a))
        _individual_key(frame.axes[0], frame.columns * frame.width)
    return np.array(frame.axes, object)


def _subject(ax: Axes, table: Any, lines: Any, name: str, label: Any, log: bool) -> tuple[float, float]:
    """Draw one subject and return the range of values."""
    own = (table["ID"].values == label) & (table["output"].values == name)
    time, dv, cens = (np.asarray(table[n].values, float)[own] for n in ("TIME", "DV", "CENS"))
    k = int(np.flatnonzero(lines["subject"].values == label)[0])
    at = lines["time"].values[k]
    pred, ipred = lines["PRED"].values[0, k], lines["IPRED"].values[0, k]
    if log:
        pred, ipred = np.where(pred > 0, pred, np.nan), np.where(ipred > 0, ipred, np.nan)
    ax.plot(at, pred, color=GREY, linewidth=0.8, linestyle=(0, (4, 2)), label="_population", zorder=2)
    ax.plot(at, ipred, color=COLOURS[0], linewidth=1.1, label="_individual", zorder=3)
    measured = (cens == 0) & ((dv > 0) if log else True)
    ax.plot(time[measured], dv[measured], linestyle="none", marker="o", markersize=2.8, markerfacecolor="white",
            markeredgecolor="#222222", markeredgewidth=0.7, label="_observed", zorder=4)  # fmt: skip
    for sign, caret in ((1, 11), (-1, 10)):
        some = cens == sign
        ax.plot(time[some], dv[some], linestyle="none", marker=caret, markersize=3.4, color=COLOURS[1],
                markeredgewidth=0, label="_censored", zorder=4)  # fmt: skip
    ax.set_title(f"{label}", fontsize=7, pad=2)
    shown = np.concatenate([dv[measured | (cens != 0)], ipred[np.isfinite(ipred)], pred[np.isfinite(pred)]])
    if log:
        shown = shown[shown > 0]
        shown = shown[shown > 0.3 * min([*dv[dv > 0], shown.max()])]
    return float(shown.min()), float(shown.max())


def _individual_key(ax: Axes, width: float) -> None:
    from matplotlib.lines import Line2D

    figure = ax.get_figure(root=True)
    if figure is None:
        return
    ring: dict[str, Any] = {"marker": "o", "markersize": 3, "markerfacecolor": "white", "markeredgecolor": "#222222"}
    handles = [
        Line2D([], [], linewidth=0, label="observed", **ring),
        Line2D([], [], color=COLOURS[0], linewidth=1.1, label="individual prediction"),
        Line2D([], [], color=GREY, linewidth=0.8, linestyle=(0, (4, 2)), label="population prediction"),
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=3 if width > 100 else 1)
