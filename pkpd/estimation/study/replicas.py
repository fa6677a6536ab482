"""Reports as they might have been: facts drawn anew under the model, each with a likelihood that fits how it was drawn.

A statement on a window is drawn measurement by measurement. If not all of them keep to the bound, each measurement is a
statement of its own, so that both outcomes have a likelihood. A peak is drawn with its day: the density of the
measurement that is largest, and the probability that all others are less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pkpd.evidence.kinds import Redrawn, kind_named

if TYPE_CHECKING:
    from pkpd.estimation.study.problem import StudyProblem
    from pkpd.evidence.term import Term
    from pkpd.observation import api

__all__ = ["Replicator"]

Floats = NDArray[np.float64]


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
        self.single = [kind_named(t.kind).singles(t, at) for t, at in zip(self.terms, self.times, strict=True)]
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
        return kind_named(term.kind).redrawn(term, Redrawn(times, y, self.cells.every, self.cells.errors[term.output]))
