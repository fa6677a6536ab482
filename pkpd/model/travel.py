"""Models on their way to another process."""

from __future__ import annotations

import pickle

from pkpd.model.trace import Traced
from pkpd.transport import packed

__all__ = ["pack_model", "restored"]


def pack_model(model: Traced) -> bytes:
    """Return a model as bytes: declarations, functions by value, the traced equations; no machine code.

    The equations travel as they were traced, so that results have the same bits everywhere.
    """
    _ = model.trace
    return packed((type(model), vars(model)))


def restored(data: bytes) -> Traced:
    """Return the model that was packed."""
    kind, fields = pickle.loads(data)
    return kind.from_fields(fields)
