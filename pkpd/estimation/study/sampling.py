"""From a study to its fit: the mode with a normal approximation, or draws of the sampler."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.methods.chain_store import ChainStore
from pkpd.estimation.methods.chains import sample
from pkpd.estimation.methods.modes import Believed, find_mode
from pkpd.estimation.methods.normal_approximation import laplace
from pkpd.estimation.study.groups import arviz, attributes, make_groups
from pkpd.estimation.study.posterior import StudyPosterior
from pkpd.estimation.study.problem import StudyProblem
from pkpd.estimation.study.result import StudyFit
from pkpd.estimation.study.study import Study

__all__ = ["fit_mode", "fit_nuts"]


def fit_mode(
    problem: StudyProblem,
    seed: int,
    draws: int,
    starts: int,
    predictive: int,
    *,
    make: Callable[[], Believed] | None = None,
    likelihood: Any = None,
    out: str | os.PathLike[str] | None = None,
) -> StudyFit:
    """Return mode and Laplace approximation as a fit."""
    posterior = make() if make is not None else StudyPosterior(problem)
    store = ChainStore(out, problem.study.name, problem.mark, seed, {"method": "mode", "starts": starts})
    begin = time.perf_counter()
    with store.journal(posterior, "search"):
        mode = find_mode(posterior, starts=starts, seed=seed)
        found = laplace(posterior, mode, draws=draws, seed=seed)
    if not len(found.draws):
        raise PkpdError(
            f"study '{problem.study.name}': the normal approximation has no draw with a density; use Nuts()"
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
    return _assemble(
        problem,
        "mode",
        seed,
        settings,
        found.draws[None],
        stats,
        extra,
        predictive=predictive,
        likelihood=likelihood,
        seconds=seconds,
    )


def fit_nuts(
    problem: StudyProblem,
    seed: int,
    settings: Mapping[str, float],
    *,
    predictive: int = 400,
    cores: int | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
    make: Callable[[], Believed] | None = None,
    likelihood: Any = None,
) -> StudyFit:
    """Return draws of the sampler as a fit."""
    store = ChainStore(out, problem.study.name, problem.mark, seed, settings)
    begin = time.perf_counter()
    maker = make if make is not None else (lambda: StudyPosterior(problem))
    found = sample(maker, settings=settings, seed=seed, store=store, cores=cores, progress=progress)
    seconds = time.perf_counter() - begin
    extra = {"chains_resumed": list(found.resumed), "evaluations_replayed": found.replayed}
    return _assemble(
        problem,
        "nuts",
        seed,
        settings,
        found.q,
        found.stats,
        extra,
        predictive=predictive,
        likelihood=likelihood,
        seconds=seconds,
    )


def _assemble(
    problem: StudyProblem, method: str, seed: int, settings: Mapping[str, float], q: Any, stats: Any,
    extra: dict[str, Any], *, predictive: int, likelihood: Any, seconds: float,
) -> StudyFit:  # fmt: skip
    groups = make_groups(problem, q, stats, seed=seed, predictive=predictive, likelihood=likelihood)
    attrs = {**attributes(problem, method, seed, settings), **extra, "seconds": seconds}
    groups["posterior"].attrs.update({k: v if v != [] else "" for k, v in attrs.items()})
    return StudyFit(cast(Study, problem.study), arviz().InferenceData(**groups))
