"""Sort a traced model into what is computed once per person and what the solver needs at every step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pkpd.graph.derivative import depends_on, derivative, substitute
from pkpd.graph.nodes import MASKS, Node, const, make, symbol, walk

__all__ = ["Slots", "is_dynamic", "rearrange", "switch_times"]

TIME = symbol("t", "time")


def is_dynamic(n: Node) -> bool:
    """Tell whether a symbol changes while the solver steps."""
    return n.kind in ("time", "state")


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


def _factors(
    n: Node, dynamic: dict[Node, bool], uses: dict[Node, int], top: bool
) -> tuple[list[Node], list[Node], int]:
    """Return numerator factors, denominator factors and sign of a product."""
    if n.op in ("mul", "div", "neg") and dynamic[n] and (top or uses[n] <= 1):
        above, below, sign = _factors(n.args[0], dynamic, uses, False)
        if n.op == "neg":
            return above, below, -sign
        a2, b2, s2 = _factors(n.args[1], dynamic, uses, False)
        return (above + b2, below + a2, sign * s2) if n.op == "div" else (above + a2, below + b2, sign * s2)
    return [n], [], 1


def _product(factors: Sequence[Node]) -> Node:
    out = const(1)
    for f in factors:
        out = make("mul", out, f)
    return out


def rearrange(roots: Sequence[Node]) -> list[Node]:
    """Regroup products so that all constant factors form one, and a division by a constant becomes a product.

    Changes results by rounding alone.
    """
    dynamic = depends_on(roots, is_dynamic)
    uses: dict[Node, int] = {}
    for n in walk(roots):
        for a in n.args:
            uses[a] = uses.get(a, 0) + 1
    new: dict[Node, Node] = {}
    for n in walk(roots):
        if not n.args or not dynamic[n]:
            new[n] = n
        elif n.op in ("mul", "div", "neg"):
            above, below, sign = _factors(n, dynamic, uses, True)
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


def switch_times(roots: Sequence[Node]) -> tuple[list[Node], list[Node]]:
    """Find the times at which conditions on time alone switch.

    Returns
    -------
    roots : list of Node
        With each such condition written as ``t < s``, so that the new piece begins exactly at s.
    times : list of Node
        The switch times s, constant between events.
    """
    dynamic = depends_on(roots, is_dynamic)
    with_state = depends_on(roots, lambda s: s.kind == "state")
    times: dict[Node, None] = {}
    replace: dict[Node, Node] = {}
    for n in walk(roots):
        if n.op not in ("lt", "le", "min", "max") or not dynamic[n] or with_state[n]:
            continue
        a, b = n.args
        slope = derivative([a - b], TIME)[0]
        if depends_on([slope], is_dynamic)[slope]:
            continue
        at_zero = substitute([a - b], {TIME: const(0)})[0]
        when = at_zero if slope is const(-1) else make("div", make("neg", at_zero), slope)
        times[when] = None
        if n.op in ("lt", "le") and slope.op == "const":
            before = make("lt", TIME, when)
            replace[n] = before if slope.value > 0 else make("not", before)
    return substitute(roots, replace), list(times)
