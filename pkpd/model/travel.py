"""Models on their way to another process."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

from pkpd.transport import packed

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["pack_model", "restored"]

_MACHINE_CODE = "_kernels"


def pack_model(model: Model) -> bytes:
    """Return a model as bytes: declarations, functions by value, the traced equations; no machine code.

    The equations travel as they were traced, so that results have the same bits everywhere.
    """
    _ = model.trace
    return packed((type(model), {k: v for k, v in vars(model).items() if k != _MACHINE_CODE}))


def restored(data: bytes) -> Model:
    """Return the model that was packed."""
    kind, state = pickle.loads(data)
    model = object.__new__(kind)
    vars(model).update(state)
    for matrix in (model.omega, model.omega_iov):
        matrix.setflags(write=False)
    return model
