"""Solve a block of subjects: arrays in, arrays and status codes out."""

from __future__ import annotations

import threading

import numpy as np

from pkpd.machine.jit import entry
from pkpd.solve.block import CASCADE_ROWS, Block, Result, Settings, Target
from pkpd.solve.call import call_prepare
from pkpd.solve.cascade import solve_cascade
from pkpd.solve.expand import timeline
from pkpd.solve.kernel import Kernel
from pkpd.solve.linear import solve_linear
from pkpd.solve.loop import solve_lanes
from pkpd.solve.observe import outputs_of
from pkpd.solve.status import Status

__all__ = ["prepare", "solve_block"]

LOOSEST = 4.0  # how far the step control may go beyond rtol, see ``Method.tolerance_power``


@entry
def _prepare(address, count, stride, inputs, out):
    call_prepare(address, count, stride, inputs, out)


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


def _scratch(size: int) -> np.ndarray:
    """Return room for numbers that this thread reuses: fresh memory costs more than the work on it."""
    held = getattr(_room, "held", None)
    if held is None or held.size < size:
        held = _room.held = np.empty(size)
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
        If a dose has an impossible bioavailability, lag, rate or duration.
    """
    P = prepare(kernel, inputs)
    ends, ev, ss, order = timeline(kernel, block, P)
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
    tail = (
        b.column, b.origin, ends, ev.time, ev.kind, ev.state, ev.value, ev.row, ss, b.obs_first, b.obs_last, b.obs_time,
        order, states, first, stride, place_of, place_first,
    )  # fmt: skip
    method, subjects = settings.method, np.arange(m)
    free = method in ("auto", "chain")  # to hand over subjects that one method cannot solve
    if method == "chain":
        method = settings.explicit
        if not ss.shape[0]:
            _chain(kernel, P, subjects, tail, settings, status, when, steps)
            subjects = np.flatnonzero(status)
    if method == "auto":
        method = "linear" if kernel.linear else settings.explicit
        if kernel.cascade:
            few = subjects[b.obs_last - b.obs_first <= CASCADE_ROWS * (1 + np.diff(ends))]
            _cascade(kernel, P, few, tail, settings, status, when, steps)
            subjects = np.setdiff1d(subjects, few[status[few] == Status.OK])
    if method == "linear":
        solve_linear(
            kernel.matrix_places, P, kernel.initial_places, kernel.accumulates, subjects, *tail, status, when, steps
        )
    elif method == "cascade":
        _cascade(kernel, P, subjects, tail, settings, status, when, steps)
    elif subjects.size:
        _lanes(kernel, method, free, P, subjects, tail, settings, status, when, steps)
        stiff = np.flatnonzero(status == Status.STIFF)
        if stiff.size and free:
            _lanes(kernel, "rodas5p", False, P, stiff, tail, settings, status, when, steps)
    columns = place_of if tracked else b.obs_column
    return Result(outputs_of(kernel, b, P, states, first, stride, columns, target), status, when, steps)


def _cascade(kernel: Kernel, P: np.ndarray, subjects: np.ndarray, tail: tuple, s: Settings, *fate: np.ndarray) -> None:
    code, pattern = kernel.panel
    solve_cascade(
        code["panel"], pattern, P, kernel.initial_places, kernel.accumulates, subjects, *tail, s.rtol, s.atol,
        s.max_steps, s.h_max, *fate,
    )  # fmt: skip


def _chain(kernel: Kernel, P: np.ndarray, subjects: np.ndarray, tail: tuple, s: Settings, *fate: np.ndarray) -> None:
    code, pattern = kernel.chain_panel
    solve_cascade(
        code["panel"], pattern, P, kernel.initial_places, kernel.accumulates, subjects, *tail, s.rtol, s.atol,
        s.max_steps, s.h_max, *fate,
    )  # fmt: skip


def _lanes(
    kernel: Kernel, name: str, leave_stiff: bool, P: np.ndarray, subjects: np.ndarray, tail: tuple, s: Settings,
    *fate: np.ndarray,
) -> None:  # fmt: skip
    method = kernel.method(name)
    rtol = min(s.rtol**method.tolerance_power, LOOSEST * s.rtol)
    solve_lanes(
        method.addresses, method.stage_rows, method.degree, method.stiffness_bound, leave_stiff, kernel.n_hot,
        kernel.lanes, P, kernel.initial_places, kernel.accumulates, subjects, *tail, rtol, s.atol, s.max_steps,
        s.h_max, *fate,
    )  # fmt: skip
