"""A new patient: what covariates and a few marker values say about one person, given what is known of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, PkpdError
from pkpd.likelihood.term import Term
from pkpd.schedule.importance import Draws, Question, effective, normalised, varying, weighted_draws

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from pkpd.model.model import Model
    from pkpd.population.people import Population

__all__ = ["Individual", "individual"]


@dataclass(frozen=True, eq=False, repr=False)
class Individual:
    """One patient's posterior: weighted draws of the people that the patient could be.

    Attributes
    ----------
    name : str
    model : Model
    regimen : Regimen
        What was given so far, and is planned.
    terms : tuple of Term
        What was observed.
    covariates : dict of str to float
    draws : Population
        People that the patient could be.
    weights, before : ndarray, shape (draw,)
        Of the draws with and without the observations; each sums to 1.
    source : str
        What the draws are of.
    """

    name: str
    model: Model
    regimen: Regimen
    terms: tuple[Term, ...]
    covariates: dict[str, float]
    draws: Population
    weights: np.ndarray
    before: np.ndarray
    source: str

    @property
    def ess(self) -> float:
        """Effective number of draws, ``1 / sum(weights^2)``."""
        return effective(self.weights)

    @property
    def now(self) -> float:
        """Time of the last observation, h."""
        ends = [t for term in self.terms for t in (term.time, term.time_to, term.at) if t is not None]
        return max(ends, default=0.0)

    def population(self, n: int = 500, *, observed: bool = True, seed: int = 0) -> Population:
        """Return draws from the posterior, equally weighted (systematic resampling).

        Parameters
        ----------
        n : int
        observed : bool
            Whether the observations count; without, the draws are from the prior.
        seed : int
        """
        if n < 1:
            raise PkpdError(f"individual '{self.name}': n must be at least 1, got {n}")
        at = (np.random.default_rng(seed).uniform() + np.arange(n)) / n
        mass = np.cumsum(self.weights if observed else self.before)
        chosen = np.minimum(np.searchsorted(mass, at), len(mass) - 1)
        # Two copies of a draw are two subjects: labels and places in the random streams must differ.
        return replace(self.draws[chosen], labels=np.arange(1, n + 1), index=np.arange(n))

    def table(self) -> pd.DataFrame:
        """Return prior and posterior of what varies: medians, central 90%, and how much the spread shrank.

        ``contraction`` is ``1 - var(posterior) / var(prior)``, of logarithms where all values are positive: 0 where the
        observations taught nothing, 1 where they told the value. Names ``eta_...`` are random effects.
        """
        import pandas as pd

        rows = {}
        for name, values in varying(self.model, self.draws).items():
            x = np.log(values) if (values > 0).all() else values
            contraction = 1.0 - _variance(x, self.weights) / _variance(x, self.before)
            rows[name] = [*_weighted(values, self.before), *_weighted(values, self.weights), contraction]
        columns = ["prior", "prior_low", "prior_high", "posterior", "posterior_low", "posterior_high", "contraction"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns)

    def learned(self, at_least: float = 0.3) -> list[str]:
        """Return what the observations taught most about: names with at least some contraction, most first."""
        table = self.table()
        found = dict(zip(map(str, table.index), table["contraction"].to_numpy(float).tolist(), strict=True))
        return sorted((name for name, c in found.items() if c >= at_least), key=lambda name: -found[name])

    def simulate(self, times: Any, *, outputs: Sequence[str] | None = None, n: int = 300, seed: int = 0) -> xr.Dataset:
        """Return curves of posterior draws under the patient's regimen, as of `pkpd.simulate`."""
        from pkpd.simulation.api import simulate

        people = self.population(n, seed=seed)
        return simulate(
            self.model, self.regimen, people, times, outputs=outputs, rtol=1e-6, atol=1e-9, progress=False
        )  # fmt: skip

    def __repr__(self) -> str:
        taught = ", ".join(t.removeprefix("eta_") for t in self.learned()) or "nothing in particular"
        known = ", ".join(f"{k} {v:g}" for k, v in self.covariates.items())
        return "\n".join(
            [
                f"Individual '{self.name}' ({self.model.name}; {known or 'no covariates'})",
                f"  {len(self.terms)} observations up to {self.now:g} h; prior: {self.source}",
                f"  {self.ess:.0f} effective of {self.draws.n} draws; they taught about: {taught}",
            ]
        )


def _variance(x: np.ndarray, weights: np.ndarray) -> float:
    return float(weights @ (x - weights @ x) ** 2)


