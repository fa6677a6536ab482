"""Machine code that carries one subject of a chain over a panel, see ``pkpd.engine.solve.structure.Chain``.

Upstream states are exact, as for cascades. The others follow one after the other: the forcing of a state at the nodes
of the panel gives the state there, by weights that are exact for a forcing of degree 7 (``pkpd.engine.solve.weights``),
and that enters the forcing of the next ones. States that drive none need their value at the end only. A state that is
not linear in itself is found by iteration (Picard's); what the last round changed counts as an error.

The error is estimated as for cascades, from the Legendre coefficients of the forcing; sensitivities count for a tenth,
and only those that drive others.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from llvmlite import ir

from pkpd.engine.graph.nodes import Node, const
from pkpd.engine.graph.tree import symbols_of
from pkpd.engine.machine.emitter import F64, I64, Emitter
from pkpd.engine.solve.panel import NODES, Panel, PanelLayout, PanelPart, lay_out
from pkpd.engine.solve.structure import Chain
from pkpd.engine.solve.weights import DECAY, LAST, ROWS

__all__ = ["emit_chain", "inner_states", "lay_out_chain"]

LOOSE = 0.1  # weight of the error of a sensitivity
ROUNDS = 16  # of the iteration, at most; it errs by (L h)^k / k! after k
SETTLED = 0.03  # of the error allowed: a change that ends the iteration
Value = Any


def inner_states(chain: Chain, states: Sequence[Node]) -> list[int]:
    """Return the downstream states that drive others."""
    symbols = set(symbols_of(chain.forcing.values()))
    return [i for i in chain.order if states[i] in symbols or i in chain.curved]


def lay_out_chain(chain: Chain, states: Sequence[Node], places: Mapping[Node, int]) -> PanelLayout:
    """Return the layout of a chain's sets: what upstream states need, then for each group of one rate its weights."""
    n, zero = len(states), const(0)
    upstream = [[e if i not in chain.forcing else zero for e in row] for i, row in enumerate(chain.matrix)]
    base = lay_out(replace(chain, matrix=upstream), states)
    inside = {i for i, _ in base.entries if i not in chain.forcing}
    keep = [e for e, (i, _) in enumerate(base.entries) if i in inside]
    new = {e: k for k, e in enumerate(keep)}
    watched = np.array([i for i in base.watched if i in inside], np.int64)
    reads = np.array([new[e] for e in base.reads if e in new], np.int64)
    products = np.array([[new[e] for e in row] for row in base.products if row[0] in new], np.int64).reshape(-1, 3)
    inner = {chain.leaders[i] for i in inner_states(chain, states)}
    size = NODES * (reads.size + watched.size) + len(keep) + n
    groups = []
    for i in dict.fromkeys(chain.leaders[i] for i in chain.order):
        rate = chain.matrix[i][i]
        groups.append((places[rate] if rate is not zero else -1, size, int(i in inner)))
        size += NODES * (ROWS if i in inner else 1) + NODES
    return replace(
        base, entries=base.entries[keep], products=products, watched=watched, reads=reads, pairs=np.empty(0, np.int64),
        affected=np.array(sorted(chain.order), np.int64), size=size, groups=np.array(groups, np.int64).reshape(-1, 3),
    )  # fmt: skip


