"""Exact derivatives of expression graphs."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence

from pkpd.engine.graph.nodes import Node, const, make
from pkpd.engine.graph.tree import walk

__all__ = ["depends_on", "derivative", "jacobian", "substitute"]


def _pow_parts(n: Node) -> tuple[Node, Node]:
    base, exponent = n.args
    # at base 0 the product with log(0) must vanish, as it does in the limit for positive exponents
    safe = make("where", base > 0, make("log", make("where", base > 0, base, const(1))), const(0))
    return exponent * base ** (exponent - 1), n * safe


#: stands for exp(v) where that is infinite, so that its product with 0 is 0
_LARGEST = sys.float_info.max

_PARTIALS: dict[str, Callable[[Node], tuple[Node, ...]]] = {
    "add": lambda n: (const(1), const(1)),
    "sub": lambda n: (const(1), const(-1)),
    "mul": lambda n: (n.args[1], n.args[0]),
    "div": lambda n: (1 / n.args[1], -n / n.args[1]),
    "neg": lambda n: (const(-1),),
    "pow": _pow_parts,
    "exp": lambda n: (n,),
    "log": lambda n: (1 / n.args[0],),
    "sqrt": lambda n: (0.5 / n,),
    "tanh": lambda n: (1 - n * n,),
    "erf": lambda n: (make("exp", -(n.args[0] * n.args[0])) * (2 / math.sqrt(math.pi)),),
    "sin": lambda n: (make("cos", n.args[0]),),
    "cos": lambda n: (-make("sin", n.args[0]),),
    "floor": lambda n: (const(0),),
    "abs": lambda n: (make("where", n.args[0] < 0, const(-1), const(1)),),
    "min": lambda n: _chosen(n.args[1] < n.args[0]),
    "max": lambda n: _chosen(n.args[0] < n.args[1]),
    "lgamma": lambda n: (_digamma(n.args[0]),),
}  # fmt: skip


def _chosen(second: Node) -> tuple[Node, Node]:
    """Return the partials of a choice between two arguments."""
    return make("where", second, const(0), const(1)), make("where", second, const(1), const(0))


def _digamma(x: Node) -> Node:
    """Return psi(x) for x > 0: recurrence to x + 10, then the asymptotic series (DLMF 5.11.2)."""
    shift = const(0)
    for k in range(10):
        shift = shift + 1 / (x + k)
    z = x + 10
    r = 1 / (z * z)
    series = r * (1 / 12 - r * (1 / 120 - r * (1 / 252 - r * (1 / 240 - r * (1 / 132)))))
    return make("log", z) - 0.5 / z - series - shift


def derivative(roots: Sequence[Node], wrt: Node) -> list[Node]:
    """Return d root / d wrt for each root, by forward accumulation over the shared graph."""
    dot: dict[Node, Node] = {}
    zero, one = const(0), const(1)
    for n in walk(roots):
        if n is wrt:
            dot[n] = one
        elif n.op == "where":
            dot[n] = make("where", n.args[0], dot[n.args[1]], dot[n.args[2]])
        elif n.op not in _PARTIALS or all(dot.get(a, zero) is zero for a in n.args):
            dot[n] = zero
        elif (grown := _logistic(n)) is not None:
            top, below = _PARTIALS["div"](n)
            dot[n] = top * dot[n.args[0]] + below * (make("min", grown, const(_LARGEST)) * dot[grown.args[0]])
        else:
            total = zero
            for a, partial in zip(n.args, _PARTIALS[n.op](n), strict=True):
                if dot[a] is not zero:
                    total = total + partial * dot[a]
            dot[n] = total
    return [dot[r] for r in roots]


def _logistic(n: Node) -> Node | None:
    """Return exp(v) of a node a / (1 + exp(v)), whose slope by other rules is inf / inf where exp(v) overflows."""
    if n.op != "div" or n.args[1].op != "add":
        return None
    first, second = n.args[1].args
    one, grown = (first, second) if second.op == "exp" else (second, first)
    return grown if grown.op == "exp" and one is const(1) else None


def jacobian(roots: Sequence[Node], wrt: Sequence[Node]) -> list[list[Node]]:
    """Return the matrix d roots[i] / d wrt[j] as nodes."""
    columns = [derivative(roots, s) for s in wrt]
    return [[column[i] for column in columns] for i in range(len(roots))]


def depends_on(roots: Sequence[Node], chosen: Callable[[Node], bool]) -> dict[Node, bool]:
    """Return for every node below the roots whether a chosen symbol is below it."""
    out: dict[Node, bool] = {}
    for n in walk(roots):
        out[n] = chosen(n) if n.op == "symbol" else any(out[a] for a in n.args)
    return out


def substitute(roots: Sequence[Node], replace: Mapping[Node, Node]) -> list[Node]:
    """Return the roots with nodes replaced, sharing kept."""
    new: dict[Node, Node] = {}
    for n in walk(roots):
        if n in replace:
            new[n] = replace[n]
        elif not n.args or all(new[a] is a for a in n.args):
            new[n] = n
        else:
            new[n] = make(n.op, *(new[a] for a in n.args))
    return [new[r] for r in roots]
