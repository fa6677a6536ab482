"""Comparison of regimens: one panel a measure, one row a regimen, medians with intervals."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.kinds import needs
from pkpd.plot.frame import figure_width
from pkpd.plot.style import GREY, MM, colour_of, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pkpd.comparison.answer import Answer
    from pkpd.comparison.result import Comparison

__all__ = ["answer", "comparison"]

_ROW = 5.2
_NAMES = {
    "AUC24": "AUC per 24 h",
    "AUCtau": "AUC per interval",
    "Cmax": "Peak, Cmax",
    "Ctrough": "Trough, Ctrough",
    "Cavg": "Average, Cavg",
    "time_above_IC50": "Time above IC50",
    "blockade_trough": "Blockade at trough",
    "blockade_mean": "Mean blockade",
    "blockade_csf_mean": "Mean blockade, CSF",
    "Ccsf_max": "Peak in CSF",
    "Ccsf_mean": "Average in CSF",
}
_FORMS = {
    r"(.+)_day_below_(.+)": "Day from which \\1\u00a0<\u00a0\\2",
    r"(.+)_grade_days": r"\1 grade-days",
    r"(.+)_days_grade(\d)": "\\1, days of grade\u00a0≥\u00a0\\2",
    r"(.+)_area": r"Area under \1",
    r"(.+)_peak": r"Peak \1",
    r"(.+)_nadir": r"Nadir of \1",
}
_FRACTIONS = ("time_above_IC50", "blockade_trough", "blockade_mean", "blockade_csf_mean")


def comparison(
    result: Comparison,
    measures: Sequence[str] | None = None,
    *,
    ratios_to: str | None = None,
    log: bool | Sequence[str] = False,
    thresholds: Mapping[str, float] | None = None,
    columns: int | None = None,
    width: str | float = "double",
) -> np.ndarray:
    """Draw what regimens do: a dot at the median, a thick line over the central 50% of the subjects, a thin over 90%.

    Parameters
    ----------
    result : Comparison
        Of `pkpd.compare`.
    measures : sequence of str, optional
        One panel each; all by default. A probability is a dot on an axis from 0 to 1.
    ratios_to : str, optional
        Draw each subject's ratio to its value under this regimen instead, on logarithmic axes with a line at 1; a
        measure that is zero in some subjects is drawn as a difference, with a line at 0, and one that is infinite in
        some only if it is named, over the others.
    log : bool or sequence of str
        Logarithmic axes, for all or for these measures.
    thresholds : mapping of measure to float, optional
        Values to mark by a dotted line, where no ratios are drawn.
    columns : int, optional
        Panels in a row.
    width : {"single", "double"} or float
        Width of the figure: one journal column, two, or a number in mm.

    Returns
    -------
    ndarray of Axes

    Raises
    ------
    DataError
        If a measure or a regimen is unknown.
    """
    needs("plot.comparison", result, ("Comparison",), "pkpd.compare makes one")
    names = [m for m in result.measures if ratios_to is None or _finite(result, m)] if measures is None else measures
    _check(result, names, ratios_to)
    shown = [r for r in result.regimens if r != ratios_to]
    logs = set(names if log is True else [] if log is False else log)
    with house_style():
        axes, room = _panels(len(names), shown, figure_width(width), columns)
        for i, name in enumerate(names):
            mark = None if thresholds is None or ratios_to is not None else thresholds.get(name)
            _panel(axes[i], result, name, shown, ratios_to, name in logs, room, mark)
        _key(axes[0], ratios_to)
    return np.array(axes, object)


def answer(found: Answer) -> dict[str, np.ndarray]:
    """Draw the comparisons behind an answer; return the axes by name, none where it has no comparison.

    Examples
    --------
    >>> from pkpd.comparison.answer import Answer
    >>> answer(Answer("why", "Why?", "There is nothing to draw."))
    {}
    """
    needs("plot.answer", found, ("Answer",), "pkpd.comparison.answers gives some")
    axes = {}
    for name, result in found.comparisons.items():
        shown = [m for m in found.shown if m in result.measures] or None
        axes[name] = comparison(
            result, shown, ratios_to=found.ratios_to, log=list(found.log), thresholds=found.thresholds
        )
    return axes


def _key(ax: Axes, base: str | None) -> None:
    """Say below the figure what the marks are."""
    figure = ax.get_figure(root=True)
    of = "of the subjects" if base is None else f"of the subjects, each compared with itself under '{base}'"
    if figure is not None:
        figure.supxlabel(
            f"dot: median; thick line: central 50%, thin line: central 90% {of}; filled dot: probability", fontsize=6.5,
            color=GREY, x=0.01, ha="left",
        )  # fmt: skip


def _check(result: Comparison, names: Sequence[str], base: str | None) -> None:
    for name in names:
        if name not in result.measures:
            raise DataError(
                f"comparison has no measure '{name}'; it has {', '.join(result.measures)}"
                f"{nearest(name, result.measures)}"
            )
    if not names:
        raise DataError("comparison: name at least one measure")
    if base is not None and base not in result.regimens:
        raise DataError(
            f"comparison has no regimen '{base}'; it has {', '.join(result.regimens)}{nearest(base, result.regimens)}"
        )
    if base is not None and len(result.regimens) < 2:
        raise DataError(f"comparison: there is no other regimen to compare with '{base}'")


def _panels(count: int, regimens: Sequence[str], total: float, columns: int | None) -> tuple[list[Axes], float]:
    """Return the panels, whose rows share the names of the regimens, and the width of one in mm."""
    import matplotlib.pyplot as plt

    label = min(max(len(line) for name in regimens for line in _lines(name).split("\n")) * 1.45 + 4, 0.4 * total)
    most = max(int((total - label) // 31), 1)
    across = min(columns or -(-count // -(-count // most)), count)
    rows = -(-count // across)
    lines = sum(max(1.0, 0.62 * (_lines(name).count("\n") + 1)) for name in regimens)
    height = rows * (lines * _ROW + 17)
    figure, grid = plt.subplots(
        rows, across, sharey=True, squeeze=False, figsize=(total * MM, height * MM), layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=4 / 72, h_pad=3 / 72, wspace=0.02, hspace=0.04)  # pyright: ignore[reportOptionalMemberAccess, reportCallIssue]
    axes = list(grid.flat)
    for extra in axes[count:]:
        extra.set_visible(False)
    first = axes[0]
    first.set_yticks(range(len(regimens)), [_lines(name) for name in regimens])
    first.set_ylim(len(regimens) - 0.45, -0.55)
    for ax in axes:
        ax.tick_params(axis="y", length=0)
    return axes[:count], (total - label) / across


def _lines(name: str) -> str:
    return textwrap.fill(name, 26, break_long_words=False)


def _panel(
    ax: Axes,
    result: Comparison,
    name: str,
    shown: Sequence[str],
    base: str | None,
    log: bool,
    room: float,
    mark: float | None,
) -> None:
    """Draw one measure."""
    attrs = result.dataset[name].attrs
    # A day is one of the comparison's axis; a difference of days is a number of them.
    axis = attrs.get("axis", "") if base is None and not attrs["chance"] else ""
    unit = axis or str(attrs["units"]).replace("*", "·")
    chance = bool(attrs["chance"])
    relative = base is not None and not chance and _has_ratio(result, name, shown, base)
    samples = [result.samples(name, r, None if chance else base, ratio=relative) for r in shown]
    if base is not None:
        # A difference to a day that never comes is none.
        samples = [s[np.isfinite(s)] for s in samples]
    log = relative or (log and base is None)
    limits = _limits(samples, log, name, relative, base is not None and not chance, mark)
    if mark is not None:
        ax.axvline(mark, color=GREY, linewidth=0.8, linestyle=":", label="_threshold", zorder=1)
    for row, sample in enumerate(samples):
        if chance and len(sample):
            ax.plot([float(sample.mean())], [row], "o", color=colour_of(0), markersize=4, clip_on=False, zorder=4)
        elif len(sample):
            _interval(ax, row, sample, limits)
        ax.axhline(row, color=GREY, linewidth=0.3, alpha=0.35, zorder=0)
    if log:
        _log_axis(ax, *limits)
    ax.set_xlim(*((-0.02, 1.02) if chance else limits))
    if base is not None and not chance:
        ax.axvline(1.0 if relative else 0.0, color=GREY, linewidth=0.7, linestyle=(0, (4, 3)), zorder=1)
    ax.set_title(textwrap.fill(_title(name), max(int(room / 1.8), 10)), loc="left")
    ax.set_xlabel(_axis(unit, chance, relative, base), color="black")


def _title(name: str) -> str:
    """Return a measure's name as a reader would write it."""
    for form, text in _FORMS.items():
        if found := re.fullmatch(form, name):
            return found.expand(text)
    return _NAMES.get(name, name.replace("_", " "))


