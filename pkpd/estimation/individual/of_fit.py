"""One patient given a fit: most probable random effects, and all that the observations leave possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.events import EventTable, read_events
from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, PkpdError
from pkpd.estimation.individual.draws import people_of, sample, vectors_of
from pkpd.estimation.individual.plausible_levels import contradictions_of
from pkpd.estimation.problem import Problem, pose
from pkpd.estimation.result import Fit
from pkpd.estimation.uncertainty.sampled import Sampled
from pkpd.options import checked, whole_number
from pkpd.randomness import check_seed
from pkpd.simulation.source import History, model_from
from pkpd.simulation.weighted import WeightedPeople, effective, normalised, weighted_quantiles

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from pkpd.model.model import Model

__all__ = ["PatientEstimate", "estimate_individual"]

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
    observed : frozenset of str
        Outputs that something was observed of, in this patient or in those of the fit.
    """

    problem: Problem
    effects: np.ndarray
    spread: np.ndarray
    predictions: np.ndarray
    source: str
    messages: tuple[str, ...]
    observed: frozenset[str] = frozenset()

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
    def doses(self) -> Regimen:
        """What the patient was given."""
        return self.regimen

    def history(self) -> History:
        """Return the patient's clock: doses, observations, what a day means."""
        time = self.problem.data.time
        seen = (float(time.min()), float(time.max())) if time.size else None
        return History(given=self.regimen, seen=seen, learned=self.observed, now=self.now, notes=self.contradictions)

    @property
    def covariates(self) -> dict[str, float]:
        """Last value of each covariate: what holds now, and for what comes."""
        last = {n: float(series[0][1][-1]) for n, series in self.draws.varying.items()}
        return {n: last.get(n, float(v[0])) for n, v in self.draws.covariates.items()}

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """Individual parameters at the last covariates: ``typical``, ``mode``, ``median`` and central 90%."""
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
        known = ", ".join(self._covariate(name) for name in self.covariates) or "no covariates"
        until = f"{self.now:g} {self.model.time_unit}"
        head = [
            f"Patient '{self.name}' ({self.model.name}; {known})",
            f"  {self.problem.data.n_observations} observations up to {until}; prior: {self.source}",
            f"  {self.ess:.0f} effective of {self.draws.n} draws",
            *(f"  {m}" for m in (*self.contradictions, *self.messages)),
        ]
        return "\n".join([*head, self.parameters.to_string(float_format=lambda v: f"{v:.4g}")])

    def _covariate(self, name: str) -> str:
        """Write a covariate's last value, and the first if that was another."""
        now, first = self.covariates[name], float(self.draws.covariates[name][0])
        if name not in self.draws.varying or now == first:
            return f"{name} {now:g}"
        return f"{name} {now:g} now, {first:g} at first; parameters as of now"


