"""The ratio of a value to an earlier one, and bounds of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pkpd.engine.graph.functions import sqrt, where
from pkpd.evidence.kinds.kind import Cell, FactKind, Redrawn, Stated
from pkpd.evidence.term import Term
from pkpd.model.residual import LogNormal

__all__ = ["Ratio", "RatioAbove", "RatioBelow"]


def _law(cells: Sequence[Cell], said: Stated) -> tuple[Any, LogNormal]:
    """Return the median of the ratio and its error: that of both measurements, to first order, and of reading."""
    before, after = cells
    total = before.read().log_variance(before.f) + after.read().log_variance(after.f)
    return after.f / before.f, LogNormal.of(sigma=sqrt(total + said.reading * said.reading))


def _guarded(cells: Sequence[Cell], log: Any) -> Any:
    """Return a log-probability, -inf where a prediction is not above 0."""
    return where((cells[0].f > 0) & (cells[1].f > 0), log, -np.inf)


class _Change(FactKind):
    """A change, as a ratio."""

    fact = "change"
    shape = "pair"
    needs = ("time", "time_to", "op", "value")
    rule = ("a ratio > 0", lambda x: x > 0)
    has_unit = False
    above_zero = True
    reads_cells = False
    glyph = "slope"

    def words(self, marker: str, number: str, days: str, at: str) -> str:
        """Write the statement as ``CRP ratio < 0.5, day 6 to 13``."""
        return f"{marker} ratio {self.op} {number}, {days}"


class Ratio(_Change):
    """The value at ``time_to`` was so many times that at ``time``."""

    name = "ratio"
    label = "change, as a ratio"
    op = "="

    def log_probability(self, cells: Sequence[Cell], said: Stated) -> Any:
        """Return the log-density of the ratio."""
        f, error = _law(cells, said)
        return _guarded(cells, error.log_density(f, said.value))

    def log_less(self, cells: Sequence[Cell], said: Stated) -> Any:
        """Return the log-probability of a lower ratio."""
        f, error = _law(cells, said)
        return error.log_cdf(f, said.value)

    def statistic(self, y: np.ndarray, term: Term, noise: np.ndarray) -> np.ndarray:
        """Return the ratio of the measurements, as read."""
        return y[:, 1] / y[:, 0] * noise


class _RatioBound(_Change):
    """The value at ``time_to`` was beyond so many times that at ``time``."""

    region = True

    def log_probability(self, cells: Sequence[Cell], said: Stated) -> Any:
        """Return the log-probability of a ratio beyond the bound."""
        f, error = _law(cells, said)
        return _guarded(cells, error.log_cdf(f, said.value, self.op == ">"))

    def statistic(self, y: np.ndarray, term: Term, noise: np.ndarray) -> np.ndarray:
        """Return 1 where the ratio is beyond the bound, 0 elsewhere."""
        ratio = y[:, 1] / y[:, 0] * noise
        return (ratio < term.value if self.op == "<" else ratio > term.value).astype(float)

    def singles(self, term: Term, times: np.ndarray) -> list[Term]:
        """Return the ratio itself."""
        return [replace(term, kind="ratio")]

    def redrawn(self, term: Term, drawn: Redrawn) -> list[Term]:
        """Return on which side of the bound the ratio fell."""
        Ratio().redrawn(term, drawn)  # which refuses a ratio that is not above 0
        return [replace(term, kind="ratio_below" if drawn.y[0] < term.value else "ratio_above")]


class RatioBelow(_RatioBound):
    """The ratio was less than a bound."""

    name = "ratio_below"
    label = "change, as a ratio"
    op = sign = "<"


class RatioAbove(_RatioBound):
    """The ratio was more than a bound."""

    name = "ratio_above"
    label = "change, as a ratio"
    op = sign = ">"
