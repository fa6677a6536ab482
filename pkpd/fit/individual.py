"""One patient given a fit: most probable random effects, and all that the observations leave possible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.events import EventTable, read_events
from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, PkpdError
from pkpd.fit.complete import Complete, repeated
from pkpd.fit.layout import Layout
from pkpd.fit.objective import factor_of
from pkpd.fit.problem import Problem, pose
from pkpd.fit.saem_chains import occasions_of
from pkpd.fit.sampled import Sampled
from pkpd.fit.simulation import estimate_draws
from pkpd.population.people import Population
from pkpd.randomness import check_seed
from pkpd.simulation.weighted import WeightedPeople, effective, normalised, weighted_quantiles

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from pkpd.fit.result import Fit

__all__ = ["PatientEstimate", "estimate_individual"]

#: degrees of freedom of the proposals around a mode, and share of draws that comes from the population
NU, SHARE = 5.0, 0.2
#: draws of the estimates that share the proposals of a posterior with their uncertainty
VECTORS = 50
#: effective draws below which the user is told
ENOUGH = 100.0
#: values of -log density within which two modes are one, and above the best beyond which one does not matter
ALIKE, FAR = 1e-3, 10.0


@dataclass(frozen=True, eq=False, repr=False)
class PatientEstimate(WeightedPeople):
    """What is known of a patient: the mode, and weighted draws of the posterior.

    It is a source of people for :func:`pkpd.compare` and :func:`pkpd.recommend`.

    Attributes
    ----------
    problem : Problem
        The patient's data, bound to the model with the estimates put in.
    effects : ndarray, shape (p,)
        Most probable random effects: eta, then kappa of each occasion.
    spread : ndarray, shape (p, p)
        Covariance of these by Laplace's approximation.
    predictions : ndarray, shape (draw, observation)
        Of the draws.
    source, messages
        What the draws are of; what the user should know.
    """

    problem: Problem
    effects: np.ndarray
    spread: np.ndarray
    predictions: np.ndarray
    source: str
    messages: tuple[str, ...]

    @property
    def regimen(self) -> Regimen:
        """What was given, on the clock of the observations."""
        return next(iter(self.problem.table.regimens().values()))

    @property
    def now(self) -> float:
        """Time of the last observation, h."""
        return float(self.problem.data.time.max(initial=0.0))

    @property
    def terms(self) -> tuple[tuple[str, float, float], ...]:
        """Observations: output, time in h, value."""
        data = self.problem.data
        return tuple(zip(data.output.tolist(), data.time.tolist(), data.y.tolist(), strict=True))

    @property
    def ebe(self) -> dict[str, float]:
        """Empirical Bayes estimates: the most probable eta by parameter."""
        return dict(zip(self.model.etas, self.effects.tolist(), strict=False))

    @property
    def se(self) -> dict[str, float]:
        """Standard deviation of eta by Laplace's approximation, by parameter."""
        return dict(zip(self.model.etas, np.sqrt(np.diag(self.spread)).tolist(), strict=False))

    @property
    def covariates(self) -> dict[str, float]:
        """First value of each covariate."""
        return {n: float(v[0]) for n, v in self.draws.covariates.items()}

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """Individual parameters at the first covariates: ``typical``, ``mode``, ``median`` and central 90%."""
        import pandas as pd

        typical = self.model.evaluate({}, {}, self.covariates)
        mode = self.model.evaluate({}, self.ebe, self.covariates)
        values: dict[str, list[float]] = {n: [] for n in typical}
        names, etas = list(self.draws.parameters), self.draws.etas
        for i in range(self.draws.n):
            own = {n: float(self.draws.parameters[n][i]) for n in names}
            found = self.model.evaluate(own, dict(zip(self.model.etas, etas[i].tolist(), strict=True)), self.covariates)
            for n, v in found.items():
                values[n].append(v)
        rows = {
            n: [typical[n], mode[n], *weighted_quantiles(np.array(v), self.weights)]
            for n, v in values.items()
            if np.ptp(v) > 0
        }
        return pd.DataFrame.from_dict(rows, orient="index", columns=["typical", "mode", "median", "low", "high"])

    @cached_property
    def observations(self) -> pd.DataFrame:
        """Observations with predictions: ``pred`` (typical), ``ipred`` (mode), ``median`` and central 90%."""
        import pandas as pd

        p, data = self.problem, self.problem.data
        theta = p.layout.start[: p.layout.q]
        pred, ipred = (
            p.predictor.solve(p.predictor.chain(theta, e[None]).phi, "plain")[0]
            for e in (np.zeros_like(self.effects), self.effects)
        )
        band = np.array([weighted_quantiles(f, self.weights) for f in self.predictions.T]).reshape(-1, 3)
        columns = {
            "time": data.time, "output": data.output, "dv": data.y, "censored": data.censored, "pred": pred,
            "ipred": ipred, "median": band[:, 0], "low": band[:, 1], "high": band[:, 2],
        }  # fmt: skip
        return pd.DataFrame(columns)

    def simulate(
        self, times: Any, regimen: Regimen | None = None, *, outputs: Sequence[str] | None = None, n: int = 300,
        seed: int = 0, **options: Any,
    ) -> xr.Dataset:  # fmt: skip
        """Return curves of posterior draws, as of :func:`pkpd.simulate`.

        Parameters
        ----------
        times : array
            On the clock of the observations.
        regimen : Regimen, optional
            What was given and will be; by default what was given alone.
        outputs, n, seed, **options
            Outputs to keep, draws, seed, arguments of ``simulate``.
        """
        from pkpd.simulation.api import simulate

        people = self.population(n, seed=seed)
        given = self.regimen if regimen is None else regimen
        return simulate(self.model, given, people, times, outputs=outputs, **options)

    def __repr__(self) -> str:
        known = ", ".join(f"{k} {v:g}" for k, v in self.covariates.items()) or "no covariates"
        head = [
            f"Patient '{self.name}' ({self.model.name}; {known})",
            f"  {self.problem.data.n_observations} observations up to {self.now:g} h; prior: {self.source}",
            f"  {self.ess:.0f} effective of {self.draws.n} draws",
            *(f"  {m}" for m in self.messages),
        ]
        return "\n".join([*head, self.parameters.to_string(float_format=lambda v: f"{v:.4g}")])


