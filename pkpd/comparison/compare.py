"""The verb: the same subjects under several regimens, and what each regimen does to them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.comparison.arms import Compared, Plan, people_of, read_arms
from pkpd.comparison.course import Course
from pkpd.comparison.learned import asked_of, check_ill, markers_of
from pkpd.comparison.measure import DERIVED, Measure, built_in, half_blocking, main_of
from pkpd.comparison.placing import placed, window_of
from pkpd.comparison.result import Comparison
from pkpd.comparison.target import Targets, read_targets, target_measure
from pkpd.dosing.ended import ended_by, ended_within
from pkpd.dosing.regimen import Regimen
from pkpd.errors import PkpdError, RegimenError, SolverError, nearest
from pkpd.estimation.methods.chain_history import with_onset
from pkpd.metrics.dataset import exposure
from pkpd.options import checked
from pkpd.simulation.api import simulate
from pkpd.simulation.arguments import Times, times_from
from pkpd.simulation.dataset import doses_text
from pkpd.simulation.doses import records_of, regimen_from
from pkpd.simulation.source import Source, Subjects
from pkpd.simulation.subjects import subjects_of

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.model.model import Model
    from pkpd.people.distributions import Distribution
    from pkpd.people.population import Population

__all__ = ["compare"]

_CELLS = 4_000_000
_FINE = 0.25 / 24
"""Longest step within the last dosing interval, d: keeps the error of a trapezoidal area below 0.1%."""

_AFTER = np.array((1e-6, 0.05, 0.15, 0.3, 0.5, 0.75, 1.5)) / 24
"""Days after each dose and each end of an infusion that are observed as well: behind a bolus, and its fast fall."""


@dataclass(frozen=True)
class _Task:
    """What each arm is simulated for."""

    model: Model
    background: Regimen | None
    measures: Sequence[Measure]
    outputs: Sequence[str]
    window: tuple[float, float]
    times: np.ndarray
    day: float
    IC50: np.ndarray | None
    rtol: float
    atol: float
    day_zero: float
    markers: frozenset[str]


@checked
def compare(
    source: Model | Source,
    regimens: Compared = None,
    *,
    population: Population | None = None,
    patient: str | None = None,
    cohort: str | None = None,
    covariates: Mapping[str, float | np.ndarray | Distribution] | None = None,
    n: int | None = None,
    start: float | None = None,
    times: Times | None = None,
    window: tuple[float, float] | None = None,
    measures: str | Sequence[str | Measure] | None = None,
    targets: Targets | None = None,
    background: Regimen | str | bool | None = None,
    concentration: str | None = None,
    IC50: float | np.ndarray | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    seed: int = 0,
) -> Comparison:
    """Compare regimens in the same subjects: exposure, blockade, markers, grades, each with its uncertainty.

    A patient is compared with himself: on his own clock, with his other drugs, from his own first dose, to the end of
    the time in which he was observed. Days are those of his report; for new patients of a cohort they count from the
    onset of the illness, for an `Individual` from the start of the schedules, for a model from time 0. The result's
    head says which, and everything that is about a day is on this one axis.

    Parameters
    ----------
    source : Model, Fit, StudyFit or Individual
        Who is treated: subjects of a model, or draws of what is known about patients.
    regimens : mapping of name to Regimen, str, KnownSchedule or Arm; or a sequence of regimens, shorthand or names
        Names are those of the model's `schedules`; a regimen without a name is called as it reads in shorthand.
        All of these by default.
        A text is the shorthand, its routes are the model's, and begins at ``start``; a Regimen has the times of the
        patient's clock (the model's time). An `Arm` also changes covariates or parameters. Doses on another clock than
        the model's, or in another unit than the state's, are converted.
    population : Population, optional
        The subjects themselves.
    patient, cohort : str, optional
        Of a calibration.
    covariates : mapping of name to number, array or distribution, optional
        As for ``Population.draw``.
    n : int, optional
        Subjects, or draws, in place of ``population``; 500 by default.
    start : float, optional
        Time at which schedules given as text begin: by default the patient's own first dose of the drugs that are
        compared, the onset of the illness of new patients, time 0 of a model. All times about new patients of a cohort
        count from their onset, those of a Regimen too.
    times : array, optional
        Times to observe; every hour of the window by default. Doses and what follows them are always observed. Bare
        numbers are in the model's time unit, as for `simulate`.
    window : tuple of (float, float), optional
        Time for markers and grades, the same for all regimens, in the model's time unit; by default from the start or
        the first dose to the end of the last treatment, and all of the time in which the patient was observed.
    measures : "all", or sequence of str or Measure, optional
        By default the main ones, of markers only those that something was observed of; the notes name the others.
    targets : str, mapping or sequence, optional
        Conditions whose probability is computed, such as ``"Cc > 2 mg/L at trough"``; see `Target`.
    background : Regimen, str or bool, optional
        What every arm gets besides; it does not count as a dose of the regimen. By default a patient's own other drugs,
        as they were given; False leaves them out.
    concentration : str, optional
        Output that is the concentration of the drug; ``Cc`` where the model has it.
    IC50 : float or array, shape (subject,), optional
        Concentration above 0 that blocks half of the drug's target, in the unit of the concentration, for a model
        without an output ``blockade``.
    rtol, atol : float
        As for `simulate`; wider here (1e-6, 1e-9), which many runs pay for.
    seed : int

    Returns
    -------
    Comparison
        With ``table()``, ``ratios(to=...)`` and ``dataset``.

    Raises
    ------
    PkpdError
        If an argument cannot be understood; all that is wrong with the regimens, or the measures, is named at once.
        If patients are not ill in the window, so that there is nothing to compare their markers for.

    Examples
    --------
    >>> from pkpd.library import load_model
    >>> found = compare(load_model("anakinra"), ["100 mg daily", "200 mg daily"], n=20)
    >>> float(found.dataset["AUC24"].median("subject").diff("regimen").item()) > 0
    True
    """
    who = subjects_of(source, n, population, patient, cohort, covariates, seed)
    if who.history.onset is not None:
        people, history = with_onset(who.model, who.people, who.history)
        who = replace(who, people=people, history=history)
    sought = read_targets(targets)
    if isinstance(background, (str, Regimen)):
        background = regimen_from(who.model, background, "compare: background", who.people)
    place = placed(who, read_arms(regimens, who.model, who.people), start, background)
    plans, day = place.plans, place.day
    span = window_of(window, place, sought, who.model)
    wanted, unasked = _measures(who, measures, concentration, IC50 is not None)
    wanted += [target_measure([target], who.model) for target in sought]
    if len(sought) > 1:
        wanted.append(target_measure(sought, who.model, "all targets"))
    grid = (
        np.arange(span[0], span[1] + day / 48, day / 24) if times is None else place.zero + times_from(who.model, times)
    )
    level = None if IC50 is None else half_blocking(IC50, who.people.n)
    outputs = _outputs(who.model, wanted, level is not None)
    task = _Task(
        who.model, place.background, wanted, outputs, span, grid, day, level, rtol, atol, place.day_zero,
        markers_of(who.model, concentration),
    )  # fmt: skip
    values = np.full((len(wanted), len(plans), who.people.n), np.nan)
    still, solved = np.ones(who.people.n, bool), np.zeros((len(plans), who.people.n), bool)
    for a, plan in enumerate(plans):
        for rows, block, unmoved, fine in _blocks(task, plan, who.people):
            values[:, a, rows] = block
            still[rows] &= unmoved
            solved[a, rows] = fine
    _check_solved(solved, plans, who)
    ended = [f"'{p.name}': {t}" for p in plans if (t := ended_within(p.regimens[0].doses, p.regimens[0].time_unit))]
    options = [name for name, value in (("window", window), ("start", start)) if value is not None]
    shown = main_of(who.model, _known(who.model, concentration, level is not None))
    of_drug = [m.name for m in shown if not task.markers.intersection(m.outputs)]
    moved = task.markers & set(outputs)
    ill = check_ill(still, who, place, span, moved, given=options, exposure=of_drug)
    notes = (*place.notes, *unasked, *ended, *ill)
    return Comparison.of(who, place, wanted, values, span, notes)


def _measures(
    who: Subjects, given: str | Sequence[str | Measure] | None, concentration: str | None, has_ic50: bool
) -> tuple[list[Measure], tuple[str, ...]]:
    """Return what is measured, and what is to be said of measures that nobody asked for."""
    model = who.model
    if concentration is not None and concentration not in model.outputs:
        raise PkpdError(
            f"compare: model '{model.name}' has no output '{concentration}'{nearest(concentration, model.outputs)}; "
            f"it has {', '.join(model.outputs)}"
        )
    known = _known(model, concentration, has_ic50)
    if given is None:
        return asked_of(who, main_of(model, known), markers_of(model, concentration))
    if isinstance(given, str):
        if given != "all" and given not in known:
            raise PkpdError(f"compare: {_no_measure(model, [given], known, has_ic50)}")
        return (list(known.values()) if given == "all" else [known[given]]), ()
    strange = [m for m in given if not isinstance(m, Measure) and m not in known]
    if strange:
        raise PkpdError(f"compare: {_no_measure(model, strange, known, has_ic50)}")
    chosen = [m if isinstance(m, Measure) else known[m] for m in given]
    absent = {o: m.name for m in chosen for o in m.outputs if not _base(model, o, has_ic50)}
    if absent:
        text = ", ".join(f"'{output}' for measure '{name}'" for output, name in absent.items())
        raise PkpdError(f"compare: model '{model.name}' has no output {text}; it has {', '.join(model.outputs)}")
    return chosen, ()


def _known(model: Model, concentration: str | None, has_ic50: bool) -> dict[str, Measure]:
    """Return the measures by name that can be had of a model."""
    found = built_in(model, concentration or "Cc")
    return {name: m for name, m in found.items() if all(_base(model, output, has_ic50) for output in m.outputs)}


def _no_measure(model: Model, names: Sequence[Any], known: Mapping[str, Measure], has_ic50: bool) -> str:
    hints = ", ".join(f"{n!r}{nearest(str(n), known)}" for n in names)
    blocked = [n for n in names if "blockade" in str(n) or "IC50" in str(n)]
    remedy = "; give IC50=... for those on the blockade" if blocked and not has_ic50 else ""
    return f"no measure {hints} for model '{model.name}'; it has {', '.join(known)}{remedy}"


def _base(model: Model, output: str, has_ic50: bool) -> str | None:
    """Return the model's output that a measure's output comes from, if there is one."""
    if output in model.outputs:
        return output
    base = DERIVED.get(output)
    return base if has_ic50 and base in model.outputs else None


def _outputs(model: Model, measures: Sequence[Measure], has_ic50: bool) -> list[str]:
    """Return the model's outputs that measures need.

    Raises
    ------
    PkpdError
        If a target is about a blockade that the model cannot say without IC50.
    """
    found: dict[str, None] = {}
    for measure in measures:
        for output in measure.outputs:
            base = _base(model, output, has_ic50)
            if base is None:
                raise PkpdError(
                    f"compare: '{measure.name}' needs IC50=..., as model '{model.name}' has no output '{output}'"
                )
            found[base] = None
    return list(found)


def _blocks(task: _Task, plan: Plan, people: Population) -> Iterable[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the measures of an arm, shape (measure, subject), for as many subjects at a time as memory holds.

    With each block goes for which subjects no marker moves in the window, and who could be solved.
    """
    people = people_of(task.model, people, plan.arm)
    treated, interval, times = _clock(task, plan)
    size = max(_CELLS // (len(times) * max(len(task.outputs), 1)), 1)
    errors = {name: task.model.outputs[name].error for name in task.outputs}
    graded = {name: error for name, error in errors.items() if error is not None and error.grades}
    for start in range(0, people.n, size):
        rows = slice(start, min(start + size, people.n))
        values, numbers = _simulated(task, plan, people[rows], rows, times)
        course = Course(times, values, task.window, treated, interval, graded, task.day_zero, task.day, numbers)
        found = [np.asarray(m.compute(course), float) for m in task.measures]
        block = np.array(found).reshape(len(task.measures), rows.stop - rows.start)
        solved = np.all([np.isfinite(v).all(axis=1) for v in values.values()], axis=0)
        block[:, ~solved] = np.nan
        moves = [course.moves(name, task.window) for name in task.markers if name in values]
        yield rows, block, ~np.any(moves, axis=0) if moves else np.zeros(course.n, bool), solved


def _clock(task: _Task, plan: Plan) -> tuple[tuple[float, float] | None, tuple[float, float] | None, np.ndarray]:
    """Return the treatment, its last interval, and the times to observe."""
    low, high = task.window
    interval = plan.interval(low, high)
    treated = None
    marks = [low, high]
    if len(plan.doses) and plan.doses[0] < high and plan.stop > low:
        # The value at the time of the first dose is from before it, and is none of the treatment's.
        first = float(plan.doses[0])
        treated = (first + _AFTER[0] * task.day if first >= low else low, min(plan.stop, high))
        # The interval that is measured is seen more closely than the window of the markers.
        close = interval or treated
        step = min((close[1] - close[0]) / 50, _FINE * task.day)
        start = close[0] + np.arange(0.0, min(task.day / 24, close[1] - close[0]), _FINE * task.day / 5)
        marks += [*np.arange(close[0], close[1], step), *start, *close, *treated]
        turns = np.concatenate([plan.doses, plan.ends])
        after = (turns[:, None] + np.append(0.0, _AFTER * task.day)).ravel()
        marks += [*after[(after > low) & (after < high)]]
    else:
        interval = None
    regular = task.times[(task.times >= low) & (task.times <= high)]
    times = np.unique(np.concatenate([regular, marks]))
    # Times apart by rounding only are one, so that the marks are found again.
    keep = np.append(True, np.diff(times) > 1e-8 / 24 * task.day)
    return treated, interval, times[keep]


def _simulated(
    task: _Task, plan: Plan, people: Population, rows: slice, times: np.ndarray
) -> tuple[dict[str, np.ndarray], Callable[[str], xr.Dataset]]:
    """Return outputs by name, shape (subject, time), NaN where a subject could not be solved; and their exposure."""
    own = plan.regimens if len(plan.regimens) == 1 else plan.regimens[rows]
    given = [_besides(task, plan, r) for r in own]
    sims = simulate(
        task.model, given[0] if len(given) == 1 else given, people, times, outputs=task.outputs, rtol=task.rtol,
        atol=task.atol, around_doses=True, on_failure="ignore", progress=False,
    )  # fmt: skip
    values = {name: np.asarray(sims[name].values, float).reshape(people.n, len(times)) for name in task.outputs}
    failed = np.asarray(sims["status"].values).reshape(people.n) != 0
    for name in values:
        if failed.any():
            values[name] = np.where(failed[:, None], np.nan, values[name])
    if task.IC50 is not None:
        level = task.IC50[rows, None]
        for name, base in DERIVED.items():
            if name not in values and base in values:
                values[name] = values[base] / (values[base] + level)
    # The background is in the curve, but the doses that count are those of the regimen.
    doses = doses_text(task.model, {"": [records_of(task.model, r) for r in own]}, people.labels)

    @functools.cache
    def numbers(name: str) -> xr.Dataset:
        curve = sims[name].copy(data=_without_noise(values[name], task.atol).reshape(sims[name].shape))
        curve.attrs["doses"] = doses
        return exposure(curve)

    return values, numbers


def _besides(task: _Task, plan: Plan, regimen: Regimen) -> Regimen:
    """Return a regimen with what is given besides."""
    if task.background is None:
        return regimen
    unit, states = task.model.time_unit, list(task.model.states)
    own, others = (
        [replace(d, cmt=states[k]) for d, k in zip(r.doses, r.records(states)["cmt"], strict=True)]
        for r in (regimen.in_time(unit), task.background.in_time(unit))
    )
    lost = ended_by(own, others, unit) or ended_by(others, own, unit)
    if lost:
        raise RegimenError(
            f"compare: '{plan.name}' beside what else is given ({task.background}): {lost}; begin it earlier without "
            "steady state, or leave the rest out with background=False"
        )
    return task.background + regimen


def _without_noise(values: np.ndarray, atol: float) -> np.ndarray:
    """Return values with those that are below zero by the solver's tolerance only put to zero."""
    return np.where((values < 0) & (values > -1e3 * atol), 0.0, values)


def _check_solved(solved: np.ndarray, plans: Sequence[Plan], who: Subjects) -> None:
    """Raise SolverError if an arm has nobody who could be solved."""
    nobody = [plan.name for a, plan in enumerate(plans) if not solved[a].any()]
    if nobody:
        raise SolverError(
            f"compare: model '{who.model.name}' could not be solved for any of {who.people.n} subjects under "
            f"{len(nobody)} of {len(plans)} regimens (first: '{nobody[0]}'); simulate it to see why"
        )
