"""Machine code of the exact linear solver: steps of one length in a row, and outputs from states.

Eight subjects stand side by side in every row, as in :mod:`pkpd.engine.solve.linear`, however wide the registers are.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from pkpd.engine.graph.nodes import Node
from pkpd.engine.machine.emitter import F64, I64, Emitter, Frame
from pkpd.engine.machine.split import PIECE, TIME
from pkpd.engine.solve.rows import ROW, transposed

__all__ = ["LinearCode", "emit_march", "emit_project"]

#: addresses of ``march`` and ``project``; numbers of states and of outputs; 1 where outputs depend on time; places of P
#: that they read; the LinearPattern of the equations
LinearCode = namedtuple("LinearCode", "march project states outputs timed places pattern")
Value = Any


def emit_march(module: ir.Module, entries: np.ndarray, n: int) -> None:
    """Write ``march(count, first, E, v, d, S, row)``: so many steps ``x <- E x + c``, all of one length.

    The states before the first step stand in the n rows of S before ``row``, those after each step go to the rows from
    there on; the entries of E begin at row ``first``, and c at row d of v.
    """
    names = ("count", "first", "E", "v", "d", "S", "row")
    f = Frame(module, "march", names, ROW, numbers=("count", "first", "d", "row"))
    b, arg = f.builder, f.arg

    def at(base: str, start: Value, k: int) -> Value:
        return f.load(arg[base], b.add(start, ir.Constant(I64, k)))

    step = [at("E", arg["first"], e) for e in range(len(entries))]
    added = [at("v", arg["d"], i) for i in range(n)]
    before = b.sub(arg["row"], ir.Constant(I64, n))
    begun = [at("S", before, i) for i in range(n)]
    entry, head = b.block, f.function.append_basic_block("head")
    body, after = f.function.append_basic_block("body"), f.function.append_basic_block("after")
    b.branch(head)
    b.position_at_end(head)
    k = b.phi(I64)
    states = [b.phi(f.vector) for _ in range(n)]
    b.cbranch(b.icmp_signed("<", k, arg["count"]), body, after)
    b.position_at_end(body)
    moved = list(added)
    for e, (i, j) in enumerate(entries.tolist()):
        moved[i] = f.math.add(moved[i], f.math.mul(step[e], states[j]))
    row = b.add(arg["row"], b.mul(k, ir.Constant(I64, n)))
    for i, value in enumerate(moved):
        f.store(value, arg["S"], b.add(row, ir.Constant(I64, i)))
    for phi, old, new in zip(
        [k, *states], [ir.Constant(I64, 0), *begun], [b.add(k, ir.Constant(I64, 1)), *moved], strict=True
    ):
        phi.add_incoming(old, entry)
        phi.add_incoming(new, b.block)
    b.branch(head)
    b.position_at_end(after)
    f.done()


def emit_project(module: ir.Module, outputs: Sequence[Node], states: Sequence[Node], places: Sequence[Node]) -> None:
    """Write ``project(count, T, S, row, p, out, stride, where, sums)``: outputs from states at ``count`` observations.

    The states of one observation after the other stand from ``row`` of S on; T has its times, in rows of eight, and p a
    row for each place. Output o of subject w goes to ``out[where[w] + o * stride]`` and following, at least eight
    numbers: where there are fewer observations the last one is repeated. Subjects are written from the last to the
    first, so that one who is none may share the place of the first. To the two rows of ``sums`` zero is added for each
    state and each output that is finite, and what is not a number for each that is not.
    """
    names = ("count", "T", "S", "row", "p", "out", "stride", "where", "sums")
    f = Frame(module, "project", names, ROW, numbers=("count", "row", "stride"))
    b, arg, zero = f.builder, f.arg, f.math.const(0.0)
    room = f.scratch(ROW * len(outputs))
    fixed = {node: f.load(arg["p"], k) for k, node in enumerate(places)}
    last = b.sub(arg["count"], ir.Constant(I64, 1))
    where = [b.load(b.gep(arg["where"], [ir.Constant(I64, w)], source_etype=I64), typ=I64) for w in range(ROW)]

    def observe(start: Value) -> Callable[[Value], None]:
        def body(k: Value) -> None:
            o = b.add(start, k)
            o = b.select(b.icmp_signed("<", o, last), o, last)
            row = b.add(arg["row"], b.mul(o, ir.Constant(I64, len(states))))
            known = dict(fixed)
            known[TIME] = known[PIECE] = f.load(arg["T"], o)
            for i, s in enumerate(states):
                known[s] = f.load(arg["S"], b.add(row, ir.Constant(I64, i)))
            checks = [f.load(arg["sums"], 0), f.load(arg["sums"], 1)]
            for s in states:
                checks[0] = f.math.add(checks[0], f.math.mul(known[s], zero))
            for q, value in enumerate(Emitter(f, known)(outputs)):
                f.store(value, room, b.add(k, ir.Constant(I64, q * ROW)))
                checks[1] = f.math.add(checks[1], f.math.mul(value, zero))
            for q, check in enumerate(checks):
                f.store(check, arg["sums"], q)

        return body

    def write(start: Value) -> Callable[[Value], None]:
        def body(q: Value) -> None:
            first = b.mul(q, ir.Constant(I64, ROW))
            rows = [f.load(room, b.add(first, ir.Constant(I64, k))) for k in range(ROW)]
            offset = b.add(b.mul(q, arg["stride"]), start)
            for w, row in reversed(list(enumerate(transposed(b, rows)))):
                b.store(row, b.gep(arg["out"], [b.add(where[w], offset)], source_etype=F64), align=8)

        return body

    def block(start: Value) -> None:
        latest = b.sub(arg["count"], ir.Constant(I64, ROW))
        start = b.select(b.icmp_signed("<", start, latest), start, latest)
        start = b.select(b.icmp_signed("<", start, ir.Constant(I64, 0)), ir.Constant(I64, 0), start)
        f.loop(ROW, observe(start))
        f.loop(len(outputs), write(start))

    f.loop(arg["count"], block, step=ROW)
    f.done()
