"""Expressions that do not change in time, as machine code over columns."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from pkpd.engine.graph.nodes import Node, const, symbol
from pkpd.engine.solve.kernel import Equations, Kernel
from pkpd.engine.solve.run import prepare

__all__ = ["Tape", "tape"]

_NOBODY = symbol("nothing", "state")


class Tape:
    """Machine code of some expressions.

    Parameters
    ----------
    inputs : sequence of Node, (n,)
        Symbols that the expressions depend on.
    roots : sequence of Node, (k,)
    """

    def __init__(self, inputs: Sequence[Node], roots: Sequence[Node]) -> None:
        zero = const(0)
        equations = Equations(
            states=(_NOBODY,), inputs=tuple(inputs), derivatives=(zero,), initial=(zero,), outputs=tuple(roots)
        )
        self._kernel = Kernel(equations)
        index = self._kernel.slots.index
        self._constants = [(r, node.value) for r, node in enumerate(roots) if node.op == "const"]
        self._places = np.array([0 if node.op == "const" else index[node] for node in roots], np.int64)
        self.size = len(roots)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the expressions, (k, columns), for inputs of shape (n, columns)."""
        columns = values.shape[1]
        if not columns or not self.size:
            return np.empty((self.size, columns))
        out = prepare(self._kernel, values)[self._places, :columns]
        for r, value in self._constants:
            out[r] = value
        return out


@functools.lru_cache(maxsize=512)
def _kept(inputs: tuple[Node, ...], roots: tuple[Node, ...]) -> Tape:
    return Tape(inputs, roots)


def tape(inputs: Sequence[Node], roots: Sequence[Node]) -> Tape:
    """Return the machine code of some expressions, made once: equal expressions are one object."""
    return _kept(tuple(inputs), tuple(roots))
