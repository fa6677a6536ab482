"""Solve a block of subjects: arrays in, arrays and status codes out."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from pkpd.engine.machine.jit import entry
from pkpd.engine.machine.target import MachineCode
from pkpd.engine.solve.arrays import Constants, Control, Observed, Records, Results, Timeline
from pkpd.engine.solve.block import CASCADE_ROWS, MAX_STEPS, STEPS_PER_EVENT, Block, Result, Settings, Target
from pkpd.engine.solve.call import call_code
from pkpd.engine.solve.cascade import PanelCode, solve_cascade
from pkpd.engine.solve.cascade_steady import make_room
from pkpd.engine.solve.expand import timeline
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.linear import make_single, solve_linear
from pkpd.engine.solve.loop import StepCode, solve_lanes
from pkpd.engine.solve.observe import FlatTable, finite_rates, outputs_of
from pkpd.engine.solve.panel_sets import Pattern
from pkpd.engine.solve.status import Status
from pkpd.errors import RegimenError

__all__ = ["passing_target", "prepare", "solve_block"]

LOOSEST = 4.0  # how far the step control may go beyond rtol, see ``CompiledMethod.tolerance_power``


@entry
def _prepare(address, count, stride, inputs, out):
    call_code(address, (count, stride, inputs, out))


def prepare(kernel: Kernel, inputs: np.ndarray) -> np.ndarray:
    """Return the places P, (n_places, columns), for inputs of shape (inputs, columns)."""
    columns = inputs.shape[1]
    width = -(-columns // kernel.lanes) * kernel.lanes
    padded = np.empty((inputs.shape[0], width))
    padded[:, :columns] = inputs
    padded[:, columns:] = inputs[:, -1:]
    out = np.empty((kernel.n_places, width))
    _prepare(kernel.base["prepare"], width, width, padded, out)
    return out


_room = threading.local()


def passing_target(outputs: int, subjects: int, times: int) -> Target:
    """Return a target that this thread writes to again: for outputs that are copied before the next block is solved."""
    return _scratch(outputs * subjects * times, "outputs"), 0, subjects * times


def _scratch(size: int, what: str = "states") -> np.ndarray:
    """Return room for numbers that this thread reuses: fresh memory costs more than the work on it."""
    held = getattr(_room, what, None)
    if held is None or held.size < size:
        held = np.empty(size)
        setattr(_room, what, held)
    return held[:size]


def solve_block(
    kernel: Kernel, block: Block, inputs: np.ndarray, settings: Settings, target: Target | None = None
) -> Result:
    """Solve all subjects of a block.

    Parameters
    ----------
    inputs : float array, (inputs, columns)
        In the order of ``kernel.inputs``; columns as the block refers to them.
    target : (flat float array, first, stride), optional
        Where output o of subject i on a common grid goes: ``flat[first + o * stride + i * times]``.

    Raises
    ------
    Fault
        If a dose has an impossible bioavailability, lag, rate or duration, or a condition on time switches too often.
    RegimenError
        For SS=2 in equations that are not linear.
    """
    P = prepare(kernel, inputs)
    ends, ev, ss, cycle_stops, order = timeline(kernel, block, P)
    m, n, b = block.column.size, kernel.n, block
    times = b.obs_time.size
    if b.shared:
        states, first, stride = _scratch(m * n * times), np.arange(m) * (n * times), times
    else:
        states, first, stride = _scratch(n * times), b.obs_first, times
    tracked = b.seg_time.size > 0 and not b.obs_column.size
    place_of = np.zeros((m if b.shared else 1) * times if tracked else 0, np.int64)
    place_first = np.arange(m) * times if b.shared else b.obs_first
    status, when, steps = np.zeros(m, np.int64), np.zeros(m), np.zeros(m, np.int64)
    _refuse_addition(kernel, b.records)
    run = _Run(
        kernel,
        Constants(P, kernel.initial_places, kernel.accumulates),
        Timeline(b.column, b.origin, ends, ev.time, ev.kind, ev.state, ev.value, ev.row, ss, cycle_stops, kernel.marks),
        Observed(b.obs_first, b.obs_last, b.obs_time, order),
        settings,
        _budget(settings, np.diff(ends)),
        Results(states, first, stride, place_of, place_first, status, when, steps),
    )
    _solve(run, np.diff(ends), ss.shape[0] > 0, bool(np.any(b.records.ss == 2)))
    _judge_unmoved(run, b)
    columns = place_of if tracked else b.obs_column
    outputs = outputs_of(kernel, b, P, FlatTable(states, first, stride), columns, target)
    _blank(outputs, b, states, first, status)
    return Result(outputs, status, when, steps)


def _blank(outputs: np.ndarray, b: Block, states: np.ndarray, first: np.ndarray, status: np.ndarray) -> None:
    """Leave no outputs where there are no states, even those that would not show it."""
    for i in np.flatnonzero(status):
        count = b.obs_last[i] - b.obs_first[i]
        missing = np.flatnonzero(np.isnan(states[first[i] : first[i] + count]))
        if b.shared:
            outputs[:, i, missing] = np.nan
        else:
            outputs[:, b.obs_first[i] + missing] = np.nan


@dataclass(frozen=True)
class _Run:
    """What all loops take: machine code, places, events and observations, settings, most steps, room for results."""

    kernel: Kernel
    constants: Constants
    timeline: Timeline
    observed: Observed
    settings: Settings
    budget: np.ndarray
    results: Results

    def _control(self, rtol: float, free: bool) -> Control:
        s, proper = self.settings, self.kernel.shadows.states or self.kernel.n
        return Control(rtol, s.atol, self.budget, s.h_max, free, proper)

    def linear(self, subjects: np.ndarray) -> None:
        one = make_single(self.kernel.n) if self.timeline.ss.shape[0] else None
        solve_linear(
            self.kernel.linear_pattern, one, self.constants, subjects, self.timeline, self.observed, self.results
        )

    def panels(self, code: MachineCode, pattern: Pattern, subjects: np.ndarray, free: bool) -> None:
        control = self._control(self.settings.rtol, free)
        room = make_room(self.kernel.n) if self.timeline.ss.shape[0] else None
        work = self.timeline, self.observed, control, self.results
        solve_cascade(PanelCode(code["panel"], pattern), room, self.constants, subjects, *work)

    def lanes(self, name: str, leave_stiff: bool, subjects: np.ndarray) -> None:
        k, rtol, method = self.kernel, self.settings.rtol, self.kernel.method(name, subjects.size)
        control = self._control(min(rtol**method.tolerance_power, LOOSEST * rtol), leave_stiff)
        code = StepCode(method.addresses, method.stage_rows, k.n_hot, method.lanes)
        steady = 1 if self.timeline.ss.shape[0] else None
        work = self.timeline, self.observed, control, self.results
        solve_lanes(code, steady, self.constants, subjects, *work)


def _budget(settings: Settings, events: np.ndarray) -> np.ndarray:
    """Return the most steps of each subject."""
    if settings.max_steps is None:
        return MAX_STEPS + STEPS_PER_EVENT * events
    return np.full(events.size, settings.max_steps)


def _refuse_addition(kernel: Kernel, records: Records) -> None:
    """Raise RegimenError for SS=2 where the sum of two solutions is no solution."""
    if kernel.linear:
        return
    added = np.flatnonzero((records.ss == 2) & ((records.evid == 1) | (records.evid == 4)))
    if added.size:
        k = added[0]
        raise RegimenError(
            f"a dose with SS=2 (into '{kernel.states[records.cmt[k]].name}' at time {records.time[k]:g}) adds its "
            "steady state to what is there, which holds for linear equations only, and these are not; give the doses "
            "that lead to the steady state themselves (ADDL and II without SS), or one record with SS=1 for all"
        )


def _solve(run: _Run, events: np.ndarray, steady: bool, added: bool) -> None:
    """Solve all subjects, each by the method that the settings ask for or that suits it."""
    kernel, method, status = run.kernel, run.settings.method, run.results.status
    subjects = np.arange(status.size)
    free = method in ("auto", "chain")  # to hand over subjects that one method cannot solve
    observed = run.observed.last - run.observed.first
    tried = np.empty(0, np.int64)
    if kernel.linear and (method == "auto" or added):  # only the exact method adds steady states
        method = "linear"
    elif method == "chain":
        method, tried = run.settings.explicit, subjects[: 0 if steady else None]
        if tried.size:
            run.panels(*kernel.chain_panel, tried, True)
    elif method == "auto":
        method = run.settings.explicit
        if kernel.cascade:
            tried = subjects[observed <= CASCADE_ROWS * (1 + events)]
            run.panels(*kernel.panel, tried, True)
    if method == "linear":
        run.linear(subjects)
        return
    if method == "cascade":
        run.panels(*kernel.panel, subjects, False)
        return
    stiff = tried[status[tried] == Status.STIFF]
    rest = np.setdiff1d(subjects, tried[(status[tried] == Status.OK) | (status[tried] == Status.STIFF)])
    if rest.size:
        run.lanes(method, free, rest)
    if free:
        stiff = np.union1d(stiff, rest[status[rest] == Status.STIFF])
    if stiff.size:
        run.lanes("rodas5p", False, stiff)


def _judge_unmoved(run: _Run, b: Block) -> None:
    """Fail subjects that took no step, but could not have taken one: their rates of change are not finite."""
    (status, when, steps), P = run.results[-3:], run.constants.P
    hot = P[: run.kernel.n_hot]
    if np.isfinite(hot).all():
        return
    still = np.flatnonzero((status == Status.OK) & (steps == 0) & ~np.isfinite(hot[:, b.column]).all(axis=0))
    if still.size:
        bad = ~finite_rates(run.kernel, P, b.column[still], b.origin[still])
        status[still[bad]], when[still[bad]] = Status.NOT_FINITE, b.origin[still[bad]]
