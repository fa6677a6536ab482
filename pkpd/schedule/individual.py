"""A new patient: what covariates and a few marker values say about one person, given what is known of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, PkpdError
from pkpd.likelihood.api import Likelihood
from pkpd.likelihood.term import Subject, Term
from pkpd.schedule.subjects import subjects_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from pkpd.model.model import Model
    from pkpd.population.people import Population

__all__ = ["Individual", "individual"]

_BLOCK = 250


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
    prior : Population
        Draws from before the observations.
    weights : ndarray, shape (draw,)
        Of the draws, given the observations; they sum to 1.
    source : str
        What the draws are of.
    """

    name: str
    model: Model
    regimen: Regimen
    terms: tuple[Term, ...]
    covariates: dict[str, float]
    prior: Population
    weights: np.ndarray
    source: str

    @property
    def ess(self) -> float:
        """Effective number of draws, ``1 / sum(weights^2)``."""
        return float(1.0 / np.sum(self.weights**2))

    @property
    def now(self) -> float:
        """Time of the last observation, h."""
        ends = [t for term in self.terms for t in (term.time, term.time_to, term.at) if t is not None]
        return max(ends, default=0.0)

    def population(self, n: int = 500, *, seed: int = 0) -> Population:
        """Return draws from the posterior, equally weighted (systematic resampling).

        Parameters
        ----------
        n : int
        seed : int
        """
        if n < 1:
            raise PkpdError(f"individual '{self.name}': n must be at least 1, got {n}")
        at = (np.random.default_rng(seed).uniform() + np.arange(n)) / n
        chosen = np.minimum(np.searchsorted(np.cumsum(self.weights), at), len(self.weights) - 1)
        # Two copies of a draw are two subjects: labels and places in the random streams must differ.
        return replace(self.prior[chosen], labels=np.arange(1, n + 1), index=np.arange(n))

    @cached_property
    def _varying(self) -> dict[str, np.ndarray]:
        return _columns(self.model, self.prior)

    def table(self) -> pd.DataFrame:
        """Return prior and posterior of what varies: medians, central 90%, and how much the spread shrank.

        ``contraction`` is ``1 - var(posterior) / var(prior)``, of logarithms where all values are positive: 0 where the
        observations taught nothing, 1 where they told the value. Names ``eta_...`` are random effects.
        """
        import pandas as pd

        rows = {}
        for name, values in self._varying.items():
            order = np.argsort(values)
            mass = np.cumsum(self.weights[order]) - 0.5 * self.weights[order]
            before = np.quantile(values, [0.5, 0.05, 0.95])
            after = np.interp([0.5, 0.05, 0.95], mass, values[order])
            rows[name] = [*before, *after, self._contraction(values)]
        columns = ["prior", "prior_low", "prior_high", "posterior", "posterior_low", "posterior_high", "contraction"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns)

    def _contraction(self, values: np.ndarray) -> float:
        x = np.log(values) if (values > 0).all() else values
        mean = self.weights @ x
        return float(1.0 - self.weights @ (x - mean) ** 2 / x.var())

    def learned(self, at_least: float = 0.3) -> list[str]:
        """Return what the observations taught most about: names with at least some contraction, most first."""
        found = self.table()["contraction"].sort_values(ascending=False)
        return [str(name) for name in found.index[found >= at_least]]

    def simulate(self, times: Any, *, outputs: Sequence[str] | None = None, n: int = 300, seed: int = 0) -> xr.Dataset:
        """Return curves of posterior draws under the patient's regimen, as of `pkpd.simulate`."""
        from pkpd.simulation.api import simulate

        people = self.population(n, seed=seed)
        return simulate(
            self.model, self.regimen, people, times, outputs=outputs, rtol=1e-6, atol=1e-9, progress=False
        )  # fmt: skip

    def __repr__(self) -> str:
        taught = ", ".join(self.learned()) or "nothing in particular"
        known = ", ".join(f"{k} {v:g}" for k, v in self.covariates.items())
        return "\n".join(
            [
                f"Individual '{self.name}' ({self.model.name}; {known or 'no covariates'})",
                f"  {len(self.terms)} observations up to {self.now:g} h; prior: {self.source}",
                f"  {self.ess:.0f} effective of {len(self.weights)} draws; they taught about: {taught}",
            ]
        )


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
    sampling): no new calibration is needed. More are drawn until enough of them count.

    Parameters
    ----------
    source : Model or calibration
        A calibration gives patients of a cohort with all that is not known about them; a model its between-subject
        variability, its typical values taken as known.
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
    >>> ann = individual(load_model("anakinra"), dose, [("Cc", 4.0, 1.4), ("Cc", 24.0, 0.2)], draws=2000, seed=1)
    >>> bool(ann.table().loc["eta_CL", "posterior"] < 0)
    True
    """
    if not 1 <= draws <= most:
        raise PkpdError(f"individual: draws must be from 1 to most={most}, got {draws}")
    given = dict(covariates or {})
    terms = tuple(_terms(observations))
    doses = Regimen(doses=[]) if regimen is None else regimen
    parts: list[Population] = []
    loglik: list[np.ndarray] = []
    done, about, model = 0, "", None
    while True:
        who = subjects_of(source, draws, None, None, cohort, given, seed + len(parts))
        model, about = who.model, who.about
        people = replace(who.people, labels=np.arange(done, done + who.people.n))
        parts.append(people)
        loglik.append(_log_likelihood(model, doses, terms, people, every))
        done += people.n
        total = np.concatenate([part.sum(axis=1) for part in loglik])
        weights = _weights(total)
        ess = float(1.0 / np.sum(weights**2)) if weights.any() else 0.0
        if ess >= minimum_ess or done + draws > most:
            break
    if ess < minimum_ess:
        raise DataError(_too_few(name, ess, minimum_ess, terms, np.concatenate(loglik)))
    prior = parts[0] if len(parts) == 1 else parts[0].concat(*parts[1:])
    known = {n: float(prior.covariates[n][0]) for n in model.covariates}
    return Individual(name, model, doses, terms, known, prior, weights, about)


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


def _columns(model: Model, people: Population) -> dict[str, np.ndarray]:
    """Return what differs between draws: typical values and random effects, by the likelihood's names."""
    columns = {n: v for n, v in people.parameters.items() if np.ptp(v) > 0}
    etas = {f"eta_{n}": people.etas[:, i] for i, n in enumerate(model.etas)}
    return columns | {n: v for n, v in etas.items() if np.ptp(v) > 0}


