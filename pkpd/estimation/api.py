"""The verb: fit a model to data."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.options import checked_options
from pkpd.estimation.problem import pose
from pkpd.estimation.search_progress import SEARCHES, Line, watcher
from pkpd.estimation.uncertainty.covariance import KINDS
from pkpd.simulation.arguments import settings_from, threads_from
from pkpd.simulation.source import model_from

if TYPE_CHECKING:
    from pkpd.dosing.events import EventTable
    from pkpd.estimation.result import Fit
    from pkpd.model.model import Model

__all__ = ["METHODS", "fit", "register"]

Runner = Callable[..., "Fit"]

#: method -> where it is: "module:function", a function of (problem, method, **options) that returns a Fit
METHODS: dict[str, str | Runner] = {
    "fo": "pkpd.estimation.methods.focei:estimate",
    "foce": "pkpd.estimation.methods.focei:estimate",
    "focei": "pkpd.estimation.methods.focei:estimate",
    "laplace": "pkpd.estimation.methods.focei:estimate",
    "nlme": "pkpd.estimation.methods.focei:estimate",
    "saem": "pkpd.estimation.methods.saem:estimate",
    "importance": "pkpd.estimation.methods.importance:estimate",
    "nuts": "pkpd.estimation.methods.nuts:estimate",
    "map": "pkpd.estimation.methods.pooled:estimate_map",
    "naive_pooled": "pkpd.estimation.methods.pooled:estimate_pooled",
    "two_stage": "pkpd.estimation.methods.pooled:estimate_two_stage",
}
#: subjects from which on threads are used without being asked for
THREADED = 64


def register(name: str, runner: str | Runner) -> None:
    """Add a method: a function of (problem, name, **options) that returns a Fit, or ``"module:function"``."""
    METHODS[name] = runner


def fit(
    model: Model | Fit,
    data: EventTable,
    method: str = "focei",
    *,
    start: Mapping[str, float] | None = None,
    fixed: Collection[str] = (),
    bloq: str = "m3",
    covariance: str | None = "auto",
    rtol: float = 1e-9,
    atol: float = 1e-12,
    solver: str = "auto",
    threads: int | None = None,
    progress: bool | Callable[[Any], Any] | None = None,
    **options: Any,
) -> Fit:
    """Estimate the parameters of a model from data of a population.

    Typical values, covariances of random effects and residual errors that the model declares are start values. A
    covariance is estimated where the model has one, so ``Omega`` blocks are full. ``fixed`` and
    ``Parameter(fixed=True)`` keep a value.

    Parameters
    ----------
    model : Model or Fit
        A fit's model starts at its estimates.
    data : EventTable
        From :func:`pkpd.read_events`. See :func:`pkpd.observation.data.bind` for DVID, CENS, LLOQ and OCC.
    method : str
        ``fo``, ``foce`` (no interaction), ``focei``, ``laplace``; ``nlme``, the method of Lindstrom and Bates as R's
        nlme has it; ``saem``, ``importance``, ``nuts``, ``map``, ``naive_pooled``, ``two_stage``.
    start : mapping, optional
        Other start values: parameters, ``omega_<parameter>`` (variances), residual parameters (``sigma_prop``; with
        several outputs ``sigma_prop_<output>``).
    fixed : collection of str
        What is not estimated, by the same names.
    bloq : {"m3", "m4", "m1"}
        What is done with censored data.
    covariance : {"auto", "R", "S", "RS", "linearised"} or None
        Which covariance of the estimates is computed, see :meth:`pkpd.estimation.result.Fit.covariance_step`. ``auto``:
        R, and for SAEM, whose estimates are no optimum of an approximated likelihood, ``linearised``.
    rtol, atol, solver : float, float, str
        As for :func:`pkpd.simulate`.
    threads : int, optional
        Estimates do not depend on it.
    progress : bool or callable, optional
        None: a line on terminals once it takes more than a second. True, False: always, never. A function is called
        with each step.
    **options
        Of the method. Of FO to nlme: ``restarts``, ``seed``, ``max_iterations``, ``decrease``, ``checkpoint``, see
        :func:`pkpd.estimation.methods.focei.estimate`; of others see :func:`pkpd.estimation.methods.saem.estimate`,
        :func:`pkpd.estimation.methods.nuts.estimate` and :func:`pkpd.estimation.methods.pooled.estimate_map`.

    Returns
    -------
    Fit
        ``print(fit)`` shows the estimates. Ctrl-C ends the search; the fit then has the best values so far and
        ``converged`` is False.

    Raises
    ------
    DataError
        With all that is wrong with the data, with rows.
    PkpdError
        If an option is unknown, of another method, or no number of its kind.

    Notes
    -----
    Sources: Sheiner LB, Rosenberg B, Melmon KL. Comput Biomed Res 1972;5:441-459 (FO); Lindstrom MJ, Bates DM.
    Biometrics 1990;46:673-687 (FOCE); Wang Y. J Pharmacokinet Pharmacodyn 2007;34:575-593 (FOCEI, Laplace);
    Almquist J, Leander J, Jirstrand M. J Pharmacokinet Pharmacodyn 2015;42:191-209 (gradients).

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
    model = model_from(
        "fit", model, ("Model", "Fit"),
        {"Calibration": "what reports tell is learned by pkpd.calibrate", "Individual": "one patient is known already",
         "Study": "a study is learned from its evidence: pkpd.calibrate(study)"},
    )  # fmt: skip
    run = runner_of(method)
    options = checked_options(method, options, runners())
    step = _covariance_step(method, covariance)
    settings_from(solver, rtol, atol, math.inf, None, "fit", "solver")
    problem = pose(
        model, data, start=start, fixed=fixed, bloq=bloq, rtol=rtol, atol=atol, solver=solver,
        threads=threads_for(threads, data),
    )  # fmt: skip
    watch = None if method == "nuts" else watcher(method, progress)
    told: dict[str, Any] = {"progress": watch} if method in SEARCHES else {}
    if method == "nuts" and progress is not None:
        told = {"progress": progress}
    try:
        found = run(problem, method, **told, **options)
        if step is not None and found.uncertainty is None:
            if isinstance(watch, Line):
                watch.phase("standard errors")
            if found.converged:
                found.covariance_step(step)
            else:
                found.covariance_message = "not computed: the search has not converged"
    finally:
        if isinstance(watch, Line):
            watch.close()
    return found


