"""Figures of a calibration: what was believed and what was learned, of the study and patient by patient."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.kinds import needs
from pkpd.plot.frame import figure_width, new_frame
from pkpd.plot.style import GREY, MM, colour_of, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pkpd.estimation.study.result import StudyFit

__all__ = ["chosen_names", "densities", "forest"]

_PRIOR = "#BDBDBD"
_BAND = "#E4E4E4"
_QUIET = "#8A8A8A"
_ROW = 4.2
_TICKS = 4
_LINES = 2
_LABEL = 26
_TWO_LINES = 6.2
_INK = "#222222"


def densities(
    calibration: StudyFit,
    names: Sequence[str] | None = None,
    *,
    titles: Mapping[str, str] | None = None,
    width: str | float = "double",
) -> Any:
    """Draw prior and posterior density of each number, in its unit.

    Parameters
    ----------
    calibration : StudyFit
    names : sequence of str, optional
        Variables of the posterior; all that are no patient's own by default. Of one with a dim, each entry has a curve
        in the colour of its cohort.
    titles : mapping of name to str, optional
        What stands above panels instead of names.
    width : {"single", "double"} or float

    Returns
    -------
    ndarray of Axes

    Raises
    ------
    DataError
        If a name is no variable of the calibration.
    """
    needs("plot.densities", calibration, ("StudyFit",), "pkpd.fit(study) and pkpd.load_fit make one")
    known = {v.name: v for v in calibration.variables}
    chosen = chosen_names(names, known, [v.name for v in calibration.variables if v.kind != "patient"])
    with house_style():
        frame = new_frame(len(chosen), width, None, 0, share_x=False)
        for i, (ax, name) in enumerate(zip(frame.axes, chosen, strict=True)):
            _density(ax, calibration, known[name])
            title = (titles or {}).get(name, _label(calibration, known[name])[0])
            lines = textwrap.wrap(title, int(frame.width / 1.35))
            shown = lines if len(lines) <= _LINES else [*lines[: _LINES - 1], textwrap.shorten(
                " ".join(lines[_LINES - 1 :]), int(frame.width / 1.35), placeholder="...")]  # fmt: skip
            ax.set_title("\n".join(shown), fontsize=7, pad=3)
            if frame.first_column(i):
                ax.set_ylabel("Density")
        dims = [bool(known[n].dims) for n in chosen]
        _legend(frame.axes[0], calibration, not all(dims), any(dims))
    return np.array(frame.axes, object)


def chosen_names(names: Sequence[str] | None, known: Mapping[str, Any], default: Sequence[str]) -> list[str]:
    """Return the names asked for, or the default; raise DataError for one that is not known."""
    chosen = list(default if names is None else names)
    if strange := [n for n in chosen if n not in known]:
        hints = ", ".join(f"'{n}'{nearest(n, known)}" for n in strange)
        raise DataError(f"the calibration has no variable {hints}; it has {', '.join(known)}")
    if not chosen:
        raise DataError("names is empty; there is nothing to draw")
    return chosen


def _label(calibration: StudyFit, variable: Any) -> tuple[str, str]:
    """Return the name as the title says it, and quantity and unit as the axis does."""
    kinds = {"location": "location of", "spread": "spread of", "error": "error factor of"}
    title = f"{kinds.get(variable.kind, '')} {variable.free}".strip()
    parameter = calibration.study.problem.model.parameters.get(variable.free)
    unit = parameter.unit if parameter is not None and variable.kind not in ("spread", "error") else ""
    return title, unit.replace("*", "·")


def _density(ax: Axes, calibration: StudyFit, variable: Any) -> None:
    """Draw one panel; densities are per unit of the axis, which is logarithmic on the log scale."""
    groups = list(dict.fromkeys(calibration.cohorts.values()))
    prior, posterior = (calibration.draws(variable.name, group=g) for g in ("prior", "posterior"))
    before, after = (x[:, None] if x.ndim == 1 else x for x in (prior, posterior))
    top, seen = 0.0, set()
    for j in range(before.shape[1]):
        which = _declared(calibration, variable, j)
        if np.ptp(before[:, j]) == 0 or which in seen:
            continue
        seen.add(which)
        x, y = _curve(before[:, j], variable)
        ax.fill_between(x, 0, y, color=_PRIOR, alpha=0.55, linewidth=0, label="_prior", zorder=1)
        top = max(top, float(y.max()))
    for j in range(after.shape[1]):
        if np.ptp(after[:, j]) == 0:
            continue
        x, y = _curve(after[:, j], variable)
        group = j if variable.dims == ("cohort",) else groups.index(list(calibration.cohorts.values())[j])
        colour = colour_of(group) if variable.dims else _INK
        ax.plot(x, y, color=colour, linewidth=1.0, label="_posterior", zorder=3)
        top = max(top, float(y.max()))
    _, unit = _label(calibration, variable)
    ax.set_xlabel(f"[{unit}]" if unit else "", fontsize=7, labelpad=1)
    ax.set_ylim(0, 1.08 * top)
    ax.set_yticks([])
    if variable.scale == "log":
        _log_axis(ax)
    elif variable.scale == "logit":
        ax.set_xlim(*variable.limits)


def _declared(calibration: StudyFit, variable: Any, j: int) -> Any:
    """Return the location that the study declares for an entry: entries with the same have the same prior."""
    if not variable.dims:
        return None
    problem = calibration.study.problem
    free = next(f for f in problem.study.free if f.name == variable.free)
    if variable.dims == ("cohort",):
        return free.location_of(problem.groups[j])
    return free.location_of(*free.keys_of(problem.patients[j], problem.cohorts[j]))


def _log_axis(ax: Axes) -> None:
    """Make the x axis logarithmic with plain numbers, few enough to be read."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    ax.set_xscale("log")
    low, high = ax.get_xlim()
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    ticks: list[float] = []
    for subs in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        ticks = [m * 10.0**k for k in range(first, last + 1) for m in subs if low <= m * 10.0**k <= high]
        if len(ticks) <= _TICKS:
            break
    ax.xaxis.set_major_locator(FixedLocator(ticks[:: -(-len(ticks) // _TICKS)] if ticks else []))
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
    room = 0.12 * float(ends[1] - ends[0])
    grid = np.linspace(float(ends[0]) - room, float(ends[1]) + room, 240)
    y = gaussian_kde(x)(grid)
    if variable.scale == "logit":
        share = 1 / (1 + np.exp(-grid))
        # near a bound the density of a logit-normal number falls to 0, but a kernel's tail need not
        return low + (high - low) * share, y / np.maximum(share * (1 - share) * (high - low), 0.01)
    return (np.exp(grid), y) if variable.scale == "log" else (grid, y)


def _legend(ax: Axes, calibration: StudyFit, alone: bool, by_cohort: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Patch(color=_PRIOR, alpha=0.55, linewidth=0, label="prior")]
    if alone:
        handles.append(Line2D([], [], color=_INK, linewidth=1.6, label="posterior"))
    if by_cohort:
        groups = list(dict.fromkeys(calibration.cohorts.values()))
        text = ["posterior, " + n if k == 0 and not alone else n for k, n in enumerate(groups)]
        handles += [Line2D([], [], color=colour_of(g), linewidth=1.6, label=n) for g, n in enumerate(text)]
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))


def forest(
    calibration: StudyFit,
    name: str,
    *,
    outcomes: Mapping[str, bool] | None = None,
    labels: Mapping[str, str] | None = None,
    faint: Collection[str] = (),
    title: str = "",
    width: str | float = "single",
    ax: Axes | None = None,
) -> Any:
    """Draw a parameter of every patient by cohort: median, 50% and 95% interval, over the 95% interval of the prior.

    Parameters
    ----------
    calibration : StudyFit
    name : str
        A parameter at level ``patient``.
    outcomes : mapping of patient to bool, optional
        Who responded: medians of responders are filled, of others open.
    labels : mapping of patient or cohort to str, optional
        What rows are called.
    faint : collection of str
        Patients whose posterior hardly differs from the prior: their intervals are grey and dashed.
    title : str
        Of the axis; what the parameter means by default.
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
    needs("plot.forest", calibration, ("StudyFit",), "pkpd.fit(study) and pkpd.load_fit make one")
    import matplotlib.pyplot as plt

    known = {v.name: v for v in calibration.variables}
    chosen_names([name], {n: v for n, v in known.items() if v.dims == ("patient",)}, ())
    rows = _forest_rows(calibration, name, known)
    called = [str((labels or {}).get(row[4] or row[0], row[0])) for row in rows]
    with house_style():
        if ax is None:
            room = _ROW if max(len(text) for text in called) <= _LABEL else _TWO_LINES
            size = (figure_width(width) * MM, (room * len(rows) + 21) * MM)
            _, ax = plt.subplots(figsize=size, layout="constrained")
        quiet = {*faint} | {c for c in calibration.cohorts.values() if {*_members(calibration, c)} <= {*faint}}
        for y, (name_of, prior, draws, colour, patient) in enumerate(rows):
            answer = None if outcomes is None else outcomes.get(patient)
            grey = (patient or name_of) in quiet
            _forest_row(ax, y, prior, draws, _QUIET if grey else colour, bool(patient), answer, dashed=grey)
            if not patient and y:
                ax.axhline(y - 0.5, color=_BAND, linewidth=0.6, zorder=0)
        ax.set_yticks(range(len(rows)), [textwrap.fill(text, _LABEL) for text in called])
        for tick, row in zip(ax.get_yticklabels(), rows, strict=True):
            tick.set_fontweight("normal" if row[4] else "bold")
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.tick_params(axis="y", length=0)
        short, unit = _label(calibration, known[name])
        meaning = title or calibration.study.problem.model.parameters[known[name].free].meaning or short
        ax.set_xlabel(textwrap.fill(meaning[:1].upper() + meaning[1:] + (f" [{unit}]" if unit else ""), 52))
        if known[name].scale == "log":
            _log_axis(ax)
        elif known[name].scale == "logit":
            ax.set_xlim(*known[name].limits)
        _forest_key(ax, outcomes is not None, bool(faint))
    return ax


def _members(calibration: StudyFit, cohort: str) -> list[str]:
    return [patient for patient, own in calibration.cohorts.items() if own == cohort]


def _forest_rows(calibration: StudyFit, name: str, known: Mapping[str, Any]) -> list[tuple[Any, ...]]:
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
    ax: Axes, y: int, prior: np.ndarray | None, draws: np.ndarray | None, colour: str, own: bool, outcome: bool | None,
    *, dashed: bool = False,
) -> None:  # fmt: skip
    if prior is None or draws is None:
        return
    low, high = np.quantile(prior, [0.025, 0.975])
    ax.barh(y, high - low, left=low, height=0.72, color=_BAND, linewidth=0, label="_prior", zorder=1)
    outer, inner = np.quantile(draws, [0.025, 0.975]), np.quantile(draws, [0.25, 0.75])
    line: dict[str, Any] = {"color": colour, "solid_capstyle": "butt"}
    ax.plot(outer, [y, y], linewidth=0.8, linestyle="--" if dashed else "-", label="_95", zorder=2, **line)
    if not dashed:
        ax.plot(inner, [y, y], linewidth=2.6, label="_50", zorder=3, **line)
    face = colour if outcome or (outcome is None and own) else "white"
    ax.plot([np.median(draws)], [y], "o" if own else "D", markersize=4.2 if own else 3.8, markerfacecolor=face,
            markeredgecolor=colour, markeredgewidth=0.9, label="_median", zorder=4)  # fmt: skip


def _forest_key(ax: Axes, outcomes: bool, faint: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    look: dict[str, Any] = {"color": GREY, "markersize": 4, "linewidth": 0}
    handles: list[Any] = [Patch(color=_BAND, linewidth=0, label="prior 95%")]
    handles.append(Line2D([], [], color=GREY, linewidth=0.8, label="95%"))
    handles.append(Line2D([], [], color=GREY, linewidth=2.6, label="50%"))
    if faint:
        handles.append(Line2D([], [], color=_QUIET, linewidth=0.8, linestyle="--", label="rests on the prior (95%)"))
    if outcomes:
        handles.append(Line2D([], [], marker="o", **look, label="responded"))
        handles.append(Line2D([], [], marker="o", markerfacecolor="white", **look, label="did not"))
    ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, columnspacing=0.8)
