"""The largest or smallest value of a window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pkpd.evidence.kinds.kind import SAME, CellRule, FactKind, Redrawn
from pkpd.evidence.kinds.measured import log_above, log_below, log_value, measurements
from pkpd.evidence.term import Term

__all__ = ["Nadir", "Peak"]


class _Extreme(FactKind):
    """The extreme of a window was so much, measured at a time: the first cell."""

    shape = "extreme"
    needs = ("time", "time_to", "at", "value")

    def singles(self, term: Term, times: np.ndarray) -> list[Term]:
        """Return the measurements."""
        return measurements(term, times)

    def _at(self, term: Term, drawn: Redrawn, k: int, others: str) -> list[Term]:
        value, at = float(drawn.y[k]), float(drawn.times[k])
        out = [replace(term, value=value, at=at)]
        # the reported day need not lie on the window's grid; it was measured all the same
        seen = drawn.times[0]
        if k != 0 and not np.isclose(self.times(out[0], drawn.every), seen, rtol=0.0, atol=SAME).any():
            more = replace(term, name=f"{term.name}#at", kind=others, time=float(seen), time_to=None, at=None)
            out.append(replace(more, value=value))
        return out


class Peak(_Extreme):
    """The largest measurement of a window."""

    name = "peak"
    label = "peak in its window"
    sign = "peak"
    glyph = "peak"

    def rules(self, n: int) -> list[CellRule]:
        """Return the density of the peak, and the probability of less in each other cell."""
        return [CellRule(log_value, (0,)), *(CellRule(log_below, (k,)) for k in range(1, n))]

    def less(self, n: int) -> list[CellRule]:
        """Return the probability of less in each cell."""
        return [CellRule(log_below, (k,)) for k in range(n)]

    def statistic(self, y: np.ndarray, term: Term, noise: np.ndarray) -> np.ndarray:
        """Return the largest measurement."""
        return y.max(axis=1)

    def redrawn(self, term: Term, drawn: Redrawn) -> list[Term]:
        """Return a peak at the largest measurement."""
        return self._at(term, drawn, int(np.argmax(drawn.y)), "below")


class Nadir(_Extreme):
    """The smallest measurement of a window."""

    name = "nadir"
    label = "nadir in its window"
    sign = "nadir"
    glyph = "nadir"

    def rules(self, n: int) -> list[CellRule]:
        """Return the density of the nadir, and the probability of more in each other cell."""
        return [CellRule(log_value, (0,)), *(CellRule(log_above, (k,)) for k in range(1, n))]

    def more(self, n: int) -> list[CellRule]:
        """Return the probability of more in each cell."""
        return [CellRule(log_above, (k,)) for k in range(n)]

    def statistic(self, y: np.ndarray, term: Term, noise: np.ndarray) -> np.ndarray:
        """Return the smallest measurement."""
        return y.min(axis=1)

    def redrawn(self, term: Term, drawn: Redrawn) -> list[Term]:
        """Return a nadir at the smallest measurement."""
        return self._at(term, drawn, int(np.argmin(drawn.y)), "above")
