"""An explicit Runge-Kutta step as machine code: a tableau around the right-hand side, people side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from pkpd.engine.machine.emitter import Frame
from pkpd.engine.solve.lane import END, LONGEST, NEXT, WISH
from pkpd.engine.solve.pace import ARGUMENTS, ERROR, FACTOR, MASK, STIFFNESS, choose_length, judge
from pkpd.engine.solve.tableaus import ExplicitTableau

__all__ = ["emit_commit_state", "emit_explicit", "emit_read", "emit_start", "error_factor", "rows_of_stages"]

Value = Any


def rows_of_stages(tableau: ExplicitTableau) -> int:
    """Return how many stages K holds, those of the dense output included."""
    return tableau.stages + 1 + tableau.c_extra.size


def emit_explicit(module: ir.Module, rhs: ir.Function, tableau: ExplicitTableau, n: int, lanes: int) -> None:
    """Write ``step``, ``start``, ``dense``, ``read`` and ``commit`` for an explicit method into the module."""
    _emit_step(module, rhs, tableau, n, lanes)
    emit_start(module, rhs, tableau.error_order + 1, n, lanes)
    _emit_dense(module, rhs, tableau, n, lanes)
    emit_read(module, tableau.dense, n, lanes, slopes=True)
    _emit_commit(module, tableau.stages, n, lanes)


def _sum(f: Frame, weights: Sequence[float] | np.ndarray, n: int, i: Value) -> Value:
    """Return sum_j weights[j] K_j[i]."""
    m, total = f.math, None
    for j, weight in enumerate(weights):
        if weight != 0.0:
            k = f.load(f.arg["K"], f.builder.add(i, ir.Constant(i.type, j * n)))
            total = m.mul(m.const(weight), k) if total is None else m.fma(m.const(weight), k, total)
    return m.const(0.0) if total is None else total


def _stage(
    f: Frame, rhs: ir.Function, n: int, row: np.ndarray, c: float, target: Value, time: Value, stage: int
) -> None:
    """Compute K_stage = f(t + c h, y + h sum row_j K_j), leaving the argument in target."""
    m, a = f.math, f.arg
    h = f.load(a["h"])

    def combine(i: Value) -> None:
        f.store(m.fma(h, _sum(f, row, n, i), f.load(a["y"], i)), target, i)

    f.loop(n, combine)
    # a step that ends at a discontinuity must not see what lies behind it
    f.store(m.minimum(m.fma(m.const(c), h, f.load(a["t"])), f.load(a["cap"])), time)
    f.call(rhs, time, target, a["p"], a["r"], f.address(a["K"], stage * n))


def _accumulate(f: Frame, n: int, count: int, term: Any) -> list[Value]:
    """Return sums over states of the values that term(i) gives."""
    room = f.scratch(count)
    for k in range(count):
        f.store(f.math.const(0.0), room, k)

    def body(i: Value) -> None:
        for k, value in enumerate(term(i)):
            f.store(f.math.add(f.load(room, k), value), room, k)

    f.loop(n, body)
    return [f.load(room, k) for k in range(count)]


def error_factor(f: Frame, squared: Value, order: int) -> None:
    """Store the squared error norm and the factor for the next step, 0.9 err^(-1/order)."""
    m = f.math
    f.store(squared, f.arg["info"], ERROR)
    log = m.log(m.maximum(squared, m.const(1e-60)))
    f.store(m.mul(m.const(0.9), m.exp(m.mul(m.const(-0.5 / order), log))), f.arg["info"], FACTOR)


def scale(f: Frame, i: Value) -> Value:
    """Return 1 / (atol_i + rtol max(|y_i|, |new_i|))."""
    m, a = f.math, f.arg
    size = m.maximum(m.abs(f.load(a["y"], i)), m.abs(f.load(a["new"], i)))
    return m.div(m.const(1.0), m.fma(f.load(a["tol"], 0), size, _absolute(f, i)))


def _absolute(f: Frame, i: Value) -> Value:
    """Return the absolute tolerance of a state."""
    return f.load(f.arg["tol"], f.builder.add(i, ir.Constant(i.type, 1)))


def _emit_step(module: ir.Module, rhs: ir.Function, tableau: ExplicitTableau, n: int, lanes: int) -> None:
    f = Frame(module, "step", ARGUMENTS, lanes)
    m, a, s = f.math, f.arg, tableau.stages
    choose_length(f)
    time, work, last = f.scratch(1), f.scratch(n), f.scratch(n)
    for j in range(1, s):
        target = last if j == tableau.stiffness_pair[0] else work
        _stage(f, rhs, n, tableau.A[j], float(tableau.c[j]), target, time, j)
    _stage(f, rhs, n, tableau.b, 1.0, a["new"], time, s)
    i0, i1 = (j * n for j in tableau.stiffness_pair)
    estimates = [tableau.e] if tableau.e3 is None else [tableau.e, tableau.e3]

    def terms(i: Value) -> list[Value]:
        inverse = scale(f, i)
        out = []
        for weights in estimates:
            q = m.mul(_sum(f, weights, n, i), inverse)
            out.append(m.mul(q, q))
        dk = m.sub(
            f.load(a["K"], f.builder.add(i, ir.Constant(i.type, i1))),
            f.load(a["K"], f.builder.add(i, ir.Constant(i.type, i0))),
        )
        dy = m.sub(f.load(a["new"], i), f.load(last, i))
        return [*out, m.mul(dk, dk), m.mul(dy, dy)]

    *errors, change, distance = _accumulate(f, n, len(estimates) + 2, terms)
    h = f.load(a["h"])
    h2 = m.mul(h, h)
    squared = m.mul(m.mul(h2, errors[0]), m.const(1.0 / n))
    if len(errors) == 2:
        blend = m.fma(m.const(0.01), errors[1], errors[0])
        share = m.div(errors[0], m.maximum(blend, m.const(1e-300)))
        squared = m.mul(squared, share)
    error_factor(f, squared, tableau.error_order + 1)
    f.store(m.mul(h2, m.div(change, m.maximum(distance, m.const(1e-300)))), a["info"], STIFFNESS)
    judge(f, tableau.stiffness_bound)
    f.done()


def emit_start(module: ir.Module, rhs: ir.Function, order: int, n: int, lanes: int) -> None:
    """Write ``start``: first stage and first step size of the lanes marked in info[MASK].

    The first step is Hairer's (Solving Ordinary Differential Equations I, section II.4), bounded by the longest one.
    """
    f = Frame(module, "start", ARGUMENTS, lanes)
    m, a = f.math, f.arg
    slope, work, slope2 = f.scratch(n), f.scratch(n), f.scratch(n)
    f.call(rhs, a["t"], a["y"], a["p"], a["r"], slope)
    fresh = m.less(m.const(0.0), f.load(a["info"], MASK))

    def weight(i: Value) -> Value:
        return m.div(m.const(1.0), m.fma(f.load(a["tol"], 0), m.abs(f.load(a["y"], i)), _absolute(f, i)))

    def sizes(i: Value) -> list[Value]:
        y, k, w = f.load(a["y"], i), f.load(slope, i), weight(i)
        f.store(m.select(fresh, k, f.load(a["K"], i)), a["K"], i)
        return [m.mul(m.mul(y, w), m.mul(y, w)), m.mul(m.mul(k, w), m.mul(k, w))]

    d0, d1 = (m.sqrt(m.mul(v, m.const(1.0 / n))) for v in _accumulate(f, n, 2, sizes))
    small = m.logical_or(m.less(d0, m.const(1e-5)), m.less(d1, m.const(1e-5)))
    h0 = m.select(small, m.const(1e-6), m.mul(m.const(0.01), m.div(d0, m.maximum(d1, m.const(1e-300)))))

    def euler(i: Value) -> None:
        f.store(m.fma(h0, f.load(slope, i), f.load(a["y"], i)), work, i)

    f.loop(n, euler)
    f.call(rhs, a["t"], work, a["p"], a["r"], slope2)

    def bend(i: Value) -> list[Value]:
        q = m.mul(m.sub(f.load(slope2, i), f.load(slope, i)), weight(i))
        return [m.mul(q, q)]

    d2 = m.div(m.sqrt(m.mul(_accumulate(f, n, 1, bend)[0], m.const(1.0 / n))), h0)
    steep = m.maximum(d1, d2)
    flat = m.less(steep, m.const(1e-15))
    power = m.exp(m.mul(m.const(1.0 / order), m.log(m.div(m.const(0.01), m.maximum(steep, m.const(1e-300))))))
    h1 = m.select(flat, m.maximum(m.const(1e-6), m.mul(m.const(1e-3), h0)), power)
    first = m.minimum(f.load(a["pace"], LONGEST), m.minimum(m.mul(m.const(100.0), h0), h1))
    f.store(m.select(fresh, first, f.load(a["pace"], WISH)), a["pace"], WISH)
    f.done()


def _emit_dense(module: ir.Module, rhs: ir.Function, tableau: ExplicitTableau, n: int, lanes: int) -> None:
    """Write ``dense``: the stages that ``read`` needs beside those of the step."""
    f = Frame(module, "dense", ARGUMENTS, lanes)
    time, work = f.scratch(1), f.scratch(n)
    for j in range(tableau.c_extra.size):
        _stage(f, rhs, n, tableau.A_extra[j], float(tableau.c_extra[j]), work, time, tableau.stages + 1 + j)
    f.done()


def emit_read(module: ir.Module, dense: np.ndarray, n: int, lanes: int, *, slopes: bool) -> None:
    """Write ``read``: ``new`` becomes the states at each lane's next observation, within the step that K is of.

    Parameters
    ----------
    dense : array, (stages, degree)
        Weight of each stage as a polynomial of the part of the step, without a constant.
    slopes : bool
        Whether stages are rates of change, else changes.
    """
    f = Frame(module, "read", ARGUMENTS, lanes)
    m, a, h = f.math, f.arg, f.load(f.arg["h"])
    theta = m.div(m.sub(f.load(a["pace"], NEXT), f.load(a["t"])), h)
    length = m.mul(h, theta) if slopes else theta
    used = [j for j, row in enumerate(dense) if row.any()]
    weights = f.scratch(len(used))
    for k, j in enumerate(used):
        total = m.const(dense[j, -1])
        for c in dense[j, -2::-1]:
            total = m.fma(total, theta, m.const(c))
        f.store(m.mul(length, total), weights, k)

    def body(i: Value) -> None:
        value = f.load(a["y"], i)
        for k, j in enumerate(used):
            stage = f.load(a["K"], f.builder.add(i, ir.Constant(i.type, j * n)))
            value = m.fma(f.load(weights, k), stage, value)
        f.store(value, a["new"], i)

    f.loop(n, body)
    f.done()


def _emit_commit(module: ir.Module, stages: int, n: int, lanes: int) -> None:
    """Write ``commit``: the lanes marked in info[MASK] move to the step's end, whose slope is their first stage."""
    f = Frame(module, "commit", ARGUMENTS, lanes)
    m, a = f.math, f.arg
    yes = m.less(m.const(0.0), f.load(a["info"], MASK))
    f.store(m.select(yes, f.load(a["pace"], END), f.load(a["t"])), a["t"])

    def body(i: Value) -> None:
        f.store(m.select(yes, f.load(a["new"], i), f.load(a["y"], i)), a["y"], i)
        if stages:
            last = f.load(a["K"], f.builder.add(i, ir.Constant(i.type, stages * n)))
            f.store(m.select(yes, last, f.load(a["K"], i)), a["K"], i)

    f.loop(n, body)
    f.done()


def emit_commit_state(module: ir.Module, n: int, lanes: int) -> None:
    """Write ``commit`` for a method that keeps no first stage."""
    _emit_commit(module, 0, n, lanes)