def _axis(unit: str, chance: bool, relative: bool, base: str | None) -> str:
    if chance:
        return "probability"
    if relative:
        return "ratio"
    text = "fraction" if unit == "1" else unit
    return f"difference [{text}]" if base is not None else text


def _finite(result: Comparison, name: str) -> bool:
    return not np.isinf(result.dataset[name].values).any()


def _has_ratio(result: Comparison, name: str, shown: Sequence[str], base: str) -> bool:
    values = result.dataset[name].sel(regimen=[*shown, base]).values
    seen = values[~np.isnan(values)]
    return bool(len(seen) and np.isfinite(seen).all() and (seen > 0).all())


def _limits(
    samples: Sequence[np.ndarray], log: bool, name: str, relative: bool, contrasted: bool, mark: float | None
) -> tuple[float, float]:
    """Return limits that hold the central 90% of every row."""
    ends = [np.quantile(s[np.isfinite(s)], [0.05, 0.95]) for s in samples if np.isfinite(s).any()]
    every = np.concatenate([*ends, [] if mark is None else [mark]]) if ends else np.array([0.0, 1.0])
    if log:
        every = every[every > 0]
        low, high = (float(every.min()), float(every.max())) if len(every) else (0.1, 1.0)
        low, high = (min(low, 1.0), max(high, 1.0)) if relative else (low, high)
        low = max(low, high * 1e-4)
        pad = max((high / low) ** 0.06, 1.05)
        return low / pad, high * pad
    low, high = min(float(every.min()), 0.0), max(float(every.max()), 0.0)
    if not contrasted and name in _FRACTIONS:
        return -0.02, 1.02
    pad = 0.06 * ((high - low) or 1.0)
    return (low - pad if low < 0 else -0.3 * pad), high + pad


