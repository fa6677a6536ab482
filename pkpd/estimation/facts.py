"""What is predicted of each reported fact, as a table; of fits to reports, and of fits to a population with reports."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pkpd.errors import DataError
from pkpd.estimation.methods.saem_chains import approximation
from pkpd.evidence.kinds import kind_named
from pkpd.observation.api import Likelihood

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.record import FitRecord
    from pkpd.observation.reported import Reported

__all__ = ["DRAWS", "FactPredictions", "Predicted", "fact_table", "facts_of_population", "predicted_facts"]

#: probability of a reported region below which it is called missed
OUTSIDE = 0.05
#: draws by which facts are predicted
DRAWS = 400


class Predicted(NamedTuple):
    """Numbers that are predicted of n facts.

    Attributes
    ----------
    observed : float array, (n,)
    replicate : float array, (draws, n)
    probability, pit : float array, (n,)
        Means over the draws, see :class:`pkpd.observation.predictive.Predictive`.
    """

    observed: np.ndarray
    replicate: np.ndarray
    probability: np.ndarray
    pit: np.ndarray


@dataclass(frozen=True)
class FactPredictions:
    """Predictions of n facts.

    Attributes
    ----------
    use : {"fit", "check"}
        Whether the facts were fitted, or held back.
    fact, patient, marker, kind, text : sequence of str, (n,)
    observed : float array, (n,)
    replicate : float array, (draws, n)
    probability, pit : float array, (n,)
        As those of `Predicted`.
    """

    use: str
    fact: Sequence[str]
    patient: Sequence[str]
    marker: Sequence[str]
    kind: Sequence[str]
    text: Sequence[str]
    observed: np.ndarray
    replicate: np.ndarray
    probability: np.ndarray
    pit: np.ndarray

    @classmethod
    def of(cls, facts: Sequence[Reported], use: str, found: Predicted) -> FactPredictions:
        """Return predictions of facts as they were reported."""
        return cls(
            use, [f.name for f in facts], [f.patient for f in facts], [f.marker for f in facts],
            [f.kind for f in facts], [f.text for f in facts], *found,
        )  # fmt: skip


def predicted_facts(
    like: Likelihood, values: np.ndarray, errors: np.ndarray | None, seeds: Iterable[Sequence[int]]
) -> Predicted:
    """Return what draws of parameters predict of the terms of a likelihood.

    Parameters
    ----------
    like : Likelihood
    values : float array, (draws, subjects, free)
    errors : float array, (draws, outputs), optional
        Factors on residual errors.
    seeds : iterable of sequences of int, (draws,)
        Of the replicates.
    """
    replicate, probability, pit, observed = [], [], [], np.empty(0)
    for d, (own, seed) in enumerate(zip(values, seeds, strict=True)):
        factors = () if errors is None else (errors[d],)
        drawn = like.replicate(own, *factors, seed=int(np.random.SeedSequence(seed).generate_state(1)[0]))
        observed = drawn.observed
        how = like.cdf(own, *factors)
        replicate.append(drawn.statistic)
        probability.append(how.probability)
        pit.append(how.pit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a mean of nothing is NaN: the fact has no probability, no PIT
        means = [np.nanmean(np.array(each), axis=0) for each in (probability, pit)]
    return Predicted(observed, np.array(replicate), *means)


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
            **words, "use": found.use, "observed": found.observed, "probability": found.probability,
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
    found = predicted_facts(like, draws, None, [[seed, 8, d] for d in range(DRAWS)])
    return fact_table(FactPredictions.of(joined.facts, "fit", found))
