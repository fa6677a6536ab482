"""Typical values that differ between subjects: which number of the estimated vector is whose."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Levels"]


@dataclass(frozen=True, eq=False)
class Levels:
    """Where each subject's typical values stand among the estimated thetas.

    Attributes
    ----------
    place : int array, (thetas, m)
        Number of the estimated theta that is the typical value of a parameter in a subject; -1 where it is known.
    held : float array, (thetas, m)
        Known typical values on their scale; 0 elsewhere.
    size : int
        How many thetas are estimated.
    """

    place: np.ndarray
    held: np.ndarray
    size: int

    def of(self, chosen: np.ndarray) -> Levels:
        """Return the levels of some subjects, in this order."""
        return Levels(self.place[:, chosen], self.held[:, chosen], self.size)

    def values(self, x: np.ndarray) -> np.ndarray:
        """Return subjects' typical values on their scale, (..., thetas, m), from estimated thetas (..., size)."""
        if not self.size:
            return np.broadcast_to(self.held, (*x.shape[:-1], *self.held.shape))
        return np.where(self.place < 0, self.held, x[..., np.maximum(self.place, 0)])

    def expanded(self, by: np.ndarray) -> np.ndarray:
        """Return derivatives by estimated thetas, (..., size, m), from those by typical values (..., thetas, m)."""
        if not by.shape[-2]:
            return by
        out = np.zeros((*by.shape[:-2], self.size, by.shape[-1]))
        theta, subject, entry = self.estimated
        out[..., entry, subject] = by[..., theta, subject]
        return out

    @cached_property
    def estimated(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Thetas and subjects whose typical value is estimated, and its number."""
        theta, subject = np.nonzero(self.place >= 0)
        return theta, subject, self.place[theta, subject]
