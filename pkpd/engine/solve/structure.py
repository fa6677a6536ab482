"""Find what is linear in a model's equations: all of it, or states in a chain that only flows one way."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from pkpd.engine.graph.derivative import depends_on
from pkpd.engine.graph.nodes import Node, const, make
from pkpd.engine.graph.tree import symbols_of, walk
from pkpd.engine.machine.split import is_dynamic

__all__ = ["Chain", "Structure", "affine_parts", "analyse", "analyse_chain"]

#: coefficient of each unknown, and what is left where all unknowns are zero
Affine = tuple[dict[Node, Node], Node]
ZERO = const(0)


@dataclass(frozen=True)
class Structure:
    """Equations of the form ``x' = A x + b + g``, with A and b constant between events.

    Attributes
    ----------
    matrix : list of lists of Node, (n, n)
    constant : list of Node, (n,)
    forcing : dict of state number to Node
        The entries of g that are not zero. They depend on time and on upstream states only: states that obey
        ``x' = A x + b`` among themselves. Without any, the model is linear; otherwise it is a cascade.
    """

    matrix: list[list[Node]]
    constant: list[Node]
    forcing: dict[int, Node]


@dataclass(frozen=True)
class Chain(Structure):
    """Equations of which each state's, beside upstream states, is driven by itself and by states before it only.

    ``x_i' = a_i x_i + g_i`` with a_i constant between events on the diagonal of the matrix, and g_i of time, upstream
    states and downstream states that come earlier in ``order``; those of ``curved`` also of x_i, with a_i = 0.

    Attributes
    ----------
    order : tuple of int
        Downstream states.
    leaders : tuple of int
        For each state another one with the same a_i: for a shadow the state whose it is.
    curved : frozenset of int
    """

    order: tuple[int, ...]
    leaders: tuple[int, ...]
    curved: frozenset[int]


def _map(parts: Sequence[Affine], combine: Callable[..., Node]) -> Affine:
    """Apply an operation that is linear in its arguments to coefficients and rests alike."""
    unknowns = dict.fromkeys(s for coefficients, _ in parts for s in coefficients)
    return {s: combine(*(c.get(s, ZERO) for c, _ in parts)) for s in unknowns}, combine(*(rest for _, rest in parts))


def _combine(n: Node, parts: list[Affine]) -> Affine | None:
    """Return the affine form of an operation some of whose arguments hold unknowns, or None."""
    if n.op in ("add", "sub", "neg"):
        return _map(parts, functools.partial(make, n.op))
    if n.op == "mul":
        for (unknowns, factor), other in (parts, parts[::-1]):
            if not unknowns:
                return _map([other], functools.partial(make, "mul", factor))
    if n.op == "div" and not parts[1][0]:
        return _map(parts[:1], lambda a: make("div", a, parts[1][1]))
    if n.op == "where" and not parts[0][0]:
        return _map(parts[1:], functools.partial(make, "where", parts[0][1]))
    return None


def affine_parts(roots: Sequence[Node], unknowns: Collection[Node]) -> list[Affine | None]:
    """Return each root as sum of unknowns times coefficients and a rest, both free of unknowns; None where it is none.

    A condition on an unknown, a floor or any other function of it makes a root not affine, whatever its derivative.
    """
    parts: dict[Node, Affine | None] = {}
    for n in walk(roots):
        given = [parts[a] for a in n.args]
        known = [a for a in given if a is not None]
        if n in unknowns:
            parts[n] = {n: const(1)}, ZERO
        elif len(known) < len(given):
            parts[n] = None
        elif not any(coefficients for coefficients, _ in known):
            parts[n] = {}, n
        else:
            parts[n] = _combine(n, known)
    return [parts[r] for r in roots]


def _static(nodes: Collection[Node]) -> bool:
    dynamic = depends_on(list(nodes), is_dynamic)
    return not any(dynamic[n] for n in nodes)


def _unknowns(states: Sequence[Node]) -> set[Node]:
    """Return the states without those that doses set, which enter as a forcing."""
    return {s for s in states if s.kind != "dose"}


def _upstream(rows: Sequence[Affine | None], states: Sequence[Node]) -> set[Node]:
    """Return the largest set of states that obey linear equations with constant coefficients among themselves."""
    chosen = {s for s, row in zip(states, rows, strict=True) if row is not None and _static([*row[0].values(), row[1]])}
    while True:
        leaving = {
            s
            for s, row in zip(states, rows, strict=True)
            if s in chosen and row is not None and not chosen.issuperset(row[0])
        }
        if not leaving:
            return chosen
        chosen -= leaving


def analyse(derivatives: Sequence[Node], states: Sequence[Node]) -> Structure | None:
    """Return the equations as ``x' = A x + b + g``, or None if they have not the form of a :class:`Structure`."""
    everywhere = affine_parts(derivatives, _unknowns(states))
    upstream = _upstream(everywhere, states)
    downstream = affine_parts(derivatives, set(states) - upstream)
    matrix, constant = [], []
    forcing: dict[int, Node] = {}
    for i, (whole, own) in enumerate(zip(everywhere, downstream, strict=True)):
        row = whole if whole is not None and _static(whole[0].values()) else own
        if row is None or not _static(row[0].values()):
            return None
        coefficients, rest = row
        fixed = _static([rest])
        if not fixed:
            forcing[i] = rest
        matrix.append([coefficients.get(s, ZERO) for s in states])
        constant.append(rest if fixed else ZERO)
    return Structure(matrix, constant, forcing)


def analyse_chain(derivatives: Sequence[Node], states: Sequence[Node], leaders: Sequence[int]) -> Chain | None:
    """Return the equations as a :class:`Chain`, or None if they have not that form."""
    upstream = _upstream(affine_parts(derivatives, _unknowns(states)), states)
    n, index = len(states), {s: i for i, s in enumerate(states)}
    matrix, constant, forcing = [[ZERO] * n for _ in range(n)], [ZERO] * n, {}
    below: dict[int, set[int]] = {}
    curved: set[int] = set()
    for i, (state, root) in enumerate(zip(states, derivatives, strict=True)):
        parts = affine_parts([root], upstream if state in upstream else {state})[0]
        if parts is None or not _static(parts[0].values()) or leaders[i] in curved:
            parts = {}, root
            curved.add(i)
        for s, coefficient in parts[0].items():
            matrix[i][index[s]] = coefficient
        if state in upstream:
            constant[i] = parts[1]
        else:
            forcing[i] = parts[1]
            below[i] = {index[s] for s in symbols_of([parts[1]]) if s in index and s not in upstream} - {i}
    order: list[int] = []
    while len(order) < len(below):
        ready = [i for i in below if i not in order and below[i].issubset(order)]
        if not ready:
            return None
        order += ready
    return Chain(matrix, constant, forcing, tuple(order), tuple(leaders), frozenset(curved)) if order else None
