"""Likelihood of the data given thetas, random effects and residual parameters, and its slopes: complete data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pkpd.observation.density import FIRST, SECOND, Density
from pkpd.observation.predictor import Predictor

if TYPE_CHECKING:
    from pkpd.estimation.problem import Problem
    from pkpd.estimation.vector import PopulationVector

__all__ = ["Complete", "Gradient", "Slopes"]


class Gradient(NamedTuple):
    """Log-likelihood of complete data and its first derivatives, summed over subjects but for their random effects.

    Attributes
    ----------
    l : float
        NaN or infinite where it, or a derivative by a direction, cannot be computed.
    eta : float array, (m, p)
    x, z : float array, (q,), (s,)
        By estimated thetas and residual parameters on their scale.
    """

    l: float
    eta: np.ndarray
    x: np.ndarray
    z: np.ndarray


@dataclass(frozen=True)
class Slopes:
    """Log-likelihood of complete data and its first derivatives; m subjects.

    Attributes
    ----------
    f : float array, (N,)
        Predictions.
    l : float array, (m,)
        ``log p(y_i | eta_i)``; -inf where it cannot be computed.
    eta : float array, (m, p)
    x : float array, (m, q)
        By estimated thetas on their scale.
    z : float array, (m, s)
        By estimated residual parameters on their scale.
    curvature : float array, (q + s, q + s)
        Expected information on (x, z) of all subjects, with none between the two.
    """

    f: np.ndarray
    l: np.ndarray
    eta: np.ndarray
    x: np.ndarray
    z: np.ndarray
    curvature: np.ndarray


class Complete:
    """Likelihood of all subjects of a data set, each of them several times if wanted.

    Parameters
    ----------
    problem : Problem
    copies : int
        Chains of each subject, solved together.

    Attributes
    ----------
    m, p : int
        Subjects times copies; random effects of each: eta, then kappa of each occasion.
    solutions : int
        Solutions of the equations so far.
    """

    def __init__(self, problem: Problem, copies: int = 1) -> None:
        lay = problem.layout
        self.layout: PopulationVector = lay
        self.data = (
            problem.data
            if copies == 1
            else problem.data.of_subjects(np.tile(np.arange(problem.data.n_subjects), copies))
        )
        # one of its own: a predictor writes into its arrays
        self.predictor = Predictor(
            problem.links, self.data, problem.outputs, problem.solver, problem.settings["threads"]
        )
        self.links = problem.links
        values = {(k.output, k.number): lay.sigma0[k.name] for k in lay.sigma_specs}
        self.density = Density(self.data, lay.sigmas, values, interaction=True, laplace=False)
        self.m, self.p, self.q, self.s = self.data.n_subjects, len(self.links.effects), lay.q, lay.s
        self.solutions = 0
        self._observed = np.flatnonzero(np.diff(self.data.starts))
        typical = self.predictor.chain(lay.start[: lay.q], np.zeros((self.m, self.p))).phi
        self.predictor.scale(typical)

    def sum(self, rows: np.ndarray) -> np.ndarray:
        """Return the sums over the data of each subject, (..., m)."""
        out = np.zeros((*rows.shape[:-1], self.m))
        if self._observed.size:
            out[..., self._observed] = np.add.reduceat(rows, self.data.starts[self._observed], axis=-1)
        return out

    def predict(self, x: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return the predictions, (N,), for thetas on their scale and random effects (m, p)."""
        self.solutions += 1
        return self.predictor.solve(self.predictor.first(x, eta)[0], "plain")[0]

    def rows(self, f: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return the log-density of each datum, (N,), at predictions and residual parameters on their scale."""
        with np.errstate(all="ignore"):
            return self.density.first(f, f, z)[FIRST.index("l")]

    def loglik(self, f: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return ``log p(y_i | eta_i)`` at predictions, (m,); -inf where there is none."""
        total = self.sum(self.rows(f, z))
        return np.where(np.isfinite(total), total, -np.inf)

    def slopes(self, x: np.ndarray, eta: np.ndarray, z: np.ndarray, information: bool = True) -> Slopes:
        """Return log-likelihoods and derivatives by everything; without ``information`` the curvature is empty."""
        self.solutions += 1
        curvature = np.empty((0, 0))
        phi, entries = self.predictor.first(x, eta)
        with np.errstate(all="ignore"):
            if information:
                F = self.predictor.solve(phi, "first")
                f, rows = F[0], self.density.second(F[0], F[0], z)
                each, l_f, by_sigma = rows.values[SECOND.index("l")], rows.values[SECOND.index("l_f")], rows.sigma[0]
                g = self.sum(l_f * F[1:])
                J = self.predictor.first.steep(entries, F[1:], self.data.subject)
                curvature = self._curvature(J, rows.values[SECOND.index("i")], rows.sigma[4])
            else:
                f, pulled = self.predictor.sensed(phi)
                each, l_f, by_sigma = self.density.slopes(f, f, z)
                g = pulled(l_f)
        l, by_z = self.sum(each), self.sum(by_sigma).T
        l[~np.isfinite(l)] = -np.inf
        by_eta, by_x = self.predictor.first.each(entries, g)
        return Slopes(f, l, by_eta, by_x, by_z, curvature)

    def gradient(self, x: np.ndarray, eta: np.ndarray, z: np.ndarray) -> Gradient:
        """Return the log-likelihood of all subjects and its derivatives by everything."""
        self.solutions += 1
        phi, entries = self.predictor.first(x, eta)
        f, pulled = self.predictor.sensed(phi)
        each, l_f, by_sigma = self.density.slopes(f, f, z)
        g = pulled(l_f)
        # the likelihood is not to be had either where no estimated number moves a direction without a derivative
        l = float(each.sum()) if math.isfinite(g.sum()) else math.nan
        return Gradient(l, *self.predictor.first.total(entries, g), by_sigma.sum(axis=1))

    def residual_slopes(self, f: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return derivatives by (x, z) at predictions and their information, with zeros for x: nothing is solved."""
        with np.errstate(all="ignore"):
            rows = self.density.second(f, f, z)
        g = np.concatenate([np.zeros(self.q), rows.sigma[0].sum(axis=1)])
        return g, self._curvature(np.zeros((self.q, f.size)), rows.values[SECOND.index("i")], rows.sigma[4])

    def _curvature(self, J: np.ndarray, info: np.ndarray, root: np.ndarray) -> np.ndarray:
        """Return the information on (x, z), from derivatives of predictions by x (q, N) and what each datum says."""
        q, out = self.q, np.zeros((self.q + self.s, self.q + self.s))
        info = np.nan_to_num(np.maximum(info, 0.0), nan=0.0, posinf=0.0)
        J = np.nan_to_num(J, nan=0.0, posinf=0.0, neginf=0.0)
        root = np.nan_to_num(root, nan=0.0, posinf=0.0, neginf=0.0)
        out[:q, :q] = (J * info) @ J.T
        out[q:, q:] = root @ root.T
        return out
