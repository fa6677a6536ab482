"""A value, and what single measurements say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pkpd.evidence.kinds.kind import Cell, CellRule, FactKind, Stated
from pkpd.evidence.term import Term

__all__ = ["Value", "log_above", "log_below", "log_value", "measurements"]


def log_value(cells: Sequence[Cell], said: Stated) -> Any:
    """Return the log-density of the value in one cell."""
    return cells[0].read(said.reading).log_density(cells[0].f, said.value)


def log_below(cells: Sequence[Cell], said: Stated) -> Any:
    """Return the log-probability of less than the value in one cell."""
    return cells[0].read(said.reading).log_cdf(cells[0].f, said.value)


def log_above(cells: Sequence[Cell], said: Stated) -> Any:
    """Return the log-probability of more than the value in one cell."""
    return cells[0].read(said.reading).log_cdf(cells[0].f, said.value, True)


def measurements(term: Term, times: np.ndarray) -> list[Term]:
    """Return the measurements that a term is made of, a value each."""
    return [
        replace(term, name=f"{term.name}#{k}", kind="density", time=float(t), time_to=None, at=None, value_to=None)
        for k, t in enumerate(times)
    ]


class Value(FactKind):
    """The output was so much at a time."""

    name = "density"
    fact = "value"
    label = "value"

    def rules(self, n: int) -> list[CellRule]:
        """Return the density of the value."""
        return [CellRule(log_value, (0,))]

    def less(self, n: int) -> list[CellRule]:
        """Return the probability of less."""
        return [CellRule(log_below, (0,))]

    def statistic(self, y: np.ndarray, term: Term, noise: np.ndarray) -> np.ndarray:
        """Return the measurement."""
        return y[:, 0]

    def singles(self, term: Term, times: np.ndarray) -> list[Term]:
        """Return the measurement."""
        return measurements(term, times)
