"""A hash of expressions that is the same in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pkpd.engine.graph.nodes import Node
from pkpd.engine.graph.tree import walk

__all__ = ["fingerprint"]


def fingerprint(roots: Sequence[Node]) -> str:
    """Return a hash of expressions, of the order in which they come, and of all names below them."""
    digest = hashlib.sha256()
    number: dict[Node, int] = {}
    for node in walk(roots):
        number[node] = len(number)
        below = ",".join(str(number[a]) for a in node.args)
        value = node.value.hex() if node.op == "const" else ""
        digest.update(f"{node.op}|{below}|{value}|{node.name}|{node.kind}\n".encode())
    digest.update(",".join(str(number[r]) for r in roots).encode())
    return digest.hexdigest()
