"""Plots of published against simulated numbers and of published effects."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError
from pkpd.kinds import needs
from pkpd.plot.frame import figure_width
from pkpd.plot.style import COLOURS, GREY, MM, colour_of, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pkpd.validation.records import EffectReading
    from pkpd.validation.report import Agreement, EffectResult, ValidationReport

__all__ = ["effect_curves", "published_ratios"]

_GROUPS = {"external": "External checks", "used": "Used to choose the model's values"}
_ROW = 4.0
_SIGNS = ("^", "s", "D", "v", "P")
"""Of other models, in the order in which they come."""

_BAND, _GOOD, _BAD = "#D9D9D9", COLOURS[0], COLOURS[1]


def published_ratios(report: ValidationReport, *, width: str | float = "double") -> Figure:
    """Draw simulated over published for every number, with the published spread and the virtual population.

    Parameters
    ----------
    report : ValidationReport
        Result of `pkpd.checks.validate_model`.
    width : {"single", "double"} or float
        Width of the figure: one journal column, two, or a number in mm.

    Returns
    -------
    Figure
        One panel of external checks, one of numbers that the model was made with; outside the spread in another colour.

    Raises
    ------
    DataError
        If the report has no rows.
    """
    needs("plot.published_ratios", report, ("ValidationReport",), "pkpd.checks.validate_model makes one")
    import matplotlib.pyplot as plt

    if not report.rows:
        raise DataError(f"validation of {report.model} has no published numbers to draw")
    groups = {use: [c for c in report.rows if c.row.use == use] for use in _GROUPS}
    groups = {use: rows for use, rows in groups.items() if rows}
    total = figure_width(width)
    variants = {name: short for c in report.rows for name, short in c.row.variants.items()}
    with house_style():
        figure, axes = plt.subplots(
            len(groups), 1, sharex=True, squeeze=False, layout="constrained",
            height_ratios=[len(rows) + 1 for rows in groups.values()],
            figsize=(total * MM, (_ROW * len(report.rows) + 12 * len(groups) + 18) * MM),
        )  # fmt: skip
        for ax, (use, rows) in zip(axes[:, 0], groups.items(), strict=True):
            _ratio_panel(ax, rows, _GROUPS[use], list(variants))
        low, high = _limits(report.rows)
        axes[-1, 0].set_xlim(low, high)
        axes[-1, 0].set_xlabel("Simulated / published")
        _key(figure, list(variants.values()))
    return figure


def _limits(rows: Sequence[Agreement]) -> tuple[float, float]:
    seen = [v for c in rows for v in (c.ratio, c.p5 / c.row.centre, c.p95 / c.row.centre)]
    seen += [v / c.row.centre for c in rows for v in c.variants.values()]
    return 0.85 * min(*seen, 0.5), 1.15 * max(*seen, 2.0)


def _ratio_panel(ax: Axes, rows: Sequence[Agreement], title: str, variants: list[str]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    for i, c in enumerate(rows):
        centre = c.row.centre
        low, high = c.row.limits
        ends = [max(low / centre, 1e-3), min(high / centre, 1e3)]
        ax.barh(i, ends[1] - ends[0], left=ends[0], height=0.62, color=_BAND, linewidth=0,
                hatch="" if c.row.spread else "////", edgecolor="white")  # fmt: skip
        colour = _GOOD if c.within else _BAD
        ax.plot([c.p5 / centre, c.p95 / centre], [i, i], color=colour, linewidth=0.9, zorder=2)
        ax.plot(c.ratio, i, "o", color=colour, markersize=4, zorder=4)
        for name, value in c.variants.items():
            sign = _SIGNS[variants.index(name) % len(_SIGNS)]
            ax.plot(value / centre, i, sign, markerfacecolor="none", markeredgecolor=GREY, markeredgewidth=0.7,
                    markersize=3.6, zorder=3)  # fmt: skip
    ax.axvline(1.0, color=GREY, linewidth=0.6, zorder=1)
    ax.set_xscale("log")
    ax.set_yticks(range(len(rows)), [c.row.what for c in rows])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.xaxis.set_major_locator(FixedLocator([0.125, 0.25, 0.5, 1, 2, 4, 8]))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    ax.xaxis.minorticks_off()
    ax.set_title(title)


def _key(figure: Figure, variants: Sequence[str]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Line2D([], [], marker="o", color=_GOOD, markersize=4, linewidth=0.9),
        Line2D([], [], marker="o", color=_BAD, markersize=4, linewidth=0.9),
        Patch(color=_BAND),
        Patch(facecolor=_BAND, edgecolor="white", hatch="////"),
    ]
    names = ["typical, 5-95% of the population: agrees", "does not", "published spread", "none published: 0.8-1.25"]
    look: dict[str, Any] = {"color": GREY, "markerfacecolor": "none", "markersize": 3.6, "linewidth": 0}
    handles += [Line2D([], [], marker=_SIGNS[k % len(_SIGNS)], **look) for k in range(len(variants))]
    names += [f"model of {short}" for short in variants]
    figure.legend(handles, names, loc="outside upper left", ncols=3, borderaxespad=0.6)


def effect_curves(report: ValidationReport, *, width: str | float = "double") -> Figure:
    """Draw the simulated effects on a marker over the share, or over time, with the published ones as bands.

    Parameters
    ----------
    report : ValidationReport
        Result of `pkpd.checks.validate_model` for the composed model.
    width : {"single", "double"} or float
        Width of the figure: one journal column, two, or a number in mm.

    Returns
    -------
    Figure
        One panel per effect; in those over the share a bar at the foot spans the shares that agree.

    Raises
    ------
    DataError
        If the report has no effects.
    """
    needs("plot.effect_curves", report, ("ValidationReport",), "pkpd.checks.validate_model makes one")
    import matplotlib.pyplot as plt

    reading = report.reading
    if not report.effects or reading is None:
        raise DataError(f"validation of {report.model} has no effects on a marker to draw")
    total = figure_width(width)
    columns = max(min(int(total // 55), len(report.effects)), 1)
    rows = -(-len(report.effects) // columns)
    with house_style():
        figure, axes = plt.subplots(
            rows, columns, squeeze=False, layout="constrained", figsize=(total * MM, 56 * rows * MM)
        )
        for ax, result in zip(axes.flat, report.effects, strict=False):
            (_share_panel if result.effect.of_share else _level_panel)(ax, result, reading)
            ax.set_title(textwrap.fill(result.effect.title, int(total / columns / 2.1)))
        for ax in axes.flat[len(report.effects) :]:
            ax.set_visible(False)
    return figure


def _share_panel(ax: Axes, result: EffectResult, reading: EffectReading) -> None:
    effect = result.effect
    if effect.low is not None and effect.high is not None:
        ax.axhspan(effect.low, effect.high, color=_BAND, linewidth=0)
    ax.axhline(effect.value, color=GREY, linewidth=0.8, linestyle=(0, (4, 2)))
    for i, (name, curve) in enumerate(result.curves.items()):
        colour = colour_of(i)
        ax.plot(result.axis, curve, color=colour, label=name)
        found = result.readings[name]["plateau"]
        if found.share is not None:
            ax.plot(found.share, effect.value, "o", color=colour, markersize=4, clip_on=False, zorder=4)
        if effect.low is not None and effect.high is not None:
            ends = [0.0 if found.low is None else found.low, 1.0 if found.high is None else found.high]
            if found.low is not None or found.high is not None:
                ax.plot(ends, [0.03 + 0.04 * i] * 2, color=colour, linewidth=2.4, solid_capstyle="butt")
    ax.set(xlim=(0, 1), ylim=(0, 1.25), xlabel=reading.share_text, ylabel=f"{reading.output}, treated / untreated")
    ax.set_yticks(np.arange(0, 1.01, 0.25))
    ax.legend(loc="upper right")


def _level_panel(ax: Axes, result: EffectResult, reading: EffectReading) -> None:
    effect = result.effect
    for i, (name, curve) in enumerate(result.curves.items()):
        ax.plot(result.axis, curve, color=colour_of(i), label=f"simulated, {name}")
    ax.plot(effect.window, [effect.value] * 2, color=GREY, linewidth=2.4, solid_capstyle="butt", label="published")
    ax.plot(0, effect.untreated, "o", color=GREY, markersize=4, clip_on=False)
    end, top = result.axis[-1], max(effect.untreated, *(max(curve) for curve in result.curves.values()))
    ax.set(
        xlim=(0, end), ylim=(0, 1.1 * top), xlabel="Time after the dose [h]", ylabel=f"{reading.output} [{result.unit}]"
    )
    ax.set_xticks(np.arange(0, end + 1, 24))
    ax.legend(loc="upper right")
