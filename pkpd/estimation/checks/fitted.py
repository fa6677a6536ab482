"""Predictions and simulated data sets of a fit, for its diagnostics."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pkpd.engine.solve.block import Settings
from pkpd.errors import DataError, nearest
from pkpd.estimation.methods.objective import METHODS
from pkpd.model.residual import Event, ResidualError
from pkpd.observation.data import FitData
from pkpd.observation.predictor import Predictor
from pkpd.randomness import ETAS, RESIDUALS, normals, uniforms_at

if TYPE_CHECKING:
    from pkpd.estimation.record import FitRecord

__all__ = ["Fitted", "row_limits"]

#: numbers of simulated data held at a time
MOST = 4_000_000


class Fitted:
    """A fit, ready to predict and to simulate at its estimates.

    Parameters
    ----------
    fit : Fit
    data : FitData, optional
        Other rows of the same subjects; those of the fit by default, without what reports say.

    Attributes
    ----------
    kind : array of str, (N,)
        Of each datum: ``normal``, ``log`` (compared on the logarithm), ``count``, ``grade`` or ``event``.
    output : array of str, (N,)
    effects : float array, (m, p)
        Random effects of the fit: eta, then kappa of each occasion.
    factor : float array, (p, p)
        Cholesky factor of their covariance.
    """

    def __init__(self, fit: FitRecord, data: FitData | None = None) -> None:
        problem = fit.problem
        if data is None and not fit.data.measured.all():
            data = fit.data.without_reports()
            if not data.y.size:
                raise DataError(
                    f"the data of the fit, {fit.events.name}, are reports alone, which have no residuals; what is "
                    "predicted of each fact is fit.facts()"
                )
        self.fit, self.data = fit, fit.data if data is None else data
        self.model, self.layout = fit.model, fit.layout
        if data is None:
            self.predictor = self._ready(problem.predictor)
        else:
            s = fit.settings
            self.predictor = Predictor(
                problem.links, data, problem.outputs, Settings(s["solver"], s["rtol"], s["atol"]), s["threads"]
            )
            self.predictor._sizes = self._ready(problem.predictor)._sizes  # so that machine code is shared
        self.theta = np.asarray(fit.x[: fit.layout.q], np.float64)
        self.effects = np.asarray(fit.effects, np.float64)
        self.m, self.p, self.n = self.data.n_subjects, len(problem.links.effects), self.data.y.size
        self.factor = fit.layout.effects_factor(fit.x, problem.links.occasions)
        if fit.method == "naive_pooled":  # residual errors hold the variability
            self.factor = np.zeros_like(self.factor)
        self.output = self.data.output
        self.kind = np.empty(self.n, dtype="U6")
        for name in np.unique(self.output):
            self.kind[self.output == name] = self.error(name).data

    def _ready(self, predictor: Predictor) -> Predictor:
        """Return a predictor that knows the sizes of its directions."""
        if (predictor._sizes == 1.0).all():  # nothing has been solved with it yet
            zero = np.zeros((predictor.m, len(predictor.links.effects)))
            predictor.scale(predictor.chain(np.asarray(self.fit.x[: self.fit.layout.q]), zero).phi)
        return predictor

    def error(self, output: str) -> ResidualError:
        """Return the residual error of an output, as estimated."""
        error = self.model.outputs[output].error
        if error is None:
            raise DataError(f"output '{output}' has no residual error")
        return error

    @property
    def interaction(self) -> bool:
        """Whether the method takes residual variances at the individual predictions."""
        method = METHODS.get(self.fit.method)
        return method is None or method.interaction

    @cached_property
    def subject(self) -> np.ndarray:
        """Number of the subject of each datum."""
        return self.data.subject

    @cached_property
    def one_a_row(self) -> np.ndarray:
        """One datum for each observed row of the table; an event in time has two, of which survival is taken."""
        hazard = np.zeros(self.n, bool)
        for channel in self.data.channels:
            if isinstance(channel.error, Event):
                hazard[channel.rows] = True
        order = np.lexsort((hazard, self.data.row))
        return order[np.unique(self.data.row[order], return_index=True)[1]]

    # -- predictions

    def predict(self, effects: np.ndarray | None = None) -> np.ndarray:
        """Return the prediction of each datum at some random effects (m, p), at none by default; (N,)."""
        effects = np.zeros((self.m, self.p)) if effects is None else effects
        return self.predictor.solve(self.predictor.chain(self.theta, effects).phi, "plain")[0]

    def slopes(self, effects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return predictions (N,) and their derivatives by the random effects (N, p)."""
        chain = self.predictor.chain(self.theta, effects)
        found = self.predictor.solve(chain.phi, "random")
        r = self.fit.problem.links.n_random
        return found[0], np.einsum("dn,dpn->np", found[1 : 1 + r], chain.e[:r][:, :, self.subject])

    def sd(self, f: np.ndarray) -> np.ndarray:
        """Return the residual SD of each datum at predictions f; that of the logarithm for log-normal error."""
        out = np.full(self.n, np.nan)
        for name in np.unique(self.output):
            mine, error = self.output == name, self.error(name)
            if error.data != "event":
                out[mine] = error.compared_sd(f[mine])
        return out

    # -- simulated data

    def simulate(self, n: int, seed: int) -> Iterator[np.ndarray]:
        """Yield simulated data sets, (some, N) at a time: new random effects and new residual errors.

        The number at (seed, replicate, subject, row) does not depend on ``n``. Data of events in time are NaN.
        """
        some = int(np.clip(MOST // max(self.n, 1), 1, n))
        widest = int(np.diff(self.data.starts).max(initial=1))
        column = np.arange(self.n) - self.data.starts[self.subject]
        for first in range(0, n, some):
            count = min(some, n - first)
            place = np.arange(first * self.m, (first + count) * self.m)
            effects = normals(seed, place, self.factor, ETAS) if self.p else np.zeros((place.size, 0))
            noise = _scores(uniforms_at(seed, place, widest, RESIDUALS)).reshape(count, self.m, widest)
            f = np.array([self.predict(e) for e in effects.reshape(count, self.m, self.p)])
            yield self.observed(f, noise[:, self.subject, column])

    def observed(self, f: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Return data for predictions and standard normal numbers, (..., N)."""
        out = np.full(f.shape, np.nan)
        for name in np.unique(self.output):
            mine, error = self.output == name, self.error(name)
            if error.data != "event":
                with np.errstate(invalid="ignore"):
                    out[..., mine] = error.draw(f[..., mine], noise[..., mine])
        return out


def _scores(u: np.ndarray) -> np.ndarray:
    from scipy.special import ndtri

    return ndtri(u)


def row_limits(
    fitted: Fitted, lloq: float | dict[str, float] | None = None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return what is quantified in each row: lower and upper limit, infinite where there is none, and notes.

    The lower limit is ``lloq``, else column LLOQ, else that of the censored data of the same output, if these have one.

    Parameters
    ----------
    fitted : Fitted
    lloq : float or dict of output to float, optional

    Raises
    ------
    DataError
        If ``lloq`` names no observed output or is not finite.
    """
    data, notes = fitted.data, []
    low, high = np.full(fitted.n, -np.inf), np.full(fitted.n, np.inf)
    outputs = [str(o) for o in dict.fromkeys(fitted.output.tolist())]
    given = lloq if isinstance(lloq, dict) else {} if lloq is None else dict.fromkeys(outputs, lloq)
    for name, value in given.items():
        if name not in outputs:
            raise DataError(f"lloq names '{name}'; observed outputs are {', '.join(outputs)}{nearest(name, outputs)}")
        if isinstance(value, (bool, str)) or not np.isscalar(value) or not np.isfinite(value):
            raise DataError(f"lloq of '{name}' must be a finite number, got {value!r}")
    column = data.table.frame.get("LLOQ")
    if column is not None:
        own = column.to_numpy(np.float64)[data.row]
        low = np.where(np.isfinite(own), own, low)
    for name in outputs:
        mine = fitted.output == name
        for sign, limits in ((1, low), (-1, high)):
            marked = mine & (data.censored == sign)
            missing = mine & (data.censored == 0) & np.isinf(limits)
            values = np.unique(data.y[marked])
            if values.size == 1:
                limits[missing] = values[0]
            elif values.size > 1 and missing.any():
                notes.append(
                    f"the limit of quantification of {int(missing.sum())} rows of {name} is not known (censored rows "
                    f"have {values.size} different ones): add a column LLOQ, or give lloq"
                )
            limits[marked] = data.y[marked]
        if name in given:
            low[mine] = given[name]
    return low, high, tuple(notes)
