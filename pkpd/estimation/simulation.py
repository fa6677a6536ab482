"""People as a fit knows them: variability between subjects, and what is not known of the estimates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.uncertainty.sampled import Sampled
from pkpd.options import whole_number
from pkpd.people.population import Population
from pkpd.randomness import ETAS, KAPPAS, PARAMETERS, check_seed, normals, uniforms_at

if TYPE_CHECKING:
    from pkpd.estimation.record import FitRecord

__all__ = ["estimate_draws", "population_of"]

#: standard error of a logarithm or logit from which on draws of a normal tell nothing: 95% span a factor of e^12
WIDE = 3.0


def estimate_draws(
    fit: FitRecord, n: int, seed: int = 0, uncertainty: bool | Sampled | np.ndarray = True, *, verb: str = "population"
) -> np.ndarray:
    """Return estimated vectors as they could have been, (n, size).

    Draw k of a seed does not depend on ``n``.

    Parameters
    ----------
    fit : Fit
    n : int
    seed : int
    uncertainty : bool, Bootstrap, Sir or float array (k, size)
        True: draws of the posterior where the fit has them; else normal with the covariance of the estimates, on the
        scale of estimation; what lies beyond a bound is put there. False: the estimates. Else samples. Of draws and
        samples it is drawn with replacement.
    verb : str
        Who asks, for messages.

    Raises
    ------
    PkpdError
        If the fit has no covariance of the estimates, or the samples are not of this fit.
    """
    size, index = fit.x.size, np.arange(n)
    check_seed(seed)
    if uncertainty is False:
        return np.tile(fit.x, (n, 1))
    if uncertainty is True and fit.chains is not None:
        uncertainty = fit.chains.flat
    if uncertainty is not True:
        given = uncertainty.vectors if isinstance(uncertainty, Sampled) else _samples(verb, uncertainty)
        if given.ndim != 2 or not len(given) or given.shape[1] != size:
            raise PkpdError(
                f"{verb}: samples of the estimates must have {size} columns ({', '.join(fit.layout.labels)}), "
                f"got shape {given.shape}"
            )
        return given[(uniforms_at(seed, index, 1, PARAMETERS)[:, 0] * len(given)).astype(np.int64)]
    if fit.uncertainty is None:
        raise PkpdError(
            f"{verb}: the fit has no covariance of the estimates ({fit.covariance_message}); call "
            "fit.covariance_step(), give uncertainty=pkpd.uncertainty.bootstrap(fit), or uncertainty=False for the "
            "estimates alone, as in population=fit.population(n, uncertainty=False)"
        )
    free = np.isfinite(np.diag(fit.uncertainty.scaled))
    factor = np.zeros((size, size))
    factor[np.ix_(free, free)] = np.linalg.cholesky(fit.uncertainty.scaled[np.ix_(free, free)])
    return np.clip(fit.x + normals(seed, index, factor, PARAMETERS), fit.layout.low, fit.layout.high)


def _refuse_unknown(verb: str, fit: FitRecord, se: np.ndarray) -> None:
    """Raise PkpdError if a number is hardly known: a normal on its scale would give any value however large."""
    scales = [e.scale for e in fit.layout.entries]
    wide = [k for k, scale in enumerate(scales) if scale in ("log", "logit") and se[k] > WIDE]
    if wide:
        named = ", ".join(f"{fit.layout.labels[k]} ({se[k]:.3g} on the {scales[k]} scale)" for k in wide)
        raise PkpdError(
            f"{verb}: the data hardly tell {named}: with such standard errors a normal draws values a thousand "
            "times too large or small. Keep these at known values (fit(..., fixed=[...])), give priors, take "
            "uncertainty=pkpd.uncertainty.bootstrap(fit), or uncertainty=False for the estimates alone"
        )


def _samples(verb: str, given: Any) -> np.ndarray:
    try:
        samples = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        samples = np.full(1, np.nan)
    if not np.isfinite(samples).all():
        raise PkpdError(
            f"{verb}: uncertainty must be True, False, a Bootstrap, a Sir, or samples of the estimates, finite "
            f"numbers, got {given!r}"
        )
    return samples


def population_of(
    fit: FitRecord,
    n: int,
    seed: int = 0,
    uncertainty: bool | Sampled | np.ndarray = True,
    *,
    covariates: Mapping[str, Any] | None = None,
    n_occasions: int = 1,
    verb: str = "population",
) -> Population:
    """Return new subjects of a fit, each with a draw of the estimates of its own.

    Typical values, covariances of random effects and random effects differ from subject to subject; residual errors are
    those of ``fit.model`` for all. Simulate them with ``fit.model``.

    Parameters
    ----------
    fit : Fit
    n : int
        Subjects; subject i of a seed is the same for every n.
    seed : int
    uncertainty : bool, Bootstrap, Sir or float array (k, size)
        What is not known of the estimates, see :func:`estimate_draws`.
    covariates : mapping of name to number, array or distribution, optional
        By default those of subjects of the data, drawn with replacement (first values of those that change).
    n_occasions : int
        Occasions per subject, for variability between them.
    verb : str
        Who asks, for messages.

    Raises
    ------
    PkpdError
        If the fit has no covariance of the estimates, or one that hardly tells a number (a standard error above 3 of a
        logarithm or logit).

    Examples
    --------
    >>> import pkpd
    >>> model = pkpd.models["pk1_iv"]
    >>> dose = pkpd.Regimen(amt=100, cmt="central")
    >>> table = pkpd.EventTable.from_regimen([dose] * 6, [1.0, 6.0, 24.0], covariates={"WT": 70})
    >>> people = pkpd.Population.draw(model, 6, seed=2)
    >>> table.frame["DV"] = pkpd.simulate(model, table, people, residual=True)["Cc_observed"].values
    >>> from pkpd.estimation.api import fit
    >>> found = fit(model, pkpd.read_events(table.frame.drop(columns="MDV")), "fo", fixed=["WT_CL", "WT_V"])
    >>> population_of(found, 20, uncertainty=False).n
    20
    """
    n = whole_number(f"{verb}: n", n, 1)
    model = fit.model
    vectors = estimate_draws(fit, n, seed, uncertainty, verb=verb)
    if uncertainty is True and fit.chains is None and fit.uncertainty is not None:
        _refuse_unknown(verb, fit, np.sqrt(np.diag(fit.uncertainty.scaled)))
    given: dict[str, Any] = {"covariates": covariates}
    if covariates is None and model.covariates:
        given = {"resample": fit.data.constant}
    people = Population.draw(model, n, n_occasions=n_occasions, seed=seed, **given)
    if uncertainty is False:
        return people
    values = [fit.layout.natural(x) for x in vectors]
    moved = [e.name for e in fit.layout.entries if e.kind == "theta"]
    scores = normals(seed, people.index, np.eye(len(model.etas)), ETAS) if model.etas else np.zeros((n, 0))
    etas = np.array([v.factor @ z for v, z in zip(values, scores, strict=True)]).reshape(n, len(model.etas))
    kappas = None
    if model.iov_etas:
        kappas = _kappas(people, [v.factor_iov for v in values], n_occasions)
    parameters = {name: np.array([v.theta[name] for v in values]) for name in moved}
    return replace(people, etas=etas, parameters=parameters, given_kappas=kappas)


def _kappas(people: Population, factors: list[np.ndarray], n_occasions: int) -> np.ndarray:
    """Return effects between occasions, (n, n_occasions, n_iov), each subject with a covariance of its own."""
    from scipy.special import ndtri

    width = len(people.iov_names)
    scores = ndtri(people.uniforms(n_occasions * width, KAPPAS)).reshape(people.n, n_occasions, width)
    return np.einsum("iab,iob->ioa", np.array(factors), scores)
