"""The verb: what drives an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import PkpdError, nearest
from pkpd.kinds import kind_of
from pkpd.metrics.quantities import quantities_from
from pkpd.options import checked
from pkpd.people.population import Population
from pkpd.randomness import check_seed
from pkpd.sensitivity_analysis.designs import Sampling, check_level
from pkpd.sensitivity_analysis.factors import Ranges, factors_from, function_factors
from pkpd.sensitivity_analysis.local import local
from pkpd.sensitivity_analysis.objective import ModelObjective
from pkpd.sensitivity_analysis.profile import profile_model
from pkpd.sensitivity_analysis.result import SensitivityResult
from pkpd.sensitivity_analysis.runs import FunctionRuns, ModelRuns
from pkpd.sensitivity_analysis.screening import check_independent, morris, sobol
from pkpd.sensitivity_analysis.variance import variance
from pkpd.simulation.arguments import times_from
from pkpd.simulation.source import Source, model_from, one_person

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["sensitivity"]

_METHODS = ("local", "morris", "sobol", "variance", "profile")
_OWN: dict[str, tuple[str, ...]] = {
    "n": ("morris", "sobol", "variance"),
    "second_order": ("sobol",),
    "levels": ("morris",),
    "draws": ("variance",),
    "data": ("profile",),
    "error": ("profile",),
    "of": ("local", "morris", "sobol", "variance"),
}


@checked
def sensitivity(
    model: Model | Source | Callable[[np.ndarray], Any],
    regimen: Any = None,
    population: Population | None = None,
    times: Any = None,
    *,
    of: Any = None,
    parameters: Ranges = None,
    method: str = "sobol",
    n: int | None = None,
    spread: float = 0.2,
    draws: Any = None,
    second_order: bool | None = None,
    levels: int | None = None,
    data: Any = None,
    error: Any = None,
    level: float = 0.95,
    seed: int = 0,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    threads: int | None = None,
    on_failure: str = "warn",
) -> SensitivityResult:
    r"""Find out what drives an output of a model.

    Parameters
    ----------
    model : Model, Fit or function
        With ``population``, which says who is meant, also a StudyFit or an Individual. A plain function gets an
        array of shape (inputs, runs), so that ``x[0]`` is the first input of all runs, and returns (runs,) or
        (quantities, runs).
    regimen, population, times
        As for :func:`pkpd.simulate`. Several regimens or persons: the indices of each. For ``"variance"`` a population
        of several persons is what subjects are drawn from.
    of : str, function, sequence or mapping, optional
        What is asked about. ``"CRP"``: the output over time. ``"CRP.auc"``, ``.mean``, ``.max``, ``.min``, ``.last``,
        ``.tmax``, ``"CRP.at(24)"``, ``"CRP.auc(24, 48)"``: numbers, of ``times`` and the values around doses, areas as
        in ``exposure``; ``"Cc.Cmax"``, ``"Cc.AUCtau"``, ... what ``exposure`` calls so. A function gets
        the data set of a simulation and returns one value per subject. ``{"AUC": "CRP.auc", "x": function}``: several.
    parameters : mapping of name to distribution or (low, high), or names, optional
        What is varied: parameters (``"CL"``), random effects (``"eta_CL"``), covariates (``"WT"``). Names alone are
        varied by -+ ``spread`` within their bounds (``data.distribution`` has the ranges), random effects by the
        model's omega. All parameters that are not fixed by default.
    method : {"sobol", "local", "morris", "variance", "profile"}
        ``sobol``: shares of variance, of each input alone (S1) and with interactions (ST). ``local``: exact derivatives
        and elasticities. ``morris``: elementary effects, a cheap screening of many inputs. ``variance``: shares of
        uncertain parameters, of differences between subjects, and of covariates. ``profile``: profile likelihood of
        ``data``, see :func:`pkpd.profile_likelihood`.
    n : int, optional
        Base rows of the Sobol sequence, a power of two (1024), or Morris' trajectories (64).
    spread : float
        See ``parameters``.
    draws : mapping, data frame or data set, optional
        Correlated draws of uncertain parameters, e.g. of a posterior, for ``"variance"``; taken whole, row by row.
    second_order : bool, optional
        Whether ``sobol`` also finds the interactions of pairs.
    levels : int, optional
        Morris' levels of each input, even (4); they span a uniform distribution, and the central 95% of others.
    data, error : mapping of output to array, mapping of output to ResidualError, optional
        Observations at ``times``, missing where NaN, and how they scatter; the model's own errors by default.
    level : float
        Of confidence intervals.
    seed : int
    rtol, atol, threads
        As for :func:`pkpd.simulate`.
    on_failure : {"warn", "raise", "ignore"}
        What to do if runs fail; the result's notes tell it always.

    Returns
    -------
    SensitivityResult
        ``.data`` is an xarray.Dataset, ``.table()`` a data frame; figures are in :mod:`pkpd.plot`.

    Raises
    ------
    PkpdError
        If something cannot be understood, or has no answer by this method.

    Notes
    -----
    Sobol: a scrambled Sobol sequence in Saltelli's design (Comput Phys Commun 2010;181:259-270), ``n (k + 2)`` runs for
    k inputs, with the estimators and bootstrap intervals of SALib (Herman J, Usher W. JOSS 2017;2:97). Inputs are
    independent. Base rows with a failed run are left out.

    Examples
    --------
    >>> import pkpd
    >>> model = pkpd.models["pk1_iv"]
    >>> dose = pkpd.Regimen.parse("100 mg once")
    >>> found = sensitivity(model, dose, times=pkpd.hours(0, 24, 1), of="Cc.last", parameters=["CL", "V"], n=64)
    >>> found.data["ST"].idxmax("parameter").item()
    'CL'
    """
    _check_options(method, locals())
    options: dict[str, Any] = {"rtol": rtol, "atol": atol, "threads": threads}
    seed, level = check_seed(seed), check_level(level)
    if callable(model) and not isinstance(model, Source):
        _check_function(regimen, population, times)
        how = Sampling(n, seed, level, on_failure)
        return _of_function(model, of, parameters, method, how, second_order, levels)
    model = _model_of(model, population)
    grid = times_from(model, times)
    if method == "profile":
        objective = ModelObjective(model, regimen, population, grid, data, error, parameters, options)
        return profile_model(objective, level)
    quantities = quantities_from(model, of, grid)
    if method == "local":
        if isinstance(parameters, Mapping):
            raise PkpdError(
                "sensitivity: method='local' takes derivatives at the model's values and has no use for ranges; give "
                f"names, parameters={list(parameters)!r}"
            )
        names = parameters if parameters is None else [parameters] if isinstance(parameters, str) else list(parameters)
        return local(model, regimen, population, grid, quantities, names, on_failure, options)
    several = method == "variance" and population is not None and population.n > 1
    target = ModelRuns(model, regimen, None if several else population, grid, quantities, options)
    if method == "variance":
        how = Sampling(_given(n, 1024), seed, level, on_failure)
        return variance(target, population, parameters, draws, spread, how)
    factors = factors_from(model, parameters, spread)
    if method == "morris":
        return morris(target, factors, _given(n, 64), seed, _given(levels, 4), level, on_failure)
    check_independent(model, factors)
    return sobol(target, factors, _given(n, 1024), seed, bool(second_order), level, on_failure)


def _model_of(model: Any, population: Population | None) -> Model:
    """Return the model of a source; a function needs none."""
    if not kind_of(model):
        model_from("sensitivity", model, ("function", "Model", "Fit"))
    return one_person("sensitivity", model, population)


def _given(value: int | None, default: int) -> int:
    return default if value is None else value


def _check_function(regimen: Any, population: Any, times: Any) -> None:
    """Raise PkpdError if something is given that a plain function does not get."""
    beside = {"regimen": regimen, "population": population, "times": times}
    wrong = [name for name, value in beside.items() if value is not None]
    if wrong:
        raise PkpdError(
            f"sensitivity: a plain function has no use for {', '.join(wrong)}, it gets the varied inputs only; leave "
            "that out, or give a Model"
        )


def _of_function(
    function: Any, of: Any, parameters: Ranges, method: str, how: Sampling, second_order: bool | None,
    levels: int | None,
) -> SensitivityResult:  # fmt: skip
    if method not in ("morris", "sobol"):
        raise PkpdError(
            f"sensitivity: method='{method}' needs a Model; of a plain function there is 'sobol' and 'morris', and "
            "pkpd.profile_likelihood for a log-likelihood"
        )
    target, factors = FunctionRuns(function, of), function_factors(parameters)
    if method == "morris":
        return morris(target, factors, _given(how.n, 64), how.seed, _given(levels, 4), how.level, how.on_failure)
    return sobol(target, factors, _given(how.n, 1024), how.seed, bool(second_order), how.level, how.on_failure)


def _check_options(method: str, given: dict[str, Any]) -> None:
    if method not in _METHODS:
        raise PkpdError(
            f"sensitivity: there is no method '{method}'; there is {', '.join(_METHODS)}{nearest(method, _METHODS)}"
        )
    if given["on_failure"] not in ("warn", "raise", "ignore"):
        raise PkpdError(f"sensitivity: on_failure must be 'warn', 'raise' or 'ignore', got {given['on_failure']!r}")
    wrong = [
        f"{name} (for {' and '.join(own)})"
        for name, own in _OWN.items()
        if given[name] is not None and method not in own
    ]
    if wrong:
        raise PkpdError(
            f"sensitivity: method='{method}' has no use for {', '.join(wrong)}; leave out what is not for it"
        )
