"""Solve a block of subjects: arrays in, arrays and status codes out."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from pkpd.machine.jit import compiled
from pkpd.solve.call import call_observe, call_prepare
from pkpd.solve.cascade import pattern_of, solve_cascade
from pkpd.solve.kernel import Kernel
from pkpd.solve.linear import solve_linear
from pkpd.solve.loop import solve_lanes
from pkpd.solve.shadows import SS_COLUMNS
from pkpd.solve.status import Status
from pkpd.solve.timeline import Events, Records, count_events, expand_events, observation_order

__all__ = ["Block", "Fault", "Result", "Settings", "prepare", "solve_block"]


#: observations between two events up to which panels that end at each of them cost less than long steps
CASCADE_ROWS = 16


@dataclass(frozen=True)
class Settings:
    """How to solve: method, tolerances and bounds.

    Attributes
    ----------
    method : {"auto", "linear", "cascade", "tsit5", "dop853", "rodas5p"}
        ``auto`` is exact for linear models. Of cascades (linear equations driven by others, see
        ``pkpd.solve.cascade``) it gives ``cascade`` the subjects with no more than ``CASCADE_ROWS`` observations for each
        interval between events, since each ends a panel. All else goes to ``explicit`` and, where stiff, to ``rodas5p``.
    rtol, atol : float
        Bounds of the local error of each state, relative and in the state's unit.
    max_steps : int
    h_max : float
        Longest step, in the model's time unit.
    """

    method: str = "auto"
    rtol: float = 1e-8
    atol: float = 1e-11
    max_steps: int = 1_000_000
    h_max: float = np.inf
    explicit: str = "dop853"


@dataclass(frozen=True)
class Block:
    """Subjects with their doses and observations; per-subject arrays have m entries.

    Attributes
    ----------
    column : int array, (m,)
        Column of P in force at the start.
    origin : float array, (m,)
        Time at which the initial state holds.
    records : Records
        Dose records, those of one subject side by side and sorted by time.
    rec_first, rec_last : int array, (m,)
    rec_column : int array, (records,) or (0,)
        Column of P that a record's dose uses; empty: the one in force.
    seg_first : int array, (m + 1,)
    seg_time, seg_rank, seg_column : arrays, (segments,)
        When other columns of P come into force; the rank orders events of one time.
    obs_time : float array
    obs_first, obs_last : int array, (m,)
        Ranges in obs_time; the same for all on a common grid.
    obs_rank : float array, as obs_time or (0,)
        Place of an observation among events of its time; empty: before all doses.
    obs_column : int array, as obs_time or (0,)
        Column of P for the outputs of a row; empty: the one in force.
    shared : bool
        Whether all subjects share one observation grid.
    """

    column: np.ndarray
    origin: np.ndarray
    records: Records
    rec_first: np.ndarray
    rec_last: np.ndarray
    rec_column: np.ndarray
    seg_first: np.ndarray
    seg_time: np.ndarray
    seg_rank: np.ndarray
    seg_column: np.ndarray
    obs_time: np.ndarray
    obs_first: np.ndarray
    obs_last: np.ndarray
    obs_rank: np.ndarray
    obs_column: np.ndarray
    shared: bool


@dataclass(frozen=True)
class Result:
    """Outputs and fates of a block.

    Attributes
    ----------
    outputs : float array, (outputs, m, times) on a common grid, else (outputs, rows)
    status : int array, (m,)
    when : float array, (m,)
        Time reached.
    steps : int array, (m,)
    """

    outputs: np.ndarray
    status: np.ndarray
    when: np.ndarray
    steps: np.ndarray


#: flat array, position of the first number, distance between outputs
Target = tuple[np.ndarray, int, int]


class Fault(Exception):
    """A dose that cannot be given: (code, subject, record) as in ``pkpd.solve.timeline``."""


@compiled
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


@compiled
def _count(column, rec, rec_first, rec_last, rec_column, seg_first, seg_time, seg_column, P, places, n_switch, shadows):
    m = column.size
    sizes = np.zeros((2, m), np.int64)
    for i in range(m):
        events, steady, fault, k = count_events(
            rec, rec_first[i], rec_last[i], column[i], rec_column, seg_first[i], seg_first[i + 1], seg_time, seg_column, P, places, n_switch, shadows
        )
        if fault:
            return sizes, fault, i, k
        sizes[0, i], sizes[1, i] = events, steady
    return sizes, 0, -1, -1


@compiled
def _expand(ev, ss, column, rec, rec_first, rec_last, rec_column, seg_first, seg_time, seg_rank, seg_column, P, places, switch_places, shadows, obs_time, obs_first, obs_last, obs_rank, order):
    m = column.size
    ends = np.zeros(m + 1, np.int64)
    q = 0
    for i in range(m):
        ends[i + 1], q = expand_events(
            ev, ends[i], ss, q, rec, rec_first[i], rec_last[i], column[i], rec_column, seg_first[i], seg_first[i + 1], seg_time, seg_rank, seg_column,
            P, places, switch_places, shadows,
        )  # fmt: skip
        if order.size:
            observation_order(ev.time, ev.rank, ends[i], ends[i + 1], obs_time, obs_rank, obs_first[i], obs_last[i], order)
    return ends


@compiled
def _observe(address, lanes, n, n_out, t, y, y_first, y_stride, P, out, out_first, out_stride, obs_first, obs_last, columns, single):
    """Turn states into outputs, run by run of observations with one column of P."""
    flat = P.reshape(-1)
    width = P.shape[1]
    ts, ys, os = np.zeros(lanes), np.zeros(n * lanes), np.zeros(n_out * lanes)
    for i in range(obs_first.size):
        count = obs_last[i] - obs_first[i]
        a = 0
        while a < count:
            column = columns[i] if single else columns[obs_first[i] + a]
            b = count
            if not single:
                b = a + 1
                while b < count and columns[obs_first[i] + b] == column:
                    b += 1
            if b - a >= lanes:
                call_observe(address, b - a, t[obs_first[i] + a :], y[y_first[i] + a :], y_stride, flat[column:], width, out[out_first[i] + a :], out_stride)
            else:
                for k in range(lanes):
                    row = min(a + k, b - 1)
                    ts[k] = t[obs_first[i] + row]
                    for s in range(n):
                        ys[s * lanes + k] = y[y_first[i] + s * y_stride + row]
                call_observe(address, lanes, ts, ys, lanes, flat[column:], width, os, lanes)
                for k in range(b - a):
                    for s in range(n_out):
                        out[out_first[i] + s * out_stride + a + k] = os[s * lanes + k]
            a = b


def _timeline(kernel: Kernel, block: Block, P: np.ndarray) -> tuple[np.ndarray, Events, np.ndarray, np.ndarray]:
    """Return the ends of each subject's events, the events, the steady states and the order of observations."""
    b = block
    sizes, fault, subject, record = _count(
        b.column, b.records, b.rec_first, b.rec_last, b.rec_column, b.seg_first, b.seg_time, b.seg_column, P, kernel.dosing_places, kernel.switch_places.size,
        kernel.shadow_places,
    )
    if fault:
        raise Fault(fault, subject, record)
    total = int(sizes[0].sum())
    ev = Events(*(np.empty(total, np.int64 if f in ("kind", "state", "row") else np.float64) for f in Events._fields))
    ss = np.empty((int(sizes[1].sum()), SS_COLUMNS + (3 * kernel.n if kernel.shadow_places.partials.size else 0)))
    order = np.zeros(b.obs_time.size if b.obs_rank.size else 0, np.int64)
    ends = _expand(
        ev, ss, b.column, b.records, b.rec_first, b.rec_last, b.rec_column, b.seg_first, b.seg_time, b.seg_rank, b.seg_column,
        P, kernel.dosing_places, kernel.switch_places, kernel.shadow_places, b.obs_time, b.obs_first, b.obs_last, b.obs_rank, order,
    )  # fmt: skip
    return ends, ev, ss, order


