"""Values around doses as text that a result carries, see :mod:`pkpd.simulation.around_doses`."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["LEFT_OUT", "packed", "read_corners"]

LEFT_OUT = "left out"
"""The attribute ``at_doses`` of an output of which nothing is kept."""


def packed(values: np.ndarray) -> dict[str, Any]:
    """Return numbers as text that gives them back exactly; rows that are all equal are written once."""
    if len(values) > 1 and np.array_equal(values, np.broadcast_to(values[:1], values.shape), equal_nan=True):
        values = values[:1]
    raw = np.ascontiguousarray(values, "<f8").tobytes()
    return {"shape": list(values.shape), "float64": base64.b64encode(raw).decode("ascii")}


def _unpacked(entry: Mapping[str, Any], subjects: int) -> np.ndarray:
    values = np.frombuffer(base64.b64decode(entry["float64"]), "<f8").reshape(entry["shape"])
    return np.broadcast_to(values, (subjects, values.shape[1]))


def read_corners(text: str) -> tuple[list[str] | None, dict[str, tuple[np.ndarray, ...]]]:
    """Return the labels of the subjects, and by regimen the arrays time, before, after, witness_time, witness.

    Each has shape (subjects, corners), those of the witness (subjects, 1).

    Parameters
    ----------
    text : str
        An attribute ``at_doses``.
    """
    known = json.loads(text)
    names = ("time", "before", "after", "witness_time", "witness")
    found = {}
    for regimen, entry in known["regimens"].items():
        n = max(entry[k]["shape"][0] for k in names)
        n = len(known["subjects"]) if known["subjects"] is not None else n
        found[str(regimen)] = tuple(_unpacked(entry[k], n) for k in names)
    return known["subjects"], found
