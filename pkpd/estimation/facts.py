"""What is predicted of each reported fact, as a table; of fits to reports, and of fits to a population with reports."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import DataError
from pkpd.estimation.methods.saem_chains import approximation
from pkpd.evidence.kinds import kind_named
from pkpd.observation.api import Likelihood

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.record import FitRecord

__all__ = ["FactPredictions", "fact_table", "facts_of_population"]

#: probability of a reported region below which it is called missed
OUTSIDE = 0.05
#: draws of the random effects of each patient
DRAWS = 400


@dataclass(frozen=True)
class FactPredictions:
    """Predictions of n facts.

    Attributes
    ----------
    fact, patient, marker, kind, text : sequence of str, (n,)
    observed : float array, (n,)
    replicate : float array, (draws, n)
    probability, pit : float array, (n,)
        Means over the draws, see :class:`pkpd.observation.predictive.Predictive`.
    """

    fact: Sequence[str]
    patient: Sequence[str]
    marker: Sequence[str]
    kind: Sequence[str]
    text: Sequence[str]
    observed: np.ndarray
    replicate: np.ndarray
    probability: np.ndarray
    pit: np.ndarray


def fact_table(found: FactPredictions) -> pd.DataFrame:
    """Return one row for each fact, see :meth:`pkpd.estimation.study.result.StudyFit.facts`."""
    import pandas as pd

    solved = found.replicate[~np.isnan(found.replicate).any(axis=1)]
    low, middle, high = np.quantile(solved, [0.025, 0.5, 0.975], axis=0)
    region = np.array([kind_named(k).region for k in found.kind], bool)
    with np.errstate(invalid="ignore"):
        inside = np.where(region, found.probability >= OUTSIDE, np.abs(found.pit - 0.5) <= 0.475)
    words = {n: list(getattr(found, n)) for n in ("fact", "patient", "marker", "kind", "text")}
    return pd.DataFrame(
        {
            **words, "observed": found.observed, "probability": found.probability,
            "pit": np.where(region, np.nan, found.pit), "2.5%": low, "50%": middle, "97.5%": high, "inside": inside,
        }
    )  # fmt: skip


def facts_of_population(fit: FitRecord, seed: int = 0) -> pd.DataFrame:
    """Return what a fit predicts of each fact of the reports in it, see :meth:`pkpd.estimation.result.Fit.facts`.

    Raises
    ------
    DataError
        If there are no reports in the data of the fit.
    """
    joined = fit.data.joined
    if joined is None or not joined.patients:
        raise DataError(f"facts: no reports are among the data of the fit, {fit.events.name}")
    model, settings = fit.model, fit.settings
    names = [f"eta_{n}" for n in model.etas]
    like = Likelihood(model, joined.patients, names, rtol=settings["rtol"], atol=settings["atol"])
    mode, root = approximation(fit.problem.objective("focei"), fit.x, fit.effects)
    labels = fit.data.labels.tolist()
    at = [labels.index(p.name) for p in joined.patients]
    z = np.random.default_rng([seed, 7]).standard_normal((DRAWS, len(at), mode.shape[1]))
    draws = (mode[at] + np.einsum("iab,dib->dia", root[at], z))[..., : len(names)]
    replicate, probability, pit, observed = [], [], [], np.empty(0)
    for d, values in enumerate(draws):
        drawn = like.replicate(values, seed=int(np.random.SeedSequence([seed, 8, d]).generate_state(1)[0]))
        observed = drawn.observed
        how = like.cdf(values)
        replicate.append(drawn.statistic)
        probability.append(how.probability)
        pit.append(how.pit)
    facts = joined.facts
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a mean of nothing is NaN: the fact has no probability, no PIT
        means = [np.nanmean(np.array(each), axis=0) for each in (probability, pit)]
    return fact_table(
        FactPredictions(
            fact=[f.name for f in facts], patient=[f.patient for f in facts], marker=[f.marker for f in facts],
            kind=[f.kind for f in facts], text=[f.text for f in facts], observed=observed,
            replicate=np.array(replicate), probability=means[0], pit=means[1],
        )
    )  # fmt: skip