_room = threading.local()


def _scratch(size: int) -> np.ndarray:
    """Return room for numbers that this thread reuses: fresh memory costs more than the work on it."""
    held = getattr(_room, "held", None)
    if held is None or held.size < size:
        held = _room.held = np.empty(size)
    return held[:size]


def solve_block(kernel: Kernel, block: Block, inputs: np.ndarray, settings: Settings, target: Target | None = None) -> Result:
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
    ends, ev, ss, order = _timeline(kernel, block, P)
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
    method = settings.method
    subjects = np.arange(m)
    if method == "auto":
        method = "linear" if kernel.linear else settings.explicit
        if kernel.cascade:
            few = subjects[b.obs_last - b.obs_first <= CASCADE_ROWS * (1 + np.diff(ends))]
            _cascade(kernel, P, few, tail, settings, status, when, steps)
            subjects = np.setdiff1d(subjects, few[status[few] == Status.OK])
    if method == "linear":
        solve_linear(kernel.matrix_places, P, kernel.initial_places, kernel.accumulates, subjects, *tail, status, when, steps)
    elif method == "cascade":
        _cascade(kernel, P, subjects, tail, settings, status, when, steps)
    elif subjects.size:
        _lanes(kernel, method, settings.method == "auto", P, subjects, tail, settings, status, when, steps)
        stiff = np.flatnonzero(status == Status.STIFF)
        if stiff.size and settings.method == "auto":
            _lanes(kernel, "rodas5p", False, P, stiff, tail, settings, status, when, steps)
    return Result(_outputs(kernel, block, P, states, first, stride, place_of if tracked else b.obs_column, target), status, when, steps)