def _weighted(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return median, 5% and 95% of weighted values."""
    order = np.argsort(values)
    mass = np.cumsum(weights[order]) - 0.5 * weights[order]
    return np.interp([0.5, 0.05, 0.95], mass, values[order])


def individual(
    source: Any,
    regimen: Regimen | None,
    observations: Sequence[Any],
    covariates: Mapping[str, float] | None = None,
    *,
    cohort: str | None = None,
    draws: int = 10_000,
    most: int = 100_000,
    minimum_ess: float = 200.0,
    every: float = 24.0,
    name: str = "new patient",
    seed: int = 0,
) -> Individual:
    """Return what observations say about a new patient.

    People are drawn from the source, and weighted by how probable the observations are in each of them (importance
    sampling): no new calibration is needed. More are drawn until enough of them count, where the source is a model from
    a distribution that is adapted to the patient.

    Parameters
    ----------
    source : Model or calibration
        A calibration gives patients of a cohort with all that is not known about them, on that cohort's clock; a model
        its between-subject variability, its typical values taken as known.
    regimen : Regimen or None
        All that was given, on the clock of the observations.
    observations : sequence of Term or of (output, time, value)
        Times in h. A value such as ``"<5"`` or ``">500"`` is a bound; a `Term` says more (grades, peaks, ratios).
    covariates : mapping of name to float, optional
        In the model's units, the reference where not given.
    cohort : str, optional
        Of a calibration, whose patients the new one is like.
    draws, most : int
        Draws to begin with, and at most.
    minimum_ess : float
        Effective draws that are enough.
    every : float
        Spacing of the measurements that a statement about a window stands for, h.
    name : str
    seed : int

    Raises
    ------
    DataError
        If an observation cannot be understood, or too few draws are compatible with the observations.

    Examples
    --------
    >>> from pkpd.library import load_model
    >>> dose = Regimen.parse("100 mg daily x3", cmt="depot")
    >>> ann = individual(load_model("anakinra"), dose, [("Cc", 4.0, 1.4), ("Cc", 24.0, 0.1)], draws=2000, seed=1)
    >>> bool(ann.table().loc["eta_CL", "posterior"] < 0)
    True
    """
    if not 1 <= draws <= most:
        raise PkpdError(f"individual: draws must be from 1 to most={most}, got {draws}")
    terms = tuple(_terms(observations))
    doses = Regimen(doses=[]) if regimen is None else regimen
    question = Question(doses, terms, dict(covariates or {}), cohort, draws, most, minimum_ess, every, seed)
    found = weighted_draws(source, question)
    weights = found.weights
    if effective(weights) < minimum_ess:
        raise DataError(_too_few(name, effective(weights), minimum_ess, terms, found))
    known = {n: float(found.people.covariates[n][0]) for n in found.model.covariates}
    before = normalised(found.ratio)
    return Individual(name, found.model, doses, terms, known, found.people, weights, before, found.about)


def _terms(observations: Sequence[Any]) -> list[Term]:
    """Return observations as terms; all that cannot be understood are named."""
    found, wrong = [], []
    for i, one in enumerate(observations):
        if isinstance(one, Term):
            found.append(one)
            continue
        try:
            output, time, value = one
            found.append(_term(str(output), float(time), value))
        except (TypeError, ValueError):
            wrong.append(f"number {i + 1}: {one!r}")
    if wrong:
        raise DataError(
            f"individual: {len(wrong)} of {len(observations)} observations are neither a Term nor (output, time, "
            f"value) with a number or a bound such as '<5': {'; '.join(wrong)}"
        )
    return found


def _term(output: str, time: float, value: Any) -> Term:
    text = str(value).strip()
    kind = {"<": "below", ">": "above"}.get(text[:1], "density")
    number = float(text.lstrip("<>"))
    return Term(f"{output} at {time:g} h", kind, output, time, number)


def _too_few(name: str, ess: float, wanted: float, terms: Sequence[Term], found: Draws) -> str:
    """Say which observations the prior finds hardest to believe, and what to do."""
    loglik = found.loglik
    alone = [effective(normalised(column + found.ratio)) for column in loglik.T]
    hardest = np.argsort(alone)[:3]
    named = ", ".join(f"'{terms[k].name}' ({alone[k]:.0f} draws if it were alone)" for k in hardest)
    return (
        f"individual '{name}': {ess:.0f} effective of {len(loglik)} draws are compatible with the {len(terms)} "
        f"observations together, {wanted:g} are needed; hardest to believe: {named}. Check values, units and times of "
        "these; draw more (most=...); leave out repeated observations; or calibrate with this patient in the evidence"
    )
