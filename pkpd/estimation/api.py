"""The verb: fit a model to data."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

from pkpd.dosing.given_rows import rows_from
from pkpd.errors import DataError, PkpdError
from pkpd.estimation.method import Method, Progress
from pkpd.estimation.methods.register import MethodName, method_of
from pkpd.estimation.problem import pose, threads_for
from pkpd.estimation.result import Fit
from pkpd.estimation.search_progress import Line, watcher
from pkpd.estimation.study.result import StudyFit
from pkpd.estimation.study.study import Study
from pkpd.options import checked
from pkpd.simulation.arguments import Solver, settings_from
from pkpd.simulation.source import model_from

if TYPE_CHECKING:
    from pkpd.model.model import Model
    from pkpd.observation.data import FitData
    from pkpd.observation.reports import Data

__all__ = ["fit"]


@overload
def fit(
    model: Study, *, method: Method | MethodName | None = None, progress: bool | Progress | None = None
) -> StudyFit: ...


@overload
def fit(
    model: Model | Fit,
    data: Data | FitData,
    method: Method | MethodName | None = None,
    *,
    start: Mapping[str, float] | None = None,
    fixed: Collection[str] | Mapping[str, float] = (),
    bloq: Literal["m3", "m4", "m1"] = "m3",
    rtol: float = 1e-9,
    atol: float = 1e-12,
    solver: Solver = "auto",
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> Fit: ...


@checked
def fit(
    model: Model | Fit | Study,
    data: Data | FitData | None = None,
    method: Method | MethodName | None = None,
    *,
    start: Mapping[str, float] | None = None,
    fixed: Collection[str] | Mapping[str, float] = (),
    bloq: Literal["m3", "m4", "m1"] = "m3",
    rtol: float = 1e-9,
    atol: float = 1e-12,
    solver: Solver = "auto",
    threads: int | None = None,
    progress: bool | Progress | None = None,
) -> Fit | StudyFit:
    """Estimate the parameters of a model from data of a population, or what a study's reports say of its patients.

    Typical values, covariances of random effects and residual errors that the model declares are start values. A
    covariance is estimated where the model has one, so ``Omega`` blocks are full. ``fixed`` and
    ``Parameter(fixed=True)`` keep a value.

    Parameters
    ----------
    model : Model, Fit or Study
        A fit's model starts at its estimates; default priors stay about the values that it had before. A study brings
        its reports, priors and tolerances with it.
    data : EventTable, data frame, Evidence or sequence of these; not for a study
        A data set, from :func:`pkpd.read_events`, which also reads a data frame (see
        :func:`pkpd.observation.data.bind` for DVID, CENS, LLOQ and OCC); evidence from reports, from
        :data:`pkpd.seeds`, whose patients are then subjects of the same population, one subject each, known by their
        facts; or a list of both, fitted together; or the ``data`` of a fit.
    method : Method or str, optional
        Focei() by default, of a study Mode().
        :class:`~pkpd.Focei`, :class:`~pkpd.Laplace`, :class:`~pkpd.Saem`, :class:`~pkpd.Nuts`, or one of
        :mod:`pkpd.methods`: Foce (no interaction), Fo, Nlme, Importance, Map, NaivePooled, TwoStage; of a study
        :class:`~pkpd.Mode` or :class:`~pkpd.Nuts`; with their options as fields; a name is the method with its default
        options. A class of one's own is given in the same way, see :class:`pkpd.estimation.method.Method`.
    start : mapping, optional
        Other start values: parameters, ``omega_<parameter>`` (variances), residual parameters (``sigma_prop``; with
        several outputs ``sigma_prop_<output>``).
    fixed : collection of str, or mapping of name to number
        What is not estimated, by the same names; a mapping also says which values are kept, a list keeps those of the
        model or of ``start``.
    bloq : {"m3", "m4", "m1"}
        What is done with censored data.
    rtol, atol, solver : float, float, str
        As for :func:`pkpd.simulate`.
    threads : int, optional
        Estimates do not depend on it.
    progress : bool or callable, optional
        None: a line on terminals once it takes more than a second. True, False: always, never. A function is called
        with each step.

    Returns
    -------
    Fit or StudyFit
        ``print(fit)`` shows the estimates. Ctrl-C ends the search; the fit then has the best values so far and
        ``converged`` is False.

    Raises
    ------
    DataError
        With all that is wrong with the data, with rows.
    PkpdError
        If an option is unknown, of another method, or no number of its kind.

    Examples
    --------
    >>> import numpy as np
    >>> import pkpd
    >>> model = pkpd.Model(
    ...     "bolus",
    ...     states=[pkpd.State("central", "mg")],
    ...     parameters=[pkpd.Parameter("k", 0.1, "1/h", sd=0.3), pkpd.Parameter("V", 10.0, "L", sd=0.2)],
    ...     outputs=[pkpd.Output("Cc", "mg/L", error=pkpd.Proportional(0.1))],
    ...     dynamics=lambda t, x, p: {"central": -p.k * x.central},
    ...     calculate=lambda t, x, p: {"Cc": x.central / p.V},
    ... )
    >>> table = pkpd.EventTable.from_regimen([pkpd.Regimen(amt=100)] * 8, [1.0, 4.0, 12.0, 24.0])
    >>> people = pkpd.Population.draw(model, 8, seed=1)
    >>> table.frame["DV"] = pkpd.simulate(model, table, people, residual=True)["Cc_observed"].values
    >>> found = fit(model, pkpd.read_events(table.frame.drop(columns="MDV")))
    >>> found.converged, sorted(found.estimates)
    (True, ['V', 'k', 'omega_V', 'omega_k', 'sigma_prop'])
    """
    if isinstance(model, Study):
        given = {
            "data": data is not None, "start": start is not None, "fixed": bool(fixed), "bloq": bloq != "m3",
            "rtol": rtol != 1e-9, "atol": atol != 1e-12, "solver": solver != "auto", "threads": threads is not None,
        }  # fmt: skip
        return _fit_study(model, [name for name, there in given.items() if there], method, progress)
    declared = model.layout.declared if isinstance(model, Fit) else None
    model = model_from(
        "fit", model, ("Model", "Fit"),
        {"StudyFit": "fit its study again: fit(found.study)", "Individual": "one patient is known already"},
    )  # fmt: skip
    how = method_of("focei" if method is None else method)
    settings_from(solver, rtol, atol, math.inf, None, "fit", "solver")
    if data is None:
        raise DataError(f"fit: model '{model.name}' needs data: fit(model, read_events(path))")
    data = data if (table := rows_from(data)) is None else table
    problem = pose(
        model, data, start=start, fixed=fixed, bloq=bloq, rtol=rtol, atol=atol, solver=solver,
        threads=threads_for(threads, data), declared=declared,
    )  # fmt: skip
    watch = progress if how.shows_progress else watcher(how.name, progress)
    begun = time.perf_counter()
    try:
        found = how.run(problem, watch)
        if not isinstance(found, Fit):
            raise PkpdError(
                f"fit: {type(how).__name__}.run must return a Fit, such as pkpd.results.Fit.at(problem, x, self.name), "
                f"got {type(found).__name__}"
            )
        found.estimator, found.seconds = how, found.seconds or time.perf_counter() - begun
        kind = how.covariance_kind
        if kind is not None and found.uncertainty is None:
            if isinstance(watch, Line):
                watch.phase("standard errors")
            if found.converged:
                found.covariance_step(kind)
            else:
                found.covariance_message = "not computed: the search has not converged"
    finally:
        if isinstance(watch, Line):
            watch.close()
    return found


def _fit_study(study: Study, given: list[str], method: Method | MethodName | None, progress: Any) -> StudyFit:
    """Return the fit of a study.

    Raises
    ------
    PkpdError
        If something is given that the study declares, or the method is not for studies.
    """
    if given:
        raise PkpdError(
            f"fit: study '{study.name}' brings its reports with it, its priors and tolerances too: {', '.join(given)} "
            "cannot be given beside it; change the study, study.with_(...)"
        )
    how = method_of("mode" if method is None else method)
    if not how.studies:
        raise PkpdError(
            f"fit: a study is fitted by Mode() or Nuts(), or by a method of your own with studies = True, got "
            f"{type(how).__name__}()"
        )
    found = how.run(study.problem, progress)
    if not isinstance(found, StudyFit):
        raise PkpdError(
            f"fit: {type(how).__name__}.run must return a StudyFit for a study, such as "
            f"pkpd.results.StudyFit.of_draws(problem, q, self.name), got {type(found).__name__}"
        )
    return found
