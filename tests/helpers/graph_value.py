"""Slow, obvious twin of the emitter: the value of an expression graph at a point."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pkpd.engine.graph.nodes import Node
from pkpd.engine.graph.tree import walk

OPS: dict[str, Any] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "min": min,
    "max": max,
    "neg": lambda a: -a,
    "exp": lambda a: math.exp(a) if a < 709.78 else math.inf,
    "log": math.log,
    "sqrt": math.sqrt,
    "tanh": math.tanh,
    "erf": math.erf,
    "sin": math.sin,
    "cos": math.cos,
    "lgamma": math.lgamma,
    "abs": abs,
    "floor": math.floor,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "not": lambda a: not a,
}


def value(node: Node, at: Mapping[Any, float]) -> float:
    """Return the value of a node; `at` gives symbols by node, by (name, kind) or by name."""
    known: dict[Node, Any] = {}
    for n in walk([node]):
        if n.op == "const":
            known[n] = n.value
        elif n.op == "symbol":
            known[n] = at[n] if n in at else at[n.name, n.kind] if (n.name, n.kind) in at else at[n.name]
        elif n.op == "where":
            known[n] = known[n.args[1]] if known[n.args[0]] else known[n.args[2]]
        else:
            known[n] = _apply(n.op, [known[a] for a in n.args])
    return float(known[node])


def _apply(op: str, args: list[Any]) -> Any:
    # both branches of a where are evaluated, so a branch not taken may be outside its domain
    try:
        return OPS[op](*args)
    except (ArithmeticError, ValueError):
        return math.nan
