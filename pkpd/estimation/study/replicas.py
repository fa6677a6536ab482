"""Reports as they might have been: facts drawn anew under the model, each with a likelihood that fits how it was drawn.

A statement on a window is drawn measurement by measurement. If not all of them keep to the bound, each measurement is a
statement of its own, so that both outcomes have a likelihood. A peak is drawn with its day: the density of the
measurement that is largest, and the probability that all others are less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PkpdError
from pkpd.observation.packing import cell_times

if TYPE_CHECKING:
    from pkpd.estimation.study.problem import StudyProblem
    from pkpd.observation import api
    from pkpd.observation.term import Term

__all__ = ["Replicator"]

Floats = NDArray[np.float64]
_MEASURED = ("density", "peak", "nadir", "below", "above")


class Replicator:
    """Draws what else could have been reported about the patients of a problem.

    Parameters
    ----------
    problem : StudyProblem
    likelihood : Likelihood, optional
        Of the problem; a new one by default.
    """

    def __init__(self, problem: StudyProblem, likelihood: api.Likelihood | None = None) -> None:
        from pkpd.observation.api import Likelihood

        like = likelihood if likelihood is not None else problem.likelihood()
        self.problem = problem
        self.terms: list[Term] = list(like.terms)
        self.times = [like.cells.time[like.cells.term == t] for t in range(len(self.terms))]
        self.owner = [s for s in like.subjects for _ in s.terms]
        self.single = [list(_singles(t, at)) for t, at in zip(self.terms, self.times, strict=True)]
        by_subject: dict[str, list[Term]] = {}
        for who, parts in zip(self.owner, self.single, strict=True):
            by_subject.setdefault(who.name, []).extend(parts)
        subjects = [replace(s, terms=tuple(by_subject[s.name])) for s in like.subjects]
        self.cells = Likelihood(
            like.model, subjects, like.free, scaled=like.scaled, rtol=problem.study.rtol, atol=problem.study.atol,
            every=like.every,
        )  # fmt: skip

    def draw(self, values: Floats, errors: Floats, seed: int) -> StudyProblem | None:
        """Return the problem with facts drawn at these values, or None where the equations cannot be solved.

        Parameters
        ----------
        values : array, shape (patients, free)
        errors : array, shape (output,)
        seed : int

        Raises
        ------
        PkpdError
            If a ratio was drawn that is not positive, which has no likelihood.
        """
        measured = self.cells.replicate(values[self.problem.rows], errors, seed).statistic
        if not np.isfinite(measured).all():
            return None
        drawn: dict[str, list[Term]] = {}
        first = 0
        for term, parts, times, who in zip(self.terms, self.single, self.times, self.owner, strict=True):
            y = measured[first : first + len(parts)]
            first += len(parts)
            drawn.setdefault(who.name, []).extend(self._anew(term, times, y))
        subjects = tuple(replace(s, terms=tuple(drawn.get(s.name, ()))) for s in self.problem.subjects)
        return replace(self.problem, subjects=subjects)

    def _anew(self, term: Term, times: Floats, y: Floats) -> Sequence[Term]:
        if term.kind in ("peak", "nadir"):
            return _extreme(term, times, y, self.cells.every)
        if term.kind in ("below", "above"):
            return _bound(term, times, y)
        if term.kind == "grade":
            return [_graded(term, float(y[0]), self._highest(term))]
        if term.kind == "density":
            return [replace(term, value=float(y[0]))]
        if not y[0] > 0:
            raise PkpdError(f"fact '{term.name}': a ratio of {y[0]:.3g} was drawn, which has no likelihood")
        if term.kind == "ratio":
            return [replace(term, value=float(y[0]))]
        return [replace(term, kind="ratio_below" if y[0] < term.value else "ratio_above")]

    def _highest(self, term: Term) -> int:
        error: Any = self.problem.model.outputs[term.output].error
        return len(error.cuts)


def _singles(term: Term, times: Floats) -> Sequence[Term]:
    """Return terms whose replicates are the measurements that a term is made of."""
    if term.kind in _MEASURED:
        return [
            replace(term, name=f"{term.name}#{k}", kind="density", time=float(t), time_to=None, at=None, value_to=None)
            for k, t in enumerate(times)
        ]
    return [replace(term, kind="ratio") if term.kind.startswith("ratio") else term]


def _extreme(term: Term, times: Floats, y: Floats, every: float) -> list[Term]:
    """Return a peak at the largest measurement, or a nadir at the smallest."""
    k = int(np.argmax(y) if term.kind == "peak" else np.argmin(y))
    value, at = float(y[k]), float(times[k])
    out = [replace(term, value=value, at=at)]
    # the reported day need not lie on the window's grid; it was measured all the same
    assert term.at is not None
    if k != 0 and not np.isclose(cell_times(out[0], every), term.at, rtol=0.0, atol=1e-6).any():
        kind = "below" if term.kind == "peak" else "above"
        out.append(replace(term, name=f"{term.name}#at", kind=kind, time=term.at, time_to=None, at=None, value=value))
    return out


def _bound(term: Term, times: Floats, y: Floats) -> list[Term]:
    """Return the statement itself if all measurements keep to it, else one for each measurement."""
    below = y < term.value
    if (below if term.kind == "below" else ~below).all():
        return [term]
    return [
        replace(term, name=f"{term.name}#{k}", kind="below" if b else "above", time=float(t), time_to=None)
        for k, (t, b) in enumerate(zip(times, below, strict=True))
    ]


def _graded(term: Term, grade: float, highest: int) -> Term:
    """Return which part of the scale a grade fell in: below the reported range, in it, or above."""
    low = term.value
    high = term.value if term.value_to is None else term.value_to
    if grade < low:
        return replace(term, value=0.0, value_to=low - 1.0)
    if grade > high:
        return replace(term, value=high + 1.0, value_to=float(highest))
    return term
