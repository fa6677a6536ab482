"""Profiles of the estimates of a fit: one natural quantity is held, all others are fitted again."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pkpd.estimation.again import objective_again
from pkpd.estimation.methods.objective import Objective, Outcome
from pkpd.estimation.methods.optimise import minimise
from pkpd.estimation.methods.penalised import Penalised
from pkpd.estimation.uncertainty.walk import ProfileLine, Transform

if TYPE_CHECKING:
    from pkpd.estimation.result import Fit
    from pkpd.estimation.vector import PopulationVector

__all__ = ["FitProfiles", "Held"]

#: stands for no limit on an axis: differences of infinities are not numbers
FAR = 1e9


class FitProfiles:
    """The profiles of a fit, ready to be walked; arguments as for :func:`pkpd.uncertainty.profile`.

    Attributes
    ----------
    names : tuple of str
    model : str
        Whose profiles they are.
    what : str
        What they are profiles of.
    notes : tuple of str
    """

    advice = "the fit has not converged, fit again with restarts"

    def __init__(self, fit: Fit, method: str | None, reach: float) -> None:
        fit.refuse_draws("profile")
        name = fit.smooth_method if method is None else method
        own = name == fit.minimised
        self._objective, self._reach = objective_again(fit, name), reach
        self.names, self.model = fit.layout.labels, fit.layout.model.name
        self.what = "likelihood" if fit.priors is None else "likelihood with priors"
        self.what += "" if own else f" of {name.upper()}"
        self.notes = () if own else (f"of the objective of {name.upper()}, not of {fit.method}",)
        if fit.priors is not None:
            self.notes += ("the priors of the fit are in it: twice the loss is that of likelihood times prior",)
        self._x = fit.x if own else _optimum(self._objective, fit.x)

    def begin(self, places: np.ndarray) -> None:
        """Look for the optimum from a vector."""
        self._x = _optimum(self._objective, places)

    def line(self, name: str) -> ProfileLine:
        """Return the profile of a quantity."""
        return Held(self._objective, self._x, self.names.index(name), self._reach).line()


def _optimum(objective: Objective | Penalised, x: np.ndarray) -> np.ndarray:
    lay = objective.layout
    return minimise(objective, x, lay.low, lay.high, _logs(lay)).x


def _logs(layout: PopulationVector) -> np.ndarray:
    return np.array([e.scale in ("log", "logit") for e in layout.entries])


def _standard_error(twice_information: float) -> float:
    """Return the standard error by the expected information of a number alone; 1 where there is none."""
    return math.sqrt(2.0 / twice_information) if twice_information > 0.0 else 1.0


class Held:
    """The objective with one natural quantity held, on the axes of the estimated vector.

    The held number of the vector follows from the quantity and the others: a variance of correlated effects, say, is
    the sum of squares of a row of the Cholesky factor.

    Parameters
    ----------
    objective : Objective or Penalised
    x : float array, (n,)
        Optimum.
    k : int
        Number of the quantity.
    reach : float
        See :func:`profile`.
    """

    def __init__(self, objective: Objective | Penalised, x: np.ndarray, k: int, reach: float) -> None:
        self.of, self.k, self.optimum, layout = objective, k, x, objective.layout
        entry = layout.entries[k]
        self.kind = "coordinate"
        if entry.kind in ("omega", "iov"):
            self.kind = "variance" if entry.at[0] == entry.at[1] else "covariance"
        axes = [
            Transform(False, max(a, -far), min(b, far), (0.0, 0.0))
            for a, b, far in zip(layout.low, layout.high, FAR * np.maximum(1.0, np.abs(x)), strict=True)
        ]
        self.names, self.axes, self.evaluations = layout.labels, axes, 0
        here, top = self.axis(x), objective(x)
        self.top, self.fisher = -0.5 * top.ofv, top.fisher
        far = FAR * max(1.0, abs(here))
        size = (
            math.log(reach)
            if self.kind == "variance" or entry.scale in ("log", "logit")
            else reach * max(_standard_error(top.fisher[k, k]), abs(here))
        )
        low, high = {
            "coordinate": (axes[k].low, axes[k].high),
            "variance": (2.0 * layout.low[k], 2.0 * layout.high[k]),
            "covariance": (-far, far),
        }[self.kind]
        # from a variance that has fallen to its least, a ratio leads nowhere
        vanished = self.kind == "variance" and here < low + math.log(1e4)
        axes[k] = Transform(False, low, high, (max(low, here - size), high if vanished else min(high, here + size)))

    # -- the axis of the quantity

    def axis(self, x: np.ndarray) -> float:
        """Return the place of a vector on the axis: its own number, the logarithm of a variance, or a covariance."""
        if self.kind == "coordinate":
            return float(x[self.k])
        value = float(self.of.layout.quantities(x)[self.k])
        return math.log(value) if self.kind == "variance" else value

    def natural(self, held: int, at: float) -> float:
        """Return the natural value at a place on the axis."""
        if self.kind == "coordinate":
            x = self.optimum.copy()
            x[self.k] = at
            return float(self.of.layout.quantities(x)[self.k])
        return math.exp(at) if self.kind == "variance" else at

    def vector(self, places: np.ndarray) -> np.ndarray | None:
        """Return the vector in which the quantity has its place; None where there is none."""
        at = float(places[self.k])
        x = np.array(places, np.float64)
        if self.kind == "coordinate":
            return x
        lay = self.of.layout
        entry = lay.entries[self.k]
        i, j = entry.at
        x[self.k] = 0.0
        v = lay.natural(x)
        factor = v.factor if entry.kind == "omega" else v.factor_iov
        if self.kind == "variance":
            left = math.exp(at) - float(factor[i, :i] @ factor[i, :i])
            if left < math.exp(2.0 * lay.low[self.k]) * (1.0 - 1e-6):
                return None
            x[self.k] = max(0.5 * math.log(left), float(lay.low[self.k]))
        else:
            x[self.k] = (at - float(factor[i, :j] @ factor[j, :j])) / factor[j, j]
        return x

    # -- what the walk asks for

    def loglik(self, places: np.ndarray) -> float:
        """Return the log-likelihood without its constant."""
        self.evaluations += 1
        x = self.vector(places)
        return -math.inf if x is None else -0.5 * self.of(x).ofv

    def fit(self, places: np.ndarray, held: int | None = None) -> tuple[np.ndarray, float]:
        """Return the places of the largest log-likelihood with the quantity held, and its value."""
        k, lay = self.k, self.of.layout
        free = np.arange(places.size) != k
        if not free.any():
            return places, self.loglik(places)
        whole = places.copy()

        def reduced(y: np.ndarray) -> Outcome:
            self.evaluations += 1
            whole[free] = y
            x = self.vector(whole)
            outcome = None if x is None else self.of(x)
            if x is None or outcome is None or not math.isfinite(outcome.ofv):
                return replace(self._lost, gradient=np.zeros(y.size), fisher=np.eye(y.size))
            row = lay.jacobian(x)[k]
            P = np.zeros((x.size, y.size))
            P[free] = np.eye(y.size)
            if self.kind != "coordinate":
                P[k] = -row[free] / row[k]
            return replace(outcome, gradient=outcome.gradient @ P, fisher=P.T @ outcome.fisher @ P)

        begin = places[free]
        if not math.isfinite(reduced(begin).ofv):
            # a smaller variance with the others as they are may not exist: the row of the factor shrinks along
            begin = self._shrunk(places)[free]
            if not math.isfinite(reduced(begin).ofv):
                return places, -math.inf
        found = minimise(reduced, begin, lay.low[free], lay.high[free], _logs(lay)[free])
        out = places.copy()
        out[free] = found.x
        return out, -0.5 * found.outcome.ofv

    @property
    def _lost(self) -> Outcome:
        none = np.empty(0)
        return Outcome(math.inf, none, none, none, none, none, none)

    def _shrunk(self, places: np.ndarray) -> np.ndarray:
        """Return places at which the row of the factor of a variance is scaled to its new size."""
        lay = self.of.layout
        entry, out = lay.entries[self.k], places.copy()
        if self.kind != "variance":
            return out
        factor = math.exp(0.5 * (float(places[self.k]) - self.axis(self.optimum)))
        for t, e in enumerate(lay.entries):
            if e.kind == entry.kind and e.at[0] == entry.at[0] and e.at[1] < e.at[0]:
                out[t] = factor * self.optimum[t]
        return out

    # -- the profile

    def error(self) -> float:
        """Return the standard error on the axis, by the expected information."""
        row = self.of.layout.jacobian(self.optimum)[self.k]
        if self.kind == "coordinate":
            row = np.eye(row.size)[self.k]
        elif self.kind == "variance":
            row = row / float(self.of.layout.quantities(self.optimum)[self.k])
        variance = float(row @ np.linalg.pinv(0.5 * self.fisher, rcond=1e-10, hermitian=True) @ row)
        return math.sqrt(variance) if variance > 0 else math.nan

    def values(self, places: np.ndarray) -> np.ndarray:
        """Return the natural values of all quantities; NaN where there is no such vector."""
        x = self.vector(places)
        return np.full(places.size, np.nan) if x is None else self.of.layout.quantities(x)

    def whole(self, places: np.ndarray) -> np.ndarray:
        """Return the vector to begin again from."""
        x = self.vector(places)
        return self.optimum if x is None else x

    def line(self) -> ProfileLine:
        """Return the profile of the quantity."""
        best, lay = self.optimum.copy(), self.of.layout
        best[self.k] = self.axis(self.optimum)
        name, log = lay.labels[self.k], self.kind == "variance" or lay.entries[self.k].scale == "log"
        unit = lay.model.parameters[name].unit or "1" if name in lay.model.parameters else "1"
        return ProfileLine(self, self.k, best, self.top, self.error(), log, unit)
