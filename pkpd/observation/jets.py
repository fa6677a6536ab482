"""First and second sensitivities as more states of the same equations.

For ``x' = f(t, x, q)`` and outputs ``g(t, x, q)`` let ``D_a`` be the total derivative by input a. Then

    S_a' = D_a f,    S_ab' = D_b D_a f,    S_ab(0) = D_b D_a x(0),    g_ab = D_b D_a g

between events. First sensitivities are those of :func:`pkpd.engine.solve.tangent.tangent`. ``S_ab = S_ba`` is carried
once, and what is zero at all times is left out. Equations that are linear in the states stay linear.

Source: Almquist J, Leander J, Jirstrand M. J Pharmacokinet Pharmacodyn 2015;42:191-209, equations 12 to 16.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pkpd.engine.graph.derivative import derivative
from pkpd.engine.graph.nodes import Node, const, symbol
from pkpd.engine.solve.kernel import Equations
from pkpd.engine.solve.tangent import tangent

__all__ = ["jet", "second_order_is_exact"]

ZERO = const(0)


def second_order_is_exact(equations: Equations, wrt: Sequence[Node], infused: frozenset[int]) -> bool:
    """Tell whether :func:`jet` knows what doses do to second sensitivities.

    It does unless an input moves the time at which a dose begins or ends: a lag, a modelled rate or duration, or the
    bioavailability of what is infused at a given rate.

    Parameters
    ----------
    infused : frozenset of int
        States into which a data set infuses.
    """
    for c, entries in equations.dosing.items():
        for word, node in entries.items():
            if (word != "F" or c in infused) and any(derivative([node], q)[0] is not ZERO for q in wrt):
                return False
    return True


def jet(
    equations: Equations, wrt: Sequence[Node], sizes: Sequence[float], pairs: Sequence[tuple[int, int]]
) -> Equations:
    """Return equations whose outputs are those given, their derivatives by inputs, and second ones by pairs of inputs.

    Parameters
    ----------
    equations : Equations
        With k outputs.
    wrt : sequence of Node, (m,)
    sizes : sequence of float, (m,)
        Typical size of each input, see :func:`pkpd.engine.solve.tangent.tangent`.
    pairs : sequence of (int, int)
        Pairs (a, b), a <= b, of inputs.

    Returns
    -------
    Equations
        Outputs ``[g, dg/dq_0, ..., d2g/dq_a dq_b, ...]`` with k entries in each part.
    """
    first = tangent(equations, wrt, sizes)
    if not pairs:
        return first
    return _Second(equations, first, wrt, [abs(float(s)) or 1.0 for s in sizes]).extended(pairs)


class _Second:
    """Builds the second sensitivities of some pairs."""

    def __init__(self, base: Equations, first: Equations, wrt: Sequence[Node], sizes: Sequence[float]) -> None:
        self.base, self.first, self.wrt = base, first, wrt
        self.sizes = [const(s) for s in sizes]
        self.n, self.k = len(base.states), len(base.outputs)
        numbers = first.shadows.numbers
        #: symbols of S_a, and the entries of D_a of derivatives, initial values and outputs
        self.symbols = [[first.states[p] if p >= 0 else None for p in row] for row in numbers]
        self.rates = [[first.derivatives[p] if p >= 0 else ZERO for p in row] for row in numbers]
        self.starts = [[first.initial[p] if p >= 0 else ZERO for p in row] for row in numbers]
        self.outputs = [list(first.outputs[self.k * (a + 1) : self.k * (a + 2)]) for a in range(len(wrt))]

    def extended(self, pairs: Sequence[tuple[int, int]]) -> Equations:
        e = self.first
        states, derivatives, initial, outputs = list(e.states), list(e.derivatives), list(e.initial), list(e.outputs)
        partials, numbers = dict(e.shadows.partials), list(e.shadows.numbers)
        rows = [derivative([*self.base.derivatives, *self.base.outputs], s) for s in self.base.states]
        for a, b in pairs:
            at, index = len(states), len(numbers)
            doses = self._doses(a, b)
            partials.update({(index, c, "F"): node for c, node in doses.items()})
            direct = self._direct([*self.rates[a], *self.outputs[a]], a, b)
            start = [self.sizes[b] * x for x in derivative(self.starts[a], self.wrt[b])]
            moved = {i for i in range(self.n) if direct[i] is not ZERO or start[i] is not ZERO}
            reached = _reached(rows, moved | set(doses), self.n)
            shadows = {
                i: symbol(f"{self.base.states[i].name}|{_label(self.wrt[a])}|{_label(self.wrt[b])}", "state")
                for i in reached
            }
            total = [_sum([d, *(rows[i][r] * s for i, s in shadows.items())]) for r, d in enumerate(direct)]
            # outputs are unscaled: their direct part carries 1/size_a already
            g = []
            for q in range(self.n, self.n + self.k):
                through = (self._per(rows[i][q] * s, a, b) for i, s in shadows.items())
                g.append(_sum([direct[q] / self.sizes[b], *through]))
            states += shadows.values()
            derivatives += [total[i] for i in reached]
            initial += [start[i] for i in reached]
            outputs += g
            numbers.append(tuple(at + reached.index(i) if i in shadows else -1 for i in range(self.n)))
        shadows_all = replace(e.shadows, inputs=len(numbers), numbers=tuple(numbers), partials=partials)
        return replace(
            e, states=tuple(states), derivatives=tuple(derivatives), initial=tuple(initial), outputs=tuple(outputs),
            shadows=shadows_all,
        )  # fmt: skip

    def _per(self, node: Node, a: int, b: int) -> Node:
        return node / (self.sizes[a] * self.sizes[b])

    def _direct(self, roots: Sequence[Node], a: int, b: int) -> list[Node]:
        """Return D_b of expressions of D_a, without what second sensitivities add, times the size of b."""
        out = [[self.sizes[b] * e] for e in derivative(roots, self.wrt[b])]
        for i, s in enumerate(self.symbols[b]):
            if s is not None:
                for r, e in enumerate(derivative(roots, self.base.states[i])):
                    out[r].append(e * s)
        return [_sum(terms) for terms in out]

    def _doses(self, a: int, b: int) -> dict[int, Node]:
        """Return the second derivatives of bioavailabilities, where not zero."""
        out = {}
        for c, entries in self.base.dosing.items():
            if "F" in entries:
                slope = derivative(derivative([entries["F"]], self.wrt[a]), self.wrt[b])[0]
                if slope is not ZERO:
                    out[c] = self.sizes[a] * self.sizes[b] * slope
        return out


def _label(q: Node) -> str:
    return f"{q.kind} {q.name}"


def _sum(terms: Iterable[Node]) -> Node:
    total = ZERO
    for term in terms:
        total = total + term
    return total


def _reached(rows: Sequence[Sequence[Node]], first: set[int], n: int) -> list[int]:
    """Return the states that some states act on, and these themselves."""
    found, new = set(first), set(first)
    while new:
        new = {i for j in new for i in range(n) if rows[j][i] is not ZERO} - found
        found |= new
    return sorted(found)
