"""Load the compiled loops from disk, or compile them."""

from __future__ import annotations

import numpy as np

from pkpd.graph.nodes import const, symbol
from pkpd.solve.kernel import Equations, Kernel
from pkpd.solve.run import Block, Settings, solve_block
from pkpd.solve.timeline import Records

__all__ = ["load_loops"]


def load_loops() -> None:
    """Solve a decay once with each loop, so that numba compiles them or reads them from its cache."""
    x, k = symbol("x", "state"), symbol("k", "theta")
    kernel = Kernel(Equations((x,), (k,), (-k * x,), (const(1),), (x,)))
    i, f = np.zeros(1, np.int64), np.empty(0)
    none = np.empty(0, np.int64)
    records = Records(np.zeros(1), np.ones(1, np.int64), i, np.ones(1), np.zeros(1), np.zeros(1), i, i)
    block = Block(
        i,
        np.zeros(1),
        records,
        i,
        i + 1,
        none,
        np.zeros(2, np.int64),
        f,
        f,
        none,
        np.array([1.0]),
        i,
        i + 1,
        f,
        none,
        True,
    )
    for method in ("linear", "dop853"):
        solve_block(kernel, block, np.ones((1, 1)), Settings(method))
