"""Weighted draws of people: what is known of somebody after observations."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pkpd.people.columns import count
from pkpd.simulation.source import History, Source, Subjects

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.model.model import Model
    from pkpd.people.population import Population

__all__ = ["WeightedPeople", "effective", "normalised", "varying", "weighted_quantiles", "weighted_variance"]


def normalised(log_weights: np.ndarray) -> np.ndarray:
    """Return weights that sum to 1 from their logarithms; zeros if all are -inf.

    Examples
    --------
    >>> normalised(np.log([1.0, 3.0]))
    array([0.25, 0.75])
    """
    top = log_weights.max()
    if not np.isfinite(top):
        return np.zeros(len(log_weights))
    weights = np.exp(log_weights - top)
    return weights / weights.sum()


def effective(weights: np.ndarray) -> float:
    """Return the effective number of draws, ``(sum w)^2 / sum w^2``.

    Examples
    --------
    >>> effective(np.array([0.5, 0.5, 0.0]))
    2.0
    """
    return float(weights.sum() ** 2 / np.sum(weights**2)) if weights.any() else 0.0


def varying(model: Model, people: Population) -> dict[str, np.ndarray]:
    """Return what differs between draws: typical values by name, random effects as ``eta_<parameter>``."""
    columns = {n: v for n, v in people.parameters.items() if np.ptp(v) > 0}
    etas = {f"eta_{n}": people.etas[:, i] for i, n in enumerate(model.etas)}
    return columns | {n: v for n, v in etas.items() if np.ptp(v) > 0}


def weighted_variance(x: np.ndarray, weights: np.ndarray) -> float:
    """Return the variance of weighted values."""
    return float(weights @ (x - weights @ x) ** 2)


def weighted_quantiles(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return median, 5% and 95% of weighted values."""
    order = np.argsort(values)
    mass = np.cumsum(weights[order]) - 0.5 * weights[order]
    return np.interp([0.5, 0.05, 0.95], mass, values[order])


@dataclass(frozen=True, eq=False, repr=False)
class WeightedPeople(Source):
    """Weighted draws of the people that somebody could be.

    Attributes
    ----------
    name : str
    model : Model
    draws : Population
    weights, before : ndarray, shape (draw,)
        Of the draws with and without the observations; each sums to 1.
    contradictions : tuple of str
        What speaks against the observations, or the model for this patient, see `pkpd.simulation.contradiction`.
    """

    kind: ClassVar[str] = "Individual"
    advice: ClassVar[str] = (
        "this is one patient already: give its model and the draws as people, individual.model and "
        "population=individual.population(n)"
    )

    name: str
    model: Model
    draws: Population
    weights: np.ndarray
    before: np.ndarray
    _: KW_ONLY
    contradictions: tuple[str, ...] = ()

    @property
    def ess(self) -> float:
        """Effective number of draws, ``1 / sum(weights^2)``."""
        return effective(self.weights)

    def population(self, n: int = 500, *, observed: bool = True, seed: int = 0) -> Population:
        """Return draws from the posterior, equally weighted (systematic resampling).

        Parameters
        ----------
        n : int
        observed : bool
            Whether the observations count; without, the draws are from the prior.
        seed : int
        """
        n = count(f"individual '{self.name}'", "n", n, "draws")
        at = (np.random.default_rng(seed).uniform() + np.arange(n)) / n
        mass = np.cumsum(self.weights if observed else self.before)
        chosen = np.minimum(np.searchsorted(mass, at), len(mass) - 1)
        # Two copies of a draw are two subjects: labels and places in the random streams must differ.
        return replace(self.draws[chosen], labels=np.arange(1, n + 1), index=np.arange(n))

    def history(self) -> History:
        """Return the patient's clock: doses, observations, what a day means."""
        return History(given=self.doses, notes=self.contradictions)

    def subjects(self, verb: str, n: int, seed: int, patient: str | None = None, cohort: str | None = None) -> Subjects:
        """Return n draws of the posterior, see `Source`."""
        self.refuse(verb, patient=patient, cohort=cohort)
        people = self.population(n, seed=seed)
        about = f"{n} draws of {self.name}: what is not known about one patient"
        return Subjects(self.model, people, about, self.history())

    def table(self) -> pd.DataFrame:
        """Return prior and posterior of what varies: medians, central 90%, and how much the spread shrank.

        ``contraction`` is ``1 - var(posterior) / var(prior)``, of logarithms where all values are positive: 0 where the
        observations taught nothing, 1 where they told the value. Names ``eta_...`` are random effects.
        """
        import pandas as pd

        rows = {}
        for name, values in varying(self.model, self.draws).items():
            x = np.log(values) if (values > 0).all() else values
            contraction = 1.0 - weighted_variance(x, self.weights) / weighted_variance(x, self.before)
            rows[name] = [
                *weighted_quantiles(values, self.before),
                *weighted_quantiles(values, self.weights),
                contraction,
            ]
        columns = ["prior", "prior_low", "prior_high", "posterior", "posterior_low", "posterior_high", "contraction"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns)

    def learned(self, at_least: float = 0.3) -> list[str]:
        """Return what the observations taught most about: names with at least some contraction, most first."""
        table = self.table()
        found = dict(zip(map(str, table.index), table["contraction"].to_numpy(float).tolist(), strict=True))
        return sorted((name for name, c in found.items() if c >= at_least), key=lambda name: -found[name])
