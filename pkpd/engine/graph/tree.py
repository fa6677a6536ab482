"""What an expression is to those who only read it, and the way through one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, Self, TypeVar

__all__ = ["Expression", "symbols_of", "walk"]


class Expression(Protocol):
    """An operation on other expressions, a number or a symbol; `pkpd.engine.graph.nodes.Node` says what each is."""

    op: str
    value: float
    name: str
    kind: str

    @property
    def args(self) -> tuple[Self, ...]:
        """What the operation is done on."""
        ...


E = TypeVar("E", bound=Expression)


def walk(roots: Iterable[E], known: Iterable[E] = ()) -> Iterator[E]:
    """Yield each expression below the roots once, arguments before their users; what is known and below it is not."""
    done = set(known)
    for root in roots:
        stack = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if node in done:
                continue
            if ready:
                done.add(node)
                yield node
            else:
                stack.append((node, True))
                stack.extend((a, False) for a in reversed(node.args))


def symbols_of(roots: Iterable[E]) -> list[E]:
    """Return the symbols below the roots in order of first use."""
    return [n for n in walk(roots) if n.op == "symbol"]
