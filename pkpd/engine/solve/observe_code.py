"""Machine code of what is computed once for each column of inputs, and of outputs at every observation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from pkpd.engine.graph.nodes import Node
from pkpd.engine.graph.tree import walk
from pkpd.engine.machine.emitter import F64, I64, Emitter, Frame
from pkpd.engine.machine.split import PIECE, TIME

__all__ = ["ABREAST", "emit_observe", "emit_prepare", "emit_pull"]

#: observations that are added up side by side, on all machines, so that sums do not depend on it
ABREAST = 8

Value = Any


def emit_prepare(module: ir.Module, inputs: Sequence[Node], places: Sequence[Node], lanes: int) -> None:
    """Write ``prepare(count, stride, inputs, P)``, which turns columns of inputs into columns of places."""
    f = Frame(module, "prepare", ("count", "stride", "inputs", "out"), lanes, numbers=("count", "stride"))

    def at(base: str, row: int, column: Value) -> Value:
        b = f.builder
        offset = b.add(b.mul(f.arg["stride"], ir.Constant(column.type, row)), column)
        return b.gep(f.arg[base], [offset], source_etype=F64)

    def body(column: Value) -> None:
        known = {s: f.builder.load(at("inputs", k, column), align=8, typ=f.vector) for k, s in enumerate(inputs)}
        for k, value in enumerate(Emitter(f, known)(places)):
            f.builder.store(value, at("out", k, column), align=8)

    f.loop(f.arg["count"], body, step=lanes)
    f.done()


def emit_pull(
    module: ir.Module, parts: Sequence[Sequence[tuple[int, Node]]], states: Sequence[Node], places: Sequence[Node]
) -> None:
    """Write ``pull(count, t, y, ystride, p, pstride, w, seen, wstride, out)`` for vectors of a subject's observations.

    Each part is a list of (output o, expression); ``out[k]`` becomes the sum over observations of w_o times the k-th
    part's expressions, of those observations and outputs that ``seen`` is above 0 at.
    """
    names = ("count", "t", "y", "ystride", "p", "pstride", "w", "seen", "wstride", "out")
    f = Frame(module, "pull", names, ABREAST, numbers=("count", "ystride", "pstride", "wstride"))
    b, m = f.builder, f.math
    used = set(walk([node for part in parts for _, node in part]))

    def read(base: str, stride: str, row: int, column: Value) -> Value:
        start = b.add(b.mul(f.arg[stride], ir.Constant(column.type, row)), column)
        return b.load(b.gep(f.arg[base], [start], source_etype=F64), align=8, typ=f.vector)

    fixed = {}
    for k, node in enumerate(places):
        if node in used:
            offset = b.mul(f.arg["pstride"], ir.Constant(f.arg["pstride"].type, k))
            fixed[node] = f.splat(b.load(b.gep(f.arg["p"], [offset], source_etype=F64), align=8, typ=F64))

    def body(held: list[Value]) -> list[Value]:
        row, *sums = held
        known = dict(fixed)
        if TIME in used or PIECE in used:
            known[TIME] = known[PIECE] = b.load(b.gep(f.arg["t"], [row], source_etype=F64), align=8, typ=f.vector)
        known |= {s: read("y", "ystride", i, row) for i, s in enumerate(states) if s in used}
        outputs = sorted({o for part in parts for o, _ in part})
        weight = {o: read("w", "wstride", o, row) for o in outputs}
        seen = {o: m.greater(read("seen", "wstride", o, row), m.const(0.0)) for o in outputs}
        emitter = Emitter(f, known)
        for k, part in enumerate(parts):
            for (o, _), value in zip(part, emitter([node for _, node in part]), strict=True):
                sums[k] = m.fma(weight[o], m.select(seen[o], value, m.const(0.0)), sums[k])
        return [b.add(row, ir.Constant(row.type, ABREAST)), *sums]

    nothing = [m.const(0.0)] * len(parts)
    _, *sums = f.repeat(f.arg["count"], [ir.Constant(f.arg["count"].type, 0), *nothing], body)
    for k, total in enumerate(sums):
        lanes = [b.extract_element(total, ir.Constant(ir.IntType(32), j)) for j in range(ABREAST)]
        while len(lanes) > 1:
            half = len(lanes) // 2
            lanes = [b.fadd(x, y) for x, y in zip(lanes[:half], lanes[half:], strict=True)]
        b.store(lanes[0], b.gep(f.arg["out"], [ir.Constant(I64, k)], source_etype=F64), align=8)
    f.done()


def emit_observe(
    module: ir.Module, roots: Sequence[Node], states: Sequence[Node], places: Sequence[Node], lanes: int
) -> None:
    """Write ``observe(count, t, y, ystride, p, pstride, out, ostride)``, which turns states into values of the roots.

    Observations of one subject with one column of P stand side by side; there are at least as many as lanes.
    """
    names = ("count", "t", "y", "ystride", "p", "pstride", "out", "ostride")
    f = Frame(module, "observe", names, lanes, numbers=("count", "ystride", "pstride", "ostride"))
    b, used = f.builder, set(walk(roots))

    def offset(stride: str, row: int, column: Value | None = None) -> Value:
        start = b.mul(f.arg[stride], ir.Constant(f.arg[stride].type, row))
        return start if column is None else b.add(start, column)

    fixed = {}
    for k, node in enumerate(places):
        if node in used:
            place = b.gep(f.arg["p"], [offset("pstride", k)], source_etype=F64)
            fixed[node] = f.splat(b.load(place, align=8, typ=F64))

    def body(start: Value) -> None:
        last = b.sub(f.arg["count"], ir.Constant(start.type, lanes))
        row = b.select(b.icmp_signed("<", start, last), start, last)
        known = dict(fixed)
        known[TIME] = b.load(b.gep(f.arg["t"], [row], source_etype=F64), align=8, typ=f.vector)
        known[PIECE] = known[TIME]
        for i, s in enumerate(states):
            known[s] = b.load(b.gep(f.arg["y"], [offset("ystride", i, row)], source_etype=F64), align=8, typ=f.vector)
        for k, value in enumerate(Emitter(f, known)(roots)):
            b.store(value, b.gep(f.arg["out"], [offset("ostride", k, row)], source_etype=F64), align=8)

    f.loop(f.arg["count"], body, step=lanes)
    f.done()