def _cascade(kernel: Kernel, P: np.ndarray, subjects: np.ndarray, tail: tuple, s: Settings, *fate: np.ndarray) -> None:
    code, layout = kernel.panel
    solve_cascade(
        code["panel"], pattern_of(layout, kernel.n), kernel.matrix_places, P, kernel.initial_places, kernel.accumulates,
        subjects, *tail, s.rtol, s.atol, s.max_steps, s.h_max, *fate,
    )  # fmt: skip


def _lanes(kernel: Kernel, name: str, leave_stiff: bool, P: np.ndarray, subjects: np.ndarray, tail: tuple, s: Settings, *fate: np.ndarray) -> None:
    method = kernel.method(name)
    rtol = s.rtol**method.tolerance_power
    solve_lanes(
        method.addresses, method.stage_rows, method.degree, method.stiffness_bound, leave_stiff, kernel.n_hot, kernel.lanes,
        P, kernel.initial_places, kernel.accumulates, subjects, *tail, rtol, s.atol, s.max_steps, s.h_max, *fate,
    )  # fmt: skip


def _outputs(
    kernel: Kernel, b: Block, P: np.ndarray, states: np.ndarray, first: np.ndarray, stride: int, columns: np.ndarray, target: Target | None
) -> np.ndarray:
    """Return the outputs; columns tells the column of P of each observation, empty: the subject's own."""
    n_out, times, m = len(kernel.outputs), b.obs_time.size, b.column.size
    shape = (n_out, m, times) if b.shared else (n_out, times)
    if target is None or not b.shared:
        out = np.empty(shape)
        flat, start, out_stride = out.reshape(-1), 0, out[0].size
    else:
        flat, start, out_stride = target
        out = np.lib.stride_tricks.as_strided(flat[start:], shape, (8 * out_stride, 8 * times, 8))
    out_first = start + (np.arange(m) * times if b.shared else b.obs_first)
    single = not columns.size
    _observe(
        kernel.base["observe"], kernel.lanes, kernel.n, n_out, b.obs_time, states, first, stride, P, flat, out_first, out_stride,
        b.obs_first, b.obs_last, b.column if single else columns, single,
    )  # fmt: skip
    return out
