"""The exact solution of a block, again and again: what does not depend on the inputs is worked out once."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from pkpd.engine.solve.arrays import Constants, Observed, Timeline
from pkpd.engine.solve.block import Block, Result, Target
from pkpd.engine.solve.expand import timeline
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.linear import LinearResults, make_single, solve_linear
from pkpd.engine.solve.observe import finite_rates, room_for_outputs
from pkpd.engine.solve.places import Places
from pkpd.engine.solve.status import Status

__all__ = ["ExactRun", "Fates", "judge_unmoved"]

#: status code, time reached and steps taken of each subject
Fates = namedtuple("Fates", "status when steps")


class ExactRun:
    """One block of a linear kernel, with room that is used by every solution; one thread at a time may use it."""

    def __init__(self, kernel: Kernel, block: Block, columns: int) -> None:
        self.kernel, self.block = kernel, block
        self.places = Places(kernel, columns)
        self.constants = Constants(self.places.P, kernel.initial_places, kernel.accumulates)
        self.fixed = not (kernel.kinks or len(kernel.marks) or kernel.periods or block.records.ss.any())
        self.numbers: np.ndarray | None = None

    def solve(self, inputs: np.ndarray, target: Target | None) -> Result:
        """Return the solution; arguments as for :func:`pkpd.engine.solve.run.solve_block`."""
        kernel, b, m = self.kernel, self.block, self.block.column.size
        P = self.places(inputs)
        self._set_events(P)
        outputs, table = room_for_outputs(len(kernel.outputs), b, target)
        fates = Fates(np.zeros(m, np.int64), np.zeros(m), np.zeros(m, np.int64))
        bad = np.zeros(1, np.int64)
        _, code = kernel.exact
        results = LinearResults(*table, b.obs_column, *fates, bad)
        solve_linear(code, self.one, self.constants, self.timeline, self.observed, results)
        judge_unmoved(kernel, P, b, fates)
        return Result(outputs, *fates, not bad[0])

    def _set_events(self, P: np.ndarray) -> None:
        """Work out events, unless those of the last solution hold: where doses depend on the same numbers."""
        kernel, b = self.kernel, self.block
        if self.fixed:
            numbers = P[kernel.dose_rows]
            if self.numbers is not None and np.array_equal(self.numbers, numbers):
                return
            self.numbers = numbers
        ends, ev, ss, stops, order = timeline(kernel, b, P)
        events = ev.time, ev.kind, ev.state, ev.value, ev.row, ss, stops, kernel.marks
        self.timeline = Timeline(b.column, b.origin, ends, *events)
        self.observed = Observed(b.obs_first, b.obs_last, b.obs_time, order)
        self.one = make_single(kernel.n) if ss.shape[0] else None


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
