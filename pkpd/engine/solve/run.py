"""Solve a block of subjects: arrays in, arrays and status codes out."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from pkpd.engine.machine.target import MachineCode
from pkpd.engine.solve.arrays import Constants, Control, Records, Results
from pkpd.engine.solve.block import (
    CASCADE_ROWS,
    MAX_STEPS,
    STEPS_PER_EVENT,
    Block,
    FlatTable,
    Result,
    Settings,
    States,
    Target,
)
from pkpd.engine.solve.cascade import PanelCode, solve_cascade
from pkpd.engine.solve.cascade_march import PanelAddresses
from pkpd.engine.solve.cascade_steady import make_room
from pkpd.engine.solve.exact import ExactRun
from pkpd.engine.solve.kept_run import Fates, KeptRun, judge_unmoved
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.loop import StepCode, solve_lanes
from pkpd.engine.solve.observe import observe, room_for_outputs
from pkpd.engine.solve.observe_code import ABREAST
from pkpd.engine.solve.panel_sets import KEPT, LONGER_KEPT, Pattern
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
    kernel: Kernel, block: Block, inputs: np.ndarray, settings: Settings, target: Target | None = None,
    shown: int | None = None,
) -> Result:  # fmt: skip
    """Solve all subjects of a block.

    Parameters
    ----------
    inputs : float array, (inputs, columns)
        In the order of ``kernel.inputs``; columns as the block refers to them.
    target : (flat float array, first, stride), optional
        Where output o of subject i on a common grid goes: ``flat[first + o * stride + i * times]``.
    shown : int, optional
        How many outputs are wanted, the first ones, by who solves by steps or panels; the exact method has all.

    Raises
    ------
    Fault
        If a dose has an impossible bioavailability, lag, rate or duration, or a condition on time switches too often.
    RegimenError
        For SS=2 in equations that are not linear.
    """
    exact = settings.method == "linear" or (kernel.linear and settings.method == "auto")
    exact = exact or (kernel.linear and bool(np.any(block.records.ss == 2)))  # only the exact method adds steady states
    name, make = ("exact", ExactRun) if exact else ("stepped", SteppedRun)
    held = block.made.pop((name, kernel), None)  # nobody else has it meanwhile
    if held is None or held.places.columns != inputs.shape[1]:
        held = make(kernel, block, inputs.shape[1])
    result = held.solve(inputs, settings, target, shown)
    block.keep((name, kernel), held)
    return result


@dataclass(frozen=True)
class _Plan:
    """Who is solved how, as settings and events say: first by panels, if any, then by steps."""

    panels: tuple[MachineCode, Pattern] | None
    tried: np.ndarray
    free: bool
    steps: str | None


class SteppedRun(KeptRun):
    """One block of a kernel, solved by steps or panels; one thread at a time may use it."""

    def __init__(self, kernel: Kernel, block: Block, columns: int) -> None:
        super().__init__(kernel, block, columns)
        b, m, times = block, block.column.size, block.obs_time.size
        self.subjects = np.arange(m)
        self.tracked = b.seg_time.size > 0 and not b.obs_column.size
        self.first, self.place_first = b.obs_first, b.obs_first
        if b.shared:
            self.first, self.place_first = self.subjects * (kernel.n * times), self.subjects * times
        self.settings: Settings | None = None
        self.nowhere = np.zeros(0, np.int64)

    def solve(self, inputs: np.ndarray, settings: Settings, target: Target | None, shown: int | None) -> Result:
        """Return the solution; arguments as for :func:`solve_block`."""
        kernel, b, n = self.kernel, self.block, self.kernel.n
        m, times = b.column.size, b.obs_time.size
        P = self.places(inputs)
        if not self.meets(P) or self.settings is not settings:
            self._prepare(P, settings)
        fates = Fates(np.zeros(m, np.int64), np.zeros(m), np.zeros(m, np.int64))
        outputs, table = room_for_outputs(len(kernel.outputs) if shown is None else shown, b, target)
        states = _scratch(n * times * (m if b.shared else 1) + ABREAST)  # vectors may reach beyond the last one
        place_of = np.zeros((m if b.shared else 1) * times, np.int64) if self.tracked else self.nowhere
        self._solve(Results(states, self.first, times, place_of, self.place_first, *fates))
        judge_unmoved(kernel, P, b, fates)
        columns = place_of if self.tracked else b.obs_column
        found = States(P, FlatTable(states, self.first, times))
        observe(kernel, b, found, columns, table, shown)
        _blank(outputs, b, states, self.first, fates.status)
        return Result(outputs, *fates, None, found)

    def _prepare(self, P: np.ndarray, settings: Settings) -> None:
        """Work out what stays as it is until events or settings change."""
        _refuse_addition(self.kernel, self.block.records)
        self.settings, self.constants = settings, Constants(P, self.kernel.initial_places, self.kernel.accumulates)
        self.events = np.diff(self.timeline.ends)
        self.plan, self.controls = self._planned(settings), {}

    def _planned(self, settings: Settings) -> _Plan:
        kernel, method, subjects = self.kernel, settings.method, self.subjects
        free = method in ("auto", "chain")  # to hand over subjects that one method cannot solve
        if method == "cascade":
            return _Plan(kernel.panel, subjects, False, None)
        steps = settings.explicit if free else method
        if method == "chain" and not self.timeline.ss.shape[0] and subjects.size:
            return _Plan(kernel.chain_panel, subjects, free, steps)
        if method == "auto" and kernel.cascade:
            observed = self.observed.last - self.observed.first
            tried = subjects[observed <= CASCADE_ROWS * (1 + self.events)]
            if tried.size:  # what compiles them is not worth a moment else
                return _Plan(kernel.panel, tried, free, steps)
        return _Plan(None, self.nowhere, free, steps)

    def _control(self, rtol: float, free: bool) -> Control:
        key, s = (rtol, free), self.settings
        assert s is not None
        if key not in self.controls:
            proper = self.kernel.shadows.states or self.kernel.n
            if s.max_steps is None:
                budget = MAX_STEPS + STEPS_PER_EVENT * self.events
            else:
                budget = np.full(self.events.size, s.max_steps)
            self.controls[key] = Control(rtol, s.atol, budget, s.h_max, free, proper)
        return self.controls[key]

    def panels(self, code: MachineCode, pattern: Pattern, results: Results) -> None:
        """Solve the subjects of the plan by panels."""
        assert self.settings is not None
        control = self._control(self.settings.rtol, self.plan.free)
        room = make_room(self.kernel.n) if self.timeline.ss.shape[0] else None
        work = self.timeline, self.observed, control, results
        size, longer = pattern.size, LONGER_KEPT if pattern.groups.size else 0
        sets, weights = _scratch(KEPT * size, "sets"), _scratch(longer * size, "weights")
        addresses = PanelAddresses(code["panel"], code["sets"])
        machine = PanelCode(addresses, pattern, sets.reshape(KEPT, size), weights.reshape(longer, size))
        solve_cascade(machine, room, self.constants, self.plan.tried, *work)

    def lanes(self, name: str, leave_stiff: bool, subjects: np.ndarray, results: Results) -> None:
        """Solve some subjects by steps of a method."""
        assert self.settings is not None
        k, rtol, method = self.kernel, self.settings.rtol, self.kernel.method(name, subjects.size)
        control = self._control(min(rtol**method.tolerance_power, LOOSEST * rtol), leave_stiff)
        code = StepCode(method.addresses, method.stage_rows, k.n_hot, method.lanes)
        steady = 1 if self.timeline.ss.shape[0] else None
        work = self.timeline, self.observed, control, results
        solve_lanes(code, steady, self.constants, subjects, *work)

    def _solve(self, results: Results) -> None:
        """Solve all subjects, each by the method that the settings ask for or that suits it."""
        plan, status = self.plan, results.status
        tried, settled = plan.tried, np.zeros(status.size, bool)
        if plan.panels is not None:
            self.panels(*plan.panels, results)
            if plan.steps is None or (tried.size == status.size and not status.any()):
                return
        settled[tried] = (status[tried] == Status.OK) | (status[tried] == Status.STIFF)
        stiff, rest = tried[status[tried] == Status.STIFF], np.flatnonzero(~settled)
        if rest.size and plan.steps is not None:
            self.lanes(plan.steps, plan.free, rest, results)
        if plan.free and rest.size:
            # what only rounding leaves of an amount may be negative, where a power of it is no number: an implicit step
            # comes to rest there
            lost = (status[rest] == Status.NOT_FINITE) & (results.when[rest] > self.block.origin[rest])
            stiff = np.union1d(stiff, rest[lost | (status[rest] == Status.STIFF)])
        if stiff.size:
            self.lanes("rodas5p", False, stiff, results)


def _blank(outputs: np.ndarray, b: Block, states: np.ndarray, first: np.ndarray, status: np.ndarray) -> None:
    """Leave no outputs where there are no states, even those that would not show it."""
    if not status.any():
        return
    for i in np.flatnonzero(status):
        count = b.obs_last[i] - b.obs_first[i]
        missing = np.flatnonzero(np.isnan(states[first[i] : first[i] + count]))
        if b.shared:
            outputs[:, i, missing] = np.nan
        else:
            outputs[:, b.obs_first[i] + missing] = np.nan


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
