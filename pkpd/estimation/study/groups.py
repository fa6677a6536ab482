"""From draws of the unconstrained vector to ArviZ's groups: named variables, predictions, what was observed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.estimation.facts import predicted_facts
from pkpd.estimation.spreads import ErrorScale

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.estimation.study.problem import StudyProblem
    from pkpd.estimation.study.vector import StudyVector

__all__ = ["attributes", "make_groups", "variables_dataset"]

Floats = NDArray[np.float64]


def variables_dataset(vector: StudyVector, q: Floats) -> xr.Dataset:
    """Return the named variables of draws.

    Parameters
    ----------
    vector : StudyVector
    q : array, shape (chain, draw, dim)
    """
    import xarray as xr

    found = vector.transform(q)
    data = {v.name: (("chain", "draw", *v.dims), found[v.name]) for v in vector.variables}
    return xr.Dataset(data, coords=_coords(vector, q.shape[0], q.shape[1]))


def _coords(vector: StudyVector, chains: int, draws: int) -> dict[str, Any]:
    patients = {"patient": list(vector.patients), "cohort": list(vector.groups)}
    return {"chain": np.arange(chains), "draw": np.arange(draws), **patients}


def make_groups(
    problem: StudyProblem,
    q: Floats,
    stats: Mapping[str, NDArray[Any]],
    *,
    seed: int,
    predictive: int = 400,
    prior: int = 1000,
) -> dict[str, xr.Dataset]:
    """Return the groups of an InferenceData.

    Parameters
    ----------
    problem : StudyProblem
    q : array, shape (chain, draw, dim)
    stats : mapping of name to array, shape (chain, draw)
    seed : int
        Of the replicates and of the prior.
    predictive : int
        Draws, evenly taken from all chains, for which replicates and the probability of each fact are computed.
    prior : int
        Draws of the prior.
    """
    import xarray as xr

    vector = problem.vector
    chains, draws = q.shape[:2]
    place = {"chain": np.arange(chains), "draw": np.arange(draws)}
    from_prior = vector.draw(prior, np.random.default_rng([seed, 4]))[None]
    groups = {
        "posterior": variables_dataset(vector, q),
        "prior": variables_dataset(vector, from_prior),
        "sample_stats": xr.Dataset({n: (("chain", "draw"), v) for n, v in stats.items()}, coords=place),
        "constant_data": _constants(problem),
    }
    each = min(max(predictive // chains, 1), draws)
    chosen = np.unique(np.linspace(0, draws - 1, each).round().astype(int))
    return groups | _predictions(problem, problem.likelihood(), q[:, chosen], chosen, seed)


def _predictions(problem: StudyProblem, like: Any, q: Floats, chosen: NDArray[Any], seed: int) -> dict[str, xr.Dataset]:
    """Return replicates, log-likelihoods and the probability of what was reported."""
    import xarray as xr

    shape, count = q.shape[:2], len(problem.reported)
    values, errors = problem.vector.values(q.reshape(-1, q.shape[2]))
    values = values[:, problem.rows]
    found = predicted_facts(like, values, errors, [[seed, 5, c, d] for c, d in np.ndindex(*shape)])
    replicate = found.replicate.reshape(*shape, count)
    loglik = [like.evaluate(v, e, gradient=False).terms for v, e in zip(values, errors, strict=True)]
    coords = {"chain": np.arange(shape[0]), "draw": chosen, "fact": [r.name for r in problem.reported]}
    dims = ("chain", "draw", "fact")
    facts = {"probability": (("fact",), found.probability), "pit": (("fact",), found.pit)}
    unsolved = float(np.isnan(replicate).any(axis=2).mean())
    predicted = xr.Dataset({"replicate": (dims, replicate), **facts}, coords, {"unsolved": unsolved})
    return {
        "posterior_predictive": predicted,
        "log_likelihood": xr.Dataset({"facts": (dims, np.reshape(loglik, (*shape, count)))}, coords),
        "observed_data": xr.Dataset({"facts": (("fact",), found.observed)}, {"fact": coords["fact"]}),
    }


def _plain(value: Any) -> Any:
    """Return a setting as JSON can hold it."""
    return value.item() if isinstance(value, np.generic) else repr(value)


def _constants(problem: StudyProblem) -> xr.Dataset:
    import xarray as xr

    facts = problem.reported
    text = {
        "fact_patient": [r.patient for r in facts],
        "fact_marker": [r.marker for r in facts],
        "fact_kind": [r.kind for r in facts],
        "fact_text": [r.text for r in facts],
    }
    names = list(problem.model.covariates)
    covariates = [[s.covariates.get(n, np.nan) for n in names] for s in problem.subjects]
    data: dict[str, Any] = {n: (("fact",), np.array(v, dtype=str)) for n, v in text.items()}
    data["patient_cohort"] = (("patient",), np.array(problem.cohorts, dtype=str))
    data["covariates"] = (("patient", "covariate"), np.array(covariates, float).reshape(len(problem.subjects), -1))
    coords = {"fact": [r.name for r in facts], "patient": list(problem.patients), "covariate": names}
    return xr.Dataset(data, coords)


def attributes(problem: StudyProblem, method: str, seed: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tells a result from another: fingerprint, versions, seed, settings, the study in plain words."""
    from importlib.metadata import PackageNotFoundError, version

    study = problem.study
    versions = {}
    for package in ("pkpd", "nutpie", "arviz", "numpy", "scipy", "numba"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # running from a folder that is not installed
            versions[package] = "unknown"
    priors = {n: asdict(e) if isinstance(e, ErrorScale) else e for n, e in study.errors.items()}
    text = {
        "title": study.title,
        "description": study.description,
        "model": problem.model.name,
        "evidence": [e.name for e in problem.evidence],
        "free": [f.describe() for f in study.free],
        "fixed": {k: dict(v) if isinstance(v, Mapping) else v for k, v in study.fixed.items()},
        "errors": priors,
        "reinterpret": {f"{s}/{m}": f for (s, m), f in study.reinterpret.items()},
        "exclude": list(study.exclude),
        "include": list(study.include),
        "every": problem.every,
        "tolerances": [study.rtol, study.atol],
    }
    variables = [asdict(v) for v in problem.vector.variables]
    return {
        "study": study.name,
        "method": method,
        "seed": seed,
        "fingerprint": problem.fingerprint,
        "settings": json.dumps(dict(settings), sort_keys=True, default=_plain),
        "versions": json.dumps(versions, sort_keys=True),
        "study_text": json.dumps(text, sort_keys=True, default=float),
        "variables": json.dumps(variables),
    }
