"""How probable a patient's observations are for many draws of the patient: rows of a table, and what terms state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pkpd.estimation.methods.complete import Complete
from pkpd.estimation.methods.saem_chains import occasions_of
from pkpd.observation.api import Likelihood
from pkpd.observation.packing import checked_records

if TYPE_CHECKING:
    from pkpd.estimation.problem import Problem
    from pkpd.model.model import Model
    from pkpd.observation.subject import Subject

__all__ = ["RowsLikelihood", "TermsLikelihood", "Weighed"]

#: draws that are solved side by side
BLOCK = 250


@dataclass(frozen=True)
class Weighed:
    """What observations say about draws.

    Attributes
    ----------
    loglik : float array, (draw, observation)
        -inf where a draw could not be solved.
    cells : float array, (draw, cell)
        Predictions that the observations are made of: one of each row, those of a term side by side.
    """

    loglik: np.ndarray
    cells: np.ndarray

    @classmethod
    def together(cls, parts: Sequence[Weighed], axis: int) -> Weighed:
        """Return several as one: of more draws (axis 0) or of more observations (axis 1)."""
        return cls(
            np.concatenate([p.loglik for p in parts], axis=axis), np.concatenate([p.cells for p in parts], axis=axis)
        )


def _blocks(n: int, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the draws of each block, and the same filled up to the size of a block."""
    rows = [np.arange(a, min(a + size, n)) for a in range(0, n, size)]
    return [(own, np.resize(own, size)) for own in rows]


class RowsLikelihood:
    """The likelihood of the rows of one patient's table.

    Parameters
    ----------
    problem : Problem
        Of one subject.

    Attributes
    ----------
    active : bool array, (p,)
        Random effects that the patient has; those of occasions that are not there stay 0.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._complete: dict[int, Complete] = {}
        self.active = occasions_of(self._copies(1))[0]

    def _copies(self, n: int) -> Complete:
        if n not in self._complete:
            self._complete[n] = Complete(self.problem, n)
        return self._complete[n]

    def evaluate(self, x: np.ndarray, effects: np.ndarray) -> Weighed:
        """Return what the rows say at an estimated vector and random effects, (n, p)."""
        size = min(BLOCK, len(effects))
        complete, found = self._copies(size), []
        lay = self.problem.layout
        for rows, filled in _blocks(len(effects), size):
            f = complete.predict(x[: lay.q], effects[filled])
            l = complete.rows(f, x[lay.q + lay.w :]).reshape(size, -1)[: len(rows)]
            found.append(Weighed(np.where(np.isfinite(l), l, -np.inf), f.reshape(size, -1)[: len(rows)]))
        return Weighed.together(found, 0)

    def slope(self, x: np.ndarray, effects: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log-likelihood at random effects, (p,), and its derivatives by them."""
        lay = self.problem.layout
        found = self._copies(1).slopes(x[: lay.q], effects[None], x[lay.q + lay.w :], information=False)
        return float(found.l[0]), found.eta[0]


class TermsLikelihood:
    """The likelihood of one patient's terms; what does not depend on draws is prepared once.

    Parameters
    ----------
    model : Model
    patient : Subject
    free : sequence of str
        What differs between draws: parameters, or ``eta_<parameter>``.
    every : float
        As for `Likelihood`.
    """

    def __init__(self, model: Model, patient: Subject, free: Sequence[str], every: float) -> None:
        self.model, self.patient, self.free, self.every = model, patient, tuple(free), every
        # What is wrong with the patient is wrong with every draw; it is said once.
        checked_records(model, [patient], every, "individual")
        self._likelihood: dict[int, Likelihood] = {}

    def _copies(self, n: int) -> Likelihood:
        if n not in self._likelihood:
            subjects = [replace(self.patient, name=f"draw {i + 1}") for i in range(n)]
            self._likelihood[n] = Likelihood(self.model, subjects, self.free, every=self.every)
        return self._likelihood[n]

    @property
    def first(self) -> np.ndarray:
        """Ranges of the cells of each term, (terms + 1,)."""
        return self._copies(1).first

    def evaluate(self, values: np.ndarray) -> Weighed:
        """Return what the terms say at values of what is free, (n, free)."""
        size = min(BLOCK, len(values))
        likelihood, found = self._copies(size), []
        for rows, filled in _blocks(len(values), size):
            each = likelihood.evaluate(values[filled], gradient=False)
            l = each.terms.reshape(size, -1).copy()
            l[each.status != 0] = -np.inf
            l = np.where(np.isnan(l), -np.inf, l)[: len(rows)]
            found.append(Weighed(l, each.cells.reshape(size, -1)[: len(rows)]))
        return Weighed.together(found, 0)

    def slope(self, values: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log-likelihood at values, (free,), and its derivatives."""
        found = self._copies(1).evaluate(values[None])
        return float(found.loglik[0]), found.gradient[0]
