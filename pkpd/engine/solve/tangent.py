"""Forward sensitivities as more states of the same equations, so that every solver gives them.

For ``x' = f(t, x, q)`` and outputs ``g(t, x, q)`` the sensitivity ``S = dx/dq`` of each input q obeys

    S' = df/dx S + df/dq,    S(0) = dx(0)/dq,    dg/dq = dg/dx S + dg/dq

between events; what events do to S is in ``pkpd.engine.solve.shadows``. Equations that are linear in the states stay
linear. Sensitivities that are zero at all times, because the input does not reach the state, are left out.

Source: Dickinson RP, Gelinas RJ. J Comput Phys 1976;21:123-143.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pkpd.engine.graph.derivative import depends_on, derivative
from pkpd.engine.graph.nodes import Node, const, make, symbol
from pkpd.engine.graph.printing import text
from pkpd.engine.graph.tree import walk
from pkpd.engine.machine.split import is_dynamic
from pkpd.engine.solve.kernel import Equations
from pkpd.engine.solve.shadows import Shadows
from pkpd.engine.solve.structure import affine_parts
from pkpd.errors import ModelError, nearest

__all__ = ["tangent"]

ZERO = const(0)


def tangent(equations: Equations, wrt: Sequence[Node], scales: Sequence[float] | None = None) -> Equations:
    """Return equations whose outputs are those given and their derivatives by some inputs.

    Parameters
    ----------
    equations : Equations
        With n states and k outputs.
    wrt : sequence of Node, (m,)
        Inputs of the equations: parameters and random effects.
    scales : sequence of float, (m,), optional
        Typical size of each input. The solver carries ``scale * dx/dq``, which has the unit and about the size of x, so
        that one ``atol`` suits all states; the outputs are the derivatives themselves. 1 by default.

    Returns
    -------
    Equations
        States ``[x, S_1, ..., S_m]``, S_q with those states that q reaches; outputs ``[g, dg/dq_1, ..., dg/dq_m]`` with
        k entries in each part.

    Raises
    ------
    ModelError
        If an input is none of the equations', or moves the time of a discontinuity, at which S would jump.

    Notes
    -----
    A condition on states is taken as continuous: the two sides of ``where`` agree where it switches. The derivative of
    a jump at a threshold of a state is not seen.
    """
    _check_inputs(equations, wrt)
    _check_times(equations, wrt)
    sizes = [const(1.0 if s == 0.0 else abs(float(s))) for s in (scales if scales is not None else [1.0] * len(wrt))]
    n = len(equations.states)
    roots = [*equations.derivatives, *equations.outputs]
    rows = [_finite(derivative(roots, s)) for s in equations.states]
    states, derivatives = list(equations.states), list(equations.derivatives)
    initial, outputs = list(equations.initial), list(equations.outputs)
    doses = _dose_partials(equations, wrt, sizes)
    late = [wrt[q].name for q, _, word in doses if word == "tlag"]
    if late and any(s.kind == "dose" for s in equations.states):
        raise ModelError(
            f"sensitivities: '{late[0]}' moves the time of a dose from which tad() counts; leave it out of the "
            "derivatives, or put it into the equation instead of the lag: where(tad() > p.tlag, ..., 0)"
        )
    numbers: list[tuple[int, ...]] = []
    for j, (q, size) in enumerate(zip(wrt, sizes, strict=True)):
        direct = [size * e for e in derivative([*roots, *equations.initial], q)]
        moved = {i for i in range(n) if direct[i] is not ZERO or direct[len(roots) + i] is not ZERO}
        reached = _reached(rows, moved | {c for i, c, _ in doses if i == j})
        shadows = {i: symbol(f"{equations.states[i].name}|{q.kind} {q.name}", "state") for i in reached}
        slopes = [_sum([e, *(rows[i][r] * s for i, s in shadows.items())]) for r, e in enumerate(direct[: len(roots)])]
        numbers.append(tuple(len(states) + reached.index(i) if i in shadows else -1 for i in range(n)))
        states += shadows.values()
        derivatives += [slopes[i] for i in reached]
        outputs += [e / size for e in slopes[n:]]
        initial += [direct[len(roots) + i] for i in reached]
    shadows = Shadows(n, len(wrt), tuple(numbers), doses, _columns(equations, doses))
    return replace(
        equations, states=tuple(states), derivatives=tuple(derivatives), initial=tuple(initial), outputs=tuple(outputs),
        shadows=shadows,
    )  # fmt: skip


def _reached(rows: Sequence[Sequence[Node]], first: set[int]) -> list[int]:
    """Return the states that some states act on, directly or through others, and these themselves, in order."""
    found, new = set(first), set(first)
    while new:
        new = {i for j in new for i in range(len(rows)) if rows[j][i] is not ZERO} - found
        found |= new
    return sorted(found)


def _sum(terms: Iterable[Node]) -> Node:
    total = ZERO
    for term in terms:
        total = total + term
    return total


def _finite(entries: Sequence[Node]) -> list[Node]:
    """Return derivatives by a state; one that may be infinite at a point, as of x^0.5 at 0, is taken as 0 there."""
    limit = const(1e200)
    risky = {n for n in walk(entries) if n.op in ("pow", "sqrt") and not _whole_power(n)}
    if not risky:
        return list(entries)
    dynamic = depends_on(entries, is_dynamic)
    guarded = []
    for e in entries:
        bounded = dynamic[e] and any(n in risky for n in walk([e]))
        guarded.append(make("where", make("lt", make("abs", e), limit), e, ZERO) if bounded else e)
    return guarded


def _whole_power(n: Node) -> bool:
    exponent = n.args[-1]
    return n.op == "pow" and exponent.op == "const" and exponent.value >= 0 and exponent.value == int(exponent.value)


def _check_inputs(equations: Equations, wrt: Sequence[Node]) -> None:
    for q in wrt:
        if q not in equations.inputs or q in equations.sloping:
            names = [s.name for s in equations.inputs if s not in equations.sloping]
            raise ModelError(
                f"sensitivities: '{q.name}' ({q.kind}) is no constant input of the equations{nearest(q.name, names)}"
            )
    if len(set(wrt)) < len(wrt):
        raise ModelError(f"sensitivities: an input is given twice in {', '.join(q.name for q in wrt)}")


def _check_times(equations: Equations, wrt: Sequence[Node]) -> None:
    """Refuse inputs that move a discontinuity in time."""
    roots = equations.derivatives
    timed = depends_on(roots, lambda s: s.kind == "time" or s in equations.sloping)
    stated = depends_on(roots, lambda s: s.kind == "state")
    for q in wrt:
        moved = depends_on(roots, lambda s, q=q: s is q)
        for n in walk(roots):
            if n.op in ("lt", "le", "floor") and timed[n] and moved[n] and not stated[n]:
                raise ModelError(
                    f"sensitivities: '{q.name}' moves the time at which the equations jump ({text(n)}); leave it out "
                    "of the derivatives (in a fit: fixed=[...]), or write the input as a dose "
                    "with a modelled lag, rate or duration"
                )


def _dose_partials(
    equations: Equations, wrt: Sequence[Node], sizes: Sequence[Node]
) -> dict[tuple[int, int, str], Node]:
    """Return the derivatives of what doses are made of, by input, state and word, where not zero."""
    partials: dict[tuple[int, int, str], Node] = {}
    for c, entries in equations.dosing.items():
        for q, (node, size) in enumerate(zip(wrt, sizes, strict=True)):
            for word, slope in zip(entries, derivative(list(entries.values()), node), strict=True):
                if slope is not ZERO:
                    partials[q, c, word] = size * slope
    return partials


def _columns(equations: Equations, doses: Iterable[tuple[int, int, str]]) -> dict[int, dict[int, Node] | None]:
    """Return what states whose lag depends on an input contribute to the derivatives."""
    return {c: _column(equations, c) for c in dict.fromkeys(c for _, c, word in doses if word == "tlag")}


def _column(equations: Equations, c: int) -> dict[int, Node] | None:
    """Return what state c contributes to each derivative, per unit of c; None if not constant between events."""
    state = equations.states[c]
    column: dict[int, Node] = {}
    for i, parts in enumerate(affine_parts(equations.derivatives, {state})):
        if parts is None:
            return None
        entry = parts[0].get(state, ZERO)
        changes = depends_on([entry], lambda s: is_dynamic(s) or s in equations.sloping)
        if changes[entry]:
            return None
        if entry is not ZERO:
            column[i] = entry
    return column
