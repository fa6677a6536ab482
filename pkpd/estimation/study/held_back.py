"""What a posterior predicts of the facts that were held back from the fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pkpd.estimation.facts import DRAWS, FactPredictions, predicted_facts
from pkpd.estimation.spreads import ErrorScale

if TYPE_CHECKING:
    from pkpd.estimation.study.record import StudyRecord

__all__ = ["predicted_checks", "values_of_draws"]

Floats = NDArray[np.float64]


def predicted_checks(calibration: StudyRecord) -> FactPredictions | None:
    """Return predictions of the facts whose use is check, by draws that are evenly taken; None if there are none."""
    problem = calibration.study.problem
    facts = problem.checks
    if not facts:
        return None
    rows = [i for i, p in enumerate(problem.patients) if any(f.patient == p for f in facts)]
    subjects = [
        replace(problem.subjects[i], terms=tuple(f.term for f in facts if f.patient == problem.patients[i]))
        for i in rows
    ]
    total = calibration.posterior.sizes["chain"] * calibration.posterior.sizes["draw"]
    chosen = np.unique(np.linspace(0, total - 1, min(DRAWS, total)).round().astype(int))
    values, errors = values_of_draws(calibration, chosen)
    seeds = [[int(calibration.attrs["seed"]), 9, int(d)] for d in chosen]
    found = predicted_facts(problem.likelihood_of(subjects), values[:, rows], errors, seeds)
    return FactPredictions.of(facts, "check", found)


def values_of_draws(calibration: StudyRecord, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return patients' parameters in draws, (draws, patient, free), and factors on residual errors, (draws, output)."""
    study, patients = calibration.study, calibration.study.problem.patients
    values = np.empty((rows.size, len(patients), len(study.free)))
    for k, f in enumerate(study.free):
        drawn = calibration.draws(f.name)[rows]
        values[..., k] = drawn if drawn.ndim == 2 else drawn[:, None]
    errors = np.ones((rows.size, len(study.errors)))
    for o, (name, error) in enumerate(study.errors.items()):
        errors[:, o] = calibration.draws(f"{name}_error")[rows] if isinstance(error, ErrorScale) else error
    return values, errors