@checked
def estimate_individual(
    source: Model | Fit,
    patient: EventTable | pd.DataFrame,
    *,
    draws: int = 2000,
    uncertainty: bool | Sampled | np.ndarray = False,
    seed: int = 0,
) -> PatientEstimate:
    """Estimate one patient given a fit or a published model: for therapeutic drug monitoring.

    The mode is the empirical Bayes estimate, with residual variances at the individual predictions whatever the method
    of the fit. The posterior is by importance sampling from t distributions around the modes and from the population.

    Parameters
    ----------
    source : Model or Fit
        Of a model, its values are taken as known, as those of a fit are without ``uncertainty``.
    patient : EventTable or data frame
        Doses, observations and covariates of one patient, as for :func:`pkpd.read_events`. A level at the very time of
        a dose is before it if its row stands before that of the dose. One at the time of an additional dose (ADDL)
        counts as after it, as in NONMEM, unless the table's ``rules`` say otherwise; a message says so. (Of levels
        beside a regimen, as :func:`pkpd.individual` takes them, each is before the dose of its time.)
    draws : int
    uncertainty : bool, Bootstrap, Sir or float array (k, size)
        Whether what is not known of the estimates counts, see :func:`pkpd.estimation.simulation.estimate_draws`; the
        estimates are taken as known by default.
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
    >>> from pkpd.estimation.api import fit
    >>> model = pkpd.models["pk1_iv"]
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
    instead = "individual(calibration, regimen, levels, cohort=...) takes one"
    model = model_from(
        "estimate_individual", source, ("Model", "Fit"),
        {"StudyFit": instead, "Individual": "this is an estimated patient already; give all levels at once"},
    )  # fmt: skip
    if uncertainty is not False and not isinstance(source, Fit):
        raise PkpdError("estimate_individual: a model's values are taken as known: uncertainty needs a Fit")
    draws = whole_number("estimate_individual: draws", draws, 2)
    check_seed(seed)
    table = _table_of(patient)
    if table.n_subjects != 1:
        shown = ", ".join(str(v) for v in table.labels[:5])
        raise DataError(
            f"estimate_individual: '{table.name}' has {table.n_subjects} subjects ({shown}), one is estimated at a "
            "time; give table.subject(label)"
        )
    problem = pose(model, table, **_settings(source))
    modes, roots, messages = _modes(problem)
    rng = np.random.default_rng([seed, 31])
    vectors = vectors_of(source, problem, seed, uncertainty)
    found = sample(problem, modes, roots, vectors, draws, rng)
    weights = normalised(found.log_posterior)
    name = str(table.labels[0])
    if not weights.any():
        raise DataError(
            f"estimate_individual: patient '{name}': none of {draws} draws makes the observations possible; check "
            "values, units and times"
        )
    if (seen := int(table.at_additional().sum())) and table.rules.additional == "before":
        messages.append(
            f"{seen} level{'s' if seen > 1 else ''} at the very time of an additional dose count as after it; for a "
            "trough give that dose its own row behind the level, or read_events(..., rules={'additional': 'after'})"
        )
    if effective(weights) < min(ENOUGH, 0.1 * draws):
        messages.append(f"only {effective(weights):.0f} of {draws} draws count: raise draws")
    before = normalised(found.log_prior)
    about = _about(source, uncertainty)
    before_learned = source.history().learned if isinstance(source, Fit) else None
    observed = frozenset(map(str, problem.data.output)) | (before_learned or frozenset())
    return PatientEstimate(
        name, model, people_of(model, problem, found), weights, before, problem, modes[0], roots[0] @ roots[0].T,
        found.f, about, (*problem.messages, *messages), observed,
        contradictions=contradictions_of(problem, modes[0], found.f, before),
    )  # fmt: skip


def _table_of(patient: Any) -> EventTable:
    """Return one patient's rows as a table."""
    import pandas as pd

    if isinstance(patient, EventTable):
        return patient
    if isinstance(patient, pd.DataFrame):
        return read_events(patient)
    raise DataError(
        "estimate_individual: patient must be the rows of one patient (doses, levels, covariates), an EventTable from "
        f"read_events or a data frame, got {type(patient).__name__}; individual(source, regimen, levels) takes a "
        "Regimen"
    )


def _settings(source: Model | Fit) -> dict[str, Any]:
    return {k: source.settings[k] for k in ("bloq", "rtol", "atol", "solver")} if isinstance(source, Fit) else {}


def _about(source: Model | Fit, uncertainty: bool | Sampled | np.ndarray) -> str:
    if not isinstance(source, Fit):
        return f"between-subject variability of {source.name}, its values taken as known"
    about = f"{source.layout.model.name} fitted to {source.events.name} by {source.method}"
    return about if uncertainty is False else f"{about}, with the uncertainty of its estimates"


def _modes(problem: Problem) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the different modes of the posterior, best first, and factors of the inverse curvature there.

    The search begins at the typical patient and 1.5 standard deviations to each side of it.
    """
    p = len(problem.links.effects)
    starts = np.vstack([np.zeros((1, p)), 1.5 * np.eye(p), -1.5 * np.eye(p)])
    several = replace(problem, data=problem.data.of_subjects(np.tile(np.arange(problem.data.n_subjects), len(starts))))
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
