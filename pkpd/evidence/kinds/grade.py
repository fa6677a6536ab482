"""Grades, or ranges of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pkpd.engine.graph.functions import exp, log, where
from pkpd.evidence.kinds.kind import Cell, CellRule, FactKind, Redrawn, Stated
from pkpd.evidence.term import Term
from pkpd.model.residual import ResidualError

__all__ = ["Grade"]


def _log_middle(cells: Sequence[Cell], said: Stated) -> Any:
    """Return the logarithm of the mean of the probabilities below the range and up to its end."""
    f, error = cells[0].f, cells[0].read()
    below = where(said.value > 0.5, exp(error.log_between(f, 0.0, said.value - 1.0)), 0.0)
    return log(below + 0.5 * exp(error.log_between(f, said.value, said.value_to)))


class Grade(FactKind):
    """An ordinal output was graded ``value`` to ``value_to`` at a time."""

    name = "grade"
    also = ("value_to",)
    rule = ("a grade, 0, 1, 2, 3 or 4", lambda x: x in (0, 1, 2, 3, 4))
    has_unit = False
    takes = "grade"
    region = True
    sign = "grade"
    glyph = "grade"

    def log_probability(self, cells: Sequence[Cell], said: Stated) -> Any:
        """Return the log-probability of the range."""
        return cells[0].read().log_between(cells[0].f, said.value, said.value_to)

    def less(self, n: int) -> list[CellRule]:
        """Return the middle of the range's probabilities."""
        return [CellRule(_log_middle, (0,))]

    def statistic(self, y: np.ndarray, term: Term, noise: np.ndarray) -> np.ndarray:
        """Return the grade."""
        return y[:, 0]

    def observed(self, term: Term) -> float:
        """Return the lowest grade of the range."""
        return term.value

    def redrawn(self, term: Term, drawn: Redrawn) -> list[Term]:
        """Return which part of the scale a grade fell in: below the reported range, in it, or above."""
        low = term.value
        high = term.value if term.value_to is None else term.value_to
        if drawn.y[0] < low:
            return [replace(term, value=0.0, value_to=low - 1.0)]
        if drawn.y[0] > high:
            return [replace(term, value=high + 1.0, value_to=drawn.error.highest)]
        return [term]

    def _value_faults(self, term: Term, error: ResidualError) -> Iterator[str]:
        low, high = term.value, term.value if term.value_to is None else term.value_to
        if not (0 <= low <= high <= error.highest and low == int(low) and high == int(high)):
            yield f"grades must be whole numbers from 0 to {error.highest:g}, rising, got {low:g} to {high:g}"