def estimate_individual(
    fit: Fit,
    patient: EventTable | pd.DataFrame,
    *,
    draws: int = 2000,
    uncertainty: bool | Sampled | np.ndarray = False,
    seed: int = 0,
) -> PatientEstimate:
    """Estimate one patient given a fit: for therapeutic drug monitoring.

    The mode is the empirical Bayes estimate, with residual variances at the individual predictions whatever the method
    of the fit. The posterior is by importance sampling from t distributions around the modes and from the population.

    Parameters
    ----------
    fit : Fit
    patient : EventTable or data frame
        Doses, observations and covariates of one patient, as for :func:`pkpd.read_events`.
    draws : int
    uncertainty : bool, Bootstrap, Sir or float array (k, size)
        Whether what is not known of the estimates counts, see :func:`pkpd.fit.simulation.estimate_draws`; the estimates
        are taken as known by default.
    seed : int

    Returns
    -------
    PatientEstimate

    Raises
    ------
    DataError
        If the table is not of one patient or its rows cannot be understood, or no draw makes the observations possible.

    Examples
    --------
    >>> import numpy as np
    >>> import pkpd
    >>> from pkpd.fit.api import fit
    >>> model = pkpd.load_model("pk1_iv")
    >>> dose = pkpd.Regimen(amt=100, cmt="central")
    >>> weights = [50, 62, 68, 74, 81, 95]
    >>> table = pkpd.EventTable.from_regimen([dose] * 6, [1.0, 6.0, 24.0], covariates={"WT": weights})
    >>> people = pkpd.Population.draw(model, 6, covariates={"WT": np.array(weights)}, seed=2)
    >>> table.frame["DV"] = pkpd.simulate(model, table, people, residual=True)["Cc_observed"].values
    >>> data = pkpd.read_events(table.frame.drop(columns="MDV"))
    >>> found = fit(model, data, "fo", fixed=["WT_CL", "WT_V"])
    >>> estimate = estimate_individual(found, data.subject(3), draws=200)
    >>> sorted(estimate.ebe), estimate.observations["time"].tolist()
    (['CL', 'V'], [1.0, 6.0, 24.0])
    """
    if isinstance(draws, bool) or draws < 2:
        raise PkpdError(f"estimate_individual: draws must be at least 2, got {draws}")
    check_seed(seed)
    table = patient if isinstance(patient, EventTable) else read_events(patient)
    if table.n_subjects != 1:
        shown = ", ".join(str(v) for v in table.labels[:5])
        raise DataError(
            f"estimate_individual: '{table.name}' has {table.n_subjects} subjects ({shown}), one is estimated at a "
            "time; give table.subject(label)"
        )
    s = fit.settings
    given: dict[str, Any] = {k: s[k] for k in ("bloq", "rtol", "atol", "solver")}
    problem = pose(fit.model, table, **given)
    modes, roots, messages = _modes(problem)
    rng = np.random.default_rng([seed, 31])
    vectors = _vectors(fit, problem, seed, uncertainty)
    found = _sample(problem, modes, roots, vectors, draws, rng)
    weights = normalised(found.log_posterior)
    name = str(table.labels[0])
    if not weights.any():
        raise DataError(
            f"estimate_individual: patient '{name}': none of {draws} draws makes the observations possible; check "
            "values, units and times"
        )
    if effective(weights) < min(ENOUGH, 0.1 * draws):
        messages.append(f"only {effective(weights):.0f} of {draws} draws count: raise draws")
    about = f"{fit.layout.model.name} fitted to {fit.table.name} by {fit.method}"
    source = about if uncertainty is False else f"{about}, with the uncertainty of its estimates"
    people = _people(fit, problem, found)
    return PatientEstimate(
        name, fit.model, people, weights, normalised(found.log_prior), problem, modes[0], roots[0] @ roots[0].T,
        found.f, source, (*problem.messages, *messages),
    )  # fmt: skip


