"""A patient's course under a calibration: reported facts over what the posterior says, doses at the foot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.evidence.kinds import Glyph, kind_named, term_kinds
from pkpd.model.residual import ResidualError
from pkpd.plot.frame import figure_width, value_limits
from pkpd.plot.glyphs import GRADES
from pkpd.plot.layers import draw_bands, log_axis
from pkpd.plot.strips import drug_colour
from pkpd.plot.style import COLOURS, MM, axis_label, house_style, time_ticks
from pkpd.simulation.api import simulate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pkpd.estimation.study.result import StudyFit

__all__ = ["course"]

_INK = "#222222"
_OFF = COLOURS[1]
_PANEL = 27.0
_TWO = 150.0
_SIGNS: dict[Glyph, str] = {"point": "o", "peak": "^", "nadir": "v"}
_TICK: dict[Glyph, Any] = {"ceiling": 11, "floor": 10}  # carets that hang from, or stand on, the bound


@dataclass(frozen=True, eq=False)
class _Plan:
    """What is drawn of one patient."""

    calibration: Any
    index: int
    evidence: Any
    outputs: list[str]
    days: np.ndarray
    values: dict[str, np.ndarray]
    outside: frozenset[str]
    width: float

    @property
    def doses(self) -> list[Any]:
        """Rows of doses of the patient."""
        name = self.calibration.study.problem.patients[self.index].partition("/")[2]
        return [row for row in self.evidence.doses if row.patient == name]

    @property
    def drugs(self) -> list[str]:
        """Drugs that the patient got."""
        return [d for d in self.evidence.words.order(self.evidence.drugs) if any(row.drug == d for row in self.doses)]

    def reported(self, output: str) -> list[Any]:
        """Return the facts on an output."""
        problem = self.calibration.study.problem
        return [r for r in problem.reported if r.marker == output and r.patient == problem.patients[self.index]]

    def colour(self, fact: Any) -> str:
        """Return the colour of a fact: another one if it lies outside what is predicted."""
        return _OFF if fact.name in self.outside else _INK


def course(
    calibration: StudyFit,
    patient: str,
    outputs: Sequence[str] | None = None,
    *,
    days: tuple[float, float] | None = None,
    draws: int = 300,
    width: str | float = "double",
    seed: int = 0,
) -> Any:
    """Draw a patient's posterior curves, and over them what was reported of this patient.

    Line and bands are median, 50% and 95% of the model's curve, without the error of a measurement. Circles are values,
    dots points of a curve that was read off a figure (with 95% of the reading error), triangles peaks and nadirs (the
    thin line is the window), carets bounds, dotted lines ratios. Grades are drawn as the probability of each, with the
    reported ones above. Facts outside their predictive interval are coloured.

    Parameters
    ----------
    calibration : StudyFit
    patient : str
    outputs : sequence of str, optional
        Those with facts of this patient by default.
    days : (float, float), optional
        First and last day of the report to draw; all doses and facts by default.
    draws : int
        Draws of the posterior.
    width : {"single", "double"} or float
        Panels stand in two columns where there is room.
    seed : int

    Returns
    -------
    ndarray of Axes, one an output

    Raises
    ------
    DataError
        If an output is unknown, or nothing is reported of the patient.
    PkpdError
        If the patient is unknown.
    """
    import matplotlib.pyplot as plt

    plan = _plan(calibration, patient, outputs, days, draws, figure_width(width), seed)
    n = len(plan.outputs)
    columns = 2 if plan.width >= _TWO and n > 1 else 1
    rows = -(-n // columns)
    axes: list[Axes] = []
    with house_style():
        lanes = 3.2 * len(plan.drugs) + 1.0
        size = (plan.width * MM, (rows * (_PANEL + 3) + lanes + 18) * MM)
        figure = plt.figure(figsize=size, layout="constrained")
        parts = figure.add_gridspec(1, columns)
        for k in range(columns):
            shown = plan.outputs[k * rows : (k + 1) * rows]
            height = (rows * (_PANEL + 3) - 3 * len(shown)) / len(shown)
            ratios = [height] * len(shown) + [lanes] * bool(plan.drugs)
            cells = parts[k].subgridspec(len(ratios), 1, height_ratios=ratios)
            grid = cells.subplots(sharex=True, squeeze=False)[:, 0]
            for ax, output in zip(grid, shown, strict=False):
                _panel(ax, plan, output)
            if plan.drugs:
                _lanes(grid[-1], plan)
            time_ticks(grid[-1], float(plan.days[-1]), "d", plan.width / columns - 16)
            grid[-1].set_xlabel("Day of the report")
            axes += list(grid[: len(shown)])
        _key(figure, plan)
    return np.array(axes, object)


def _plan(
    calibration: StudyFit,
    patient: str,
    outputs: Sequence[str] | None,
    days: tuple[float, float] | None,
    draws: int,
    width: float,
    seed: int,
) -> _Plan:
    problem = calibration.study.problem
    index = problem.index_of(patient)
    own = [r for r in problem.reported if r.patient == problem.patients[index]]
    known = problem.model.outputs
    if outputs is not None and (strange := [o for o in outputs if o not in known]):
        hints = ", ".join(f"'{o}'{nearest(o, known)}" for o in strange)
        raise DataError(f"model '{problem.model.name}' has no output {hints}; it has {', '.join(known)}")
    chosen = list(outputs) if outputs is not None else [o for o in known if any(r.marker == o for r in own)]
    if not chosen:
        raise DataError(f"nothing is reported of '{problem.patients[index]}'; name the outputs to draw")
    seed_name, _, name = problem.patients[index].partition("/")
    evidence = next(e for e in problem.evidence if e.name == seed_name)
    if days is None:
        ends = [row.end for row in evidence.doses if row.patient == name] + [r.day_to or r.day for r in own]
        days = (evidence.start_day, max(ends, default=evidence.start_day + 7.0) + 1.0)
    grid = np.linspace(*days, 241)
    people = calibration.population(draws, patient=problem.patients[index], seed=seed)
    sims = simulate(
        problem.model, problem.subjects[index].regimen, people, evidence.hours(grid), outputs=chosen, rtol=1e-6,
        atol=1e-9, progress=False, on_failure="ignore",
    )  # fmt: skip
    table = calibration.facts()
    outside = frozenset(table["fact"][~table["inside"]])
    values = {o: sims[o].values.reshape(draws, grid.size) for o in chosen}
    return _Plan(calibration, index, evidence, chosen, grid, values, outside, width)


def _panel(ax: Axes, plan: _Plan, output: str) -> None:
    declared = plan.calibration.study.problem.model.outputs[output]
    ax.set_xlim(plan.days[0], plan.days[-1])
    error = declared.error
    if error is not None and error.grades:
        _grades(ax, plan, output, error)
        return
    facts = plan.reported(output)
    marks = [r.term.value for r in facts if kind_named(r.kind).glyph not in ("slope", "none") and not _is_mute(r)]
    values = plan.values[output]
    middle = np.nanquantile(values, [0.05, 0.95])
    shown = [m for m in [*middle, *marks] if m > 0]
    log = error is not None and error.data == "log" and len(shown) > 1 and max(shown) > 12 * min(shown)
    drawn = draw_bands(ax, plan.days, values, (0.5, 0.95), COLOURS[0], log)
    for fact in facts:
        _fact(ax, plan, fact, np.nanmedian(values, axis=0))
    low, high = value_limits(drawn, marks, log, 3.0)
    if log:
        log_axis(ax, low, high)
    elif (base := float(np.nanmin(values))) > 0.5 * high:  # a temperature: zero says nothing
        ax.set_ylim(min([base, *marks]) - 0.05 * (high - base), high)
    else:
        ax.set_ylim(low, high)
    ax.set_ylabel(axis_label({"units": (declared.unit or "1").replace("10^9", "10⁹")}, output, _PANEL))


def _fact(ax: Axes, plan: _Plan, fact: Any, median: np.ndarray) -> None:
    """Draw one fact by its kind."""
    term, colour = fact.term, plan.colour(fact)
    first = fact.day
    last = first if fact.day_to is None else fact.day_to
    kind = kind_named(fact.kind)
    if kind.glyph == "none":
        return
    if _is_mute(fact):
        _moment(ax, plan, fact, kind.sign)
        return
    if kind.glyph == "slope":
        start = float(np.interp(first, plan.days, median))
        look: dict[str, Any] = {"color": colour, "linewidth": 0.9, "linestyle": ":", "label": "_ratio", "zorder": 6}
        ax.plot([first, last], [start, term.value * start], **look)
        middle = (0.5 * (first + last), 0.5 * (1 + term.value) * start)
        late = middle[0] > plan.days[int(0.8 * len(plan.days))]
        place: dict[str, Any] = {"textcoords": "offset points", "ha": "right" if late else "left"}
        ax.annotate(f"{kind.sign} {term.value:g} ×", middle, (-4 if late else 3, 3), **place, fontsize=6, color=colour)
        return
    if kind.glyph in _TICK:
        ax.plot([first, last], [term.value] * 2, color=colour, linewidth=0.8, label="_bound", zorder=6)
        at = [first] if last == first else np.linspace(first, last, max(2, int((last - first) / 8)))
        ax.plot(at, [term.value] * len(at), linestyle="none", marker=_TICK[kind.glyph], markersize=4, color=colour,
                markeredgewidth=0, label="_bound", zorder=6)  # fmt: skip
        return
    if fact.curve:  # of a figure, and so a single value
        low, high = (term.value * np.exp(sign * 1.96 * term.reading_sd) for sign in (-1, 1))
        ax.plot([first, first], [low, high], color=colour, linewidth=0.7, label="_reading", zorder=6)
        ax.plot([first], [term.value], ".", markersize=3.6, color=colour, markeredgewidth=0, label="_point", zorder=7)
        return
    at = first if fact.at is None else fact.at
    if fact.at is not None:
        ax.plot([first, last], [term.value] * 2, color=colour, linewidth=0.4, alpha=0.6, label="_window", zorder=5)
    ax.plot([at], [term.value], _SIGNS[kind.glyph], markersize=4.2, markerfacecolor="white", markeredgecolor=colour,
            markeredgewidth=0.9, label="_fact", zorder=7)  # fmt: skip


def _is_mute(fact: Any) -> bool:
    """Tell a fact that states no number."""
    return bool(np.isnan(fact.term.value))


def _moment(ax: Axes, plan: _Plan, fact: Any, text: str) -> None:
    """Draw a statement as a dashed line at each of its days, in words above the first."""
    colour = plan.colour(fact)
    for day in dict.fromkeys((fact.day, fact.day if fact.day_to is None else fact.day_to)):
        ax.axvline(day, color=colour, linewidth=0.5, linestyle=(0, (2, 2)), label="_moment", zorder=4)
    ax.annotate(text, (fact.day, 1.0), (0, 2), xycoords=ax.get_xaxis_transform(), textcoords="offset points",
                ha="center", fontsize=6.5, color=colour, annotation_clip=False)  # fmt: skip


def _grades(ax: Axes, plan: _Plan, output: str, error: ResidualError) -> None:
    """Draw the probability of each grade as a stack, the reported grades above it."""
    latent = plan.values[output]
    latent = latent[np.isfinite(latent).all(axis=1)]
    above = error.exceedance(latent).mean(axis=0)
    edges = np.column_stack([np.ones(len(above)), above, np.zeros(len(above))])
    for grade in range(edges.shape[1] - 1):
        colour = GRADES[min(grade, len(GRADES) - 1)]
        ax.fill_between(
            plan.days, 1 - edges[:, grade], 1 - edges[:, grade + 1], color=colour, linewidth=0, label="_grade"
        )
    for fact in plan.reported(output):
        low = int(fact.term.value)
        high = low if fact.term.value_to is None else int(fact.term.value_to)
        _moment(ax, plan, fact, f"{low}" if low == high else f"{low}-{high}")
    ax.set_ylim(0, 1)
    ax.set_ylabel(f"{output}\nprobability of grade")
    for grade in range(edges.shape[1] - 1):
        width = edges[:, grade] - edges[:, grade + 1]
        k = int(np.argmax(width))
        if width[k] > 0.18:
            middle = 1 - 0.5 * (edges[k, grade] + edges[k, grade + 1])
            x = float(np.clip(plan.days[k], *np.quantile(plan.days, [0.02, 0.97])))
            ax.text(x, middle, f"{grade}", fontsize=6, ha="center", va="center", color="white" if grade > 2 else _INK)


def _is_long(row: Any) -> bool:
    """Tell whether an infusion is drawn as a bar: it lasts a quarter of a day or more."""
    return row.duration is not None and row.duration >= 6.0


def _lanes(ax: Axes, plan: _Plan) -> None:
    """Draw the doses of each drug as strokes, a lane a drug."""
    for y, drug in enumerate(plan.drugs):
        colour = drug_colour(drug, plan.evidence)
        own = [row for row in plan.doses if row.drug == drug]
        at = np.unique([d for row in own if not _is_long(row) for d in row.days])
        ax.vlines(at, y - 0.34, y + 0.34, color=colour, linewidth=0.9, label="_doses")
        for row in (r for r in own if _is_long(r)):
            ax.broken_barh([(d, row.duration / 24) for d in row.days], (y - 0.25, 0.5), color=colour, linewidth=0)
    ax.set_ylim(len(plan.drugs) - 0.4, -0.6)
    ax.set_yticks(range(len(plan.drugs)), [plan.evidence.words.label(d) for d in plan.drugs], fontsize=6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def _key(figure: Any, plan: _Plan) -> None:
    from matplotlib.lines import Line2D

    facts = [r for o in plan.outputs for r in plan.reported(o) if not _is_mute(r)]
    points = [r for r in facts if r.curve and kind_named(r.kind).glyph == "point"]
    kinds = {r.kind for r in facts if r not in points}
    shown = [kind for name, kind in term_kinds().items() if name in kinds]
    slopes = list(dict.fromkeys(k.label for k in shown if k.glyph == "slope"))
    handles: list[Any] = [Line2D([], [], color=COLOURS[0], linewidth=1.2, label="posterior median, 50%, 95%")]
    look: dict[str, Any] = {"color": _INK, "linewidth": 0, "markerfacecolor": "white", "markersize": 4}
    full: dict[str, Any] = {"color": _INK, "linewidth": 0.8, "markersize": 4, "markeredgewidth": 0}
    handles += [Line2D([], [], marker=_SIGNS[k.glyph], label=k.label, **look) for k in shown if k.glyph in _SIGNS]
    if points:
        handles.append(Line2D([], [], marker=".", color=_INK, linewidth=0.7, markersize=4, label="read off a figure"))
    handles += [Line2D([], [], marker=_TICK[k.glyph], label=k.label, **full) for k in shown if k.glyph in _TICK]
    if slopes:
        handles.append(Line2D([], [], color=_INK, linewidth=0.9, linestyle=":", label=", ".join(slopes)))
    columns = int(np.clip(plan.width / 22, 2, len(handles)))
    figure.legend(handles=handles, loc="outside upper left", ncols=columns)
