"""Sort a traced model into what is computed once per person and what the solver needs at every step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pkpd.engine.graph.derivative import depends_on, derivative, substitute
from pkpd.engine.graph.nodes import MASKS, Node, const, make, symbol
from pkpd.engine.graph.tree import walk

__all__ = [
    "PIECE",
    "TIME",
    "Kink",
    "Slots",
    "is_dynamic",
    "periods",
    "rearrange",
    "scaled_powers",
    "size_logarithm",
    "switches",
]

TIME = symbol("t", "time")
#: a time between two stops of the solvers: what conditions on time alone say there, they say all the way
PIECE = symbol("t", "piece")
KINKS = frozenset({"lt", "le", "min", "max", "abs", "floor"})
ZERO = const(0)


def is_dynamic(n: Node) -> bool:
    """Tell whether a symbol changes while the solver steps or stops."""
    return n.kind in ("time", "piece", "state", "dose")


@dataclass
class Slots:
    """Numbered places for expressions that are constant between events; a place is one row of the array ``P``."""

    nodes: list[Node] = field(default_factory=list)
    index: dict[Node, int] = field(default_factory=dict)

    def place(self, node: Node) -> int:
        """Return the number of the node's place, new if need be."""
        if node not in self.index:
            self.index[node] = len(self.nodes)
            self.nodes.append(node)
        return self.index[node]

    def place_leaves(self, roots: Iterable[Node]) -> None:
        """Give a place to each largest expression below the roots that does not change with time or state."""
        roots = list(roots)
        dynamic = depends_on(roots, is_dynamic)
        seen: set[Node] = set()
        stack = list(reversed(roots))
        while stack:
            n = stack.pop()
            if n in seen or n.op == "const":
                continue
            seen.add(n)
            if dynamic[n] or n.op in MASKS:  # a condition is no number: keep what it compares
                stack.extend(reversed(n.args))
            else:
                self.place(n)
        for n in scaled_powers(roots):
            self.place(n)


def size_logarithm(c: Node) -> Node:
    """Return log |c|."""
    return make("log", make("abs", c))


def scaled_powers(roots: Sequence[Node]) -> list[Node]:
    """Return log |c| for constant factors c of powers (c x)^e, where several are of one x: they share log |x|."""
    dynamic = depends_on(roots, is_dynamic)
    factors: dict[Node, dict[Node, None]] = {}
    for n in walk(roots):
        if n.op == "pow" and dynamic[n.args[0]]:
            x, c = n.args[0], const(1)
            if x.op == "mul" and dynamic[x.args[0]] != dynamic[x.args[1]]:
                c, x = x.args if dynamic[x.args[1]] else x.args[::-1]
            factors.setdefault(x, {})[c] = None
    return [size_logarithm(c) for cs in factors.values() if len(cs) > 1 for c in cs if c.op != "const"]


def _factors(product: Node, dynamic: dict[Node, bool], uses: dict[Node, int]) -> tuple[list[Node], list[Node], int]:
    """Return numerator factors, denominator factors and sign of a product."""
    sides: tuple[list[Node], list[Node]] = ([], [])
    sign, stack = 1, [(product, 0)]
    while stack:
        n, below = stack.pop()
        if n.op not in ("mul", "div", "neg") or not dynamic[n] or (n is not product and uses[n] > 1):
            sides[below].append(n)
        elif n.op == "neg":
            sign = -sign
            stack.append((n.args[0], below))
        else:
            stack += [(n.args[1], 1 - below if n.op == "div" else below), (n.args[0], below)]
    return *sides, sign


def _product(factors: Sequence[Node]) -> Node:
    out = const(1)
    for f in factors:
        out = make("mul", out, f)
    return out


def rearrange(roots: Sequence[Node]) -> list[Node]:
    """Regroup products so that all constant factors form one, and a division by a constant becomes a product.

    Changes results by rounding alone; conditions on time and floors of it stay as they are written, since rounding
    would move them past the very times at which they switch (49 * (1 / 49) < 1).
    """
    dynamic = depends_on(roots, is_dynamic)
    with_state = depends_on(roots, lambda s: s.kind == "state")
    uses: dict[Node, int] = {}
    for n in walk(roots):
        for a in n.args:
            uses[a] = uses.get(a, 0) + 1
    products = {n for n in walk(roots) if n.op in ("mul", "div", "neg") and dynamic[n]}
    absorbed = {a for n in products for a in n.args if a in products and uses[a] <= 1}.difference(roots)
    new: dict[Node, Node] = {}
    for n in walk(roots):
        if n in absorbed:
            continue
        if not n.args or not dynamic[n] or (n.op in ("lt", "le", "floor") and not with_state[n]):
            new[n] = n
        elif n in products:
            above, below, sign = _factors(n, dynamic, uses)
            fixed = make(
                "div", _product([f for f in above if not dynamic[f]]), _product([f for f in below if not dynamic[f]])
            )
            moving = _product([new[f] for f in above if dynamic[f]])
            under = [new[f] for f in below if dynamic[f]]
            out = make("div", moving, _product(under)) if under else moving
            out = make(
                "mul",
                make("neg", fixed)
                if sign < 0 and fixed.op != "const"
                else const(sign * fixed.value)
                if fixed.op == "const"
                else fixed,
                out,
            )
            new[n] = out
        else:
            new[n] = make(n.op, *(new[a] for a in n.args))
    return [new[r] for r in roots]