def _covariance_step(method: str, covariance: str | None) -> str | None:
    """Return the covariance step of a method, checked; None where it has its own or none is wanted."""
    if covariance is not None and covariance not in ("auto", *KINDS):
        known = ("auto", *KINDS)
        raise PkpdError(
            f"fit: covariance must be {', '.join(known)} or None, got {covariance!r}{nearest(str(covariance), known)}"
        )
    if covariance is None or method in ("nuts", "naive_pooled", "two_stage", "importance"):
        return None
    if covariance != "auto":
        return covariance
    return "linearised" if method == "saem" else "R"


def threads_for(threads: int | None, data: Any) -> int:
    if threads is None and getattr(data, "n_subjects", 0) < THREADED:
        return 1
    return threads_from(threads)


def runner_of(method: str) -> Runner:
    """Return the function of a method.

    Raises
    ------
    PkpdError
        If there is none.
    """
    where = METHODS.get(method) if isinstance(method, str) else None
    if where is None:
        raise PkpdError(f"fit: method must be {', '.join(METHODS)}, got {method!r}{nearest(str(method), METHODS)}")
    return _loaded(where)


def runners() -> dict[str, Runner]:
    """Return the functions of all methods."""
    return {n: _loaded(where) for n, where in METHODS.items()}


def _loaded(where: str | Runner) -> Runner:
    if callable(where):
        return where
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)
