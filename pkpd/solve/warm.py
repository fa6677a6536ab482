"""Load the compiled loops that a model needs from disk, or compile them."""

from __future__ import annotations

import functools

import numpy as np

from pkpd.graph.nodes import const, symbol
from pkpd.solve.block import Block, Settings
from pkpd.solve.kernel import Equations, Kernel
from pkpd.solve.run import solve_block
from pkpd.solve.timeline import Records

__all__ = ["first_loop", "load_loop"]


def first_loop(kernel: Kernel, method: str) -> str:
    """Return a method of the loop that solving a model calls first: linear, cascade, or one of the lanes."""
    if method == "auto":
        return "linear" if kernel.linear else "cascade" if kernel.cascade else "dop853"
    return method if method in ("linear", "cascade") else "dop853"


@functools.cache
def load_loop(method: str) -> None:
    """Solve a decay and what it drives, so that numba compiles the loop or reads it from its cache."""
    x, y, k = symbol("x", "state"), symbol("y", "state"), symbol("k", "theta")
    slopes = (-k * x, (x * x if method == "cascade" else x) - k * y)
    kernel = Kernel(Equations((x, y), (k,), slopes, (const(1), const(0)), (x,)))
    zero, empty, none = np.zeros(1, np.int64), np.empty(0), np.empty(0, np.int64)
    records = Records(np.zeros(1), np.ones(1, np.int64), zero, np.ones(1), np.zeros(1), np.zeros(1), zero, zero)
    block = Block(
        column=zero, origin=np.zeros(1), records=records, rec_first=zero, rec_last=zero + 1, rec_column=none,
        seg_first=np.zeros(2, np.int64), seg_time=empty, seg_rank=empty, seg_column=none,
        obs_time=np.array([1.0]), obs_first=zero, obs_last=zero + 1, obs_rank=empty, obs_column=none, shared=True,
    )  # fmt: skip
    solve_block(kernel, block, np.ones((1, 1)), Settings(method))