def _modes(problem: Problem) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the different modes of the posterior, best first, and factors of the inverse curvature there.

    The search begins at the typical patient and 1.5 standard deviations to each side of it.
    """
    p = len(problem.links.effects)
    starts = np.vstack([np.zeros((1, p)), 1.5 * np.eye(p), -1.5 * np.eye(p)])
    several = replace(problem, data=repeated(problem.data, len(starts)))
    objective = several.objective("focei")
    x = problem.layout.start
    theta, factor, _, _ = objective.unpack(x)
    found = objective.modes(x, starts)
    state, r = found.state, objective.links.n_random
    e = objective.predictor.chain(theta, state.u @ factor.T).e[:r]
    A = np.einsum("kai,ab->ikb", e, factor)
    H = np.eye(p) + np.einsum("ika,ikl,ilb->iab", A, state.M, A)
    good = np.isfinite(state.value) & np.isfinite(H).all(axis=(1, 2)) & found.converged
    if not good.any():
        return (
            np.zeros((1, p)),
            factor[None],
            ["the most probable random effects were not found; draws are of the population"],
        )
    order = [k for k in np.argsort(state.value) if good[k]]
    kept: list[int] = []
    for k in order:
        near = [j for j in kept if np.abs(state.u[k] - state.u[j]).max() < 0.1]
        if not near and state.value[k] < state.value[order[0]] + FAR:
            kept.append(k)
    messages = [] if len(kept) == 1 else [f"the posterior has {len(kept)} modes; the most probable one is told"]
    roots = np.array([factor @ np.linalg.inv(np.linalg.cholesky(H[k])).T for k in kept])
    return state.u[kept] @ factor.T, roots, messages


@dataclass(frozen=True)
class _Draws:
    """Draws of random effects, (n, p), with one of the vectors each, predictions, and logarithms of weights."""

    effects: np.ndarray
    vectors: list[np.ndarray]
    vector: np.ndarray
    f: np.ndarray
    log_posterior: np.ndarray
    log_prior: np.ndarray


def _vectors(fit: Fit, problem: Problem, seed: int, uncertainty: bool | Sampled | np.ndarray) -> list[np.ndarray]:
    """Return vectors of the patient's problem: at the estimates, or as they could have been."""
    if uncertainty is False:
        return [problem.layout.start]
    drawn = estimate_draws(fit, VECTORS, seed, uncertainty)
    return [_moved(problem, Layout(fit.layout.rebuilt(x), problem.data)) for x in drawn]


def _moved(problem: Problem, layout: Layout) -> np.ndarray:
    if layout.size != problem.layout.size:
        raise PkpdError("estimate_individual: a draw of the estimates has another layout; use uncertainty=False")
    return layout.start