@dataclass(frozen=True)
class Kink:
    """A condition on time alone, or the floor of an expression of time: the equations change where its gap passes zero.

    Attributes
    ----------
    source : Node
        As written in the model.
    gap, slope : Node
        A smooth function of time in each piece between the times of the kinks below it, and its derivative by time;
        conditions within are those that hold at ``PIECE``.
    whole : bool
        Whether the equations change where the gap passes any whole number.
    when : Node or None
        The one time at which the gap is zero, where the gap is linear in time and constant between events otherwise.
    below : frozenset of int
        Numbers of the kinks that the gap depends on.
    """

    source: Node
    gap: Node
    slope: Node
    whole: bool
    when: Node | None
    below: frozenset[int]


class _Switches:
    """Walks through equations and keeps what it finds; ``moving`` and ``held`` are nodes at TIME and at PIECE."""

    def __init__(self, roots: Sequence[Node]) -> None:
        self.timed = depends_on(roots, lambda s: s.kind == "time")
        self.stated = depends_on(roots, lambda s: s.kind == "state")
        self.kinks: list[Kink] = []
        self.number: dict[tuple[Node, bool], int] = {}
        self.moving: dict[Node, Node] = {}
        self.held: dict[Node, Node] = {}
        self.under: dict[Node, frozenset[int]] = {}
        nothing: frozenset[int] = frozenset()
        for n in walk(roots):
            alone = self.timed[n] and not self.stated[n]
            self.under[n] = nothing.union(*(self.under[a] for a in n.args)) if alone else nothing
            self.moving[n] = _again(n, self.moving)
            if alone:
                self.held[n] = PIECE if n is TIME else _again(n, {a: self.held.get(a, a) for a in n.args})
                if n.op in KINKS:
                    self._enter(n)

    def _enter(self, n: Node) -> None:
        """Note the kink of a node and write the node with the condition held in each piece."""
        sides = [self.moving[a] for a in n.args]
        gap = sides[0] - sides[1] if len(sides) == 2 else sides[0]
        timed = depends_on([gap], lambda s: s.kind == "time")
        if not timed[gap]:  # changes at the kinks below it only
            return
        k = self._number(n, gap)
        self.under[n] = self.under[n] | {k}
        if n.op == "floor":
            self.moving[n] = self.held[n]
            return
        negative = self._negative(self.kinks[k], "le" if n.op == "le" else "lt")
        if n.op in ("lt", "le"):
            self.moving[n] = self.held[n] = negative
            return
        for at in (self.moving, self.held):
            a, b = (at.get(n.args[0], n.args[0]), at.get(n.args[-1], n.args[-1]))
            pair = (a, b) if n.op == "min" else (b, a) if n.op == "max" else (make("neg", a), a)
            at[n] = make("where", negative, *pair)

    def _number(self, n: Node, gap: Node) -> int:
        whole = n.op == "floor"
        if (gap, whole) not in self.number:
            self.number[gap, whole] = len(self.kinks)
            slope = derivative([gap], TIME)[0]
            start = substitute([gap], {TIME: ZERO})[0]
            moves = depends_on([slope, start], is_dynamic)
            when = None
            if not (whole or moves[slope] or moves[start] or slope is ZERO):
                when = start if slope is const(-1) else make("div", make("neg", start), slope)
            self.kinks.append(Kink(n, gap, slope, whole, when, self.under[n]))
        return self.number[gap, whole]

    @staticmethod
    def _negative(kink: Kink, op: str) -> Node:
        """Return the condition that the gap is below zero in this piece, or not above it (``le``)."""
        if kink.when is not None and kink.slope.op == "const":
            before = make("lt", PIECE, kink.when)
            return before if kink.slope.value > 0 else make("not", before)
        return make(op, substitute([kink.gap], {TIME: PIECE})[0], ZERO)


def _again(n: Node, new: dict[Node, Node]) -> Node:
    """Return a node with other arguments."""
    return n if all(new[a] is a for a in n.args) else make(n.op, *(new[a] for a in n.args))


def switches(roots: Sequence[Node]) -> tuple[list[Node], list[Kink]]:
    """Find what changes at certain times: conditions on time alone, and floor, smallest, largest and magnitude of time.

    Returns
    -------
    roots : list of Node
        With each such condition judged at ``PIECE``, so that rounding near a switch cannot move it.
    kinks : list of Kink
        Each after those that it depends on.
    """
    found = _Switches(roots)
    return [found.moving[r] for r in roots], found.kinks


def periods(roots: Sequence[Node]) -> tuple[float, ...]:
    """Return after what time floors, sines and cosines of time repeat, NaN where that is no number."""
    moves = depends_on(roots, lambda s: s.kind == "time")
    found = []
    for n in walk(roots):
        if n.op in ("floor", "sin", "cos") and moves[n]:
            slope = derivative([n.args[0]], TIME)[0]
            whole = 1.0 if n.op == "floor" else 2.0 * math.pi
            found.append(whole / abs(slope.value) if slope.op == "const" and slope.value else math.nan)
    return tuple(dict.fromkeys(found))
