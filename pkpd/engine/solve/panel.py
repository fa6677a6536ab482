"""Machine code that carries one subject of a cascade over a panel by Gauss-Lobatto quadrature.

See ``pkpd.engine.solve.cascade`` for the method. The nodes of the panel stand side by side in the vector.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from pkpd.engine.graph.nodes import Node, const
from pkpd.engine.graph.tree import symbols_of
from pkpd.engine.machine.emitter import F64, I64, Emitter, Frame
from pkpd.engine.machine.split import PIECE, TIME, scaled_powers
from pkpd.engine.machine.vectorcore import VectorCore
from pkpd.engine.solve.structure import Structure

__all__ = ["NODES", "Panel", "PanelLayout", "PanelPart", "emit_panel", "lay_out", "lobatto"]

NODES = 8
ARGUMENTS = ("clock", "x", "p", "set", "which", "new", "info")
Value = Any


def lobatto() -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes on [0, 1] and, (5, NODES), the weights of the integral and of Legendre coefficients 4 to 7.

    The coefficients are those of the polynomial through the values at the nodes. The inner nodes are the zeros of P_7',
    the weights on [-1, 1] are 2 / (n (n - 1) P_7^2) with n = 8 (Abramowitz and Stegun 25.4.32).
    """
    last = [0.0] * (NODES - 1) + [1.0]
    inner = np.polynomial.legendre.legroots(np.polynomial.legendre.legder(last))
    y = np.concatenate(([-1.0], (inner - inner[::-1]) / 2, [1.0]))
    w = 1.0 / (NODES * (NODES - 1) * np.polynomial.legendre.legval(y, last) ** 2)
    coefficients = np.linalg.inv(np.polynomial.legendre.legvander(y, NODES - 1))
    return (y + 1) / 2, np.array([w, *coefficients[4:]])


@functools.cache
def spectral_columns(folded: bool) -> np.ndarray:
    """Return what each node contributes to the integral, coefficients 4 and 6, nothing, nothing, 5 and 7, nothing.

    Folded: what the sum of a node and the one opposite contributes to the first half of these numbers, and their
    difference to the other half, of which one half of the nodes is left.
    """
    rows, half = lobatto()[1], NODES // 2
    nothing = np.zeros(NODES)
    columns = np.column_stack([rows[0], rows[1], rows[3], nothing, nothing, rows[2], rows[4], nothing])
    opposite = columns[::-1] * ([1.0] * half + [-1.0] * half)
    return 0.5 * (columns + opposite)[:half] if folded else columns


class PanelPart(NamedTuple):
    """A state whose error counts, the spectrum of its forcing, the width of the panel, the weight of the error, and
    what an iteration changed last.
    """  # noqa: D205

    state: int
    spectrum: Value
    width: Value
    weight: float = 1.0
    change: Value | None = None


@dataclass(frozen=True)
class PanelLayout:
    """Which numbers the machine code of a panel reads, and where they stand.

    A set holds, for one step length h: rows of NODES doubles (``reads``, then one row per ``watched`` state for what
    constants and infusions add, then ``pairs`` with the nodes in reverse), then single doubles: exp(A h) at
    ``entries``, and what constants and infusions add to each of the n states.

    Attributes
    ----------
    entries : int array, (entries, 2)
        Row and column of what can differ from zero in exp(A h).
    products : int array, (products, 3)
        Entries c, a, b with [a] [b] a term of [c] in the product of two such matrices, by increasing c.
    watched : int array
        Upstream states that the forcing depends on.
    reads : int array
        Entries in rows of watched states.
    pairs : int array
        Entries (state, forced state): how the forcing acts on each state.
    affected : int array
        States with such an entry.
    forced : int array
    size : int
        Doubles in a set.
    timed : bool
        Whether the forcing depends on time itself, or on conditions on it.
    groups : int array, (groups, 3) or (0, 3)
        Of chains: downstream states with one rate, see ``pkpd.engine.solve.weights``.
    """

    entries: np.ndarray
    products: np.ndarray
    watched: np.ndarray
    reads: np.ndarray
    pairs: np.ndarray
    affected: np.ndarray
    forced: np.ndarray
    size: int
    timed: bool
    groups: np.ndarray