def _log_likelihood(
    model: Model, regimen: Regimen, terms: Sequence[Term], people: Population, every: float
) -> np.ndarray:
    """Return the log-likelihood of each term in each draw, shape (draw, term); -inf where it could not be solved."""
    if not terms:
        return np.zeros((people.n, 1))
    columns = _columns(model, people)
    free = list(columns)
    values = np.column_stack([columns[n] for n in free]) if free else np.zeros((people.n, 0))
    fixed = {n: float(v[0]) for n, v in people.parameters.items() if n not in columns}
    covariates = {n: float(people.covariates[n][0]) for n in model.covariates}
    if any(np.ptp(v) > 0 for v in people.covariates.values()):
        raise PkpdError("individual: covariates differ between the draws; give those of the patient as numbers")
    size = min(_BLOCK, people.n)
    subjects = [Subject(f"draw {i + 1}", regimen, covariates, tuple(terms), fixed) for i in range(size)]
    kernel = Likelihood(model, subjects, free, every=every)
    out = np.empty((people.n, len(terms)))
    for start in range(0, people.n, size):
        rows = slice(start, min(start + size, people.n))
        # The last block is filled up with draws that are not used.
        block = np.resize(values[rows], (size, len(free))) if free else values[:size]
        found = kernel.evaluate(block, gradient=False)
        each = found.terms.reshape(size, len(terms)).copy()
        each[found.status != 0] = -np.inf
        out[rows] = each[: rows.stop - rows.start]
    return np.where(np.isnan(out), -np.inf, out)


def _weights(loglik: np.ndarray) -> np.ndarray:
    """Return weights that sum to 1, or zeros if nothing is possible."""
    top = loglik.max()
    if not np.isfinite(top):
        return np.zeros(len(loglik))
    weights = np.exp(loglik - top)
    return weights / weights.sum()


def _too_few(name: str, ess: float, wanted: float, terms: Sequence[Term], loglik: np.ndarray) -> str:
    """Say which observations the prior finds hardest to believe, and what to do."""
    alone = [float(1.0 / np.sum(w**2)) if (w := _weights(column)).any() else 0.0 for column in loglik.T]
    hardest = np.argsort(alone)[:3]
    named = ", ".join(f"'{terms[k].name}' ({alone[k]:.0f} draws if it were alone)" for k in hardest)
    return (
        f"individual '{name}': {ess:.0f} effective of {len(loglik)} draws are compatible with the {len(terms)} "
        f"observations together, {wanted:g} are needed; hardest to believe: {named}. Check values, units and times of "
        "these; draw more (most=...); leave out repeated observations; or calibrate with this patient in the evidence"
    )
