"""Expressions that do not change in time, as machine code over columns."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from pkpd.engine.graph.nodes import Node, const, symbol
from pkpd.engine.solve.kernel import Equations, Kernel
from pkpd.engine.solve.places import Places, prepare

__all__ = ["Tape", "tape"]

_NOBODY = symbol("nothing", "state")


class Tape:
    """Machine code of some expressions.

    Parameters
    ----------
    inputs : sequence of Node, (n,)
        Symbols that the expressions depend on.
    roots : sequence of Node, (k,)

    Attributes
    ----------
    places : int array, (k,)
        Rows of the expressions in what the machine code writes; -1 for numbers.
    numbers : float array, (k,)
        Values of the expressions that are numbers, 0 for the others.
    """

    def __init__(self, inputs: Sequence[Node], roots: Sequence[Node]) -> None:
        zero = const(0)
        equations = Equations(
            states=(_NOBODY,), inputs=tuple(inputs), derivatives=(zero,), initial=(zero,), outputs=tuple(roots)
        )
        self._kernel = Kernel(equations)
        index = self._kernel.slots.index
        fixed = [node.op == "const" for node in roots]
        self.places = np.array([-1 if c else index[node] for node, c in zip(roots, fixed, strict=True)], np.int64)
        self.numbers = np.array([node.value if c else 0.0 for node, c in zip(roots, fixed, strict=True)])
        self.size = len(roots)
        self._fixed = [(r, node.value) for r, node in enumerate(roots) if node.op == "const"]

    @property
    def address(self) -> int:
        """Address of the machine code, for :func:`pkpd.engine.solve.call.call_code`; the tape must be kept."""
        return self._kernel.prepare["prepare"]

    @property
    def rows(self) -> int:
        """Number of rows that the machine code writes."""
        return self._kernel.n_places

    @property
    def lanes(self) -> int:
        """Number that columns are filled up to a multiple of."""
        return self._kernel.lanes

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the expressions, (k, columns), for inputs of shape (n, columns)."""
        columns = values.shape[1]
        if not columns or not self.size:
            return np.empty((self.size, columns))
        return self.read(prepare(self._kernel, values), columns)

    def room(self, columns: int) -> Places:
        """Return room for so many columns of inputs and for what the machine code writes of them."""
        return Places(self._kernel, columns)

    def read(self, P: np.ndarray, columns: int) -> np.ndarray:
        """Return the expressions, (k, columns), out of what the machine code wrote."""
        out = P[self.places, :columns]
        for r, value in self._fixed:
            out[r] = value
        return out


@functools.lru_cache(maxsize=512)
def _kept(inputs: tuple[Node, ...], roots: tuple[Node, ...]) -> Tape:
    return Tape(inputs, roots)


def tape(inputs: Sequence[Node], roots: Sequence[Node]) -> Tape:
    """Return the machine code of some expressions, made once: equal expressions are one object."""
    return _kept(tuple(inputs), tuple(roots))
