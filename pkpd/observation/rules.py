"""Factors of the probabilities of terms, those of one form together; as expressions and on arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pkpd.engine.graph.derivative import derivative
from pkpd.engine.graph.fingerprint import fingerprint
from pkpd.engine.graph.nodes import Node, as_node, symbol
from pkpd.errors import DataError, ModelError
from pkpd.evidence.kinds import Cell, CellRule, FactKind, Stated, kind_named
from pkpd.evidence.term import Term
from pkpd.model.residual import ResidualError
from pkpd.observation.tape import Tape, tape

__all__ = [
    "Factors", "RuleGroup", "Said", "compiled_rule", "grouped", "law_of_rule", "log_densities", "moved_error",
    "said_of", "summed",
]  # fmt: skip

Log = Callable[[Sequence[Cell], Stated], Any]


@dataclass(frozen=True)
class Said:
    """What terms state, (terms,) each.

    Attributes
    ----------
    value, value_to, reading : float array
    """

    value: np.ndarray
    value_to: np.ndarray
    reading: np.ndarray


@dataclass(frozen=True)
class RuleGroup:
    """Factors of one form on one output.

    Attributes
    ----------
    log : callable of (cells, Stated)
    output : str
    term : int array, (n,)
    cells : int array, (k, n)
        Numbers of the cells that each speaks of.
    """

    log: Log
    output: str
    term: np.ndarray
    cells: np.ndarray


class Factors:
    """The factors of terms.

    Parameters
    ----------
    terms : sequence of Term
    first : int array, (terms + 1,)
        Ranges of cells.

    Attributes
    ----------
    all : list of RuleGroup
        Of their probabilities.
    """

    def __init__(self, terms: Sequence[Term], first: np.ndarray) -> None:
        self._terms, self._first = terms, first
        self.all = grouped(terms, first, lambda kind, n: kind.rules(n))

    @cached_property
    def less(self) -> list[RuleGroup]:
        """Of the probability of less than what each term states, where that is known."""
        return grouped(self._terms, self._first, lambda kind, n: kind.less(n))

    @cached_property
    def more(self) -> list[RuleGroup]:
        """Of the probability of more, where that of less is not given."""
        return grouped(self._terms, self._first, lambda kind, n: kind.more(n) if kind.less(n) is None else None)


def said_of(terms: Sequence[Term]) -> Said:
    """Return what terms state, as arrays."""
    value = np.array([t.value for t in terms], np.float64)
    value_to = np.array([t.value if t.value_to is None else t.value_to for t in terms], np.float64)
    return Said(value, value_to, np.array([t.reading_sd for t in terms], np.float64))


def grouped(
    terms: Sequence[Term], first: np.ndarray, rules: Callable[[FactKind, int], list[CellRule] | None]
) -> list[RuleGroup]:
    """Return the factors of terms, those of one form together.

    Parameters
    ----------
    first : int array, (terms + 1,)
        Ranges of cells.
    rules : callable
        From the kind of a term and its number of cells to its factors; a term without is left out.
    """
    found: dict[tuple[Log, int, str], tuple[list[int], list[list[int]]]] = {}
    for t, term in enumerate(terms):
        begin, end = int(first[t]), int(first[t + 1])
        for rule in rules(kind_named(term.kind), end - begin) or ():
            owners, cells = found.setdefault((rule.log, len(rule.cells), term.output), ([], []))
            owners.append(t)
            cells.append([begin + c for c in rule.cells])
    return [
        RuleGroup(log, output, np.array(owners, np.int64), np.array(cells, np.int64).T)
        for (log, _, output), (owners, cells) in found.items()
    ]


def moved_error(error: ResidualError) -> tuple[ResidualError, list[Node]]:
    """Return a residual error in terms of symbols for its parameters, ``p0``, ``p1``, ..., and these."""
    own = [symbol(f"p{i}", "covariate") for i in range(len(error.parameters))]
    return (error.with_parameters(own) if own else error), own


def _traced(log: Log, output: str, error: ResidualError, k: int) -> tuple[list[Node], list[Node], list[Node], Node]:
    """Return the expression of a factor of k cells behind its symbols: predictions; factor on standard deviations,
    reading error, value and end of the range; parameters of the residual error.

    Raises
    ------
    DataError
        If the error does not know what the kind of fact needs.
    """  # noqa: D205
    f = [symbol(f"f{i}", "covariate") for i in range(k)]
    stated = [symbol(n, "covariate") for n in ("factor", "reading", "value", "value_to")]
    factor, reading, value, value_to = stated
    moved, own = moved_error(error)
    try:
        root = as_node(log([Cell(each, moved, factor) for each in f], Stated(value, value_to, reading)))
    except ModelError as fault:
        raise DataError(f"likelihood: output '{output}': {fault}") from None
    return f, stated, own, root


def law_of_rule(log: Log, output: str, error: ResidualError, k: int) -> str:
    """Return a hash of a factor of k cells: of what its kind and the residual error compute, not of their names."""
    *_, root = _traced(log, output, error, k)
    return fingerprint([root])


def compiled_rule(log: Log, output: str, error: ResidualError, k: int) -> Tape:
    """Return machine code of a factor of k cells.

    Its inputs are the predictions of the cells, the factor on standard deviations, reading error, value, end of the
    range, and the parameters of the residual error; it writes the logarithm and its derivatives by predictions and
    factor.

    Raises
    ------
    DataError
        If the error does not know what the kind of fact needs.
    """
    f, stated, own, root = _traced(log, output, error, k)
    slopes = [derivative([root], each)[0] for each in (*f, stated[0])]
    return tape([*f, *stated, *own], [root, *slopes])


def log_densities(error: ResidualError, y: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log-densities of data and their derivatives by predictions, each of the shape (n,) of both."""
    at, datum = symbol("f", "covariate"), symbol("y", "covariate")
    moved, own = moved_error(error)
    root = as_node(moved.log_density(at, datum))
    code = tape([at, datum, *own], [root, derivative([root], at)[0]])
    found, slope = code(np.array([f, y, *(np.full(f.size, p.value) for p in error.parameters)]))
    return found, slope


def summed(
    groups: Sequence[RuleGroup], errors: dict[str, ResidualError], said: Said, f: np.ndarray, factor: np.ndarray
) -> np.ndarray:
    """Return the sums of the factors' logarithms, (terms,); NaN for a term without.

    Parameters
    ----------
    f, factor : float array, (cells,)
        Predictions, and factors on standard deviations.
    """
    total, there = np.zeros(said.value.size), np.zeros(said.value.size, bool)
    for group in groups:
        cells = [Cell(f[c], errors[group.output], factor[c]) for c in group.cells]
        t = group.term
        found = group.log(cells, Stated(said.value[t], said.value_to[t], said.reading[t]))
        np.add.at(total, t, found)
        there[t] = True
    return np.where(there, total, np.nan)
