"""Residual error: what would be measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from pkpd.randomness import RESIDUALS, uniforms_at

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["add_residuals"]


def add_residuals(
    model: Model, values: Mapping[str, np.ndarray], seed: int, index: np.ndarray, offset: int
) -> dict[str, np.ndarray]:
    """Return ``<output>_observed`` of each output that declares an error.

    Parameters
    ----------
    values : mapping of name to array, (subjects, times)
    seed : int
    index : int array, (subjects,)
        Places of the subjects in the streams of random numbers.
    offset : int
        Column of the first time in a subject's stream.
    """
    from scipy.special import ndtri

    out: dict[str, np.ndarray] = {}
    for k, (name, declared) in enumerate(model.outputs.items()):
        if name not in values or declared.error is None:
            continue
        times = values[name].shape[1]
        z = ndtri(uniforms_at(seed, index, offset + times, RESIDUALS + 16 * (k + 1))[:, offset:])
        out[f"{name}_observed"] = declared.error.draw(values[name], z)
    return out