def _sample(
    problem: Problem, modes: np.ndarray, roots: np.ndarray, vectors: list[np.ndarray], n: int, rng: np.random.Generator
) -> _Draws:
    """Draw from the mixture of t distributions and the population, and weigh the draws."""
    layout, p = problem.layout, modes.shape[1]
    each = math.ceil(n / len(vectors))
    complete = Complete(problem, each)
    active = occasions_of(complete)[0]
    prior = factor_of(layout.natural(layout.start), problem.links.occasions)
    parts = []
    for k, x in enumerate(vectors):
        z = rng.standard_normal((each, p)) / np.sqrt(rng.chisquare(NU, (each, 1)) / NU)
        at, population = rng.integers(len(modes), size=each), rng.random(each) < SHARE
        effects = modes[at] + np.einsum("iab,ib->ia", roots[at], z)
        effects = np.where(population[:, None], rng.standard_normal((each, p)) @ prior.T, effects)
        effects = np.where(active, effects, 0.0)
        log_h = np.logaddexp(
            math.log(SHARE) + _log_normal(effects, prior, active),
            math.log1p(-SHARE) + _log_t(effects, modes, roots, active),
        )
        factor = factor_of(layout.natural(x), problem.links.occasions)
        f = complete.predict(x[: layout.q], effects)
        l = complete.loglik(f, x[layout.q + layout.w :])
        log_prior = _log_normal(effects, factor, active) - log_h
        parts.append((effects, np.full(each, k), f.reshape(each, -1), l + log_prior, log_prior))
    effects, vector, f, log_posterior, log_prior = (np.concatenate(v) for v in zip(*parts, strict=True))
    return _Draws(effects, vectors, vector, f, log_posterior, log_prior)


def _log_normal(x: np.ndarray, factor: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Return the log-density of normal vectors, without the constant that all densities here share."""
    z = np.linalg.solve(factor, x.T).T
    return -0.5 * (z * z)[:, active].sum(axis=1) - np.log(np.diag(factor))[active].sum()


def _log_t(x: np.ndarray, modes: np.ndarray, roots: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Return the log-density of the mixture of t distributions, in the units of ``_log_normal``."""
    d = int(active.sum())
    constant = math.lgamma(0.5 * (NU + d)) - math.lgamma(0.5 * NU) - 0.5 * d * math.log(0.5 * NU)
    each = []
    for mode, root in zip(modes, roots, strict=True):
        z = np.linalg.solve(root, (x - mode).T).T[:, active]
        size = np.linalg.slogdet(root[np.ix_(active, active)])[1]
        each.append(constant - 0.5 * (NU + d) * np.log1p((z * z).sum(axis=1) / NU) - size)
    return np.logaddexp.reduce(each, axis=0) - math.log(len(modes))


def _people(fit: Fit, problem: Problem, found: _Draws) -> Population:
    """Return the draws as a population with the patient's covariates."""
    data, model, n = problem.data, fit.model, len(found.effects)
    people = Population.typical(model, n, covariates={k: float(v[0]) for k, v in data.constant.items()})
    k, occasions = len(model.etas), problem.links.occasions
    kappas = found.effects[:, k:].reshape(n, occasions, len(model.iov_etas)) if occasions else people.given_kappas
    clock, frame = np.asarray(data.table.clock, np.float64), data.table.frame
    varying = {c: _course(clock, frame[c].to_numpy(np.float64)) for c in sorted(data.varying)}
    return replace(
        people, etas=found.effects[:, :k], given_kappas=kappas, n_occasions=max(1, occasions),
        parameters=_typical(problem, found), varying={c: (v,) * n for c, v in varying.items()},
    )  # fmt: skip


def _typical(problem: Problem, found: _Draws) -> dict[str, np.ndarray]:
    """Return the typical values of each draw, where they differ."""
    moved = [e.name for e in problem.layout.entries if e.kind == "theta"]
    values = [problem.layout.natural(x).theta for x in found.vectors]
    if len(values) == 1:
        return {}
    return {n: np.array([v[n] for v in values])[found.vector] for n in moved}


def _course(clock: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a covariate's times and values, the last of rows at one time."""
    last = np.append(np.diff(clock) > 0, True)
    return clock[last], values[last]
