"""Full Bayes: the posterior of population and subjects by the No-U-Turn sampler.

The density is that of the complete data, ``p(y | eta, x, sigma) p(eta | omega) p(x, omega, sigma)``, with exact
gradients by forward sensitivities. Nothing is linearised and nothing integrated out.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pkpd.errors import DataError, PkpdError
from pkpd.estimation.convergence import complaints, diagnose
from pkpd.estimation.identity import identity_of
from pkpd.estimation.method import Method
from pkpd.estimation.methods.chain_store import ChainStore
from pkpd.estimation.methods.chains import sample
from pkpd.estimation.methods.objective import Objective
from pkpd.estimation.methods.optimise import minimise
from pkpd.estimation.methods.posterior import Axes, PopulationPosterior
from pkpd.estimation.methods.saem_chains import approximation
from pkpd.estimation.population_draws import PopulationDraws, posterior_dataset
from pkpd.estimation.priors import Priors
from pkpd.estimation.result import Fit
from pkpd.estimation.study.problem import StudyProblem
from pkpd.estimation.study.result import StudyFit
from pkpd.estimation.uncertainty.covariance import Covariance
from pkpd.randomness import check_seed

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.estimation.priors import Given
    from pkpd.estimation.problem import Problem
    from pkpd.estimation.vector import PopulationVector

__all__ = ["Nuts"]

#: share of the variance of eta that the data leave (mean over effects) from which on effects are sampled non-centred
LOOSE = 0.3
#: settings of the sampler for data sets
DEFAULTS = {"chains": 4, "tune": 500, "draws": 1000, "target_accept": 0.8, "maxdepth": 10}


def _begin(problem: Problem, priors: Priors) -> tuple[Axes, float]:
    """Return the axes to sample on, from a FOCEI fit, and what the data leave of eta's variance."""
    lay = problem.layout
    objective: Objective = problem.objective("focei")
    problem.check_start(objective)
    logs = np.array([e.scale in ("log", "logit") for e in lay.entries])
    search = minimise(objective, lay.start, lay.low, lay.high, logs, limit=40, decrease=1e-2)
    x, outcome = (search.x, search.outcome) if math.isfinite(search.outcome.ofv) else (lay.start, objective(lay.start))
    x = np.clip(x, lay.low + 1e-3, lay.high - 1e-3)
    _, factor, _, _ = objective.unpack(x)
    H = 0.5 * np.nan_to_num(outcome.fisher) + np.diag(1.0 / priors.sd**2)
    values, vectors = np.linalg.eigh(H)
    root = np.linalg.cholesky((vectors / np.clip(values, 1.0, 1e10)) @ vectors.T)
    eta, eta_root = approximation(objective, x, objective.effects(x, outcome))
    observed = np.diff(problem.data.starts) > 0
    left = float(
        np.mean(
            (np.diagonal(eta_root @ np.swapaxes(eta_root, 1, 2), axis1=1, axis2=2) / np.diag(factor @ factor.T))[
                observed
            ]
        )
    )
    return Axes(x, root, eta, eta_root), left


