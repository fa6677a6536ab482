"""From states to outputs."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from pkpd.engine.machine.jit import entry
from pkpd.engine.solve.block import Block, FlatTable, States, Target
from pkpd.engine.solve.call import call_code
from pkpd.engine.solve.kernel import Kernel

__all__ = ["finite_rates", "observe", "rates_at", "room_for_outputs"]

#: address and width of the machine code, numbers of states and of outputs
ObserveCode = namedtuple("ObserveCode", "address lanes states outputs")
#: half-open range of each subject's observations; columns of P, of subjects (``single``) or of observations
ObservedRows = namedtuple("ObservedRows", "first last columns single")


@entry
def _observe(code, t, flat, width, states, outputs, rows):
    """Turn states into outputs, run by run of observations with one column of P, which is flat and so many wide."""
    address, lanes, n, n_out = code
    (y, y_first, y_stride), (out, out_first, out_stride) = states, outputs
    obs_first, obs_last, columns, single = rows
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
                when, values, there = t[obs_first[i] + a :], y[y_first[i] + a :], out[out_first[i] + a :]
                call_code(address, (b - a, when, values, y_stride, flat[column:], width, there, out_stride))
            else:  # too few to fill a vector: repeat the last
                for k in range(lanes):
                    row = min(a + k, b - 1)
                    ts[k] = t[obs_first[i] + row]
                    for s in range(n):
                        ys[s * lanes + k] = y[y_first[i] + s * y_stride + row]
                call_code(address, (lanes, ts, ys, lanes, flat[column:], width, os, lanes))
                for k in range(b - a):
                    for s in range(n_out):
                        out[out_first[i] + s * out_stride + a + k] = os[s * lanes + k]
            a = b


def room_for_outputs(count: int, b: Block, target: Target | None) -> tuple[np.ndarray, FlatTable]:
    """Return room for outputs, (outputs, subjects, times) on a common grid, else (outputs, rows), and its table.

    Parameters
    ----------
    target
        Where it is to be on a common grid, see ``pkpd.engine.solve.block.Target``.
    """
    times, m = b.obs_time.size, b.column.size
    if not b.shared:
        out = np.empty((count, times))
        return out, FlatTable(out.reshape(-1), b.obs_first, times)
    if target is None:
        out = np.empty((count, m, times))
        return out, FlatTable(out.reshape(-1), np.arange(m) * times, m * times)
    flat, start, stride = target
    out = np.ndarray((count, m, times), float, flat, 8 * start, (8 * stride, 8 * times, 8))
    return out, FlatTable(flat, start + np.arange(m) * times, stride)


def observe(
    kernel: Kernel, b: Block, states: States, columns: np.ndarray, outputs: FlatTable, shown: int | None = None
) -> None:
    """Write the outputs of all subjects.

    Parameters
    ----------
    columns : int array
        Column of P of each observation; empty: the subject's own.
    shown : int, optional
        How many of the outputs, the first ones; all without.
    """
    single, P = not columns.size, states.P
    count = len(kernel.outputs) if shown is None else shown
    code = ObserveCode(kernel.shown(shown)["observe"], kernel.lanes, kernel.n, count)
    rows = ObservedRows(b.obs_first, b.obs_last, b.column if single else columns, single)
    _observe(code, b.obs_time, P.reshape(-1), P.shape[1], states.table, outputs, rows)


def finite_rates(kernel: Kernel, P: np.ndarray, columns: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Tell for some columns of P whether all states change at a finite rate from their initial values.

    Parameters
    ----------
    columns : int array, (k,)
    times : float array, (k,)
    """
    start = P[kernel.initial_places][:, columns]
    out = rates_at(kernel, P, columns, times, start)
    return np.asarray(np.isfinite(out).all(axis=0) & np.isfinite(start).all(axis=0))


def rates_at(kernel: Kernel, P: np.ndarray, columns: np.ndarray, times: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Return the rates of change without doses, (states, k), for some columns of P, times and states.

    Parameters
    ----------
    columns : int array, (k,)
    times : float array, (k,)
    states : float array, (states, k)
    """
    k, n = columns.size, kernel.n
    start, out = np.ascontiguousarray(states), np.empty((n, k))
    ends = np.append(np.flatnonzero(np.diff(columns)) + 1, k) if k else np.empty(0, np.int64)  # of runs of one column
    first = np.append(0, ends)[:-1].astype(np.int64)
    code = ObserveCode(kernel.rates["observe"], kernel.lanes, n, n)
    rows = ObservedRows(first, ends, columns[first], True)
    tables = FlatTable(start.reshape(-1), first, k), FlatTable(out.reshape(-1), first, k)
    _observe(code, times, P.reshape(-1), P.shape[1], *tables, rows)
    return out
