"""Kernels are kept by what they solve, so that equal equations are analysed and compiled once in a process."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from pkpd.engine.solve.kernel import Equations, Kernel
from pkpd.kept import Kept

__all__ = ["kernel_of"]

_kernels = Kept[Kernel](128)  # a model of twenty states takes about a megabyte


def kernel_of(key: tuple[Hashable, ...], equations: Callable[[], Equations]) -> Kernel:
    """Return the machine code of equations, made at the first request and kept while it is used.

    Parameters
    ----------
    key : tuple
        What decides the equations, beginning with a word for who asks: the fingerprint of a model, names of outputs.
    equations : function without arguments
        Returns the equations.
    """
    return _kernels(key, lambda: Kernel(equations()))
