"""The exact solution of a block, again and again: what does not depend on the inputs is worked out once."""

from __future__ import annotations

from collections import namedtuple
from weakref import WeakKeyDictionary

import numpy as np

from pkpd.engine.machine.bound import Bound
from pkpd.engine.solve.arrays import Constants, Timeline
from pkpd.engine.solve.block import Block, Result, Target
from pkpd.engine.solve.expand import timeline
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.linear import LinearResults, LinearWork, make_room, make_single, solve_linear
from pkpd.engine.solve.linear_group import Stops
from pkpd.engine.solve.observe import FlatTable, finite_rates, room_for_outputs
from pkpd.engine.solve.places import Places
from pkpd.engine.solve.status import Status

__all__ = ["ExactRun", "Fates", "judge_unmoved"]

#: status code, time reached and steps taken of each subject
Fates = namedtuple("Fates", "status when steps")
_OUT = ("results", "out")
FEW = 4096


#: rooms of kernels for so many observations that nobody uses now
_spare: WeakKeyDictionary[Kernel, dict[int, list[Bound]]] = WeakKeyDictionary()


def _room(kernel: Kernel, most: int) -> Bound:
    """Return room that nobody else uses meanwhile."""
    spare = _spare.setdefault(kernel, {}).setdefault(most, [])
    try:
        return spare.pop()
    except IndexError:
        return Bound(make_room(kernel.exact[1], most))


class ExactRun:
    """One block of a linear kernel, with room that is used by every solution; one thread at a time may use it."""

    def __init__(self, kernel: Kernel, block: Block, columns: int) -> None:
        m = block.column.size
        self.kernel, self.block = kernel, block
        self.places = Places(kernel, columns)
        self.fixed = not (kernel.kinks or len(kernel.marks) or kernel.periods or block.records.ss.any())
        self.numbers: bytes | None = None
        self.where: tuple[int, int] | None = None
        self.own: np.ndarray | None = None  # outputs that are copied, which costs less than to look for other room
        self.moves = bool((block.obs_last > block.obs_first).all()) and bool(
            (block.obs_time[block.obs_last - 1] > block.origin).all()
        )
        self.bad = np.zeros(1, np.int64)
        self.fates = Fates(np.zeros(m, np.int64), np.zeros(m), np.zeros(m, np.int64))
        self.work: Bound | None = None
        self.most = int((block.obs_last - block.obs_first).max(initial=1))

    def solve(self, inputs: np.ndarray, target: Target | None) -> Result:
        """Return the solution; arguments as for :func:`pkpd.engine.solve.run.solve_block`."""
        kernel, b, fates = self.kernel, self.block, self.fates
        P = self.places(inputs)
        numbers = P[kernel.dose_rows].tobytes() if self.fixed else None
        known = self.work is not None and numbers is not None and numbers == self.numbers
        work, outputs = self._placed(P, target, known)
        self.numbers = numbers
        fates.steps[:] = self.bad[0] = 0
        room = _room(kernel, self.most)
        solve_linear(work, room, self.one)
        _spare[kernel][self.most].append(room)
        if not self.moves:
            judge_unmoved(kernel, P, b, fates)
        if outputs is self.own:
            outputs = outputs.copy()
        return Result(outputs, fates.status.copy(), fates.when.copy(), fates.steps.copy(), not self.bad[0])

    def _placed(self, P: np.ndarray, target: Target | None, known: bool) -> tuple[Bound, np.ndarray]:
        """Return what to solve, that of the last solution where its events are known, and where outputs will stand."""
        where = None if target is None else target[1:]
        again = known and where == self.where
        if again and self.work is not None and target is None and self.own is not None:
            return self.work, self.own
        outputs, table = room_for_outputs(len(self.kernel.outputs), self.block, target)
        if again and self.work is not None:
            self.work.put(_OUT, table.flat)
            return self.work, outputs
        self.work, self.where = self._work(P, table), where
        self.own = outputs if target is None and outputs.size <= FEW else None
        return self.work, outputs

    def _work(self, P: np.ndarray, table: FlatTable) -> Bound:
        """Return what to solve: events as the places say, outputs to where a table says."""
        kernel, b = self.kernel, self.block
        ends, ev, ss, stops, order = timeline(kernel, b, P)
        events = ev.time, ev.kind, ev.state, ev.value, ev.row, ss, stops, kernel.marks
        self.one = make_single(kernel.n) if ss.shape[0] else None
        return Bound(
            LinearWork(
                kernel.exact[1],
                Constants(P, kernel.initial_places, kernel.accumulates),
                Timeline(b.column, b.origin, ends, *events),
                Stops(ends, ev.time, b.obs_first, b.obs_last, b.obs_time, order),
                LinearResults(table.flat, table.first, table.stride, b.obs_column, *self.fates, self.bad),
            )
        )


def judge_unmoved(kernel: Kernel, P: np.ndarray, b: Block, fates: Fates) -> None:
    """Fail subjects that took no step, but could not have taken one: their rates of change are not finite."""
    status, when, steps = fates
    hot = P[: kernel.n_hot]
    if steps.all() or np.isfinite(hot).all():
        return
    still = np.flatnonzero((status == Status.OK) & (steps == 0) & ~np.isfinite(hot[:, b.column]).all(axis=0))
    if still.size:
        bad = ~finite_rates(kernel, P, b.column[still], b.origin[still])
        status[still[bad]], when[still[bad]] = Status.NOT_FINITE, b.origin[still[bad]]