def _interval(ax: Axes, row: int, sample: np.ndarray, limits: tuple[float, float]) -> None:
    """Draw one regimen; a part beyond the axis ends in an arrow head at its edge."""
    method = "linear" if np.isfinite(sample).all() else "inverted_cdf"
    low, quarter, middle, upper, high = np.quantile(sample, [0.05, 0.25, 0.5, 0.75, 0.95], method=method)
    colour = colour_of(0)
    first, last = limits
    ends = [float(np.clip(x, first, last)) for x in (low, quarter, middle, upper, high)]
    ax.plot(ends[::4], [row, row], color=colour, linewidth=0.9, solid_capstyle="butt", label="_90", zorder=3)
    ax.plot(ends[1::2], [row, row], color=colour, linewidth=3.0, solid_capstyle="butt", label="_50", zorder=3)
    edge = None if high <= last and low >= first else (last if high > last else first)
    if edge is not None:
        marker = ">" if edge == last else "<"
        ax.plot([edge], [row], marker, color=colour, markersize=3.5, clip_on=False, label="_beyond", zorder=4)
    if first <= middle <= last:
        ax.plot(
            [middle], [row], "o", markersize=4.2, color="white", markeredgecolor=colour, markeredgewidth=1.1,
            label="_median", zorder=5,
        )  # fmt: skip
    elif np.isinf(middle):
        ax.annotate("never", (edge or last, row), (-6, 0), textcoords="offset points", ha="right", va="center",
                    fontsize=6, color=GREY)  # fmt: skip


def _log_axis(ax: Axes, low: float, high: float) -> None:
    """Make an axis logarithmic, unless its span is so small that equal steps read better."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    if high / low < 3.0:
        return
    ax.set_xscale("log")
    decades = np.log10(high / low)
    steps = (1, 2, 5) if decades < 1.7 else (1,)
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = np.array([m * 10.0**p for p in powers for m in steps])
    ticks = ticks[(ticks >= low) & (ticks <= high)]
    ax.xaxis.set_major_locator(FixedLocator(ticks[:: -(-len(ticks) // 4)].tolist()))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
