"""What estimation moves: the directions in which the equations are differentiated, and how theta and eta reach them.

Equations see theta and eta only through a few quantities phi, the individual parameters. They are differentiated by
phi, and the chain rule does the rest: ``df/deta = df/dphi dphi/deta``. A theta of a covariate effect then costs no
sensitivity equation, and one that is a typical value (mu-referenced) none beside that of its eta. Where a parameter
changes within a subject (a covariate or an occasion does), the typical value with its eta takes its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.engine.graph.derivative import depends_on, derivative, substitute
from pkpd.engine.graph.functions import exp
from pkpd.engine.graph.nodes import Node, const, symbol
from pkpd.engine.graph.tree import symbols_of
from pkpd.engine.solve.kernel import Equations, Kernel
from pkpd.model.trace import base_value
from pkpd.model.variability import individual_value
from pkpd.observation.tape import Tape
from pkpd.simulation.kernels import equations_for, quantities

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["ChainRule", "Direction", "Links", "links_of", "on_scale"]

ZERO = const(0)


@dataclass(frozen=True)
class Direction:
    """One quantity that the equations are differentiated by.

    Attributes
    ----------
    symbol : Node
        Its place in the equations.
    link : Node
        Its value in terms of estimated thetas on their scale (symbols of kind ``x``), random effects and covariates.
    random : bool
        Whether a random effect reaches it.
    """

    symbol: Node
    link: Node
    random: bool


@dataclass(frozen=True)
class ChainRule:
    """Directions of all subjects and their derivatives; the last axis is the subject.

    Attributes
    ----------
    phi : float array, (d, m)
    e, x : float array, (d, p, m), (d, q, m)
        First derivatives by random effects and thetas.
    ee, ex : float array, (d, p, p, m), (d, p, q, m)
        Second ones; empty where not asked for.
    eee, eex : float array, (d, p, p, p, m), (d, p, p, q, m)
        Third ones; empty where not asked for.
    """

    phi: np.ndarray
    e: np.ndarray
    x: np.ndarray
    ee: np.ndarray
    ex: np.ndarray
    eee: np.ndarray
    eex: np.ndarray


def on_scale(model: Model, name: str, scale: str) -> Node:
    """Return a typical value in terms of its estimated form x: exp(x), x, or the logistic function between bounds."""
    x = symbol(name, "x")
    if scale == "log":
        return exp(x)
    if scale == "logit":
        low, high = model.parameters[name].bounds or (0.0, 1.0)
        return low + (high - low) / (1 + exp(-x))
    return x


class Links:
    """The model as estimation sees it.

    Parameters
    ----------
    model : Model
    outputs : sequence of str
        Those that are observed.
    scales : mapping of theta to {"log", "logit", "additive"}
        The estimated ones.
    varying : set of str
        Covariates that change within subjects.
    occasions : int
        Most occasions of a subject; 1 without variability between occasions.
    own : sequence of str
        Parameters that are not estimated and known to differ between subjects.

    Attributes
    ----------
    equations : Equations
        In terms of the directions.
    directions : tuple of Direction
        Those that random effects reach come first.
    n_random : int
        How many these are.
    effects : tuple of Node
        Random effects: eta, then kappa of each occasion in turn.
    thetas : tuple of str
        Estimated ones.
    constant : tuple of Node
        Covariates, and parameters known to differ between subjects, that the links depend on.
    pairs : list of (int, int)
        Pairs of directions that second derivatives are needed of.
    kernels : dict
        Machine code of the equations with derivatives, kept by those who compile it.
    """

    def __init__(
        self, model: Model, outputs: Sequence[str], scales: Mapping[str, str], varying: set[str], occasions: int,
        own: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.model, self.thetas, self.varying = model, tuple(scales), varying
        self.occasions = occasions if model.iov_etas else 0
        kappas = [symbol(f"{n}|{o}", "kappa") for o in range(self.occasions) for n in model.iov_etas]
        self.effects = (*(symbol(n, "eta") for n in model.etas), *kappas)
        self.x = tuple(symbol(n, "x") for n in scales)
        self._values: dict[Node, Node] = {
            symbol(n, "theta"): on_scale(model, n, scales[n]) if n in scales else const(q.value)
            for n, q in model.parameters.items()
            if n not in own
        }
        plain = equations_for(model, quantities(model, list(outputs)))
        roots, words = _roots_of(plain)
        roots = self._with_individual(self._with_bases(self._without_zeros(roots)))
        self.directions = self._find(roots)
        self.equations = self._rebuilt(plain, roots, words)
        self.n_random = sum(d.random for d in self.directions)
        self.pairs = [(a, b) for a in range(self.n_random) for b in range(a, len(self.directions))]
        self.kernels: dict[Any, Kernel] = {}
        seen = symbols_of([d.link for d in self.directions])
        self.constant = tuple(s for s in seen if s.kind in ("covariate", "theta"))
        self._prepare()

    # -- the equations in terms of directions

    def _without_zeros(self, roots: list[Node]) -> list[Node]:
        """Put the number in the place of parameters that are held at 0: what they multiply need not be computed."""
        varying = {*self.model.etas, *self.model.iov_etas}
        held = [s for s, v in self._values.items() if v is ZERO and s.name not in varying]
        return substitute(roots, dict.fromkeys(held, ZERO))

    def _kappa(self, name: str) -> Node | None:
        """Return the effect of the occasion in force on a parameter."""
        if name not in self.model.iov_etas:
            return None
        total = ZERO
        for o in range(self.occasions):
            total = total + symbol(f"occasion|{o}", "covariate") * symbol(f"{name}|{o}", "kappa")
        return total

    def _with_bases(self, roots: list[Node]) -> list[Node]:
        """Put a symbol in the place of each typical value with its random effect."""
        self._bases: dict[Node, Node] = {}
        self._replace: dict[Node, Node] = {}
        for name, parameter in self.model.parameters.items():
            if name not in self.model.etas and name not in self.model.iov_etas:
                continue
            base = symbol(name, "base")
            eta = symbol(name, "eta") if name in self.model.etas else None
            self._bases[base] = individual_value(parameter, self._values[symbol(name, "theta")], eta)
            self._replace[base_value(self.model, name)] = individual_value(parameter, base, self._kappa(name))
        return substitute(roots, self._replace)

    def _moves(self, n: Node) -> bool:
        """Tell whether a symbol changes within a subject."""
        return n.kind in ("kappa", "time", "state") or (n.kind == "covariate" and self._is_varying(n))

    def _is_varying(self, n: Node) -> bool:
        return n.name in self.varying or n.name.startswith("occasion|")

    def _estimated(self, n: Node) -> bool:
        return n.kind in ("x", "eta", "kappa")

    def _inside(self, node: Node) -> Node:
        """Return an expression in terms of x, random effects and covariates."""
        return substitute(substitute([node], self._bases), self._values)[0]

    def _with_individual(self, roots: list[Node]) -> list[Node]:
        """Put a symbol in the place of each individual parameter that is constant within a subject."""
        self._phi: dict[Node, Node] = {}
        replace: dict[Node, Node] = {}
        items = list(self.model.trace.individual.items())
        nodes = substitute([n for _, n in items], self._replace)
        for (name, _), node in zip(items, nodes, strict=True):
            if node.op in ("symbol", "const") or depends_on([node], self._moves)[node]:
                continue
            link = self._inside(node)
            if depends_on([link], self._estimated)[link]:
                phi = symbol(name, "phi")
                self._phi[phi] = link
                replace[node] = phi
        return substitute(roots, replace)

    def _find(self, roots: list[Node]) -> tuple[Direction, ...]:
        """Return what of the roots' symbols depends on what is estimated."""
        out = []
        for s in symbols_of(roots):
            if s.kind in ("time", "state"):
                continue
            known = {**self._values, **self._bases, **self._phi}
            link = self._inside(known.get(s, s))
            if depends_on([link], self._estimated)[link]:
                out.append(Direction(s, link, depends_on([link], lambda n: n.kind in ("eta", "kappa"))[link]))
        return tuple(sorted(out, key=lambda d: not d.random))

    def _rebuilt(self, plain: Equations, roots: list[Node], words: list[tuple[int, str]]) -> Equations:
        n, k = len(plain.states), len(plain.outputs)
        dosing: dict[int, dict[str, Node]] = {}
        for (state, word), node in zip(words, roots[2 * n + k :], strict=True):
            dosing.setdefault(state, {})[word] = node
        chosen = {d.symbol for d in self.directions}
        others = [s for s in symbols_of(roots) if s.kind not in ("time", "state") and s not in chosen]
        others += [s for s in plain.sloping if s not in others]
        return replace(
            plain, derivatives=tuple(roots[:n]), initial=tuple(roots[n : 2 * n]),
            outputs=tuple(roots[2 * n : 2 * n + k]),
            dosing=dosing, inputs=(*(d.symbol for d in self.directions), *others),
        )  # fmt: skip

    @cached_property
    def is_chain(self) -> bool:
        """Whether the equations can be solved as a chain, see `pkpd.engine.solve.chain`."""
        return self.plain.chain is not None

    @cached_property
    def plain(self) -> Kernel:
        """Machine code of the equations themselves."""
        return Kernel(self.equations)

    # -- the chain rule

    def _prepare(self) -> None:
        """Differentiate the links, up to what is asked for first, and compile them."""
        links = [d.link for d in self.directions]
        d, p, q = len(links), len(self.effects), len(self.x)
        self._shapes = [((d, p), (d, q)), ((d, p, p), (d, p, q)), ((d, p, p, p), (d, p, p, q))]
        self._inputs = (*self.x, *self.effects, *self.constant)
        self._last = [links]  # derivatives of the highest order by random effects so far, entry by entry
        self._nodes: list[Node] = list(links)
        self._at: list[np.ndarray] = []
        self._tapes: list[Tape] = []

    def _differentiate(self) -> None:
        """Compile derivatives of one order more."""
        by_e = [[part for s in self.effects for part in [derivative(f, s)]] for f in self._last]
        by_x = [[part for s in self.x for part in [derivative(f, s)]] for f in self._last]
        # entries in the order direction, effects so far, the new one
        entries: list[Node] = []
        for parts in (by_e, by_x):
            for k in range(len(self.directions)):
                entries += [part[k] for own in parts for part in own]
        kept = [(i, n) for i, n in enumerate(entries) if n is not ZERO]
        self._at.append(np.array([i for i, _ in kept], np.int64))
        self._nodes += [n for _, n in kept]
        self._tapes.append(Tape(self._inputs, self._nodes))
        self._last = [part for own in by_e for part in own]

    def _up_to(self, order: int) -> Tape:
        while len(self._tapes) < order:
            self._differentiate()
        return self._tapes[order - 1]

    def first(self) -> tuple[Tape, np.ndarray]:
        """Return machine code of the directions and of those first derivatives that are not zero, and which these are.

        Entry ``k p + a`` is that of direction k by random effect a, and ``d p + k q + t`` by theta t.
        """
        return self._up_to(1), self._at[0]

    def chain(self, inputs: np.ndarray, order: int) -> ChainRule:
        """Return the directions of subjects and their derivatives.

        Parameters
        ----------
        inputs : float array, (q + p + constants, m)
            Estimated thetas on their scale, random effects, what ``constant`` names.
        order : {1, 2, 3}
            Highest derivative.
        """
        m, first = inputs.shape[1], len(self.directions)
        values = self._up_to(order)(inputs)
        phi, out = values[:first], []
        for k, (by_e, by_x) in enumerate(self._shapes):
            if k >= order:
                out += [np.zeros((*(0 for _ in by_e), m)), np.zeros((*(0 for _ in by_x), m))]
                continue
            cut = int(np.prod(by_e))
            flat = np.zeros((cut + int(np.prod(by_x)), m))
            last = first + self._at[k].size
            flat[self._at[k]] = values[first:last]
            out += [flat[:cut].reshape(*by_e, m), flat[cut:].reshape(*by_x, m)]
            first = last
        return ChainRule(phi, *out)

    def mu_referenced(self) -> dict[str, str]:
        """Return the thetas that act as the mean of their random effect: {theta: random effect}.

        Those are the estimated ones whose typical value with its eta is all that the links see of them.
        """
        links = [d.link for d in self.directions]
        out: dict[str, Any] = {}
        for x in self.x:
            if x.name not in self.model.etas:
                continue
            eta = symbol(x.name, "eta")
            same = all(
                a is b or _same(a, b, x, eta) for a, b in zip(derivative(links, x), derivative(links, eta), strict=True)
            )
            if same:
                out[x.name] = x.name
        return out


