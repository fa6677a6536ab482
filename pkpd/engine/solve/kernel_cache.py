"""Kernels are kept by what they solve, so that equal equations are analysed and compiled once in a process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

from pkpd.engine.solve.kernel import Equations, Kernel

__all__ = ["kernel_of"]

KEPT = 128  # those used last; a model of twenty states takes about a megabyte

_kernels: OrderedDict[tuple[Hashable, ...], Kernel] = OrderedDict()
_lock = Lock()


def kernel_of(key: tuple[Hashable, ...], equations: Callable[[], Equations]) -> Kernel:
    """Return the machine code of equations, made at the first request and kept while it is used.

    Parameters
    ----------
    key : tuple
        What decides the equations, beginning with a word for who asks: the fingerprint of a model, names of outputs.
    equations : function without arguments
        Returns the equations.
    """
    with _lock:
        if key in _kernels:
            _kernels.move_to_end(key)
            return _kernels[key]
    made = Kernel(equations())
    with _lock:
        kernel = _kernels.setdefault(key, made)
        while len(_kernels) > KEPT:
            _kernels.popitem(last=False)
    return kernel
