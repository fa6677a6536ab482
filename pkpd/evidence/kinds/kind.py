"""What a kind of fact is: columns, cells, probability, replicates, words and glyph in one class."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pkpd.errors import DataError, ModelError, PkpdError, nearest
from pkpd.evidence.kinds.declared import Glyph, Shape, Takes, declaration_faults
from pkpd.evidence.term import Term
from pkpd.model.residual import ResidualError

__all__ = [
    "Cell",
    "CellRule",
    "FactKind",
    "Glyph",
    "Redrawn",
    "Stated",
    "fact_kinds",
    "kind_named",
    "kind_of_fact",
    "term_kinds",
]

#: times closer than this are one cell
SAME = 1e-6


@dataclass(frozen=True)
class Cell:
    """One measurement that a fact is made of; numbers, arrays or expressions.

    Attributes
    ----------
    f : prediction, in the output's unit
    error : ResidualError
        Of the output.
    factor : on its standard deviation
    """

    f: Any
    error: ResidualError
    factor: Any

    def read(self, reading: Any = 0.0) -> ResidualError:
        """Return the error of what was measured and then read with a relative standard deviation."""
        return self.error.widened(self.f, self.factor, reading)

    @property
    def sd(self) -> Any:
        """Standard deviation of the measurement."""
        return self.read().sd(self.f)


@dataclass(frozen=True)
class Stated:
    """The numbers of a fact; numbers, arrays or expressions.

    Attributes
    ----------
    value, value_to : in the output's unit; equal where one was stated, NaN where none was
    reading : relative standard deviation of reading
    """

    value: Any
    value_to: Any
    reading: Any


class Redrawn(NamedTuple):
    """Replicates of what a fact is made of.

    Attributes
    ----------
    times : float array, (cells,)
    y : float array, (singles,)
    every : float
        Time between the cells of a window.
    error : ResidualError
        Of the output.
    """

    times: np.ndarray
    y: np.ndarray
    every: float
    error: ResidualError


@dataclass(frozen=True)
class CellRule:
    """A factor of a fact's probability.

    Attributes
    ----------
    log : callable of (cells, Stated)
        Its logarithm; for expressions and arrays alike.
    cells : tuple of int
        Which of the fact's cells it speaks of.
    """

    log: Callable[[Sequence[Cell], Stated], Any]
    cells: tuple[int, ...]


class FactKind:
    """A kind of fact; a subclass with a ``name`` is known from its definition on.

    A subclass gives at least `log_probability` and `statistic`. The functions of ``pkpd`` (``exp``, ``log``, ``where``
    ...) take expressions, which the likelihood differentiates and compiles, and arrays alike.

    Attributes
    ----------
    name : str
        In ``Term.kind``.
    fact : str
        In the column ``kind`` of ``facts.csv``; ``name`` where it is empty.
    op : str
        In the column ``op``, for a word that stands for several kinds.
    fitted : bool
        Whether there is a likelihood.
    shape : {"time", "window", "extreme", "pair"}
        Which cells: one time; a time or all times of a window; a window with the time ``at`` of an extreme; two times.
    needs, also : tuple of str
        Columns of ``facts.csv`` that a fact to fit must fill, and may fill besides; a region may do without ``value``.
    rule : (str, callable), optional
        What the value must be, and whether it is.
    has_unit : bool
        Whether the value is in the unit of the output.
    above_zero : bool
        Whether the value must be.
    of_output : bool
        Whether the value is one that the output itself may have, above 0 where its error is on a logarithmic scale; a
        difference of two days is not.
    takes : {"number", "grade"}
        What is observed of the output.
    region : bool
        Whether it states a region, which has a probability, and not a number, which has a density.
    reads_cells : bool
        Whether the reading error is that of each measurement, not of what is stated of them.
    sign, label : str
        For texts and keys: ``<`` and "less than".
    glyph : {"point", "peak", "nadir", "ceiling", "floor", "slope", "grade", "none"}
        How figures draw it: a circle, triangles, an upper and a lower bound, a ratio between two times, a grade, not at
        all.
    """

    name: ClassVar[str] = ""
    fact: ClassVar[str] = ""
    op: ClassVar[str] = ""
    fitted: ClassVar[bool] = True
    shape: ClassVar[Shape] = "time"
    needs: ClassVar[tuple[str, ...]] = ("time", "value")
    also: ClassVar[tuple[str, ...]] = ()
    rule: ClassVar[tuple[str, Callable[[float], bool]] | None] = None
    has_unit: ClassVar[bool] = True
    above_zero: ClassVar[bool] = False
    of_output: ClassVar[bool] = True
    takes: ClassVar[Takes] = "number"
    region: ClassVar[bool] = False
    reads_cells: ClassVar[bool] = True
    sign: ClassVar[str] = "="
    label: ClassVar[str] = ""
    glyph: ClassVar[Glyph] = "point"

    def __init_subclass__(cls) -> None:
        name = cls.__dict__.get("name")
        if name is None:
            return
        who = f"kind of fact '{name}' of {cls.__qualname__}"
        mine = (cls.__module__, cls.__qualname__)
        others = {n: k for n, k in _KINDS.items() if (type(k).__module__, type(k).__qualname__) != mine}
        if name in others:
            other = type(others[name])
            raise ModelError(f"{who}: {other.__qualname__} of {_home(other)} has this name; choose another")
        if faults := declaration_faults(cls, FactKind):
            raise ModelError(f"{who}: {'; '.join(faults)}")
        word = cls.fact or name
        for other in others.values():
            if (other.fact or other.name) == word and (not other.op or not cls.op or other.op == cls.op):
                raise ModelError(
                    f"{who}: kind '{other.name}' is written '{word}' in facts.csv; set fact to another word"
                )
        cls.label = cls.__dict__.get("label", name)
        _KINDS[name] = cls()

    # -- cells

    def times(self, term: Term, every: float) -> np.ndarray:
        """Return when the output is measured: the time of the extreme first, two times in order.

        Parameters
        ----------
        every : float
            A window is taken as measured at its ends and this far apart, from its beginning on.
        """
        if term.time_to is None or self.shape == "time":
            return np.array([term.time])
        if self.shape == "pair":
            return np.array([term.time, term.time_to])
        inside = np.arange(term.time, term.time_to, every)
        window = np.append(inside[inside < term.time_to - SAME], term.time_to)
        if term.at is None:
            return window
        return np.append(term.at, window[np.abs(window - term.at) > SAME])

    def days(self, time: float | None, time_to: float | None, at: float | None) -> tuple[float, ...]:
        """Return the days whose values are stated; a curve that shows all of them supersedes the fact.

        Of an extreme the day on which it was measured, of a pair both, of a window its ends.
        """
        return tuple(day for day in ((at,) if self.shape == "extreme" else (time, time_to)) if day is not None)

    # -- probability

    def log_probability(self, cells: Sequence[Cell], said: Stated) -> Any:
        """Return the logarithm of the probability, or of the density, of the fact given all its cells."""
        raise ModelError(f"kind of fact '{self.name}' has no log_probability")

    def log_less(self, cells: Sequence[Cell], said: Stated) -> Any:
        """Return the logarithm of the probability of less than was stated."""
        raise ModelError(f"kind of fact '{self.name}' has no log_less")

    def rules(self, n: int) -> list[CellRule]:
        """Return factors of the probability, for n cells; one of all cells unless they are independent."""
        return [CellRule(self.log_probability, tuple(range(n)))]

    def less(self, n: int) -> list[CellRule] | None:
        """Return factors of the probability of less than was stated; None where that is not known."""
        if type(self).log_less is FactKind.log_less:
            return None
        return [CellRule(self.log_less, tuple(range(n)))]

    def more(self, n: int) -> list[CellRule] | None:
        """Return factors of the probability of more, where that of less is not given."""
        return None

    # -- replicates

    def statistic(self, y: np.ndarray, term: Term, noise: np.ndarray) -> np.ndarray:
        """Return what is stated of measurements.

        Parameters
        ----------
        y : float array, (n, cells)
        noise : float array, (n,)
            What reading multiplies a statement by, where that is not part of the measurements.
        """
        raise ModelError(f"kind of fact '{self.name}' has no statistic")

    def observed(self, term: Term) -> float:
        """Return the statistic of what was reported: 1 for a region, the value otherwise."""
        return 1.0 if self.region else term.value

    @property
    def counts(self) -> bool:
        """Whether the statistic says if, or how far, a region was met, and not a number that was measured."""
        return self.region and type(self).observed is FactKind.observed

    def singles(self, term: Term, times: np.ndarray) -> list[Term]:
        """Return terms whose replicates are what a new fact is made of."""
        return [term]

    def redrawn(self, term: Term, drawn: Redrawn) -> list[Term]:
        """Return the fact as it would be reported of replicates of ``singles``, each with a likelihood."""
        y = drawn.y
        if self.region:
            raise PkpdError(
                f"fact '{term.name}': kind '{self.name}' does not say what is reported where its region is not met; "
                "give the class singles and redrawn, see docs/kind_of_fact.md"
            )
        if self.above_zero and not y[0] > 0:
            raise PkpdError(f"fact '{term.name}': a {self.name} of {y[0]:.3g} was drawn, which has no likelihood")
        return [replace(term, value=float(y[0]))]

    # -- words

    def words(self, marker: str, number: str, days: str, at: str) -> str:
        """Write the statement as ``CRP < 300 mg/L, day 6 to 13``; ``at`` is the day of an extreme, or empty."""
        return f"{' '.join(filter(None, (marker, self.sign, number)))}{at}, {days}"

    # -- faults

    def faults(self, term: Term, error: ResidualError, start: float) -> Iterator[str]:
        """Yield what is wrong with a term of this kind.

        Parameters
        ----------
        error : ResidualError
            Of its output.
        start : float
            Time from which the subject is simulated.
        """
        yield from self._time_faults(term, start)
        kind = type(error).__name__
        if (self.takes == "grade") != (error.data == "grade"):
            graded = " or ".join(repr(k.name) for k in _KINDS.values() if k.takes == "grade")
            ordinal = error.data == "grade"
            what = f"is ordinal: use kind {graded}" if ordinal else f"has {kind} error: '{self.name}' needs Ordinal"
            yield f"output '{term.output}' {what}, got kind '{self.name}'"
        elif self.takes == "grade":
            yield from self._value_faults(term, error)
        elif error.exact and not term.reading_sd > 0:
            yield f"output '{term.output}' is Exact: reading_sd must be > 0, got {term.reading_sd:g}"
        elif self.above_zero and term.value <= 0:
            yield f"value of a {self.name} must be > 0, got {term.value:g}"
        elif self.of_output and (error.data == "log" or error.exact) and term.value <= 0:
            yield (
                f"value must be > 0, as '{term.output}' has {kind} error, got {term.value:g}; a kind whose values are "
                "none of the output says of_output = False"
            )
        else:
            yield from self._value_faults(term, error)

    def _value_faults(self, term: Term, error: ResidualError) -> Iterator[str]:
        """Yield what is wrong with the value."""
        yield from ()

    def _time_faults(self, term: Term, start: float) -> Iterator[str]:
        if term.time is None or not math.isfinite(term.time):
            yield f"time must be a finite number, got {term.time}"
            return
        first = min([t for t in (term.time, term.at, term.time_to) if t is not None])
        if first < start:
            yield f"time {first:g} is before the start of the simulation at {start:g}"
        if self.shape == "extreme":
            if term.time_to is None or term.at is None:
                yield f"a {self.name} needs time_to and at"
            elif not term.time <= term.at <= term.time_to:
                yield f"at must lie in the window {term.time:g} to {term.time_to:g}, got {term.at:g}"
        elif term.at is not None:
            takers = " and ".join(k.name for k in _KINDS.values() if k.shape == "extreme")
            yield f"at is for {takers}, got {term.at:g} with kind '{self.name}'"
        if self.shape == "pair" and (term.time_to is None or term.time_to == term.time):
            yield f"a {self.name} needs time_to, another time than {term.time:g}"
        if self.shape == "time" and term.time_to is not None:
            yield f"a {self.name} is of one time, got time_to {term.time_to:g}"
        if self.shape in ("window", "extreme") and term.time_to is not None and term.time_to < term.time:
            yield f"time_to must not be before time {term.time:g}, got {term.time_to:g}"


_KINDS: dict[str, FactKind] = {}


def _home(kind: type) -> str:
    """Return the file, else the module, that defines a class."""
    return getattr(sys.modules.get(kind.__module__), "__file__", None) or kind.__module__


def term_kinds() -> dict[str, FactKind]:
    """Return all kinds with a likelihood by their names."""
    return {n: k for n, k in _KINDS.items() if k.fitted}


def kind_named(name: str) -> FactKind:
    """Return the kind of a term.

    Raises
    ------
    DataError
        If there is none of this name.

    Examples
    --------
    >>> kind_named("peak").glyph
    'peak'
    """
    known = term_kinds()
    if name not in known:
        raise DataError(f"kind must be one of {', '.join(known)}, got {name!r}{nearest(str(name), known)}")
    return known[name]


def fact_kinds() -> dict[str, FactKind]:
    """Return kinds by the words of the column ``kind`` of ``facts.csv``; the first of a word that has several."""
    out: dict[str, FactKind] = {}
    for kind in _KINDS.values():
        out.setdefault(kind.fact or kind.name, kind)
    return out


def kind_of_fact(word: str, op: str) -> FactKind | None:
    """Return the kind of a fact with a likelihood, from its columns ``kind`` and ``op``; None where it has none."""
    for kind in term_kinds().values():
        if (kind.fact or kind.name) == word and (not kind.op or kind.op == op):
            return kind
    return None
