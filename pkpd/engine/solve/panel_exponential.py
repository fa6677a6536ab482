"""Machine code that writes what the panels of one length need of exp(A s): a set, see ``panel.PanelLayout``.

At the nodes c of a panel of length h, with the nodes side by side in the vector, E = exp(A c h) and its integral G come
from s = c h / 2^k by Horner's rule and k doublings, only at entries that can differ from zero:

    G = s (I + A s / 2 (I + A s / 3 (...))),    E = I + A G,    G(2 s) = G + E G,    E(2 s) = E E

the first ones by E - I, see ``pkpd.engine.solve.propagate``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from pkpd.engine.machine.emitter import F64, I64, Frame
from pkpd.engine.solve.panel import NODES, PanelLayout
from pkpd.engine.solve.propagate import LAST, ORDER

__all__ = ["PART", "emit_sets"]

#: where ``clock`` holds the length of the panel over 2^doublings
PART = 5
ARGUMENTS = ("clock", "p", "c", "nodes", "sets", "which", "doublings")
Value = Any


class _Sets:
    """The function under construction."""

    def __init__(self, module: ir.Module, layout: PanelLayout, places: np.ndarray, lanes: int) -> None:
        self.f = Frame(module, "sets", ARGUMENTS, lanes, numbers=("which", "doublings"))
        self.layout, self.lanes, self.vectors = layout, lanes, NODES // lanes
        b = self.f.builder
        start = b.mul(self.f.arg["which"], ir.Constant(I64, layout.size))
        self.set = b.gep(self.f.arg["sets"], [start], source_etype=F64)
        entries = [(int(i), int(k)) for i, k in layout.entries]
        self.number = {entry: e for e, entry in enumerate(entries)}
        self.entries = entries
        # terms (c, a, b) of a product whose first factor is A itself, which is zero at most of the entries
        self.of_matrix = [t for t in layout.products.tolist() if places[entries[t[1]]] >= 0]
        self.matrix = {a: int(places[entries[a]]) for _, a, _ in self.of_matrix}

    def one(self, base: str, index: int) -> Value:
        """Return a double of an argument in all lanes."""
        b = self.f.builder
        place = b.gep(self.f.arg[base], [ir.Constant(I64, index)], source_etype=F64)
        return self.f.splat(b.load(place, align=8, typ=F64))

    def product(
        self, terms: Sequence[Sequence[int]], A: Sequence[Value] | dict[int, Value], B: Sequence[Value],
        start: Sequence[Value | None],
    ) -> list[Value]:  # fmt: skip
        """Return start + A B at all entries; None is zero."""
        m, out = self.f.math, list(start)
        for c, a, b in terms:
            total = out[c]
            out[c] = m.mul(A[a], B[b]) if total is None else m.fma(A[a], B[b], total)
        return [m.const(0.0) if each is None else each for each in out]

    def unit(self, value: Value) -> list[Value | None]:
        """Return the value on the diagonal."""
        return [value if i == k else None for i, k in self.entries]

    def small(self, s: Value) -> tuple[list[Value], list[Value]]:
        """Return exp(A s) - I and the integral of exp(A s) at all entries for small s."""
        m, products = self.f.math, self.of_matrix
        A = {a: self.one("p", place) for a, place in self.matrix.items()}
        As = {a: m.mul(value, s) for a, value in A.items()}
        last = m.const(1.0 / math.factorial(ORDER + 1))

        def body(held: list[Value]) -> list[Value]:
            factor, count, *X = held
            factor = m.mul(factor, count)
            return [factor, m.sub(count, m.const(1.0)), *self.product(products, As, X, self.unit(factor))]

        first = [m.const(0.0) if value is None else value for value in self.unit(last)]
        # factors 1 / (k + 1)! from k = ORDER down
        held = self.f.repeat(ir.Constant(I64, ORDER), [last, m.const(ORDER + 1.0), *first], body)
        G = [m.mul(value, s) for value in held[2:]]
        return self.product(products, A, G, [None] * len(self.entries)), G

    def emit(self) -> None:
        """Write the function."""
        m, terms, n = self.f.math, self.layout.products.tolist(), len(self.entries)
        part = self.one("clock", PART)

        def double(held: list[Value]) -> list[Value]:
            left, less, *held = held
            E, G = held[:n], held[n:]
            twice, more = self.f.splat(b.fadd(less, less)), self.f.splat(b.fadd(less, ir.Constant(F64, 1.0)))
            D = self.product(terms, E, E, [m.mul(twice, value) for value in E])
            G = self.product(terms, E, G, [m.mul(more, value) for value in G])
            left = b.sub(left, ir.Constant(I64, 1))
            return [left, *self.whole(left, less, D), *G]

        b, doublings = self.f.builder, self.f.arg["doublings"]
        for v in range(self.vectors):
            D, G = self.small(m.mul(self.f.load(self.f.arg["nodes"], v), part))
            start = [doublings, *self.whole(doublings, ir.Constant(F64, 1.0), D), *G]
            held = self.f.repeat(doublings, start, double)[2:]
            self.keep(held[:n], held[n:], v)
        self.f.done()

    def whole(self, left: Value, less: Value, D: Sequence[Value]) -> list[Value]:
        """Return whether E lacks I for the doublings that are left, as 1 or 0, and E, to which it may be added now."""
        b, m = self.f.builder, self.f.math
        early = b.icmp_signed(">", left, ir.Constant(I64, LAST))
        unit = self.f.splat(b.select(early, ir.Constant(F64, 0.0), less))
        less = b.select(early, less, ir.Constant(F64, 0.0))
        return [less, *(m.add(d, unit) if i == k else d for d, (i, k) in zip(D, self.entries, strict=True))]

    def keep(self, E: Sequence[Value], G: Sequence[Value], v: int) -> None:
        """Write what the set holds of the v-th nodes, and after the last ones what it holds of the panel's end."""
        f, at = self.f, self.layout
        for q, e in enumerate(at.reads):
            f.store(E[e], self.set, q * self.vectors + v)
        added: dict[int, Value] = {}
        for (i, k), g in zip(self.entries, G, strict=True):
            term = f.math.mul(g, self.one("c", k))
            added[i] = f.math.add(added[i], term) if i in added else term
        first = len(at.reads)
        for w, i in enumerate(at.watched):
            f.store(added[int(i)], self.set, (first + w) * self.vectors + v)
        first += len(at.watched)
        nothing = ir.Constant(f.vector, ir.Undefined)
        turned = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), list(range(self.lanes))[::-1])
        for q, e in enumerate(at.pairs):  # nodes in reverse
            place = (first + q) * self.vectors + self.vectors - 1 - v
            f.store(f.builder.shuffle_vector(E[e], nothing, turned), self.set, place)
        if v == self.vectors - 1:
            first = NODES * (first + len(at.pairs))
            for e, value in enumerate(E):
                self.put(value, first + e)
            first += len(self.entries)
            for i, value in added.items():
                self.put(value, first + i)

    def put(self, value: Value, index: int) -> None:
        """Write the last lane to a place of the set."""
        b = self.f.builder
        place = b.gep(self.set, [ir.Constant(I64, index)], source_etype=F64)
        b.store(b.extract_element(value, ir.Constant(ir.IntType(32), self.lanes - 1)), place, align=8)


def emit_sets(module: ir.Module, layout: PanelLayout, places: np.ndarray, lanes: int) -> None:
    """Write ``sets(clock, p, c, nodes, sets, which, doublings)``.

    ``clock`` holds at ``PART`` the length of the panel over ``2^doublings``, for which ``|A| h`` must be small; ``p``
    the places, of which ``places`` (n, n + 1) says where A is; ``c`` (n) constants and infusions, ``nodes`` those of a
    panel. The set with the number ``which`` receives all but the weights of chains and what is added to their forcing.
    """
    _Sets(module, layout, places, lanes).emit()
