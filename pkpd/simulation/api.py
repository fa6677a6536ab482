"""The verb: simulate regimens or data sets in one person or many."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pkpd.dosing.given_rows import rows_from
from pkpd.dosing.regimen import Regimen
from pkpd.engine.solve.kernel import Kernel
from pkpd.errors import PkpdError, PopulationError
from pkpd.model.model import Model
from pkpd.options import checked
from pkpd.people.population import Population
from pkpd.randomness import check_seed
from pkpd.simulation.arguments import (
    OnFailure,
    Regimens,
    Solver,
    Times,
    check_method,
    check_on_failure,
    settings_from,
    threads_from,
)
from pkpd.simulation.derivatives import derivatives_of
from pkpd.simulation.job import Job, run_job
from pkpd.simulation.kernels import OutputQuantity, kernel_for, quantities
from pkpd.simulation.source import Source, model_from

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["simulate"]


@checked
def simulate(
    source: Model | Source,
    regimen: Regimens = None,
    population: Population | None = None,
    times: Times | None = None,
    *,
    n: int | None = None,
    patient: str | None = None,
    cohort: str | None = None,
    outputs: Sequence[str] | None = None,
    derivatives: Iterable[str] | str | None = None,
    occasions: Times | None = None,
    residual: bool = False,
    seed: int | None = None,
    method: Solver = "auto",
    rtol: float = 1e-9,
    atol: float = 1e-12,
    h_max: float = np.inf,
    max_steps: int | None = None,
    threads: int | None = None,
    store: str | os.PathLike[str] | None = None,
    on_failure: OnFailure = "warn",
    around_doses: bool | None = None,
    progress: bool | None = None,
) -> xr.Dataset:
    """Solve a model for doses and people.

    Parameters
    ----------
    source : Model, Fit, StudyFit or Individual
        Of all but a model, persons are drawn from it, their parameters as uncertain as it leaves them.
    regimen : Regimen, str, dict, sequence, EventTable or data frame, optional
        One regimen for all; ``{name: regimen}`` to compare several; a sequence with one per subject (also as a value of
        the dict); a text is read by `Regimen.parse`, its routes are those of the model. Or a data set (a data frame is
        read by `read_events`), whose rows are then simulated in order. None: no dose, also as a value of the dict; but
        of an Individual, or of a calibration's patient, what he was given (``Regimen(doses=[])`` is no dose). Doses on
        another clock than the model's, or in another unit than the state's, are converted.
    population : Population, optional
        Who; the typical person at reference covariates if not given.
    times : array, shape (times,)
        When to observe, increasing: bare numbers in the model's time unit, grids as of `pkpd.hours` and `pkpd.days` in
        their own. An observation at the time of a dose is taken before it.
    n : int, optional
        Draw so many persons, in place of ``population``; by default, of what is no model, as many as a data set has
        subjects, else 1000.
    patient, cohort : str, optional
        Of a calibration: one of its patients, or new patients of a cohort on its clock.
    outputs : sequence of str, optional
        Outputs, states or individual parameters to keep; all declared outputs by default.
    derivatives : str or names, optional
        By what outputs are differentiated, exactly, from the equations: ``"CL"`` for the typical value of a parameter,
        ``"eta_CL"`` for its random effect; ``model.parameters`` for all. Each output then has a variable ``d<output>``
        with one more dimension, ``parameter``: ``result["dCc"].sel(parameter="CL")``; its unit is that of the output
        divided by ``parameter_units``. Bounds of errors are those of ``q dx/dq``, q the value of the parameter.
    occasions : array, optional
        Times at which the second, third, ... occasion begins, for variability between occasions. A data set brings its
        own in column OCC.
    residual : bool
        Add ``<output>_observed`` with residual error drawn for outputs that declare one.
    seed : int, optional
        Of the residual error; the population's by default.
    method : {"auto", "linear", "cascade", "dop853", "tsit5", "rodas5p"}
        ``auto``: the exact propagator for linear models; where linear equations drive others that are linear in
        themselves, the propagator with quadrature (cascade); else an explicit method of order 8 that hands stiff
        subjects to a stiff method of order 5.
    rtol, atol : float
        Bounds of the error per step of each state: relative, and in the state's unit. Where the amounts in play are
        below 1, atol shrinks with them: it is multiplied by the largest value that the state has had, or the smallest
        dose or initial value of the subject where the state begins at zero. So amounts of 1e-10 are solved as well as
        those of 1e3.
    h_max, max_steps
        Longest step, for equations with a smooth pulse in time that is much narrower than the times between doses and
        observations (a dose, ``during`` and other conditions on time need none); most steps of one subject, by default
        100,000 and 1,000 more for each dose or other event. Who needs more fails with a status, and the others' results
        are kept.
    threads : int, optional
        All cores by default; results do not depend on it.
    store : path, optional
        Write to this Zarr folder block by block, and return the data set opened from there.
    around_doses : bool, optional
        Whether outputs keep their values right before and after doses that make them jump or turn, which a grid does
        not show and `exposure` and plots read: of all, of none, or, by default, of all but amounts beside other
        outputs, where it costs more than it tells.
    on_failure : {"warn", "raise", "ignore"}
        What to do if a subject cannot be solved, or one of the outputs is not a finite number; ``status`` tells which,
        and the others' results are kept.
    progress : bool, optional
        Show a bar; by default on terminals when it takes long.

    Returns
    -------
    xarray.Dataset
        Dimensions regimen, subject, time, those that were asked for, or row for a data set. Variables carry ``units``
        and ``long_name``; ``status`` is 0 where all went well.

    Raises
    ------
    PkpdError
        With who is wrong and what to do, if an argument cannot be understood.

    Examples
    --------
    >>> import pkpd
    >>> model = pkpd.models["pk1_oral"]
    >>> sims = pkpd.simulate(model, pkpd.Regimen.parse("100 mg q24h x3", cmt="depot"), times=pkpd.hours(0, 72, 1))
    >>> sims["Cc"].dims
    ('time',)
    >>> pkpd.simulate(model, "100 mg PO once", times=[1.0, 2.0], derivatives=["CL", "eta_V"])["dCc"].dims
    ('time', 'parameter')
    """
    settings = settings_from(method, rtol, atol, h_max, max_steps)
    check_on_failure("simulate", on_failure)
    if around_doses not in (None, True, False):
        raise PkpdError(f"simulate: around_doses must be True, False or None, got {around_doses!r}")
    table = rows_from(regimen)
    regimen = regimen if table is None else table
    many = 1000 if table is None else table.n_subjects
    model, population, given = _who(source, population, n, patient, cohort, seed, many)
    regimen = given if regimen is None else regimen
    chosen = quantities(model, outputs)
    if derivatives is not None:
        _check_alone(residual=residual, around_doses=around_doses, store=store is not None)

    def solve(columns: Sequence[OutputQuantity], kernel: Kernel) -> xr.Dataset:
        check_method("simulate", model, kernel, method)
        around = around_doses if derivatives is None else False
        job = Job(model, columns, kernel, settings, threads_from(threads), on_failure, around, residual, seed, store)
        return run_job(job, regimen, population, times, occasions, progress)

    if derivatives is None:
        return solve(chosen, kernel_for(model, chosen))
    return derivatives_of(model, chosen, derivatives, solve)


def _check_alone(**given: bool | None) -> None:
    """Raise PkpdError if something is asked for that derivatives do not go with."""
    if asked := [name for name, value in given.items() if value]:
        raise PkpdError(
            f"simulate: derivatives do not go with {', '.join(asked)}; simulate once with derivatives and once without"
        )


def _who(
    source: Model | Source, population: Population | None, n: int | None, patient: str | None, cohort: str | None,
    seed: int | None, many: int,
) -> tuple[Model, Population | None, Regimen | None]:  # fmt: skip
    """Return the model and the persons that a call of ``simulate`` means, and what one patient was given.

    Of a source that is no model these are ``many`` unless ``n`` says otherwise.
    """
    model = model_from("simulate", source)
    if seed is not None:
        check_seed(seed)
    chosen = {name: value for name, value in (("patient", patient), ("cohort", cohort)) if value is not None}
    if population is not None and (n is not None or chosen):
        extra = ", ".join([*(["n"] if n is not None else []), *chosen])
        raise PopulationError(f"simulate: give either population or {extra}, not both")
    if n is not None and (isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1):
        raise PopulationError(f"simulate: n must be a whole number > 0, got {n!r}")
    if isinstance(source, Model):
        if chosen:
            raise PkpdError(f"simulate: a Model knows no {' or '.join(chosen)}; a StudyFit does")
        return model, population if n is None else Population.draw(model, int(n), seed=seed or 0), None
    if population is not None:
        return model, population, None
    found = source.subjects("simulate", int(n or many), seed or 0, patient, cohort)
    return model, found.people, found.history.given
