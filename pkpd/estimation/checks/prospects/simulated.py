"""What designs would have shown in patients whose parameters are draws of a posterior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.checks.prospects.doses import doses_under
from pkpd.estimation.methods.chain_history import seen_of
from pkpd.evidence.kinds import kind_named
from pkpd.evidence.term import Term
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    from pkpd.estimation.checks.prospects.design import Design
    from pkpd.estimation.study.problem import StudyProblem
    from pkpd.model.model import Model
    from pkpd.observation.subject import Subject

__all__ = ["measured_subject", "on_axes", "simulate_terms"]

Floats = NDArray[np.float64]

#: subjects that are solved at once
_BLOCK = 50


def measured_subject(problem: StudyProblem, subject: Subject, design: Design, start: float) -> Subject:
    """Return a patient with the design's doses, and its measurements as terms.

    Days before the model's time 0 and the first dose, of which the study knows nothing, have no measurement.

    Raises
    ------
    PkpdError
        If a marker is no output that can be measured, a drug is not given, or no measurement is left.
    """
    regimen = doses_under(problem, subject, design, start)
    day = convert_time(1.0, "d", problem.model.time_unit)
    origin = min(0.0, *regimen.times.tolist(), 0.0)
    first, last = design.from_day, design.to_day
    if design.over and (seen := seen_of(subject.terms)) is not None:
        first, last = ((t - start) / day for t in seen)
    terms = []
    for marker, schedule in design.measure.items():
        made = _term(problem.model, marker, design)
        reading = design.reading_sd if schedule.reading_sd is None else schedule.reading_sd
        for k, time in enumerate(start + day * schedule.on(first, last)):
            if time >= origin:
                terms.append(replace(made, name=f"{marker}#{k}", time=float(time), reading_sd=reading))
    if design.measure and not terms:
        raise PkpdError(
            f"design '{design.name}': no day of it lies within what is modelled of patient '{subject.name}', which "
            f"begins {(start - origin) / day:.3g} days before the first dose"
        )
    return replace(subject, regimen=regimen, terms=tuple(terms))


def _term(model: Model, marker: str, design: Design) -> Term:
    """Return the measurement of a marker, whenever."""
    outputs = {n: o for n, o in model.outputs.items() if o.error is not None and not o.error.exact}
    if marker not in outputs:
        what = "has no residual error, so it cannot be measured" if marker in model.outputs else "is no output"
        raise PkpdError(
            f"design '{design.name}': '{marker}' {what}{nearest(marker, outputs)}; model '{model.name}' has "
            f"{', '.join(outputs)}"
        )
    error = outputs[marker].error
    assert error is not None
    if error.data == "grade":
        return Term(marker, "grade", marker, 0.0, 0.0, value_to=float(error.grades))
    return Term(marker, "density", marker, 0.0, 1.0)


def simulate_terms(
    problem: StudyProblem, subject: Subject, values: Floats, errors: Floats, repeats: int, seed: Sequence[int]
) -> Floats:
    """Return what the terms of a patient would state, in their units.

    Parameters
    ----------
    problem : StudyProblem
    subject : Subject
    values : float array, (draws, free)
        The patient's parameters.
    errors : float array, (draws, outputs)
        Factors on residual errors.
    repeats : int
        Sets of measurements for each draw.
    seed : sequence of int

    Returns
    -------
    float array, (draws, repeats, terms)
        NaN where the equations could not be solved.
    """
    width, n = len(subject.terms), len(values)
    size = min(_BLOCK, n)
    like = problem.likelihood_of([replace(subject, name=f"{subject.name}#{k}") for k in range(size)])
    out = np.empty((n, repeats, width))
    seeds = np.random.SeedSequence(list(seed)).generate_state(-(-n // size))
    for b, first in enumerate(range(0, n, size)):
        # the last block begins earlier, so that all are of one size
        rows = slice(min(first, n - size), min(first, n - size) + size)
        drawn = like.replicate(values[rows], errors[rows], int(seeds[b]), repeats).statistic
        out[rows] = drawn.reshape(repeats, size, width).transpose(1, 0, 2)
    return out


def on_axes(model: Model, terms: Sequence[Term], data: Floats) -> Floats:
    """Return what terms state, (..., terms), on a scale on which it is spread alike.

    Measurements whose error is on their logarithm are put there, and positive ones that differ more than tenfold.
    """
    out = data.copy()
    for k, term in enumerate(terms):
        error, kind, seen = model.outputs[term.output].error, kind_named(term.kind), data[..., k]
        if kind.region or not kind.has_unit or not (seen[np.isfinite(seen)] > 0).all():
            continue
        low, high = (np.nanmin(seen), np.nanmax(seen)) if np.isfinite(seen).any() else (1.0, 1.0)
        if (error is not None and error.data == "log") or high > 10 * low:
            out[..., k] = np.log(seen)
    return out
