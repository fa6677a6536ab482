"""What a posterior says of each datum: its density, and data that could have been seen instead."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.estimation.methods.complete import Complete
from pkpd.estimation.population_draws import posterior_dataset

if TYPE_CHECKING:
    from pkpd.estimation.record import FitRecord

__all__ = ["with_predictions"]

#: place of these random numbers beside those of the sampler
STREAM = 11


def with_predictions(fit: FitRecord) -> Any:
    """Return the draws of a fit with groups ``log_likelihood`` and ``posterior_predictive``; None where it has none.

    Both hold ``DV`` (chain, draw, observation), at the random effects of each draw: the log-density of a datum given
    them, with its constant, and a datum drawn from it. Times to events and what a report says are not drawn but NaN.
    """
    import xarray as xr

    from pkpd.estimation.convergence import arviz

    chains, data = fit.chains, fit.data
    if chains is None:
        return None
    attrs = {
        "model": fit.layout.model.name, "priors": repr(fit.extra["priors"]), "centred": int(fit.extra["centred"]),
    }  # fmt: skip
    of = posterior_dataset(fit.problem, chains, attrs)
    shape, dims = chains.vectors.shape[:2], ("chain", "draw", "observation")
    l, y = _each(fit, chains.flat, chains.effects.reshape(-1, *chains.effects.shape[2:]))
    coords = {"chain": of["chain"], "draw": of["draw"]}
    seen = {"DV": data.y, "time": data.time, "ID": data.labels[data.subject], "censored": data.censored}
    groups = {
        "log_likelihood": xr.Dataset({"DV": (dims, l.reshape(*shape, -1))}, coords),
        "posterior_predictive": xr.Dataset({"DV": (dims, y.reshape(*shape, -1))}, coords),
    }
    there = {
        "posterior": of,
        "sample_stats": xr.Dataset({n: (dims[:2], v) for n, v in chains.stats.items()}, coords),
        "observed_data": xr.Dataset({n: ("observation", v) for n, v in seen.items()}),
    }
    return arviz().InferenceData(**there, **groups)


def _each(fit: FitRecord, vectors: np.ndarray, effects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log-densities and drawn data of each draw, (draws, N) both."""
    data, lay, complete = fit.data, fit.layout, Complete(fit.problem)
    constant = np.zeros(data.y.size)
    for channel in data.channels:
        if channel.continuous:
            constant[channel.rows] = 0.5 * math.log(2.0 * math.pi)
    constant[data.censored != 0] = 0.0
    declared = {c.observed: fit.model.outputs[c.observed].error for c in data.channels}
    errors = {n: e for n, e in declared.items() if e is not None}
    rng = np.random.default_rng([int(fit.problem.data.y.size), STREAM])
    l, y = np.empty((len(vectors), data.y.size)), np.full((len(vectors), data.y.size), np.nan)
    for k, (x, eta) in enumerate(zip(vectors, effects, strict=True)):
        f = complete.predict(x[: lay.q], eta)
        l[k] = complete.rows(f, x[lay.q + lay.w :]) - constant
        sigma, normal = lay.natural(x).sigma, rng.standard_normal(data.y.size)
        for channel in data.channels:
            error = errors[channel.observed]
            if values := [sigma[s.name] for s in lay.sigma_specs if s.output == channel.observed]:
                error = error.with_parameters(values)
            if error.data != "event" and channel.reported is None:
                y[k, channel.rows] = error.draw(f[channel.rows], normal[channel.rows])
    return l, y