class _Chain(Panel):
    """The function under construction."""

    chain: Chain

    def row(self, first: int) -> list[Value]:
        """Return a row of doubles that begins at a place of the set."""
        f, b = self.f, self.f.builder
        out = []
        for v in range(self.vectors):
            place = b.gep(f.arg["set"], [ir.Constant(I64, first + v * self.lanes)], source_etype=F64)
            out.append(b.load(place, align=8, typ=f.vector))
        return out

    def lane(self, values: Sequence[Value], j: int) -> Value:
        """Return the number at node j in all lanes."""
        nothing = ir.Constant(self.f.vector, ir.Undefined)
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [j % self.lanes] * self.lanes)
        return self.f.builder.shuffle_vector(values[j // self.lanes], nothing, mask)

    def inside(self, i: int, first: int, g: Sequence[Value]) -> list[Value]:
        """Return an inner state at the nodes."""
        m, start = self.f.math, self.f.splat(self.state[i])
        halves = [[m.mul(decay, start) for decay in self.row(first + DECAY * NODES)], [m.const(0.0)] * self.vectors]
        for j in range(NODES):  # two sums, since each term waits for the one before
            at_j, rows = self.lane(g, j), self.row(first + j * NODES)
            halves[j % 2] = [m.fma(w, at_j, total) for w, total in zip(rows, halves[j % 2], strict=True)]
        return [m.add(*both) for both in zip(*halves, strict=True)]

    def rounds(
        self, i: int, first: int, emitters: Sequence[Emitter], added: Value | None
    ) -> tuple[list[Value], list[Value], Value]:
        """Return a state that is not linear in itself and its forcing, both at the nodes, and the last change."""
        f, b, m = self.f, self.f.builder, self.f.math
        room, state, start = f.scratch(2 * self.vectors), self.states[i], self.state[i]
        for v in range(self.vectors):
            f.store(f.splat(start), room, v)
        rest = b.fcmp_ordered("==", start, ir.Constant(F64, 0.0))
        if added is not None:
            rest = b.and_(rest, b.fcmp_ordered("==", added, ir.Constant(F64, 0.0)))
        count = b.select(rest, ir.Constant(I64, 1), ir.Constant(I64, ROUNDS))
        scale = b.fadd(self.number("clock", 2), b.fmul(self.number("clock", 3), self.larger(start, start)))
        little = b.fmul(b.fmul(scale, scale), ir.Constant(F64, SETTLED * SETTLED))

        def body() -> Value:
            before = [f.load(room, v) for v in range(self.vectors)]
            g = [
                Emitter(f, emitter.values | {state: value})([self.chain.forcing[i]])[0]
                for emitter, value in zip(emitters, before, strict=True)
            ]
            if added is not None:
                g = [m.add(value, f.splat(added)) for value in g]
            change = []
            for v, (value, old) in enumerate(zip(self.inside(i, first, g), before, strict=True)):
                f.store(value, room, v)
                f.store(g[v], room, self.vectors + v)
                change.append(m.sub(value, old))
            return self.total([m.mul(c, c) for c in change])

        change = self.repeat(count, little, body)
        y, g = ([f.load(room, k * self.vectors + v) for v in range(self.vectors)] for k in range(2))
        return y, g, b.select(b.fcmp_ordered("<=", change, little), ir.Constant(F64, 0.0), change)

    def repeat(self, count: Value, little: Value, body: Callable[[], Value]) -> Value:
        """Run a body until the number that it returns is little, at most count times; return that number."""
        f, b = self.f, self.f.builder
        before, inside = b.block, f.function.append_basic_block("round")
        after = f.function.append_basic_block("settled")
        b.branch(inside)
        b.position_at_end(inside)
        k = b.phi(I64)
        k.add_incoming(ir.Constant(I64, 1), before)
        change = body()
        k.add_incoming(b.add(k, ir.Constant(I64, 1)), b.block)
        done = b.or_(b.icmp_signed(">=", k, count), b.fcmp_ordered("<=", change, little))
        b.cbranch(done, after, inside)
        b.position_at_end(after)
        return change

    def totals(self, values: Sequence[Value]) -> list[Value]:
        """Return the sums over the lanes of up to as many vectors as there are lanes: lanes are turned into vectors."""
        m, b, width = self.f.math, self.f.builder, self.lanes
        level, step = [*values, *[m.const(0.0)] * (width - len(values))], 1
        while step < width:
            places = [2 * step * (k // (2 * step)) + k % step + width * (k % (2 * step) >= step) for k in range(width)]
            low, high = (ir.Constant(ir.VectorType(ir.IntType(32), width), [p + s for p in places]) for s in (0, step))
            level = [
                m.add(b.shuffle_vector(x, y, low), b.shuffle_vector(x, y, high))
                for x, y in zip(level[::2], level[1::2], strict=True)
            ]
            step *= 2
        return [b.extract_element(level[0], ir.Constant(ir.IntType(32), k)) for k in range(len(values))]

    def finish(self, outer: dict[int, tuple[int, Value]], new: list[Value]) -> None:
        """Write to ``new`` the states at the end that drive none, from places of their decay and weighted forcing."""
        b = self.f.builder
        for (i, (decay, _)), total in zip(outer.items(), self.totals([v for _, v in outer.values()]), strict=True):
            new[i] = b.fadd(b.fmul(self.number("set", decay), self.state[i]), total)
        outer.clear()

    def emit_states(self, proper: int, driven: Sequence[int]) -> None:
        """Write the function; arguments as for :func:`emit_chain`."""
        b, m, at, chain = self.f.builder, self.f.math, self.layout, self.chain
        known = self.known()
        emitters = [Emitter(self.f, self.watched(known, v)) for v in range(self.vectors)]
        added = NODES * (len(at.reads) + len(at.watched)) + len(at.entries)
        leaders = list(dict.fromkeys(chain.leaders[i] for i in chain.order))
        inner = set(inner_states(chain, self.states))
        new, outer, judged = self.linear(), {}, []
        for i in chain.order:
            group = leaders.index(chain.leaders[i])
            first, full = int(at.groups[group, 1]), at.groups[group, 2] == 1
            ends = first + NODES * (ROWS if full else 1)
            more = self.number("set", added + i) if i in driven else None
            change, y = None, []
            if i in chain.curved:
                y, g, change = self.rounds(i, first, emitters, more)
            else:
                g = [emitter([chain.forcing[i]])[0] for emitter in emitters]
                if more is not None:
                    g = [m.add(value, self.f.splat(more)) for value in g]
                if i in inner:
                    y = self.inside(i, first, g)
            if i in inner:
                for emitter, value in zip(emitters, y, strict=True):
                    emitter.values[self.states[i]] = value
                new[i] = b.extract_element(y[-1], ir.Constant(ir.IntType(32), self.lanes - 1))
            else:
                row = self.row(first + LAST * NODES if full else first)
                outer[i] = ends, functools.reduce(m.add, [m.mul(w, value) for w, value in zip(row, g, strict=True)])
                if len(outer) == self.lanes:
                    self.finish(outer, new)
            if i < proper or i in inner:
                width, weight = self.number("set", ends + 1), 1.0 if i < proper else LOOSE
                judged.append(PanelPart(i, self.spectrum(g, i in inner), width, weight, change))
        self.finish(outer, new)
        self.close(judged, new, sum(part.state < proper for part in judged))


def emit_chain(
    module: ir.Module, chain: Chain, layout: PanelLayout, states: Sequence[Node], places: Sequence[Node], lanes: int,
    proper: int, driven: Sequence[int],
) -> None:  # fmt: skip
    """Write ``panel`` of a chain, with the arguments of that of a cascade (``pkpd.engine.solve.panel.emit_panel``).

    Parameters
    ----------
    proper : int
        Number of states that are no sensitivities; they come first.
    driven : sequence of int
        States that infusions may enter.
    """
    panel = _Chain(module, chain, layout, states, places, lanes)
    panel.chain = chain
    panel.emit_states(proper, driven)