def lay_out(structure: Structure, states: Sequence[Node]) -> PanelLayout:
    """Return the layout of a cascade's sets."""
    n = len(states)
    reach = np.array([[e is not const(0) for e in row] for row in structure.matrix]) | np.eye(n, dtype=bool)
    for _ in range(n.bit_length()):
        reach = reach @ reach
    entries = [(i, k) for i in range(n) for k in range(n) if reach[i, k]]
    number = {entry: e for e, entry in enumerate(entries)}
    products = [
        (number[i, k], number[i, m], number[m, k]) for i, k in entries for m in range(n) if reach[i, m] and reach[m, k]
    ]
    symbols = set(symbols_of(structure.forcing.values()))
    watched = [i for i, s in enumerate(states) if s in symbols]
    reads = [number[i, k] for i, k in entries if i in watched]
    forced = sorted(structure.forcing)
    pairs = [number[i, f] for i, f in entries if f in forced]
    affected = sorted({entries[e][0] for e in pairs})
    size = NODES * (len(reads) + len(watched) + len(pairs)) + len(entries) + n

    def numbers(values: Sequence[Any], *shape: int) -> np.ndarray:
        return np.array(values, np.int64).reshape(-1, *shape)

    return PanelLayout(
        numbers(entries, 2), numbers(products, 3), numbers(watched), numbers(reads), numbers(pairs), numbers(affected),
        numbers(forced), size, TIME in symbols or PIECE in symbols, numbers([], 3),
    )  # fmt: skip


