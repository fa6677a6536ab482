"""The verb: what drives an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from pkpd.errors import PkpdError, nearest
from pkpd.kinds import kind_of
from pkpd.model.model import Model
from pkpd.options import checked
from pkpd.people.population import Population
from pkpd.sensitivity_analysis.factors import Ranges
from pkpd.sensitivity_analysis.identify import Identifiability
from pkpd.sensitivity_analysis.local import Local
from pkpd.sensitivity_analysis.method import Analysis, SensitivityProblem
from pkpd.sensitivity_analysis.result import SensitivityResult
from pkpd.sensitivity_analysis.screening import Morris, Sobol
from pkpd.sensitivity_analysis.variance import Variance
from pkpd.simulation.arguments import OnFailure, Regimens, Times, check_on_failure, times_from
from pkpd.simulation.source import Source, model_from, one_person

if TYPE_CHECKING:
    import xarray as xr

    Plain = Callable[[np.ndarray], np.ndarray]
    Number = Callable[[xr.Dataset], xr.DataArray]
    Answers = str | Number | Sequence[str] | Mapping[str, str | Number]

__all__ = ["METHODS", "AnalysisName", "sensitivity"]

AnalysisName: TypeAlias = Literal["sobol", "local", "morris", "variance", "identifiability"]
METHODS: dict[str, type[Analysis]] = {each.name: each for each in (Sobol, Local, Morris, Variance, Identifiability)}


@checked
def sensitivity(
    source: Model | Source | Plain,
    regimen: Regimens = None,
    population: Population | None = None,
    times: Times | None = None,
    *,
    of: Answers | None = None,
    parameters: Ranges = None,
    method: Analysis | AnalysisName = "sobol",
    rtol: float = 1e-6,
    atol: float = 1e-9,
    threads: int | None = None,
    on_failure: OnFailure = "warn",
) -> SensitivityResult:
    r"""Find out what drives an output of a model.

    Parameters
    ----------
    source : Model, Fit or function
        With ``population``, which says who is meant, also a StudyFit or an Individual. A plain function gets an
        array of shape (inputs, runs), so that ``x[0]`` is the first input of all runs, and returns (runs,) or
        (quantities, runs).
    regimen, population, times
        As for :func:`pkpd.simulate`. Several regimens or persons: the indices of each. For ``Variance`` a population
        of several persons is what subjects are drawn from.
    of : str, function, sequence or mapping, optional
        What is asked about. ``"CRP"``: the output over time. ``"CRP.auc"``, ``.mean``, ``.max``, ``.min``, ``.last``,
        ``.tmax``, ``"CRP.at(24)"``, ``"CRP.auc(24, 48)"``: numbers, of ``times`` and the values around doses, areas as
        in ``exposure``; ``"Cc.Cmax"``, ``"Cc.AUCtau"``, ... what ``exposure`` calls so. A function gets
        the data set of a simulation and returns one value per subject. ``{"AUC": "CRP.auc", "x": function}``: several.
    parameters : mapping of name to distribution or (low, high), or names, optional
        What is varied: parameters (``"CL"``), random effects (``"eta_CL"``), covariates (``"WT"``). Names alone are
        varied within a fraction of their values (``data.distribution`` has the ranges), random effects by the
        model's omega. All parameters that are not fixed by default. ``Variance`` of a Fit takes names alone from what
        is known of its estimates.
    method : Sobol, Morris, Local, Variance, Identifiability, or the name of one
        ``Sobol``: shares of variance, of each input alone (S1) and with interactions (ST). ``Local``: exact derivatives
        and elasticities. ``Morris``: elementary effects, a cheap screening of many inputs. ``Variance``: shares of
        uncertain parameters, of differences between subjects, and of covariates. ``Identifiability``: which parameters
        observations of outputs could tell apart; how well data know them is told by :func:`pkpd.uncertainty.profile`.
        Their fields are their options: ``Sobol(n=4096)``.
    rtol, atol, threads
        As for :func:`pkpd.simulate`; tolerances are wider here (1e-6, 1e-9), which many runs pay for.
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

    Examples
    --------
    >>> import pkpd
    >>> model = pkpd.models["pk1_iv"]
    >>> asked = {"times": pkpd.hours(0, 24, 1), "of": "Cc.last", "parameters": ["CL", "V"]}
    >>> found = sensitivity(model, "100 mg once", method=Sobol(n=64), **asked)
    >>> found.data["ST"].idxmax("parameter").item()
    'CL'
    """
    how = _method_of(method)
    check_on_failure("sensitivity", on_failure)
    options: dict[str, Any] = {"rtol": rtol, "atol": atol, "threads": threads}
    if isinstance(source, (Model, Source)) or not callable(source):
        model = _model_of(source, population)
        grid = times_from(model, times)
        known = source if isinstance(source, Source) else None
        return how.run(
            SensitivityProblem(model, regimen, population, grid, of, parameters, on_failure, options, source=known)
        )
    _check_function(how, regimen=regimen, population=population, times=times)
    return how.run(SensitivityProblem(None, None, None, np.empty(0), of, parameters, on_failure, options, source))


def _method_of(given: Analysis | str) -> Analysis:
    """Return a method as it is, or the one of a name with its default options."""
    if isinstance(given, Analysis):
        return given
    if given not in METHODS:
        raise PkpdError(
            f"sensitivity: method must be one such as Sobol(n=1024), or {', '.join(METHODS)}, got {given!r}"
            f"{nearest(str(given), METHODS)}"
        )
    return METHODS[given]()


def _model_of(source: Any, population: Population | None) -> Model:
    """Return the model of a source; a function needs none."""
    if not kind_of(source):
        model_from("sensitivity", source, ("function", "Model", "Fit"))
    return one_person("sensitivity", source, population)


def _check_function(how: Analysis, **beside: Any) -> None:
    """Raise PkpdError if a method needs a model, or something is given that a plain function does not get."""
    wrong = [name for name, value in beside.items() if value is not None]
    if wrong:
        raise PkpdError(
            f"sensitivity: a plain function has no use for {', '.join(wrong)}, it gets the varied inputs only; leave "
            "that out, or give a Model"
        )
    if not how.takes_function:
        raise PkpdError(
            f"sensitivity: {type(how).__name__} needs a Model; of a plain function there is Sobol and Morris, and "
            "pkpd.uncertainty.profile for a log-likelihood"
        )
