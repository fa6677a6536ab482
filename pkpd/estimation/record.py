"""What an estimation found, as plain values: the vector, its covariance, and what follows from these alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.methods.objective import METHODS, Objective, lost_effects
from pkpd.estimation.methods.penalised import Penalised
from pkpd.estimation.problem import Problem
from pkpd.estimation.uncertainty.covariance import Covariance, covariance_of
from pkpd.estimation.uncertainty.intervals import between_quantiles
from pkpd.estimation.vector import Natural
from pkpd.model.scales import from_scale
from pkpd.options import check_level
from pkpd.simulation.source import History, Source
from pkpd.transport import without_computed

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from pkpd.dosing.events import EventTable
    from pkpd.estimation.population_draws import PopulationDraws
    from pkpd.estimation.priors import Priors
    from pkpd.estimation.vector import PopulationVector
    from pkpd.model.model import Model
    from pkpd.observation.data import FitData

__all__ = ["FitRecord"]


@dataclass(eq=False)
class FitRecord(Source):
    """Estimates, how well they are known, and the problem that they are of; the base of `Fit`.

    The objective ``ofv`` is NONMEM's: -2 log-likelihood without the constant ``N log(2 pi)``, N being the number of
    data with a normal density (not those that are censored, grades, counts or events). ``loglik`` has the constant.

    Attributes
    ----------
    problem : Problem
        Start model, data, layout of the estimated vector.
    x : float array, (n,)
        Estimated vector: thetas on their scale, entries of the Cholesky factors of covariances, residual parameters.
    effects : float array, (m, p)
        Most probable (or mean) random effects of each subject at ``x``: eta, then kappa of each occasion. They are on
        the scale of ``omega``, not standardised; :meth:`at` finds them.
    ofv : float
    method : str
    converged : bool
    messages : list of str
        What the user should know.
    trace : list of dict
        History: iteration, ofv and the natural quantities.
    seconds : float
    uncertainty : Covariance or None
        What the covariance step found.
    covariance_message : str
        Why there is none, or what is to be said of it.
    extra : dict
        What a method has to say beside.
    estimator : Method or None
        The method with its options.
    priors : Priors or None
        What was believed before the data, where the method takes that.
    chains : PopulationDraws or None
        Draws of the posterior, where the method has any.
    """

    problem: Problem
    x: np.ndarray
    effects: np.ndarray
    ofv: float
    method: str
    converged: bool = True
    messages: list[str] = field(default_factory=list)
    trace: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    uncertainty: Covariance | None = None
    covariance_message: str = "no covariance step was asked for; call covariance_step()"
    extra: dict[str, Any] = field(default_factory=dict)
    estimator: Any = None
    priors: Priors | None = None
    chains: PopulationDraws | None = None

    @classmethod
    def at(cls, problem: Problem, x: np.ndarray, method: str, objective: str = "focei", **more: Any) -> Self:
        """Return the fit that a vector is: objective and most probable random effects are computed there.

        Parameters
        ----------
        problem : Problem
        x : float array, (n,)
            Estimated vector.
        method : str
            What the fit is called after.
        objective : {"focei", "laplace", "foce", "fo"}
            Approximation of the likelihood that ``ofv`` and ``effects`` are of.
        **more
            Other attributes, such as ``converged``, ``trace`` and ``extra``; ``messages`` come after the problem's own.

        Raises
        ------
        PkpdError
            If there is no such objective, the vector is of another size, or nothing can be computed there.
        """
        if objective not in METHODS or METHODS[objective].frozen:
            raise PkpdError(f"Fit.at: objective must be focei, laplace, foce or fo, got {objective!r}")
        if own := [n for n in ("effects", "ofv") if n in more]:
            raise PkpdError(f"Fit.at: {' and '.join(own)} are computed at x; leave them out")
        x = np.asarray(x, np.float64)
        if x.shape != (problem.layout.size,):
            wants = f"{problem.layout.size} numbers ({', '.join(problem.layout.labels)})"
            raise PkpdError(f"Fit.at: x must be the estimated vector, {wants}, got shape {x.shape}")
        approximation = problem.objective(objective)
        outcome = approximation(x)
        if not math.isfinite(outcome.ofv):
            raise PkpdError(f"Fit.at: the objective of {objective} cannot be computed at x = {x.tolist()}")
        messages = [*problem.messages, *more.pop("messages", ()), *lost_effects(problem.data, outcome)]
        effects = approximation.effects(x, outcome)
        return cls(problem, x, effects, outcome.ofv, method, messages=messages, **more)

    def __getstate__(self) -> dict[str, Any]:
        return without_computed(self)

    # -- what was fitted

    @property
    def data(self) -> FitData:
        """Observations."""
        return self.problem.data

    @property
    def events(self) -> EventTable:
        """The data set."""
        return self.problem.data.table

    @property
    def layout(self) -> PopulationVector:
        """Layout of the estimated vector."""
        return self.problem.layout

    @property
    def settings(self) -> dict[str, Any]:
        """How it was posed and solved."""
        return self.problem.settings

    @cached_property
    def model(self) -> Model:
        """The model with the estimates put in."""
        return self.layout.rebuilt(self.x)

    def history(self) -> History:
        """Return what is known of new subjects: which outputs were observed."""
        return History(day_zero=0.0, axis="day from time 0", learned=frozenset(map(str, self.data.output)))

    # -- estimates

    @cached_property
    def natural(self) -> Natural:
        """All values, fixed ones too."""
        return self.layout.natural(self.x)

    @property
    def theta(self) -> dict[str, float]:
        """Typical values of all parameters."""
        return self.natural.theta

    @property
    def omega(self) -> np.ndarray:
        """Covariance of eta, in the order of ``etas``."""
        return self.natural.omega

    @property
    def omega_iov(self) -> np.ndarray:
        """Covariance of kappa, in the order of ``layout.kappas``."""
        return self.natural.omega_iov

    @property
    def sigma(self) -> dict[str, float]:
        """Residual parameters; standard deviations unless their name says otherwise."""
        return self.natural.sigma

    @property
    def etas(self) -> tuple[str, ...]:
        """Parameters that vary between subjects."""
        return self.layout.etas

    @property
    def estimates(self) -> dict[str, float]:
        """Estimated quantities by label: thetas, variances and covariances, residual parameters."""
        return dict(zip(self.layout.labels, self.layout.quantities(self.x).tolist(), strict=True))

    @cached_property
    def ebe(self) -> xr.DataArray:
        """Empirical Bayes estimates of eta, dimensions subject and parameter."""
        import xarray as xr

        coords = {"subject": self.data.labels, "parameter": list(self.etas)}
        return xr.DataArray(self.effects[:, : len(self.etas)], coords, ("subject", "parameter"), "ebe")

    @cached_property
    def ebe_iov(self) -> xr.DataArray:
        """Empirical Bayes estimates of kappa, dimensions subject, occasion and parameter."""
        import xarray as xr

        k, o = len(self.layout.kappas), self.problem.links.occasions
        values = self.effects[:, len(self.etas) :].reshape(self.data.n_subjects, o, k)
        coords = {"subject": self.data.labels, "occasion": np.arange(o), "parameter": list(self.layout.kappas)}
        return xr.DataArray(values, coords, ("subject", "occasion", "parameter"), "ebe_iov")

    # -- the objective

    @property
    def n_parameters(self) -> int:
        """Number of estimated quantities."""
        return self.layout.size

    @property
    def n_observations(self) -> int:
        """Number of observations."""
        return self.data.n_observations

    @property
    def loglik(self) -> float:
        """Log-likelihood, with the constant."""
        return -0.5 * (self.ofv + self.data.n_continuous * math.log(2.0 * math.pi))

    @property
    def aic(self) -> float:
        """Akaike's criterion, ``-2 loglik + 2 n``."""
        return -2.0 * self.loglik + 2.0 * self.n_parameters

    @property
    def bic(self) -> float:
        """Schwarz's criterion, ``-2 loglik + n log(observations)``."""
        return -2.0 * self.loglik + self.n_parameters * math.log(self.n_observations)

    @property
    def minimised(self) -> str:
        """Name of the objective that was minimised: that of the method, or the one that it adds priors to."""
        return str(self.extra.get("objective", self.method))

    @property
    def smooth_method(self) -> str:
        """Name of the objective with an exact gradient that stands for the method: its own, or FOCEI."""
        own = METHODS.get(self.minimised)
        return self.minimised if own is not None and not own.frozen else "focei"

    def with_priors(self, objective: Objective) -> Objective | Penalised:
        """Return an objective with the priors of the fit; itself where there are none."""
        return objective if self.priors is None else Penalised(objective, self.priors)

    def refuse_draws(self, verb: str) -> None:
        """Raise PkpdError if the fit has draws of its posterior, which tell how well estimates are known."""
        if self.chains is not None:
            raise PkpdError(
                f"{verb}: a fit by {self.method} has a posterior, which tells how well estimates are known: fit.ci(), "
                "fit.idata; fit by map or focei for anything else"
            )

    def objective(self, method: str | None = None) -> Objective | Penalised:
        """Return the objective of a method, warm at the estimates; that of the fit itself by default, with its priors.

        Raises
        ------
        PkpdError
            If the method has no such objective.
        """
        name = self.minimised if method is None else method
        if name not in METHODS:
            raise PkpdError(f"fit: method '{name}' has no objective with a gradient; name one of {', '.join(METHODS)}")
        found = self.problem.objective(name)
        _, factor, _, _ = found.unpack(self.x)
        found.u = np.linalg.solve(factor, self.effects.T).T if factor.size else np.zeros_like(self.effects)
        return self.with_priors(found)

    # -- how well they are known

    def covariance_step(self, kind: str = "R", method: str | None = None) -> Self:
        """Compute the covariance of the estimates and return the fit.

        Parameters
        ----------
        kind : {"R", "S", "RS", "linearised"}
            Inverse of half the second derivative of the objective, inverse of the sum of squared scores of subjects,
            the sandwich of both, or inverse of the expected information of the linearised model. Of a fit with priors
            all are of the posterior: the information of the priors is in each of these.
        method : str, optional
            Objective that it is taken of; that of the fit, or FOCEI where the method of the fit has none.

        Raises
        ------
        PkpdError
            If the kind is unknown, or the fit has draws of its posterior.
        """
        self.refuse_draws("covariance_step")
        believed = None if self.priors is None else self.priors.information(self.x)
        objective = self.objective(method or self.smooth_method)
        found, message = covariance_of(objective, self.layout, self.x, kind, believed)
        self.uncertainty, self.covariance_message = found, message
        return self

    @property
    def covariance(self) -> pd.DataFrame | None:
        """Covariance of the estimates on their natural scale, labelled; None if there is none, see the message."""
        import pandas as pd

        if self.uncertainty is None:
            return None
        labels = list(self.uncertainty.labels)
        return pd.DataFrame(self.uncertainty.matrix, labels, labels)

    @property
    def correlation(self) -> pd.DataFrame | None:
        """Correlation of the estimates."""
        cov = self.covariance
        if cov is None:
            return None
        sd = np.sqrt(np.diag(cov))
        return cov / np.outer(sd, sd)

    @property
    def se(self) -> dict[str, float]:
        """Standard errors by label; NaN where not known."""
        labels = self.layout.labels
        if self.uncertainty is None:
            return dict.fromkeys(labels, math.nan)
        return dict(zip(labels, np.sqrt(np.diag(self.uncertainty.matrix)).tolist(), strict=True))

    @property
    def rse(self) -> dict[str, float]:
        """Relative standard errors, as fractions."""
        return {
            n: (s / abs(v) if v else math.nan)
            for (n, v), s in zip(self.estimates.items(), self.se.values(), strict=True)
        }

    @cached_property
    def _drawn(self) -> np.ndarray:
        """Natural values of the draws of the posterior in the order of the labels, (k, n)."""
        vectors = np.empty((0, self.x.size)) if self.chains is None else self.chains.flat
        return np.array([self.layout.quantities(x) for x in vectors])

    def ci(self, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """Return confidence intervals by label.

        Normal on the scale of estimation for thetas and residual parameters, and for variances on the logarithm; a
        covariance has a symmetric one. Where there are draws of the posterior, between their quantiles.

        Parameters
        ----------
        level : float
            Between 0 and 1.
        """
        from scipy.special import ndtri

        check_level("ci", level)
        if self.chains is not None:
            return between_quantiles(self.layout.labels, self._drawn, level)
        z = float(ndtri(0.5 + 0.5 * level))
        out: dict[str, tuple[float, float]] = {}
        se = self.se
        values = self.layout.quantities(self.x)
        scaled = None if self.uncertainty is None else np.sqrt(np.diag(self.uncertainty.scaled))
        for k, (label, e) in enumerate(zip(self.layout.labels, self.layout.entries, strict=True)):
            s, v = se[label], float(values[k])
            if scaled is None or not math.isfinite(s):
                out[label] = (math.nan, math.nan)
            elif e.kind in ("theta", "sigma"):
                ends = [self.x.copy(), self.x.copy()]
                ends[0][k] -= z * scaled[k]
                ends[1][k] += z * scaled[k]
                low, high = (float(self.layout.quantities(end)[k]) for end in ends)
                out[label] = (low, high)
            elif e.at[0] == e.at[1]:
                wide = z * s / v
                out[label] = (v * from_scale(-wide, "log"), v * from_scale(wide, "log"))
            else:
                out[label] = (v - z * s, v + z * s)
        return out

    @property
    def condition_number(self) -> float:
        """Largest over smallest eigenvalue of the correlation of the estimates; NaN if not known."""
        return math.nan if self.uncertainty is None else self.uncertainty.condition_number
