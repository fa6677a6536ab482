"""A block that is solved again and again: what does not depend on the inputs is worked out once."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from pkpd.engine.solve.arrays import Observed, Timeline
from pkpd.engine.solve.block import Block
from pkpd.engine.solve.block_events import Expanded, timeline
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.observe import finite_rates
from pkpd.engine.solve.places import Places
from pkpd.engine.solve.status import Status

__all__ = ["Fates", "KeptRun", "judge_unmoved"]

#: status code, time reached and steps taken of each subject
Fates = namedtuple("Fates", "status when steps")


class KeptRun:
    """One block of a kernel, with room that is used by every solution; one thread at a time may use it.

    Attributes
    ----------
    timeline, observed : Timeline, Observed
        Events and observations, as :meth:`meets` has found them.
    """

    timeline: Timeline
    observed: Observed

    def __init__(self, kernel: Kernel, block: Block, columns: int) -> None:
        self.kernel, self.block = kernel, block
        self.places = Places(kernel, columns)
        self._expanded: Expanded | None = None

    def meets(self, P: np.ndarray) -> bool:
        """Find the events for places P; tell whether they are those of the last solution."""
        b, found = self.block, timeline(self.kernel, self.block, P)
        if found is self._expanded:
            return True
        self._expanded, ev = found, found.events
        self.timeline = Timeline(
            b.column, b.origin, found.ends, ev.time, ev.kind, ev.state, ev.value, ev.row, found.steady, found.stops,
            self.kernel.marks,
        )  # fmt: skip
        self.observed = Observed(b.obs_first, b.obs_last, b.obs_time, found.order)
        return False


def judge_unmoved(kernel: Kernel, P: np.ndarray, b: Block, fates: Fates) -> None:
    """Fail subjects that took no step, but could not have taken one: their rates of change are not finite."""
    status, when, steps = fates
    if steps.all() or np.isfinite(hot := P[: kernel.n_hot]).all():
        return
    still = np.flatnonzero((status == Status.OK) & (steps == 0) & ~np.isfinite(hot[:, b.column]).all(axis=0))
    if still.size:
        bad = ~finite_rates(kernel, P, b.column[still], b.origin[still])
        status[still[bad]], when[still[bad]] = Status.NOT_FINITE, b.origin[still[bad]]
