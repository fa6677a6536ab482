"""The verb: calibrate a model to what was measured and reported."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.methods.chain_store import ChainStore
from pkpd.estimation.methods.chains import sample
from pkpd.estimation.methods.modes import find_mode
from pkpd.estimation.methods.normal_approximation import laplace
from pkpd.estimation.study.groups import arviz, attributes, make_groups
from pkpd.estimation.study.loading import as_study
from pkpd.estimation.study.posterior import StudyPosterior
from pkpd.estimation.study.problem import StudyProblem
from pkpd.estimation.study.result import Calibration
from pkpd.estimation.study.study import Study
from pkpd.options import checked
from pkpd.randomness import check_seed

__all__ = ["calibrate"]

_METHODS = ("map", "nuts")
_QUICK = {"chains": 2, "tune": 250, "draws": 250, "target_accept": 0.85}


@checked
def calibrate(
    study: Study | str | os.PathLike[str],
    method: str = "map",
    *,
    seed: int = 0,
    quick: bool = False,
    chains: int | None = None,
    tune: int | None = None,
    draws: int | None = None,
    target_accept: float | None = None,
    starts: int = 4,
    predictive: int = 400,
    cores: int | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> Calibration:
    """Estimate what is free in a study from its evidence.

    Parameters
    ----------
    study : Study, str or path
        As for ``load_study``.
    method : {"map", "nuts"}
        ``map``: the mode, and draws of the normal approximation there (Laplace); seconds, and the attributes of the
        result say how far to trust it (``pareto_k``). ``nuts``: the No-U-Turn sampler, the posterior of record.
    seed : int
        The same seed gives the same result.
    quick : bool
        Fewer starts, or fewer and shorter chains: for a look, not for the record.
    chains, tune, draws, target_accept : optional
        Of the sampler; the study's settings by default. For ``map``, ``draws`` of the approximation.
    starts : int
        For ``map``: points from which the mode is sought.
    predictive : int
        Draws for which every fact is predicted.
    cores : int, optional
        Chains side by side; all of the machine by default.
    out : path, optional
        Folder in which the work is kept. A rerun with the same study, seed and settings takes finished chains from
        there, and goes on with an unfinished chain, or search for the mode, where it was killed.
    progress : bool, optional
        None: bars on a terminal, a line every half minute elsewhere. False: nothing.

    Returns
    -------
    Calibration

    Raises
    ------
    PkpdError
        If the study does not fit its model or evidence, or nothing can be computed.

    Examples
    --------
    >>> from pkpd.estimation.study.loading import load_study
    >>> one = load_study("anakinra_reports").with_(patients=["naviglio2021/*"])
    >>> found = calibrate(one, "map", draws=50, starts=1, predictive=5)
    >>> found.posterior.sizes["draw"], "tone.phi" in found.posterior
    (50, True)
    """
    if method not in _METHODS:
        raise PkpdError(f"calibrate: method must be 'map' or 'nuts', got {method!r}{nearest(str(method), _METHODS)}")
    problem = as_study(study).problem
    seed = check_seed(seed)
    if method == "map":
        number, tries = draws or (400 if quick else 1000), 2 if quick else starts
        return fit_map(problem, seed, number, tries, predictive, out=out)
    given = {"chains": chains, "tune": tune, "draws": draws, "target_accept": target_accept}
    settings = problem.study.sampler(**given)
    if quick:
        settings |= {k: v for k, v in _QUICK.items() if given.get(k) is None}
    return fit_nuts(problem, seed, settings, predictive, cores, out, progress)


def fit_map(
    problem: StudyProblem,
    seed: int,
    draws: int,
    starts: int,
    predictive: int,
    make: Callable[[], StudyPosterior] | None = None,
    likelihood: Any = None,
    out: str | os.PathLike[str] | None = None,
) -> Calibration:
    """Return mode and Laplace approximation as a calibration."""
    posterior = make() if make is not None else StudyPosterior.of(problem)
    store = ChainStore(out, problem.study.name, problem.fingerprint, seed, {"method": "map", "starts": starts})
    begin = time.perf_counter()
    with store.journal(posterior, "search"):
        mode = find_mode(posterior, starts=starts, seed=seed)
        found = laplace(posterior, mode, draws=draws, seed=seed)
    if not len(found.draws):
        raise PkpdError(
            f"study '{problem.study.name}': the normal approximation has no draw with a density; use method='nuts'"
        )
    seconds = time.perf_counter() - begin
    extra = {
        "mode_logp": found.mode.logp,
        "gradient_norm": found.mode.gradient_norm,
        "modes_reached": found.mode.reached.tolist(),
        "curvatures_repaired": ", ".join(found.repaired),
        "draws_lost": found.lost,
        "pareto_k": found.pareto_k,
        "importance_ess": found.ess,
    }
    stats = {"log_weight": found.log_weights[None], "diverging": np.zeros((1, len(found.draws)), bool)}
    settings = {"draws": draws, "starts": starts}
    like = likelihood if likelihood is not None else posterior.likelihood
    return _assemble(problem, "map", seed, settings, found.draws[None], stats, extra, predictive, like, seconds)


def fit_nuts(
    problem: StudyProblem,
    seed: int,
    settings: dict[str, float],
    predictive: int = 400,
    cores: int | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
    make: Callable[[], StudyPosterior] | None = None,
    likelihood: Any = None,
) -> Calibration:
    """Return draws of the sampler as a calibration."""
    store = ChainStore(out, problem.study.name, problem.fingerprint, seed, settings)
    begin = time.perf_counter()
    maker = make if make is not None else (lambda: StudyPosterior.of(problem))
    found = sample(maker, settings=settings, seed=seed, store=store, cores=cores, progress=progress)
    seconds = time.perf_counter() - begin
    extra = {"chains_resumed": list(found.resumed), "evaluations_replayed": found.replayed}
    return _assemble(problem, "nuts", seed, settings, found.q, found.stats, extra, predictive, likelihood, seconds)


def _assemble(
    problem: StudyProblem, method: str, seed: int, settings: Mapping[str, float], q: Any, stats: Any,
    extra: dict[str, Any], predictive: int, likelihood: Any, seconds: float,
) -> Calibration:  # fmt: skip
    groups = make_groups(problem, q, stats, seed=seed, predictive=predictive, likelihood=likelihood)
    attrs = {**attributes(problem, method, seed, settings), **extra, "seconds": seconds}
    groups["posterior"].attrs.update({k: v if v != [] else "" for k, v in attrs.items()})
    return Calibration(problem.study, arviz().InferenceData(**groups))
