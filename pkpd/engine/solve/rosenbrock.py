"""A Rosenbrock step as machine code, with the exact sparse Jacobian factorised without pivoting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from pkpd.engine.graph.derivative import derivative, jacobian
from pkpd.engine.graph.nodes import Node, const, symbol
from pkpd.engine.machine.emitter import Emitter, Frame
from pkpd.engine.solve.explicit import emit_commit_state, emit_read, emit_start, error_factor, scale
from pkpd.engine.solve.pace import ARGUMENTS, choose_length, judge
from pkpd.engine.solve.tableaus import RosenbrockTableau

__all__ = ["Factorisation", "emit_rosenbrock", "rosenbrock_nodes"]

Value = Any


def rosenbrock_nodes(derivatives: Sequence[Node], states: Sequence[Node]) -> tuple[list[list[Node]], list[Node]]:
    """Return the Jacobian d f_i / d y_j and the partial derivative d f_i / d t."""
    return jacobian(derivatives, states), derivative(derivatives, symbol("t", "time"))


class Factorisation:
    """The pattern of an LU factorisation of ``I / (h gamma) - J``, fill-in included.

    Rows are eliminated in an order that keeps the fill-in low (Markowitz on the diagonal).

    Attributes
    ----------
    order : list of int
        State eliminated at each step.
    place : dict of (int, int) to int
        Where the entry of row i and column j (states) is kept; inverse pivots stand on the diagonal.
    """

    def __init__(self, jac: Sequence[Sequence[Node]]) -> None:
        n, zero = len(jac), const(0)
        pattern = {(i, j) for i in range(n) for j in range(n) if i == j or jac[i][j] is not zero}
        left = set(range(n))
        self.order: list[int] = []
        while left:
            cost = {
                k: sum((i, k) in pattern for i in left if i != k) * sum((k, j) in pattern for j in left if j != k)
                for k in left
            }
            k = min(sorted(left), key=lambda s: cost[s])
            left.discard(k)
            self.order.append(k)
            pattern |= {(i, j) for i in left for j in left if (i, k) in pattern and (k, j) in pattern}
        self.place = {entry: p for p, entry in enumerate(sorted(pattern))}


def emit_rosenbrock(
    module: ir.Module, rhs: ir.Function, tableau: RosenbrockTableau, jac: list[list[Node]], slope: list[Node],
    leaf_values: Any, n: int, lanes: int,
) -> None:  # fmt: skip
    """Write ``step``, ``start``, ``dense``, ``read`` and ``commit`` for a Rosenbrock method into the module.

    leaf_values(frame, roots) gives the vector values of time, states and places in a frame with arguments t, y, p.
    """
    pattern = Factorisation(jac)
    factor = _emit_factor(module, tableau.gamma, pattern, jac, leaf_values, lanes)
    solve = _emit_solve(module, pattern, lanes)
    zero = const(0)
    drift = None
    if any(s is not zero for s in slope):
        f = Frame(module, "drift", ("t", "y", "p", "out"), lanes)
        for i, value in enumerate(Emitter(f, leaf_values(f, slope))(slope)):
            f.store(value, f.arg["out"], i)
        drift = f.done()
    _emit_step(module, _StageFunctions(rhs, factor, solve, drift), tableau, pattern, n, lanes)
    emit_start(module, rhs, tableau.error_order + 1, n, lanes)
    Frame(module, "dense", ARGUMENTS, lanes).done()  # which needs no further stages
    emit_read(module, tableau.dense, n, lanes, slopes=False)
    emit_commit_state(module, n, lanes)


def _emit_factor(
    module: ir.Module, gamma: float, pattern: Factorisation, jac: list[list[Node]], leaf_values: Any, lanes: int
) -> ir.Function:
    f = Frame(module, "factor", ("t", "y", "p", "h", "out"), lanes)
    m, zero = f.math, const(0)
    entries = [(i, j) for i in range(len(jac)) for j in range(len(jac)) if jac[i][j] is not zero]
    roots = [jac[i][j] for i, j in entries]
    # a derivative that is infinite at one point (x^0.5 at 0) must not spoil the step: the error control judges it
    finite = [
        m.select(m.less(m.abs(v), m.const(1e200)), v, m.const(0.0)) for v in Emitter(f, leaf_values(f, roots))(roots)
    ]
    known = dict(zip(entries, finite, strict=True))
    diagonal = m.div(m.const(1.0 / gamma), f.load(f.arg["h"]))
    w: dict[tuple[int, int], Value] = {}
    for i, j in pattern.place:
        value = known.get((i, j))
        if i == j:
            w[i, j] = diagonal if value is None else m.sub(diagonal, value)
        else:
            w[i, j] = m.const(0.0) if value is None else m.neg(value)
    for step, k in enumerate(pattern.order):
        w[k, k] = m.div(m.const(1.0), w[k, k])
        rest = pattern.order[step + 1 :]
        for i in rest:
            if (i, k) in w:
                w[i, k] = m.mul(w[i, k], w[k, k])
                for j in rest:
                    if (k, j) in w:
                        w[i, j] = m.sub(w[i, j], m.mul(w[i, k], w[k, j]))
    for entry, p in pattern.place.items():
        f.store(w[entry], f.arg["out"], p)
    return f.done()


def _emit_solve(module: ir.Module, pattern: Factorisation, lanes: int) -> ir.Function:
    """Write solve(lu, b): b becomes the solution."""
    f = Frame(module, "solve", ("lu", "b"), lanes)
    m, place = f.math, pattern.place
    b = {k: f.load(f.arg["b"], k) for k in pattern.order}
    for step, k in enumerate(pattern.order):
        for i in pattern.order[step + 1 :]:
            if (i, k) in place:
                b[i] = m.sub(b[i], m.mul(f.load(f.arg["lu"], place[i, k]), b[k]))
    for step, k in reversed(list(enumerate(pattern.order))):
        for j in pattern.order[step + 1 :]:
            if (k, j) in place:
                b[k] = m.sub(b[k], m.mul(f.load(f.arg["lu"], place[k, j]), b[j]))
        b[k] = m.mul(b[k], f.load(f.arg["lu"], place[k, k]))
    for k, value in b.items():
        f.store(value, f.arg["b"], k)
    return f.done()


def _weighted(f: Frame, weights: np.ndarray, n: int, i: Value, total: Value) -> Value:
    """Return total + sum_j weights[j] U_j[i]."""
    for j, weight in enumerate(weights):
        if weight != 0.0:
            u = f.load(f.arg["K"], f.builder.add(i, ir.Constant(i.type, j * n)))
            total = f.math.fma(f.math.const(weight), u, total)
    return total


class _StageFunctions(NamedTuple):
    """What a step calls: rates of change, LU decomposition, its use, the derivative by time if there is one."""

    rhs: ir.Function
    factor: ir.Function
    solve: ir.Function
    drift: ir.Function | None


def _emit_argument(
    f: Frame, tableau: RosenbrockTableau, j: int, n: int, work: Value, target: Value | None = None
) -> None:
    """Store where stage j begins, or for j = s the new state; ``work`` has where the stage before began.

    Some stages of stiffly accurate methods begin where the one before began, plus that one.
    """
    rows = np.vstack([tableau.A, tableau.b])
    before = rows[j - 1] + np.eye(tableau.stages)[j - 1]
    more = j > 0 and np.array_equal(rows[j], before)

    def argument(i: Value) -> None:
        if more:
            last = f.load(f.arg["K"], f.builder.add(i, ir.Constant(i.type, (j - 1) * n)))
            value = f.math.add(f.load(work, i), last)
        else:
            value = _weighted(f, rows[j], n, i, f.load(f.arg["y"], i))
        f.store(value, work if target is None else target, i)

    f.loop(n, argument)


def _emit_step(
    module: ir.Module, called: _StageFunctions, tableau: RosenbrockTableau, pattern: Factorisation, n: int, lanes: int
) -> None:
    rhs, factor, solve, drift = called
    f = Frame(module, "step", ARGUMENTS, lanes)
    m, a = f.math, f.arg
    choose_length(f)
    lu, time, work, slope = f.scratch(len(pattern.place)), f.scratch(1), f.scratch(n), f.scratch(n)
    h = f.load(a["h"])
    per_h = m.div(m.const(1.0), h)
    f.call(factor, a["t"], a["y"], a["p"], a["h"], lu)
    if drift is not None:
        f.call(drift, a["t"], a["y"], a["p"], slope)
    for j in range(tableau.stages):
        stage = f.address(a["K"], j * n)

        _emit_argument(f, tableau, j, n, work)
        f.store(m.minimum(m.fma(m.const(tableau.c[j]), h, f.load(a["t"])), f.load(a["cap"])), time)
        f.call(rhs, time, work, a["p"], a["r"], stage)

        def right_side(i: Value, j: int = j, stage: Value = stage) -> None:
            b = m.fma(per_h, _weighted(f, tableau.C[j], n, i, m.const(0.0)), f.load(stage, i))
            if drift is not None and tableau.d[j] != 0.0:
                b = m.fma(m.mul(h, m.const(tableau.d[j])), f.load(slope, i), b)
            f.store(b, stage, i)

        f.loop(n, right_side)
        f.call(solve, lu, stage)

    _emit_argument(f, tableau, tableau.stages, n, work, a["new"])
    total = f.scratch(1)
    f.store(m.const(0.0), total)

    def error(i: Value) -> None:
        q = m.mul(_weighted(f, tableau.e, n, i, m.const(0.0)), scale(f, i))
        f.store(m.fma(q, q, f.load(total)), total)

    f.loop(n, error)
    error_factor(f, m.mul(f.load(total), m.const(1.0 / n)), tableau.error_order + 1)
    judge(f, math.inf)
    f.done()
