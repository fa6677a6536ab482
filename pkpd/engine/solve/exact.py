"""The exact solution of a block, again and again: what does not depend on the inputs is worked out once."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from pkpd.engine.machine.bound import Bound
from pkpd.engine.solve.arrays import Constants
from pkpd.engine.solve.block import Block, FlatTable, Result, Settings, Target
from pkpd.engine.solve.kept_run import Fates, KeptRun, judge_unmoved
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.linear import LinearResults, LinearWork, make_room, make_single, solve_linear
from pkpd.engine.solve.linear_group import Stops
from pkpd.engine.solve.observe import room_for_outputs

__all__ = ["ExactRun"]

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


class ExactRun(KeptRun):
    """One block of a linear kernel, with room that is used by every solution; one thread at a time may use it."""

    def __init__(self, kernel: Kernel, block: Block, columns: int) -> None:
        super().__init__(kernel, block, columns)
        m = block.column.size
        self.where: tuple[int, int] | None = None
        self.own: np.ndarray | None = None  # outputs that are copied, which costs less than to look for other room
        self.moves = bool((block.obs_last > block.obs_first).all()) and bool(
            (block.obs_time[block.obs_last - 1] > block.origin).all()
        )
        self.bad = np.zeros(1, np.int64)
        self.fates = Fates(np.zeros(m, np.int64), np.zeros(m), np.zeros(m, np.int64))
        self.work: Bound | None = None
        self.most = int((block.obs_last - block.obs_first).max(initial=1))

    def solve(self, inputs: np.ndarray, settings: Settings, target: Target | None, shown: int | None) -> Result:
        """Return the solution; arguments as for :func:`pkpd.engine.solve.run.solve_block`."""
        fates, P = self.fates, self.places(inputs)
        work, outputs = self._placed(P, target, self.meets(P))
        fates.steps[:] = self.bad[0] = 0
        room = _room(self.kernel, self.most)
        solve_linear(work, room, self.one)
        _spare[self.kernel][self.most].append(room)
        if not self.moves:
            judge_unmoved(self.kernel, P, self.block, fates)
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
        kernel, b, line = self.kernel, self.block, self.timeline
        self.one = make_single(kernel.n) if line.ss.shape[0] else None
        return Bound(
            LinearWork(
                kernel.exact[1],
                Constants(P, kernel.initial_places, kernel.accumulates),
                line,
                Stops(line.ends, line.time, *self.observed),
                LinearResults(table.flat, table.first, table.stride, b.obs_column, *self.fates, self.bad),
            )
        )
