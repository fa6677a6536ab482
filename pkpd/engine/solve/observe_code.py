"""Machine code of what is computed once for each column of inputs, and of outputs at every observation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from pkpd.engine.graph.nodes import Node
from pkpd.engine.graph.tree import walk
from pkpd.engine.machine.emitter import F64, Emitter, Frame
from pkpd.engine.machine.split import PIECE, TIME

__all__ = ["emit_observe", "emit_prepare"]

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