class Panel:
    """The function under construction."""

    def __init__(
        self,
        module: ir.Module,
        structure: Structure,
        layout: PanelLayout,
        states: Sequence[Node],
        places: Sequence[Node],
        lanes: int,
    ) -> None:
        self.f = Frame(module, "panel", ARGUMENTS, lanes, numbers=("which",))
        self.structure, self.layout, self.states, self.places = structure, layout, states, places
        self.lanes, self.vectors = lanes, NODES // lanes
        b = self.f.builder
        self.wide = VectorCore(b, NODES)
        start = b.mul(self.f.arg["which"], ir.Constant(I64, layout.size))
        self.f.arg["set"] = b.gep(self.f.arg["set"], [start], source_etype=F64)
        self.step = self.number("clock", 1)
        self.state = [self.number("x", i) for i in range(len(states))]

    def number(self, base: str, index: int) -> Value:
        """Return one double of an argument."""
        place = self.f.builder.gep(self.f.arg[base], [ir.Constant(I64, index)], source_etype=F64)
        return self.f.builder.load(place, align=8, typ=F64)

    def put(self, value: Value, base: str, index: int) -> None:
        """Keep one double in an argument."""
        place = self.f.builder.gep(self.f.arg[base], [ir.Constant(I64, index)], source_etype=F64)
        self.f.builder.store(value, place, align=8)

    def fixed(self, row: np.ndarray, v: int) -> Value:
        """Return the v-th vector of a constant row."""
        return ir.Constant(self.f.vector, [float(c) for c in row[v * self.lanes : (v + 1) * self.lanes]])

    def known(self) -> dict[Node, Value]:
        """Return the places that the forcing reads."""
        roots = list(self.structure.forcing.values())
        below = symbols_and_places([*roots, *scaled_powers(roots)], self.places)
        return {node: self.f.splat(self.number("p", k)) for k, node in enumerate(self.places) if node in below}

    def watched(self, known: dict[Node, Value], v: int) -> dict[Node, Value]:
        """Return the known values with time and upstream states at the v-th nodes."""
        f, at = self.f, self.layout
        offset = self.fixed(lobatto()[0], v)
        time = f.math.add(f.splat(self.number("clock", 0)), f.math.mul(f.splat(self.step), offset))
        half = f.math.mul(f.splat(self.step), f.math.const(0.5))
        values = known | {
            TIME: f.math.minimum(time, f.splat(self.number("clock", 4))),
            PIECE: f.math.add(f.splat(self.number("clock", 0)), half),
        }
        for w, i in enumerate(at.watched):
            total = f.load(f.arg["set"], (len(at.reads) + w) * self.vectors + v)
            for q, e in enumerate(at.reads):
                if at.entries[e, 0] == i:
                    term = f.math.mul(f.load(f.arg["set"], q * self.vectors + v), f.splat(self.state[at.entries[e, 1]]))
                    total = f.math.add(total, term)
            values[self.states[i]] = total
        return values

    def forcing(self, known: dict[Node, Value], v: int) -> dict[int, Value]:
        """Return the forcing at the v-th nodes."""
        roots = self.structure.forcing
        return dict(zip(roots, Emitter(self.f, self.watched(known, v))(list(roots.values())), strict=True))

    def integrands(self) -> dict[int, list[Value]]:
        """Return for each affected state the forcing carried to the end of the panel, at all nodes."""
        f, at = self.f, self.layout
        known = self.known()
        first = len(at.reads) + len(at.watched)
        out: dict[int, list[Value]] = {}
        for v in range(self.vectors):
            forcing = self.forcing(known, v)
            total: dict[int, Value] = {}
            for q, e in enumerate(at.pairs):
                i, k = (int(c) for c in at.entries[e])
                term = f.math.mul(f.load(f.arg["set"], (first + q) * self.vectors + v), forcing[k])
                total[i] = f.math.add(total[i], term) if i in total else term
            for i, value in total.items():
                out.setdefault(i, []).append(value)
        return out

    def spectrum(self, values: Sequence[Value], spread: bool = False) -> Value:
        """Return what :func:`spectral_columns` gives of numbers at the nodes, one vector of NODES doubles.

        LLVM splits it where registers are narrower. A node and the one opposite enter rows of even degree by their
        sum and those of odd degree by their difference, so that four products give all. Where the number at each node
        is in all lanes anyway (``spread``), eight products cost less.
        """
        g, half, m = self.joined(values), NODES // 2, self.wide
        if spread:
            return self.weighted(spectral_columns(folded=False), [self.chosen(g, g, [j] * NODES) for j in range(NODES)])
        near, far = (self.chosen(g, g, [*order] * 2) for order in (range(half), range(NODES - 1, half - 1, -1)))
        folded = m.fma(far, ir.Constant(m.vector, [1.0] * half + [-1.0] * half), near)
        places = [[j] * half + [half + j] * half for j in range(half)]
        return self.weighted(spectral_columns(folded=True), [self.chosen(folded, folded, each) for each in places])

    def weighted(self, columns: np.ndarray, numbers: Sequence[Value]) -> Value:
        """Return the sum of columns times vectors, as two sums, since each term waits for the one before."""
        m = self.wide
        terms = [(ir.Constant(m.vector, c.tolist()), each) for c, each in zip(columns, numbers, strict=True)]
        sums = [
            functools.reduce(lambda t, w: m.fma(*w, t), own[1:], m.mul(*own[0])) for own in (terms[::2], terms[1::2])
        ]
        return m.add(*sums)

    def joined(self, values: Sequence[Value]) -> Value:
        """Return the numbers at the nodes as one vector."""
        joined = list(values)
        while len(joined) > 1:
            pairs = zip(joined[::2], joined[1::2], strict=True)
            joined = [self.chosen(x, y, range(2 * x.type.count)) for x, y in pairs]
        return joined[0]

    def chosen(self, x: Value, y: Value, places: Iterable[int]) -> Value:
        """Return the numbers at some places of two vectors."""
        numbers = list(places)
        return self.f.builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), numbers))

    def everywhere(self, scalar: Value) -> Value:
        """Return a vector of NODES doubles that are all the scalar."""
        nothing = ir.Constant(self.wide.vector, ir.Undefined)
        first = self.f.builder.insert_element(nothing, scalar, ir.Constant(ir.IntType(32), 0))
        return self.chosen(first, nothing, [0] * NODES)

    def total(self, values: Sequence[Value]) -> Value:
        """Return the sum of numbers at the nodes."""
        m, b = self.f.math, self.f.builder
        total: Any = values[0]
        for value in values[1:]:
            total = m.add(total, value)
        width = self.lanes
        while width > 1:
            width //= 2
            low, high = (
                ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(start, start + width)))
                for start in (0, width)
            )
            nothing = ir.Constant(total.type, ir.Undefined)
            total = b.fadd(b.shuffle_vector(total, nothing, low), b.shuffle_vector(total, nothing, high))
        return b.extract_element(total, ir.Constant(ir.IntType(32), 0))

    def linear(self) -> list[Value]:
        """Return the states at the end without the forcing."""
        at, n, m = self.layout, len(self.states), self.f.math
        first = NODES * (len(at.reads) + len(at.watched) + len(at.pairs))
        out = [self.number("set", first + len(at.entries) + i) for i in range(n)]
        for e, (i, k) in enumerate(at.entries):
            out[i] = m.add(out[i], m.mul(self.number("set", first + e), self.state[k]))
        return out

    def larger(self, a: Value, c: Value) -> Value:
        """Return the larger magnitude of two numbers."""
        b = self.f.builder
        a, c = b.call(self.magnitude, [a]), b.call(self.magnitude, [c])
        return b.select(b.fcmp_ordered(">", a, c), a, c)

    @property
    def magnitude(self) -> ir.Function:
        """LLVM's function for the magnitude of a number."""
        module = self.f.builder.module
        known = module.globals.get("llvm.fabs.f64")
        return known or ir.Function(module, ir.FunctionType(F64, [F64]), name="llvm.fabs.f64")

    def judge(self, parts: Sequence[PanelPart], new: Sequence[Value], count: int) -> tuple[Value, Value]:
        """Return the mean squares of (a_4, a_5) and of (a_6, a_7), in units of the error allowed."""
        b, m = self.f.builder, self.wide
        squares: Value = m.const(0.0)
        changes: Value | None = None
        for part in parts:
            larger = self.larger(self.state[part.state], new[part.state])
            scale = b.fadd(self.number("clock", 2), b.fmul(self.number("clock", 3), larger))
            weight = ir.Constant(F64, part.weight)
            each = m.mul(part.spectrum, self.everywhere(b.fdiv(b.fmul(part.width, weight), scale)))
            squares = m.fma(each, each, squares)
            if part.change is not None:
                factor = b.fdiv(weight, scale)
                change = b.fmul(part.change, b.fmul(factor, factor))
                changes = change if changes is None else b.fadd(changes, change)
        even, odd = (self.chosen(squares, squares, range(first, first + 2)) for first in (1, NODES // 2 + 1))
        pair: Value = b.fadd(even, odd)
        if changes is not None:
            everywhere = self.everywhere(changes)
            pair = b.fadd(pair, self.chosen(everywhere, everywhere, range(2)))
        pair = b.fmul(pair, ir.Constant(pair.type, [1.0 / count] * 2))
        return b.extract_element(pair, ir.Constant(ir.IntType(32), 0)), b.extract_element(
            pair, ir.Constant(ir.IntType(32), 1)
        )

    def close(self, parts: Sequence[PanelPart], new: Sequence[Value], count: int) -> None:
        """Write what became of the panel, move the states on if its error is allowed, and close the function."""
        b, one = self.f.builder, ir.Constant(F64, 1.0)
        low, high = self.judge(parts, new, count)
        some = b.fcmp_ordered(">", low, ir.Constant(F64, 0.0))
        ratio = b.select(some, b.fdiv(high, low), ir.Constant(F64, 0.0))
        falling = b.select(b.and_(some, b.fcmp_ordered("<", ratio, one)), ratio, one)
        square = b.fmul(b.fmul(high, falling), falling)
        self.put(square, "info", 0)
        self.put(ratio, "info", 1)
        whole = len(new) // NODES
        for i, value in enumerate(new[: whole * NODES]):  # many would not fit into registers till all is known
            self.put(value, "new", i)
        with b.if_then(b.fcmp_ordered("<=", square, one), likely=True):
            for k in range(whole):
                place, target = (
                    b.gep(self.f.arg[a], [ir.Constant(I64, k * NODES)], source_etype=F64) for a in ("new", "x")
                )
                b.store(b.load(place, align=8, typ=self.wide.vector), target, align=8)
            for i in range(whole * NODES, len(new)):
                self.put(new[i], "x", i)
        self.f.done()

    def emit(self) -> None:
        """Write the function."""
        b, judged = self.f.builder, []
        integrands, new = self.integrands(), self.linear()
        for i in self.layout.affected:
            spectrum = self.spectrum(integrands[i])
            new[i] = b.fadd(new[i], b.fmul(self.step, b.extract_element(spectrum, ir.Constant(ir.IntType(32), 0))))
            judged.append(PanelPart(i, spectrum, self.step))
        self.close(judged, new, len(judged))


def symbols_and_places(roots: Iterable[Node], places: Sequence[Node]) -> set[Node]:
    """Return the places that an emitter meets below the roots."""
    known, met, stack = set(places), set(), list(roots)
    while stack:
        n = stack.pop()
        if n not in met:
            met.add(n)
            if n not in known:
                stack.extend(n.args)
    return met & known


def emit_panel(
    module: ir.Module,
    structure: Structure,
    layout: PanelLayout,
    states: Sequence[Node],
    places: Sequence[Node],
    lanes: int,
) -> None:
    """Write ``panel(clock, x, p, set, which, new, info)``.

    ``clock`` holds the time, the length h of the panel, atol, rtol and the latest time that belongs to the panel; ``x``
    (n) the states, ``p`` the places; ``set`` holds sets, each laid out as :class:`PanelLayout` says, and ``which`` is
    the number of the one to use. ``new`` (n) is room, and ``info`` receives the square of the estimated error and
    ``(high / low)^2`` (see ``pkpd.engine.solve.cascade_march``); low and high are root mean squares over affected
    states of h times the Legendre coefficients 4, 5 and 6, 7 of the integrand, over the error allowed. ``x`` becomes
    the states at the end if that square is 1 or less.
    """
    Panel(module, structure, layout, states, places, lanes).emit()
