"""The same by refitting: the posterior of single simulated data sets, sampled, against which the learner is held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.checks.prospects.design import Design
from pkpd.estimation.checks.prospects.doses import start_of
from pkpd.estimation.checks.prospects.learner import interval_width
from pkpd.estimation.checks.prospects.simulated import measured_subject, simulate_terms
from pkpd.estimation.methods.chain_store import ChainStore
from pkpd.estimation.methods.chains import sample
from pkpd.estimation.study.held_back import values_of_draws

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.study.result import StudyFit

__all__ = ["refitted_widths"]

_SHORT = {"chains": 2, "tune": 400, "draws": 400, "target_accept": 0.9, "maxdepth": 8}


def refitted_widths(
    fit: StudyFit,
    design: Design,
    parameter: str,
    patient: str,
    sets: int,
    *,
    settings: Mapping[str, float] | None = None,
    seed: int = 0,
    cores: int | None = None,
) -> pd.DataFrame:
    """Sample the posterior given the evidence and a design's measurements, for a few truths.

    Parameters
    ----------
    fit : StudyFit
    design : Design
        Without changed doses, which a second course would need.
    parameter, patient : str
    sets : int
        Simulated data sets.
    settings : mapping, optional
        Of the sampler; short chains by default.
    seed : int
    cores : int, optional

    Returns
    -------
    DataFrame
        For each set: truth, low and high (5% and 95% quantiles of the refitted posterior) and width (of the 90%
        interval).

    Raises
    ------
    PkpdError
        If the design changes doses or has further patients, or the patient got no dose of the drug.
    """
    import pandas as pd

    problem = fit.study.problem
    i = problem.index_of(patient)
    subject = problem.subjects[i]
    start = start_of(problem, subject, design)
    if design.without is not None or design.shift or design.more or start is None:
        why = "its doses are other ones" if start is not None else f"'{patient}' got no dose of the drug"
        raise PkpdError(f"design '{design.name}': it cannot be refitted, since {why} or patients are added")
    further = measured_subject(problem, subject, design, start)
    total = fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"]
    rows = np.random.default_rng([seed, 15]).choice(total, sets, replace=False)
    values, errors = values_of_draws(fit, rows)
    data = simulate_terms(problem, further, values[:, i], errors, 1, [seed, 16])[:, 0]
    drawn = fit.draws(parameter)[rows]
    out: list[dict[str, Any]] = []
    chosen = {**_SHORT, **(settings or {})}
    for k, y in enumerate(data):
        made = []
        for term, value in zip(further.terms, y, strict=True):
            stated = float(value)
            made.append(replace(term, value=stated, value_to=None if term.value_to is None else stated))
        subjects = list(problem.subjects)
        subjects[i] = replace(subject, terms=(*subject.terms, *made))
        anew = replace(problem, subjects=tuple(subjects))
        store = ChainStore(None, problem.study.name, anew.mark, seed + k, chosen)
        found = sample(anew.posterior, settings=chosen, seed=seed + k, store=store, cores=cores, progress=False)
        q = found.q.reshape(-1, found.q.shape[-1])
        x = anew.vector.transform(q)[parameter]
        x = x if x.ndim == 1 else x[:, i]
        low, high = np.quantile(x, [0.05, 0.95])
        truth = drawn[k] if drawn.ndim == 1 else drawn[k, i]
        out.append({"truth": float(truth), "low": low, "high": high, "width": interval_width(x)})
    return pd.DataFrame(out)
