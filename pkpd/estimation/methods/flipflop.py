"""Flip-flop: absorption that is slower than elimination, and the solution with both exchanged.

A first-order absorption with rate ka into a system with the slowest rate k gives curves that are the same, up to their
size, when ka and k change places. Which of the two a search finds is a matter of the start values, so it is told.

For one compartment the exchanged solution is known in closed form: with ``d = log ka - log k`` it has ``ka' = k``, and
changes of other parameters that make ``k' = ka`` and leave the size of the curves. Individual parameters change places
in the same way, so what the data say of them is known without solving the equations again; what changes is how well the
declared covariance describes them, and that is a small linear mixed model.

Source: Gibaldi M, Perrier D. Pharmacokinetics, 2nd ed., 1982, chapter 1 (flip-flop).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pkpd.engine.graph.derivative import derivative, substitute
from pkpd.engine.graph.nodes import Node, const, symbol
from pkpd.engine.graph.printing import text
from pkpd.engine.graph.tree import symbols_of
from pkpd.model.numeric import Person
from pkpd.model.trace import trace_names

if TYPE_CHECKING:
    from pkpd.estimation.methods.objective import Objective
    from pkpd.estimation.problem import Problem
    from pkpd.estimation.vector import PopulationVector
    from pkpd.model.model import Model

__all__ = ["Absorption", "absorptions", "flip_flop"]

#: rounds of the mixed model, and the change of its objective at which it ends
ROUNDS, CLOSE = 60, 1e-3
#: difference of objectives up to which the exchanged solution is as good
AS_GOOD = 2.0


@dataclass(frozen=True)
class Absorption:
    """A first-order absorption in front of a linear system.

    Attributes
    ----------
    rate : Node
        Of absorption, in terms of parameters.
    disposition : tuple of tuple of Node
        Matrix of the system that it leads to, which an output sees.
    size : Node or None
        What an amount in the only compartment is multiplied by to give the only output; None where the model is more.
    system : frozenset of str
        States of this system.
    """

    rate: Node
    disposition: tuple[tuple[Node, ...], ...]
    size: Node | None
    system: frozenset[str]


_FOUND: dict[tuple[str, tuple[str, ...]], tuple[Absorption, ...]] = {}


def absorptions(model: Model, outputs: Sequence[str]) -> tuple[Absorption, ...]:
    """Return the first-order absorptions of a model in front of what some outputs see.

    Parameters
    ----------
    model : Model
    outputs : sequence of str
        Those that are observed.
    """
    key = (model.fingerprint, tuple(outputs))
    if key not in _FOUND:
        _FOUND[key] = _search(model, outputs)
    return _FOUND[key]


def _search(model: Model, outputs: Sequence[str]) -> tuple[Absorption, ...]:
    t = trace_names(model, model.trace.individual)
    states = [symbol(n, "state") for n in t.states]
    columns = [derivative(t.derivatives, s) for s in states]
    n = len(states)
    linear = [
        not any(s.kind in ("state", "time") for s in symbols_of([columns[j][i] for j in range(n)])) for i in range(n)
    ]
    there = np.array([[columns[j][i] is not const(0) for j in range(n)] for i in range(n)]).reshape(n, n)
    feeds = there.T & ~np.eye(n, dtype=bool)  # feeds[j, i]: state j drives state i
    reach = feeds.copy()
    for k in range(n):
        reach |= np.outer(reach[:, k], reach[k])
    seen = [any(s in symbols_of([t.outputs[o]]) for o in outputs) for s in states]
    out = []
    for a in range(n):
        alone = linear[a] and there[a, a] and not seen[a] and not reach[a, a]
        if not alone or not any(feeds[a]):
            continue
        for first in np.flatnonzero(seen):
            block = [j for j in range(n) if j == first or (reach[first, j] and reach[j, first])]
            if not reach[a, first] or not all(linear[j] for j in block):
                continue
            if any(linear[j] and seen[j] and reach[a, j] and reach[j, first] and j not in block for j in range(n)):
                continue  # seen before: this one is its metabolite or effect
            matrix = tuple(tuple(columns[j][i] for j in block) for i in block)
            size = _size(t.outputs, outputs, states, int(first)) if n == 2 and len(block) == 1 else None
            out.append(Absorption(-columns[a][a], matrix, size, frozenset(t.states[j] for j in block)))
            break
    return tuple(out)


def _size(formulas: dict[str, Node], outputs: Sequence[str], states: list[Node], central: int) -> Node | None:
    """Return what the amount is multiplied by to give the output, None if there are others or it is not linear."""
    if len(outputs) != 1:
        return None
    formula = formulas[outputs[0]]
    slope = derivative([formula], states[central])[0]
    rest = substitute([formula], {states[central]: const(0)})[0]
    varies = any(s.kind in ("state", "time") for s in symbols_of([slope]))
    return None if varies or rest is not const(0) else slope


def flip_flop(problem: Problem, objective: Objective | None, x: np.ndarray, eta: np.ndarray) -> list[str]:
    """Return what is to be said of absorption and elimination at estimates.

    Nothing where anybody was dosed behind the absorption: what follows a dose into a vein tells the two apart.

    Parameters
    ----------
    problem : Problem
    objective : Objective or None
        For what the data say of each subject; None where random effects are taken as 0.
    x : float array, (n,)
        Estimated vector.
    eta : float array, (m, p)
        Most probable random effects.
    """
    layout, model, out = problem.layout, problem.layout.model, []
    records = problem.data.table.records(tuple(model.states))
    dosed = {list(model.states)[k] for k in np.unique(records["cmt"][np.isin(records["evid"], (1, 4))])}
    found = [a for a in absorptions(model, problem.outputs) if not dosed & a.system]
    if not found:
        return out
    typical = Person.of(model, parameters=layout.natural(x).theta).p
    if not all(math.isfinite(v) for v in typical.values()):
        return out
    values = {symbol(n, "parameter"): const(v) for n, v in typical.items()}
    values |= {symbol(n, "covariate"): const(c.reference) for n, c in model.covariates.items()}
    unit = f"1/{model.time_unit}"
    for a in found:
        rate, matrix = _value(a.rate, values), [[_value(v, values) for v in row] for row in a.disposition]
        if not (np.isfinite(matrix).all() and rate > 0):
            continue
        slowest = float(np.abs(np.linalg.eigvals(np.array(matrix)).real).min())
        name = text(a.rate)
        other = text(-a.disposition[0][0]) if len(matrix) == 1 else "the slowest rate of the disposition"
        if rate < slowest:
            out.append(
                f"{name} is below {other} ({rate:.3g} and {slowest:.3g} {unit}): absorption limits elimination "
                "(flip-flop); with start values on the other side the search may find the solution with both exchanged"
            )
        exchanged = _Exchange.of(a, layout, values, rate, slowest)
        if exchanged is not None:
            gain = exchanged.difference(layout, objective, x, eta)
            if gain < AS_GOOD:
                out.append(exchanged.message(model, name, other, gain))
    return out


def _value(node: Node, values: dict[Node, Node]) -> float:
    found = substitute([node], values)[0]
    return found.value if found.op == "const" else math.nan


@dataclass(frozen=True)
class _Exchange:
    """The solution with absorption and elimination exchanged.

    Attributes
    ----------
    absorbed : str
        The theta that is the rate of absorption.
    changes : dict of str to float
        Change of the logarithm of each theta, in units of ``log ka - log k``.
    elasticity : dict of str to float
        Derivative of ``log k`` by the logarithm of each theta.
    ratio : float
        ``log ka - log k``.
    values : dict of str to float
        Exchanged typical values.
    """

    absorbed: str
    changes: dict[str, float]
    elasticity: dict[str, float]
    ratio: float
    values: dict[str, float]

    @classmethod
    def of(
        cls, a: Absorption, layout: PopulationVector, values: dict[Node, Node], rate: float, slowest: float
    ) -> _Exchange | None:
        """Return the exchanged solution, None where it is not known in closed form."""
        if a.size is None:
            return None
        free = [e.name for e in layout.entries if e.kind == "theta" and e.scale == "log"]
        quantities = (a.rate, -a.disposition[0][0], a.size)
        used = [s for s in symbols_of(quantities) if s.kind == "parameter"]
        if any(s.kind != "parameter" for s in symbols_of(quantities)) or any(s.name not in free for s in used):
            return None
        slopes = {}
        for s in used:
            at = values[s].value
            parts = zip(derivative(quantities, s), quantities, strict=True)
            slopes[s.name] = [_value(d, values) * at / _value(q, values) for d, q in parts]
        own = [n for n, (by_rate, _, _) in slopes.items() if by_rate != 0.0]
        if len(own) != 1 or not np.isclose(slopes[own[0]][0], 1.0) or slopes[own[0]][1] != 0.0:
            return None
        absorbed = own[0]
        others = [n for n in slopes if n != absorbed]
        wanted = np.array([1.0, 1.0 + slopes[absorbed][2]])
        for count in (1, 2):
            for some in itertools.combinations(others, count):
                matrix = np.array([slopes[n][1:] for n in some]).T
                alpha, *_ = np.linalg.lstsq(matrix, wanted, rcond=None)
                if np.allclose(matrix @ alpha, wanted):
                    changes = {absorbed: -1.0, **dict(zip(some, alpha.tolist(), strict=True))}
                    ratio = math.log(rate / slowest)
                    new = {n: values[symbol(n, "parameter")].value * math.exp(c * ratio) for n, c in changes.items()}
                    return cls(absorbed, changes, {n: slopes[n][1] for n in slopes}, ratio, new)
        return None

    def difference(
        self, layout: PopulationVector, objective: Objective | None, x: np.ndarray, eta: np.ndarray
    ) -> float:
        """Return by how much the objective of the exchanged solution is higher, infinite where that is not known."""
        if objective is None or not layout.etas:
            return 0.0 if objective is None else math.inf if set(self.changes) & set(layout.etas) else 0.0
        etas = list(layout.etas)
        touched = [n for n in self.changes if n in etas]
        T = np.eye(len(etas))
        for name, change in self.changes.items():
            row = {n: -change * e for n, e in self.elasticity.items() if e != 0.0}
            row[self.absorbed] = row.get(self.absorbed, 0.0) + change
            moved = {n: v for n, v in row.items() if n in etas and v != 0.0}
            if name not in etas and moved:
                return math.inf
            if name in etas:
                for n, v in moved.items():
                    T[etas.index(name), etas.index(n)] += v
        if layout.kappas or (touched and not _plain(layout)):
            return math.inf
        return _mixed(layout, objective, x, eta, T)

    def message(self, model: Model, name: str, other: str, gain: float) -> str:
        """Return what is said where the exchanged solution is as good."""
        units = {n: model.parameters[n].unit for n in self.values}
        new = ", ".join(f"{n} {v:.3g}{' ' + units[n] if units[n] else ''}" for n, v in self.values.items())
        how = "as good" if abs(gain) < AS_GOOD else f"better by about {-gain:.1f} in the objective"
        start = ", ".join(f"'{n}': {v:.3g}" for n, v in self.values.items())
        return (
            f"the solution with {name} and {other} exchanged ({new}) is {how}: the data alone do not tell which of the "
            f"two is absorption; start={{{start}}} finds it"
        )


def _plain(layout: PopulationVector) -> bool:
    """Return whether individual parameters are typical values with a random effect on the logarithm, and no more."""
    model = layout.model
    estimated = {e.name: e.scale for e in layout.entries if e.kind == "theta"}
    if any(s.kind == "covariate" for s in symbols_of(model.trace.individual.values())):
        return False
    return all(estimated.get(n) == "log" for n in layout.etas)


def _mixed(layout: PopulationVector, objective: Objective, x: np.ndarray, eta: np.ndarray, T: np.ndarray) -> float:
    """Return by how much the objective of the exchanged solution is higher, by normal approximations of subjects."""
    theta, factor, _, _ = objective.unpack(x)
    u = np.linalg.solve(factor, eta.T).T
    state, r = objective.modes(x, u).state, objective.links.n_random
    e = objective.predictor.chain(theta, state.u @ factor.T).e[:r]
    A = np.einsum("kai,ikl,lbi->iab", e, state.M, e)
    omega = factor @ factor.T
    b = np.einsum("iab,ib->ia", A, eta) + np.linalg.solve(omega, eta.T).T
    if not (np.isfinite(A).all() and np.isfinite(b).all()):
        return math.inf
    free = (omega != 0.0) | np.eye(len(omega), dtype=bool)
    here = _marginal(A, b, np.zeros(len(omega)), omega)[0]
    back = np.linalg.inv(T)
    A, b = np.einsum("ba,ibc,cd->iad", back, A, back), b @ back
    omega, shift = np.where(free, T @ omega @ T.T, 0.0), np.zeros(len(omega))
    last = math.inf
    for _ in range(ROUNDS):
        value, mean, variance = _marginal(A, b, shift, omega)
        if last - value < CLOSE:
            break
        last, shift = value, mean.mean(axis=0)
        apart = mean - shift
        omega = np.where(free, (variance + apart[:, :, None] * apart[:, None, :]).mean(axis=0), 0.0)
    return last - here


def _marginal(
    A: np.ndarray, b: np.ndarray, shift: np.ndarray, omega: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return -2 log of the integrals of ``exp(b eta - eta A eta / 2) N(eta; shift, omega)``, and moments of eta."""
    inverse = np.linalg.inv(omega)
    variance = np.linalg.inv(A + inverse)
    right = b + inverse @ shift
    mean = np.einsum("iab,ib->ia", variance, right)
    logs = len(b) * np.linalg.slogdet(omega)[1] - np.linalg.slogdet(variance)[1].sum()
    return float(logs + len(b) * shift @ inverse @ shift - (right * mean).sum()), mean, variance