_KEPT: dict[Any, Links] = {}


def links_of(
    model: Model, outputs: Sequence[str], scales: Mapping[str, str], varying: set[str], occasions: int,
    own: Sequence[str] = (),
) -> Links:  # fmt: skip
    """Return the links of a model, made once for all that have the same equations, units and fixed values."""
    fixed = tuple((n, None if n in own else q.value) for n, q in model.parameters.items() if n not in scales)
    bounds = tuple(q.bounds for q in model.parameters.values())
    carry = tuple(c.carry for c in model.covariates.values())
    key = (
        model.fingerprint, fixed, bounds, carry, tuple(outputs), tuple(scales.items()), frozenset(varying), occasions,
        tuple(q.scale for q in model.parameters.values()), model.time_unit,
        tuple(s.unit for s in model.states.values()),
    )  # fmt: skip
    if key not in _KEPT:
        if len(_KEPT) >= 32:
            _KEPT.pop(next(iter(_KEPT)))
        _KEPT[key] = Links(model, outputs, scales, varying, occasions, own)
    return _KEPT[key]


def _same(a: Node, b: Node, x: Node, eta: Node) -> bool:
    """Tell whether two expressions agree at a few points; an identity of graphs would need rules of algebra."""
    names = sorted(symbols_of([a, b]), key=lambda s: (s.kind, s.name))
    points = np.random.default_rng(0).uniform(0.2, 0.8, (len(names), 4))
    values = Tape(names, [a, b])(points) if names else np.array([[a.value], [b.value]])
    return bool(np.allclose(values[0], values[1], rtol=1e-9, atol=0.0))


def _roots_of(e: Equations) -> tuple[list[Node], list[tuple[int, str]]]:
    words = [(state, word) for state, entries in e.dosing.items() for word in entries]
    doses = [e.dosing[state][word] for state, word in words]
    return [*e.derivatives, *e.initial, *e.outputs, *doses], words
