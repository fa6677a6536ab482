"""Solve a block of subjects: arrays in, arrays and status codes out."""

from __future__ import annotations

import functools
import math
import threading
from dataclasses import dataclass

import numpy as np

from pkpd.engine.machine.target import MachineCode
from pkpd.engine.solve.arrays import Constants, Control, Observed, Records, Results, Timeline
from pkpd.engine.solve.block import CASCADE_ROWS, MAX_STEPS, STEPS_PER_EVENT, Block, Result, Settings, Target
from pkpd.engine.solve.cascade import PanelCode, solve_cascade
from pkpd.engine.solve.cascade_march import PanelAddresses
from pkpd.engine.solve.cascade_steady import make_room
from pkpd.engine.solve.exact import ExactRun, Fates, judge_unmoved
from pkpd.engine.solve.expand import timeline
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.loop import StepCode, solve_lanes
from pkpd.engine.solve.observe import FlatTable, observe, room_for_outputs
from pkpd.engine.solve.panel_sets import KEPT, LONGER_KEPT, Pattern
from pkpd.engine.solve.places import prepare
from pkpd.engine.solve.status import Status
from pkpd.errors import RegimenError

__all__ = ["passing_target", "solve_block"]

LOOSEST = 4.0  # how far the step control may go beyond rtol, see ``CompiledMethod.tolerance_power``


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
    exact = settings.method == "linear" or (kernel.linear and settings.method == "auto")
    if exact or (kernel.linear and np.any(block.records.ss == 2)):  # only the exact method adds steady states
        held = block.made.pop("exact", None)  # nobody else has it meanwhile
        if held is None or held.kernel is not kernel or held.places.columns != inputs.shape[1]:
            held = ExactRun(kernel, block, inputs.shape[1])
        result = held.solve(inputs, target)
        block.made["exact"] = held
        return result
    P = prepare(kernel, inputs)
    b, m = block, block.column.size
    ends, ev, ss, cycle_stops, order = timeline(kernel, b, P)
    _refuse_addition(kernel, b.records)
    run = _Run(
        kernel,
        Constants(P, kernel.initial_places, kernel.accumulates),
        Timeline(b.column, b.origin, ends, ev.time, ev.kind, ev.state, ev.value, ev.row, ss, cycle_stops, kernel.marks),
        Observed(b.obs_first, b.obs_last, b.obs_time, order),
        settings,
        Fates(np.zeros(m, np.int64), np.zeros(m), np.zeros(m, np.int64)),
    )
    outputs, table = room_for_outputs(len(kernel.outputs), b, target)
    _step(run, b, outputs, table)
    with np.errstate(all="ignore"):
        finite = math.isfinite(float(np.sum(outputs)))
    return Result(outputs, *run.fates, finite)


def _step(run: _Run, b: Block, outputs: np.ndarray, table: FlatTable) -> None:
    """Solve all subjects by steps or panels, then turn their states into outputs."""
    m, n, times, status = b.column.size, run.kernel.n, b.obs_time.size, run.fates.status
    if b.shared:
        states, first = _scratch(m * n * times), np.arange(m) * (n * times)
    else:
        states, first = _scratch(n * times), b.obs_first
    tracked = b.seg_time.size > 0 and not b.obs_column.size
    place_of = np.zeros((m if b.shared else 1) * times if tracked else 0, np.int64)
    place_first = np.arange(m) * times if b.shared else b.obs_first
    _solve(run, Results(states, first, times, place_of, place_first, *run.fates))
    judge_unmoved(run.kernel, run.constants.P, b, run.fates)
    columns = place_of if tracked else b.obs_column
    observe(run.kernel, b, run.constants.P, FlatTable(states, first, times), columns, table)
    _blank(outputs, b, states, first, status)


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
    """What all loops take: machine code, places, events and observations, settings, room for what becomes of whom."""

    kernel: Kernel
    constants: Constants
    timeline: Timeline
    observed: Observed
    settings: Settings
    fates: Fates

    @functools.cached_property
    def events(self) -> np.ndarray:
        """How many events each subject has."""
        return np.diff(self.timeline.ends)

    def _control(self, rtol: float, free: bool) -> Control:
        s, proper = self.settings, self.kernel.shadows.states or self.kernel.n
        if s.max_steps is None:
            budget = MAX_STEPS + STEPS_PER_EVENT * self.events
        else:
            budget = np.full(self.events.size, s.max_steps)
        return Control(rtol, s.atol, budget, s.h_max, free, proper)

    def panels(self, code: MachineCode, pattern: Pattern, subjects: np.ndarray, free: bool, results: Results) -> None:
        control = self._control(self.settings.rtol, free)
        room = make_room(self.kernel.n) if self.timeline.ss.shape[0] else None
        work = self.timeline, self.observed, control, results
        size, longer = pattern.size, LONGER_KEPT if pattern.groups.size else 0
        sets, weights = _scratch(KEPT * size, "sets"), _scratch(longer * size, "weights")
        addresses = PanelAddresses(code["panel"], code["sets"])
        machine = PanelCode(addresses, pattern, sets.reshape(KEPT, size), weights.reshape(longer, size))
        solve_cascade(machine, room, self.constants, subjects, *work)

    def lanes(self, name: str, leave_stiff: bool, subjects: np.ndarray, results: Results) -> None:
        k, rtol, method = self.kernel, self.settings.rtol, self.kernel.method(name, subjects.size)
        control = self._control(min(rtol**method.tolerance_power, LOOSEST * rtol), leave_stiff)
        code = StepCode(method.addresses, method.stage_rows, k.n_hot, method.lanes)
        steady = 1 if self.timeline.ss.shape[0] else None
        work = self.timeline, self.observed, control, results
        solve_lanes(code, steady, self.constants, subjects, *work)


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


def _solve(run: _Run, results: Results) -> None:
    """Solve all subjects, each by the method that the settings ask for or that suits it."""
    kernel, method, status = run.kernel, run.settings.method, results.status
    subjects = np.arange(status.size)
    free = method in ("auto", "chain")  # to hand over subjects that one method cannot solve
    observed = run.observed.last - run.observed.first
    tried = np.empty(0, np.int64)
    if method == "chain":
        method, tried = run.settings.explicit, subjects[: 0 if run.timeline.ss.shape[0] else None]
        if tried.size:
            run.panels(*kernel.chain_panel, tried, True, results)
    elif method == "auto":
        method = run.settings.explicit
        if kernel.cascade:
            tried = subjects[observed <= CASCADE_ROWS * (1 + run.events)]
            if tried.size:  # what compiles them is not worth a moment else
                run.panels(*kernel.panel, tried, True, results)
    if method == "cascade":
        run.panels(*kernel.panel, subjects, False, results)
        return
    settled = np.zeros(status.size, bool)
    settled[tried] = (status[tried] == Status.OK) | (status[tried] == Status.STIFF)
    stiff, rest = tried[status[tried] == Status.STIFF], np.flatnonzero(~settled)
    if rest.size:
        run.lanes(method, free, rest, results)
    if free and rest.size:
        stiff = np.union1d(stiff, rest[status[rest] == Status.STIFF])
    if stiff.size:
        run.lanes("rodas5p", False, stiff, results)
