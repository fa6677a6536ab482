"""The objectives FO, FOCE, FOCEI and Laplace, and their exact gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from pkpd.errors import DataError
from pkpd.estimation.methods.inner import Evaluate, InnerState, Modes, better_modes, find_modes
from pkpd.estimation.methods.inner_terms import inner_terms
from pkpd.estimation.methods.loop_arrays import (
    DataRows,
    Directions,
    FactorMoves,
    InnerOut,
    InnerRows,
    OuterOut,
    bends_room,
    inner_room,
    outer_room,
)
from pkpd.estimation.methods.outer_terms import outer_terms
from pkpd.estimation.vector import PopulationVector
from pkpd.observation.data import FitData
from pkpd.observation.density import SECOND, Density
from pkpd.observation.links import ChainRule
from pkpd.observation.predictor import Predictor

__all__ = ["METHODS", "Objective", "Outcome", "lost_effects"]


@dataclass(frozen=True)
class Approximation:
    """How the likelihood of a subject is approximated."""

    interaction: bool
    laplace: bool = False
    linear: bool = False
    frozen: bool = False


METHODS = {
    "fo": Approximation(interaction=False, linear=True),
    "foce": Approximation(interaction=False),
    "focei": Approximation(interaction=True),
    "laplace": Approximation(interaction=True, laplace=True),
    "nlme": Approximation(interaction=False, frozen=True),
}


@dataclass(frozen=True)
class Outcome:
    """Objective at one vector.

    Attributes
    ----------
    ofv : float
        Sum of ``ofv_i``; inf where it cannot be computed.
    gradient : float array, (n,)
    ofv_i, gradient_i : float array, (m,), (m, n)
    fisher : float array, (n, n)
        Expected second derivative of the objective.
    u : float array, (m, p)
        Most probable standardised random effects, ``eta = factor u``; 0 for FO. See :meth:`Objective.effects`.
    converged : bool array, (m,)
        Of the inner problem.
    """

    ofv: float
    gradient: np.ndarray
    ofv_i: np.ndarray
    gradient_i: np.ndarray
    fisher: np.ndarray
    u: np.ndarray
    converged: np.ndarray


def lost_effects(data: FitData, outcome: Outcome) -> list[str]:
    """Return a message of the subjects whose most probable random effects were not found exactly, if there are any."""
    lost = np.flatnonzero(~outcome.converged)
    if not lost.size:
        return []
    who = ", ".join(str(v) for v in data.labels[lost[:5]])
    return [f"the most probable random effects of {lost.size} subjects were not found exactly: ID {who}"]


class Objective:
    """-2 log-likelihood of a data set by one of the approximations, without the constant ``N log(2 pi)``.

    Parameters
    ----------
    layout : PopulationVector
    predictor : Predictor
    method : {"fo", "foce", "focei", "laplace", "nlme"}

    Attributes
    ----------
    calls, solutions : int
        Evaluations so far, and solutions of the equations that they took.
    """

    def __init__(self, layout: PopulationVector, predictor: Predictor, method: str) -> None:
        self.layout, self.predictor, self.name, self.method = layout, predictor, method, METHODS[method]
        self.links, self.data = predictor.links, predictor.data
        values = {(s.output, s.number): layout.sigma0[s.name] for s in layout.sigma_specs}
        self.density = Density(self.data, layout.sigmas, values, self.method.interaction, self.method.laplace)
        if self.density.curved and (self.method.linear or self.method.frozen):
            raise DataError(
                f"fit: method '{method}' is for normal data that are not censored; use 'focei' or 'laplace', in which "
                "grades, counts, events, censored data and reported facts have their own curvature"
            )
        self.m, self.p = self.data.n_subjects, len(self.links.effects)
        self.u = np.zeros((self.m, self.p))
        self._last: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._extra = np.zeros((self.m, self.p, self.p))
        self._at = self._moves()
        self.calls = self.solutions = 0
        self._fitted: np.ndarray | None = None
        predictor.scale(predictor.chain(layout.start[: layout.q], np.zeros((self.m, self.p))).phi)

    def _moves(self) -> np.ndarray:
        """Return the entries of the whole factor that each estimated one stands for, (w, copies, 2)."""
        lay, occ = self.layout, self.links.occasions
        e, k = len(lay.etas), len(lay.kappas)
        out = np.full((lay.w, max(1, occ), 2), -1, np.int64)
        for t, entry in enumerate(lay.entries[lay.q : lay.q + lay.w]):
            if entry.kind == "omega":
                out[t, 0] = entry.at
            else:
                for o in range(occ):
                    out[t, o] = (e + o * k + entry.at[0], e + o * k + entry.at[1])
        return out

    def unpack(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return thetas on their scale, the factor of all random effects, how its entries move, residual parameters."""
        lay = self.layout
        omegas = lay.entries[lay.q : lay.q + lay.w]
        size = np.array([math.exp(v) if e.scale == "log" else 1.0 for v, e in zip(x[lay.q :], omegas, strict=False)])
        factor = lay.effects_factor(x, self.links.occasions)
        return x[: lay.q], factor, size, x[lay.q + lay.w :]

    # -- inner problem

    def modes(self, x: np.ndarray, u: np.ndarray | None = None) -> Modes:
        """Return the most probable random effects at a vector, from those found last or given ones.

        Where a subject has not converged, zero and drawn values are tried as well.
        """
        evaluate, r = self._evaluate(x), self.links.n_random
        found = find_modes(evaluate, self._begin(x) if u is None else u, r)
        return found if found.converged.all() else better_modes(evaluate, found, r, lost_only=True)[0]

    def effects(self, x: np.ndarray, outcome: Outcome) -> np.ndarray:
        """Return the most probable random effects eta, (m, p), at a vector and its outcome; those of FOCE for FO."""
        u = outcome.u
        if self.method.linear:  # which has none of its own
            u = Objective(self.layout, self.predictor, "foce").modes(x).state.u
        return u @ self.unpack(x)[1].T

    def forget(self) -> None:
        """Begin the inner problem at random effects of 0 again."""
        self.u, self._last, self._extra = np.zeros_like(self.u), None, np.zeros_like(self._extra)

    def other_modes(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Look for more probable random effects than given ones, keep them, and return which subjects changed."""
        evaluate, r = self._evaluate(x), self.links.n_random
        found, changed = better_modes(evaluate, find_modes(evaluate, u, r), r)
        if changed.any():
            self.u, self._last, self._extra = found.state.u, None, np.zeros_like(self._extra)
        return changed

    def _evaluate(self, x: np.ndarray) -> Evaluate:
        """Return the function of the inner problem at a vector."""
        theta, factor, _, z = self.unpack(x)
        g = self._variance_predictions(theta)
        r, starts = self.links.n_random, self.data.starts
        F, room = np.empty((1 + r, self.data.y.size)), inner_room(r, self.p)

        def evaluate(state: InnerState, chosen: np.ndarray) -> None:
            everyone = chosen.size == self.m
            chain = self.predictor.chain(theta, state.u @ factor.T)
            out = self.predictor.solve(chain.phi, "random", None if everyone else chosen)
            self.solutions += 1
            if everyone:
                F[:] = out
            else:
                rows = self.predictor.rows(chosen)
                F[:, rows] = out[:, rows]
            first = self.density.first(F[0], F[0] if g is None else g, z)
            out = InnerOut(state.value, state.gradient, state.step, state.decrement, state.M)
            inner_terms(InnerRows(starts, F, first), chosen, chain.e[:r], factor, state.u, self._extra, room, out)

        return evaluate

    def _variance_predictions(self, theta: np.ndarray) -> np.ndarray | None:
        """Return the predictions that residual variances are taken at, without interaction."""
        if self.method.interaction:
            return None
        if self.method.frozen and self._fitted is not None:
            return self._fitted
        chain = self.predictor.chain(theta, np.zeros((self.m, self.p)))
        return self.predictor.solve(chain.phi, "plain")[0]

    def _held_slopes(self, F: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return second derivatives of predictions that are linear on the scale on which data are normal."""
        S = np.zeros(shape)
        for channel in self.data.channels:
            if channel.error.data == "log":  # log f is linear: f_ab = f_a f_b / f
                rows = channel.rows
                f = np.where(F[0, rows] > 0, F[0, rows], 1.0)  # others are impossible anyway
                for p, (a, b) in enumerate(self.links.pairs):
                    S[p, rows] = F[1 + a, rows] * F[1 + b, rows] / f
        return S

    def _bent(self, F: np.ndarray, S: np.ndarray, chain: ChainRule, by_f: np.ndarray, factor: np.ndarray) -> np.ndarray:
        """Return what curvature that the objective holds at 0 adds to that of the inner problem, which has it.

        Parameters
        ----------
        S : float array, (pairs, N)
            Second derivatives of predictions, without those held.
        by_f : float array, (N,)
            Derivative of the log-density by the prediction.
        """
        r, m, out = self.links.n_random, self.m, np.zeros((self.m, self.p, self.p))
        observed = np.flatnonzero(np.diff(self.data.starts))
        sums = np.zeros((len(S) + r, m))
        sums[:, observed] = np.add.reduceat(by_f * np.vstack([S, F[1 : 1 + r]]), self.data.starts[observed], axis=1)
        for k in range(r):
            out += sums[len(S) + k][:, None, None] * np.moveaxis(chain.ee[k], -1, 0)
            for l in range(r):
                first, second = chain.e[k].T, chain.e[l].T
                out += sums[self.predictor.pair[k, l]][:, None, None] * first[:, :, None] * second[:, None, :]
        return -(factor.T @ out @ factor)

    def _begin(self, x: np.ndarray) -> np.ndarray:
        """Return random effects to begin with: the last ones, moved along as the vector moves."""
        if self._last is None:
            return self.u
        at, u, moved = self._last
        change = np.clip(moved @ (x - at), -1.0, 1.0)
        return u + change

    # -- objective

    def __call__(self, x: np.ndarray) -> Outcome:
        """Return objective and exact gradient at a vector."""
        self.calls += 1
        x = np.asarray(x, np.float64)
        if self.method.linear:
            u, converged = np.zeros((self.m, self.p)), np.ones(self.m, bool)
        else:
            found = self.modes(x)
            u, converged = found.state.u, found.converged
        return self.outer(x, u, converged)

    def outer(self, x: np.ndarray, u: np.ndarray, converged: np.ndarray) -> Outcome:
        """Return objective and gradient at given random effects, which must be the most probable ones."""
        lay = self.layout
        theta, factor, size, z = self.unpack(x)
        chain = self.predictor.chain(theta, u @ factor.T, 3 if self.density.curved else 2)
        F, S, third = self.predictor.second(chain.phi, self.density.curved)
        self.solutions += 1
        G0, g0x, g = np.empty((0, 0)), np.empty((0, 0, 0)), F[0]
        bent: tuple[ChainRule, np.ndarray] | None = None
        if self.method.linear:
            G0, g0x = F[1:], chain.x
        elif self.method.frozen:
            # Lindstrom and Bates: what was linearised, and where variances are taken, is held while the rest moves
            bent, S, self._fitted = (chain, S), self._held_slopes(F, S.shape), F[0].copy()
            chain = replace(chain, ee=np.zeros_like(chain.ee), ex=np.zeros_like(chain.ex))
        elif not self.method.interaction:
            at0 = self.predictor.chain(theta, np.zeros((self.m, self.p)))
            without = self.predictor.solve(at0.phi, "first")
            g, G0, g0x = without[0], without[1:], at0.x
        rows = self.density.second(F[0], g, z)
        n, m, p = lay.size, self.m, self.p
        ofv_i, gradient, moved = np.empty(m), np.empty((m, n)), np.empty((m, p, n))
        exact, extra, fisher = np.empty(m, np.bool_), np.empty((m, p, p)), np.empty((n, n))
        data = DataRows(
            self.data.starts, F, S, self.predictor.pair, third, rows.values, rows.sigma, np.ascontiguousarray(G0),
            np.ascontiguousarray(g0x), np.searchsorted(rows.couples.rows[0], self.data.starts), rows.couples,
        )  # fmt: skip
        directions = Directions(chain.e, chain.x, chain.ee, chain.ex, chain.eee, chain.eex)
        written = OuterOut(ofv_i, gradient, moved, exact, extra, fisher)
        (d, _, _), q, s = chain.e.shape, chain.x.shape[1], rows.sigma.shape[1]
        room = outer_room(d, p, q, size.size, s, len(G0))
        bends = bends_room(d, p, s) if chain.eee.size else None
        outer_terms(data, directions, FactorMoves(factor, self._at, size), u, self.method.linear, room, bends, written)
        if bent is not None:
            extra += self._bent(F, bent[1] - S, bent[0], rows.values[SECOND.index("l_f")], factor)
        ofv = float(ofv_i.sum())
        if not np.isfinite(ofv) or not np.isfinite(gradient).all():
            return Outcome(math.inf, np.full(n, np.nan), ofv_i, gradient, 2.0 * fisher, u, converged & exact)
        self._last, self._extra, self.u = (x.copy(), u, moved), extra, u
        return Outcome(ofv, gradient.sum(axis=0), ofv_i, gradient, 2.0 * fisher, u, converged & exact)
