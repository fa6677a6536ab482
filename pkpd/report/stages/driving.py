"""What drives the answer: shares of the variance of what the drug achieves in new patients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.report.blocks import Table, Text
from pkpd.report.words import listing, percent
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    from pkpd.report.job import ReportJob

__all__ = ["drivers"]

_MOST = 8


def drivers(job: ReportJob) -> None:
    """Find which uncertain quantities decide how far the drug lowers the activity, by Sobol's shares of variance."""
    from pkpd.comparison.measure import built_in
    from pkpd.plot.sensitivity import tornado
    from pkpd.report.stages.schedules import arms_of
    from pkpd.sensitivity_analysis.api import sensitivity
    from pkpd.sensitivity_analysis.screening import Sobol

    model, drug = job.study.problem.model, job.drug
    patient = str(job.words.get("drivers_patient", job.fit.patients[-1]))
    if drug is None or not job.outcomes:
        return
    (output,) = built_in(model)[job.outcomes[0]].outputs
    arms, background, window = arms_of(job, patient, drug)
    if not arms:
        return
    regimens = {name: arms[name] if background is None else background + arms[name] for name in ("none", "given")}
    hour = float(convert_time(1.0, "h", model.time_unit))
    times = np.arange(window[0], window[1] + hour, 4.0 * hour)
    ranges = _ranges(job, patient)

    def fall(sims: Any) -> Any:
        area = sims[output].mean("time")
        return (1.0 - area.sel(regimen="given") / area.sel(regimen="none")).drop_vars("regimen", errors="ignore")

    found = sensitivity(
        model, regimens, _median(job, patient), times, of={f"fall in {output}": fall}, parameters=ranges,
        method=Sobol(n=1024 if job.full else 256, seed=job.seed),
    )  # fmt: skip
    table = found.table().reset_index().sort_values("ST", ascending=False)
    job.keep_table("drivers", table)
    first = table.head(_MOST)
    meaning = {name: job.names.quantity(name) for name in table["parameter"]}
    main = [f"{meaning[r['parameter']]} ({percent(r['ST'])})" for r in first.head(3).to_dict("records")]
    job.subsection("sensitivity", "drivers", "What drives the answer").add(
        Text(
            f"How far {drug} lowers the {job.outcome} depends on quantities that are not known exactly. Each was "
            f"varied over the central 95% of what is possible for {job.names.patient(patient)} after the reports, "
            "all at once, and the spread of the answer was shared out among them. A quantity with a large share is "
            "worth measuring; one with a small share could be off without much harm. Correlations between quantities "
            "were left aside."
        ),
        Text(f"Most of the answer hangs on {listing(main)}. Shares with interactions add up to more than 100%."),
        job.picture(
            "drivers",
            tornado(found, most=_MOST, labels=meaning, width=140),
            "Bars of the shares of variance by parameter, largest at the top; the table holds the numbers.",
            f"**What decides how far {drug} lowers the {job.outcome}.** Share of the variance by each quantity alone, "
            "and with its interactions.",
            wide=False,
        ),
        Table(
            "Shares of the variance",
            ["quantity", "varied from", "to", "alone", "with interactions"],
            [[meaning[r["parameter"]], *map(float, ranges[r["parameter"]]),
              percent(max(r["S1"], 0.0)), percent(max(r["ST"], 0.0))] for r in first.to_dict("records")],
        ),
    )  # fmt: skip


def _ranges(job: ReportJob, patient: str) -> dict[str, tuple[float, float]]:
    """Return the central 95% of each estimated parameter of a patient that has a spread."""
    i = job.fit.patients.index(patient)
    found = {}
    for free in job.study.free:
        draws = job.fit.draws(free.name)
        own = draws if draws.ndim == 1 else draws[:, i]
        low, high = np.quantile(own, [0.025, 0.975])
        if high > low:
            found[free.name] = (float(low), float(high))
    return found


def _median(job: ReportJob, patient: str) -> Any:
    """Return the patient with the middle of each parameter."""
    from dataclasses import replace

    people = job.fit.population(1, patient=patient, seed=job.seed)
    i = job.fit.patients.index(patient)
    middle = dict(people.parameters)
    for free in job.study.free:
        draws = job.fit.draws(free.name)
        middle[free.name] = np.array([np.median(draws if draws.ndim == 1 else draws[:, i])])
    return replace(people, parameters=middle)
