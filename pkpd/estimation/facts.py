"""What is predicted of each reported fact, as a table; of fits to reports, and of fits to a population with reports."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pkpd.errors import DataError
from pkpd.estimation.methods.saem_chains import approximation
from pkpd.evidence.kinds import kind_named
from pkpd.observation.api import Likelihood

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.record import FitRecord
    from pkpd.observation.reported import Reported

__all__ = [
    "DRAWS", "EXCEPTION", "FactPredictions", "Predicted", "fact_table", "facts_of_population", "predicted_facts",
    "reproduced",
]  # fmt: skip

#: probability of a reported region below which it is called missed
OUTSIDE = 0.05
#: share of a patient's qualitative facts that is reproduced on average, below which the patient is an exception; and
#: facts about one marker from which on that marker is judged by itself as well
EXCEPTION, SEVERAL = 0.6, 3
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


def reproduced(found: FactPredictions, days: Mapping[str, float]) -> pd.DataFrame:
    """Return how many of each patient's qualitative facts a replicate reproduces, see ``StudyFit.reproduced``.

    Parameters
    ----------
    days : mapping of str to float
        When each fact was, which orders them; those of one day keep the order of the report.
    """
    import pandas as pd

    region = np.array([kind_named(k).region for k in found.kind], bool)
    # a replicate states the grade itself, and 1 where a bound or a direction holds throughout
    same = found.replicate[~np.isnan(found.replicate).any(axis=1)] == found.observed
    rows: dict[str, dict[str, Any]] = {}
    for patient in dict.fromkeys(found.patient):
        own = [k for k, who in enumerate(found.patient) if who == patient and region[k]]
        if not own:
            continue
        own.sort(key=lambda k: days[found.fact[k]])
        each, markers = same[:, own], np.array([found.marker[k] for k in own])
        shares = {m: float(each[:, markers == m].mean()) for m in dict.fromkeys(markers.tolist())}
        judged = {m: share for m, share in shares.items() if (markers == m).sum() >= SEVERAL} or shares
        weakest = min(judged, key=lambda m: judged[m])
        rows[patient] = {
            "facts": len(own),
            "reproduced": float(each.sum(axis=1).mean()),
            "share": float(each.mean()),
            "in_order": float(np.cumprod(each, axis=1).sum(axis=1).mean()),
            "all": float(each.all(axis=1).mean()),
            "weakest": weakest,
            "weakest_share": shares[weakest],
            "exception": min(float(each.mean()), judged[weakest]) < EXCEPTION,
        }
    columns = ["facts", "reproduced", "share", "in_order", "all", "weakest", "weakest_share", "exception"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("patient")


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
