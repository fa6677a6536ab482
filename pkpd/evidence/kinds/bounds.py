"""Bounds of a value, at one time or all the time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pkpd.evidence.kinds.kind import CellRule, FactKind, Redrawn
from pkpd.evidence.kinds.measured import log_above, log_below, measurements
from pkpd.evidence.term import Term

__all__ = ["Above", "Below"]


class _Bound(FactKind):
    """The output was beyond a value at a time, or at all times of a window."""

    shape = "window"
    also = ("time_to",)
    region = True

    def statistic(self, y: np.ndarray, term: Term, noise: np.ndarray) -> np.ndarray:
        """Return the share of the measurements that keep to the bound."""
        return (y < term.value if self.sign == "<" else y > term.value).mean(axis=1)

    def singles(self, term: Term, times: np.ndarray) -> list[Term]:
        """Return the measurements."""
        return measurements(term, times)

    def redrawn(self, term: Term, drawn: Redrawn) -> list[Term]:
        """Return the statement itself if all measurements keep to it, else one for each measurement."""
        below = drawn.y < term.value
        if (below if self.sign == "<" else ~below).all():
            return [term]
        return [
            replace(term, name=f"{term.name}#{k}", kind="below" if b else "above", time=float(t), time_to=None)
            for k, (t, b) in enumerate(zip(drawn.times, below, strict=True))
        ]


class Below(_Bound):
    """The output was less than a value."""

    name = "below"
    label = "less than"
    sign = "<"
    glyph = "ceiling"

    def rules(self, n: int) -> list[CellRule]:
        """Return the probability of less in each cell."""
        return [CellRule(log_below, (k,)) for k in range(n)]


class Above(_Bound):
    """The output was more than a value."""

    name = "above"
    label = "more than"
    sign = ">"
    glyph = "floor"

    def rules(self, n: int) -> list[CellRule]:
        """Return the probability of more in each cell."""
        return [CellRule(log_above, (k,)) for k in range(n)]