@dataclass(frozen=True, kw_only=True)
class Nuts(Method):
    """The posterior of population and subjects, or of a study, by the No-U-Turn sampler.

    Of a data set, estimates of the fit are the means of the posterior on the scale of estimation, ``uncertainty`` its
    covariance, and ``idata`` an ArviZ InferenceData. ``ofv`` is FOCEI's at these values.

    Parameters
    ----------
    priors : mapping, optional
        See :class:`pkpd.estimation.priors.Priors`; what is not given is weakly informative.
    chains, tune, draws : int, optional
        4, 500 and 1000; of a study, as it says.
    seed : int
        Chain k depends on the seed and k alone.
    target_accept : float, optional
        Of the step size: 0.8; of a study, as it says.
    maxdepth : int, optional
        Most doublings of a trajectory: 10; of a study, as it says.
    predictive : int
        Draws for which every fact of a study is predicted.
    centred : bool, optional
        See :class:`PopulationPosterior`; by what the data leave of the variance of random effects if not given.
    cores : int, optional
        PopulationDraws side by side.
    out : path, optional
        Folder that finished chains and the evaluations of others are kept in, so that a killed run goes on.
    """

    name: ClassVar[str] = "nuts"
    studies: ClassVar[bool] = True
    shows_progress: ClassVar[bool] = True

    priors: Given | None = None
    chains: int | None = None
    tune: int | None = None
    draws: int | None = None
    seed: int = 0
    target_accept: float | None = None
    maxdepth: int | None = None
    predictive: int = 400
    centred: bool | None = None
    cores: int | None = None
    out: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_seed(self.seed)
        least = {"chains": 1, "tune": 10, "draws": 4, "maxdepth": 1}
        wrong = [
            f"{n} must be a whole number >= {low}, got {getattr(self, n)!r}"
            for n, low in least.items()
            if getattr(self, n) is not None and getattr(self, n) < low
        ]
        if self.target_accept is not None and not 0.0 < self.target_accept < 1.0:
            wrong.append(f"target_accept must lie between 0 and 1, got {self.target_accept:g}")
        if wrong:
            raise DataError(f"Nuts: {'; '.join(wrong)}")

    @property
    def given(self) -> dict[str, float]:
        """Settings of the sampler that were given."""
        return {n: getattr(self, n) for n in DEFAULTS if getattr(self, n) is not None}

    def believed(self, layout: PopulationVector) -> Priors:
        """Return the priors of an estimated vector, with a density for each number."""
        return Priors(layout, self.priors)

    def run(self, problem: Any, progress: bool | None = None) -> Any:
        """Draw; ``progress`` None: bars on a terminal, a line every half minute elsewhere; False: nothing."""
        if not isinstance(problem, StudyProblem):
            return self._of_population(problem, progress)
        own = [n for n in ("priors", "centred") if getattr(self, n) is not None]
        if own:
            raise PkpdError(f"Nuts: {' and '.join(own)} are for data sets; a study declares its own priors")
        return self._of_study(problem, progress)

    def _of_study(self, problem: StudyProblem, progress: bool | None) -> StudyFit:
        begun, settings = time.perf_counter(), problem.study.sampler(**self.given)
        store = ChainStore(self.out, problem.study.name, problem.mark, self.seed, settings)
        found = sample(
            problem.posterior, settings=settings, seed=self.seed, store=store, cores=self.cores, progress=progress
        )
        about = {
            "chains_resumed": list(found.resumed), "evaluations_replayed": found.replayed,
            "seconds": time.perf_counter() - begun,
        }  # fmt: skip
        return StudyFit.of_draws(
            problem, found.q, self.name, seed=self.seed, settings=settings, stats=found.stats, about=about,
            predictive=self.predictive,
        )  # fmt: skip

    def _of_population(self, problem: Problem, progress: bool | None) -> Fit:
        begun = time.perf_counter()
        settings = {**DEFAULTS, **self.given}
        believed = self.believed(problem.layout)
        frame, left = _begin(problem, believed)
        centred = left < LOOSE if self.centred is None else bool(self.centred)
        first = PopulationPosterior(problem, believed, centred, frame)
        starts = [_start(first, self.seed, k) for k in range(int(settings["chains"]))]
        solved = [problem.settings[n] for n in ("rtol", "atol", "solver")]
        start = problem.layout.start.tolist()
        mark = f"{identity_of(problem)}|{start}|{believed.numbers}|{centred}|{solved}"
        found = sample(
            lambda: PopulationPosterior(problem, believed, centred, frame), settings=settings, seed=self.seed,
            store=ChainStore(self.out, "fit", mark, self.seed, settings),
            cores=self.cores, starts=starts, progress=progress,
        )  # fmt: skip
        return _fit(problem, self.name, first, found, believed, begun)


def _start(posterior: PopulationPosterior, seed: int, k: int) -> np.ndarray:
    """Return where a chain begins: scattered about the origin of the axes, nearer if nothing can be had there."""
    q = np.random.default_rng([seed, 6, k]).standard_normal(posterior.dim)
    for size in (1.0, 0.5, 0.1, 0.0):
        if np.isfinite(posterior.logp_grad(size * q)[0]):
            return size * q
    raise PkpdError("fit, method nuts: the posterior density is 0 at the start; give other start values or priors")


def _fit(
    problem: Problem, method: str, posterior: PopulationPosterior, found: Any, priors: Priors, begun: float
) -> Fit:
    lay, messages = problem.layout, list(problem.messages)
    flat = found.q.reshape(-1, posterior.dim)
    vectors = posterior.x0 + flat[:, : lay.size] @ posterior.x_root.T
    values = np.array([lay.quantities(v) for v in vectors])
    eta = np.array([posterior.effects(*posterior.split(q))[0] for q in flat])
    shape = found.q.shape[:2]
    drawn = PopulationDraws(vectors.reshape(*shape, -1), eta.reshape(*shape, *eta.shape[1:]), dict(found.stats))
    x = vectors.mean(axis=0)
    how = diagnose(_numbers(posterior_dataset(problem, drawn, {})))
    diverged = int(found.stats["diverging"].sum())
    against = complaints(how, diverged)
    if against:
        messages += [*(f"chains: {each}" for each in against), "chains: raise draws or tune"]
    messages.append("estimates are posterior means on the scale of estimation; the OFV is that of FOCEI there")
    matrix, scaled = np.atleast_2d(np.cov(values.T)), np.atleast_2d(np.cov(vectors.T))
    spread = np.sqrt(np.diag(scaled))
    eigen = np.linalg.eigvalsh(scaled / np.outer(spread, spread))
    none = np.full(scaled.shape, np.nan)
    condition = float(eigen[-1] / eigen[0]) if eigen[0] > 0 else math.inf
    known = Covariance("posterior", lay.labels, matrix, scaled, none, none, condition, ())
    extra = {
        "r_hat": float(np.max([d["rhat"] for d in how.values()])), "ess": min(d["ess_bulk"] for d in how.values()),
        "divergences": diverged,
        "centred": posterior.centred,
        "priors": priors.describe(), "resumed": list(found.resumed),
    }  # fmt: skip
    ofv = float(problem.objective("focei")(x).ofv)
    return Fit(
        problem, x, eta.mean(axis=0), ofv, method, not against, messages, [], time.perf_counter() - begun, known,
        "standard errors are standard deviations of the posterior, intervals lie between quantiles of its draws", extra,
        priors=priors, chains=drawn,
    )  # fmt: skip


def _numbers(posterior: xr.Dataset) -> dict[str, np.ndarray]:
    """Return draws of the population's numbers, (chain, draw) each."""
    return {str(n): np.asarray(v, np.float64) for n, v in posterior.drop_vars("eta").data_vars.items()}
