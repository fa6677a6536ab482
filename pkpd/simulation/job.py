"""A call of ``simulate``, run in blocks of people by several threads: on a grid of times, or row by row."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.events import EventTable
from pkpd.engine.solve.block import Settings
from pkpd.engine.solve.kernel import Kernel
from pkpd.engine.solve.run import passing_target
from pkpd.errors import PkpdError, PopulationError
from pkpd.model.model import Model
from pkpd.people.population import Population
from pkpd.people.suited import check_suited
from pkpd.progress import Progress
from pkpd.simulation import compiling as compiling  # says so when solvers are compiled
from pkpd.simulation import dataset, grid, rows
from pkpd.simulation.arguments import Regimens, occasions_from, times_from
from pkpd.simulation.around_doses import corners_from
from pkpd.simulation.covariates import in_order, occasions_of, problems_of, table_notes
from pkpd.simulation.doses import table_records
from pkpd.simulation.failures import Failures, solved
from pkpd.simulation.kernels import OutputQuantity, kernel_for
from pkpd.simulation.people import population_courses
from pkpd.simulation.plan import plan_of
from pkpd.simulation.residual_errors import add_residuals

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Job", "run_job"]


@dataclass
class Job:
    """One call of ``simulate``, checked and ready to run."""

    model: Model
    chosen: Sequence[OutputQuantity]
    kernel: Kernel
    settings: Settings
    threads: int
    on_failure: str
    around_doses: bool | None = None
    residual: bool = False
    seed: int | None = None
    store: str | os.PathLike[str] | None = None


def run_job(
    job: Job, regimen: Regimens, population: Population | None, times: Any, occasions: Any, progress: bool | None
) -> xr.Dataset:
    """Solve what a job asks for; arguments as for :func:`simulate`."""
    with Progress(progress) as bar:
        if isinstance(regimen, EventTable):
            return _simulate_table(job, regimen, population, times, bar)
        when, starts = times_from(job.model, times), occasions_from(job.model, occasions)
        return _simulate_grid(job, regimen, population, when, starts, bar)


@functools.lru_cache(maxsize=32)
def _typical(model: Model) -> Population:
    return Population.typical(model)


def _simulate_grid(
    job: Job, regimen: Regimens, population: Population | None, times: np.ndarray, occasions: np.ndarray | None,
    bar: Progress,
) -> xr.Dataset:  # fmt: skip
    model, kernel = job.model, job.kernel
    if population is not None:
        check_suited("simulate", model, population)
    plan = plan_of(model, job.chosen, kernel, regimen, population, times, job.around_doses)
    people = _typical(model) if population is None else population
    if occasions is not None and people.n_occasions < occasions.size + 1:
        people = people.with_occasions(occasions.size + 1)
    courses = population_courses(model, people, occasions)
    labels = None if population is None else people.labels
    coords = dataset.coordinates(times, model.time_unit, plan.names if plan.named else None, labels)
    corners = None if plan.corners is None else plan.corners.fresh()
    sink = _sink(job, len(plan.names), people.n, times, coords, plan.doses_text(model, labels))
    states = 0 if kernel.linear and job.settings.method in ("auto", "linear") else kernel.n
    size = grid.block_size(people.n, states, len(job.chosen), times.size, job.threads)
    tasks = [(g, s) for g in range(len(plan.names)) for s in grid.slices(people.n, size)]
    names, n = plan.names, people.n
    failures = Failures(model, kernel)

    def who(i: int) -> str:
        """Name the i-th pair of regimen and subject."""
        prefix = f"regimen '{names[i // n]}', " if names[i // n] else ""
        return f"{prefix}subject {people.labels[i % n]}"

    def work(task: tuple[int, slice]) -> None:
        g, subjects = task
        block, layout, inputs = plan.task(model, kernel, people, courses, g, subjects)
        if layout is None:
            target = sink.target(g, subjects)
        else:
            target = passing_target(len(job.chosen), block.column.size, block.obs_time.size) if block.shared else None
        first = g * n + subjects.start
        result = solved(model, kernel, block, inputs, job.settings, lambda i: who(first + i), target)
        failures.note(first, block, inputs, result)
        outputs = result.outputs
        if corners is not None and layout is not None:
            outputs = corners.keep(g, subjects, layout, outputs, sink.room(g, subjects))
        values = outputs.reshape(len(job.chosen), subjects.stop - subjects.start, times.size)
        found = dict(zip([q.name for q in job.chosen], values, strict=True))
        if job.residual:
            seed = people.seed if job.seed is None else job.seed
            found |= add_residuals(model, found, seed, people.index[subjects], g * times.size)
        sink.write(g, subjects, found, result.status)
        bar.advance(1)

    bar.start(len(tasks), f"simulating {model.name}")
    try:
        _run(work, tasks, job.threads)
        sink.finish()
        failures.report(sink.status.ravel(), who, job.on_failure)
        return sink.dataset(_notes(job) | plan.notes, {} if corners is None else corners.texts(labels))
    except BaseException as error:
        sink.abandon(error)
        raise


def _simulate_table(
    job: Job, table: EventTable, population: Population | None, times: Any, bar: Progress
) -> xr.Dataset:
    if times is not None:
        raise PkpdError(
            "simulate: a data set brings its own times; leave times out, or give regimens (table.regimens()) with times"
        )
    model = job.model
    table = table.in_time(model.time_unit)
    people = Population.typical(model, table.n_subjects) if population is None else population
    check_suited("simulate", model, people)
    if people.n != table.n_subjects:
        raise PopulationError(
            f"simulate: the population has {people.n} subjects, the data set {table.n_subjects}; "
            f"draw n={table.n_subjects}"
        )
    notes: list[str] = []
    people = in_order(people, table, notes)
    if model.iov_etas and "OCC" in table.frame.columns:
        occasions = int(occasions_of(table, problems_of(table)).max(initial=0)) + 1
        people = people.with_occasions(max(occasions, people.n_occasions))
    size = max(16, min(512, -(-table.n_subjects // job.threads)))
    values = {q.name: np.empty(len(table)) for q in job.chosen}
    job = _with_switches(job, table)
    status = np.zeros(table.n_subjects, np.int64)
    records, tasks = rows.table_blocks(model, job.kernel, table, people, size)
    corners = corners_from(model, job.chosen, [records], [""], job.around_doses)
    notes += table_notes(model, table, None if population is None else people) + rows.clock_notes(model, table)
    failures = Failures(model, job.kernel)

    def who(i: int) -> str:
        return f"{table.name}, ID {table.labels[i]}"

    def work(task: tuple[slice, slice, Any, np.ndarray]) -> None:
        span, subjects, block, inputs = task
        block, layout = (block, None) if corners is None else corners.extended(job.kernel, block, inputs)
        result = solved(job.model, job.kernel, block, inputs, job.settings, lambda i: who(subjects.start + i))
        outputs = result.outputs
        if corners is not None and layout is not None:
            outputs = corners.keep(0, subjects, layout, outputs)
        for q, out in zip(job.chosen, outputs, strict=True):
            values[q.name][span] = out
        failures.note(subjects.start, block, inputs, result)
        status[subjects] = result.status
        bar.advance(1)

    bar.start(len(tasks), f"simulating {model.name}")
    _run(work, tasks, job.threads)
    if job.residual:
        row_values, seed = {n: v[:, None] for n, v in values.items()}, people.seed if job.seed is None else job.seed
        noisy = add_residuals(model, row_values, seed, np.arange(len(table)), 0)
        values |= {n: v[:, 0] for n, v in noisy.items()}
    failures.report(status, lambda i: f"ID {table.labels[i]}", job.on_failure)
    ties = rows.lagged_on_rows(job.kernel, tasks)
    notes += [rows.ties_note(table, ties)] if ties.any() else []
    records["addl"] = table.kept_additional()
    each = [records[a:b] for a, b in zip(table.starts[:-1], table.starts[1:], strict=True)]
    doses = dataset.doses_text(model, {"": each}, table.labels)
    texts = {} if corners is None else corners.texts(table.labels)
    about = {name: dataset.dose_attributes(name, doses, texts) for name in values}
    return dataset.rows_dataset(model, job.chosen, values, status, table, about, _notes(job), notes)


def _with_switches(job: Job, table: EventTable) -> Job:
    """Return the job with equations in which the states that a table switches off can be.

    Raises
    ------
    PkpdError
        If the job's equations hold derivatives.
    """
    switched = rows.switched_states(job.model, table_records(job.model, table))
    if not switched:
        return job
    if job.kernel.shadows.inputs:
        raise PkpdError(
            f"{table.name}: EVID 2 with a minus before CMT switches {', '.join(switched)} off; there are no "
            "derivatives of that; simulate the table"
        )
    return replace(job, kernel=kernel_for(job.model, job.chosen, switched))


def _run(work: Any, tasks: Sequence[Any], threads: int) -> None:
    if threads == 1 or len(tasks) < 2:
        for task in tasks:
            work(task)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, tasks):
            pass


def _sink(job: Job, regimens: int, n: int, times: np.ndarray, coords: dict[str, Any], doses: str) -> Any:
    from pkpd.simulation.sink import MemorySink, ZarrSink

    shape = (regimens, n, times.size)
    if job.store is None:
        return MemorySink(job.model, job.chosen, shape, coords, doses)
    return ZarrSink(job.model, job.chosen, shape, coords, doses, Path(job.store))


def _notes(job: Job) -> dict[str, Any]:
    s = job.settings
    return {
        "method": "linear" if s.method == "auto" and job.kernel.linear else s.method,
        "rtol": s.rtol,
        "atol": s.atol,
    }
