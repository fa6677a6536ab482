"""A new patient: what covariates and a few marker values say about one person, given what is known of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, PkpdError
from pkpd.likelihood.term import Term
from pkpd.schedule.importance import Draws, Question, weighted_draws
from pkpd.simulation.doses import regimen_from
from pkpd.simulation.source import model_from
from pkpd.simulation.weighted import WeightedPeople, effective, normalised

if TYPE_CHECKING:
    import xarray as xr


__all__ = ["Individual", "individual"]


@dataclass(frozen=True, eq=False, repr=False)
class Individual(WeightedPeople):
    """One patient's posterior: weighted draws of the people that the patient could be.

    Attributes
    ----------
    regimen : Regimen
        What was given so far, and is planned.
    terms : tuple of Term
        What was observed.
    covariates : dict of str to float
    source : str
        What the draws are of.
    """

    regimen: Regimen
    terms: tuple[Term, ...]
    covariates: dict[str, float]
    source: str

    @property
    def now(self) -> float:
        """Time of the last observation, in the model's time unit."""
        ends = [t for term in self.terms for t in (term.time, term.time_to, term.at) if t is not None]
        return max(ends, default=0.0)

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
                f"  {len(self.terms)} observations up to {self.now:g} {self.model.time_unit}; prior: {self.source}",
                f"  {self.ess:.0f} effective of {self.draws.n} draws; they taught about: {taught}",
            ]
        )


def individual(
    source: Any,
    regimen: Regimen | str | None,
    observations: Sequence[Any],
    covariates: Mapping[str, float] | None = None,
    *,
    cohort: str | None = None,
    draws: int = 10_000,
    most: int = 100_000,
    minimum_ess: float = 200.0,
    every: float | None = None,
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
    regimen : Regimen, str or None
        All that was given; a text is read by `Regimen.parse`. Doses on another clock than the model's are converted.
    observations : sequence of Term or of (output, time, value)
        Times in the model's time unit. A value such as ``"<5"`` or ``">500"`` is a bound; a `Term` says more (grades,
        peaks, ratios).
    covariates : mapping of name to float, optional
        In the model's units, the reference where not given.
    cohort : str, optional
        Of a calibration, whose patients the new one is like.
    draws, most : int
        Draws to begin with, and at most.
    minimum_ess : float
        Effective draws that are enough.
    every : float, optional
        Spacing of the measurements that a statement about a window stands for, in the model's time unit; a day by
        default.
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
    model = model_from("individual", source)
    terms = tuple(_terms(observations, model.time_unit))
    doses = regimen_from(model, regimen, "individual: regimen", covariates)
    question = Question(doses, terms, dict(covariates or {}), cohort, draws, most, minimum_ess, every, seed)
    found = weighted_draws(source, question)
    weights = found.weights
    if effective(weights) < minimum_ess:
        raise DataError(_too_few(name, effective(weights), minimum_ess, terms, found, model.time_unit))
    known = {n: float(found.people.covariates[n][0]) for n in found.model.covariates}
    before = normalised(found.ratio)
    return Individual(name, found.model, found.people, weights, before, doses, terms, known, found.about)


def _terms(observations: Sequence[Any], unit: str) -> list[Term]:
    """Return observations as terms; all that cannot be understood are named."""
    found, wrong = [], []
    for i, one in enumerate(observations):
        if isinstance(one, Term):
            found.append(one)
            continue
        try:
            output, time, value = one
            found.append(_term(str(output), float(time), value, unit))
        except (TypeError, ValueError):
            wrong.append(f"number {i + 1}: {one!r}")
    if wrong:
        raise DataError(
            f"individual: {len(wrong)} of {len(observations)} observations are neither a Term nor (output, time, "
            f"value) with a number or a bound such as '<5': {'; '.join(wrong)}"
        )
    return found


def _term(output: str, time: float, value: Any, unit: str) -> Term:
    text = str(value).strip()
    kind = {"<": "below", ">": "above"}.get(text[:1], "density")
    number = float(text.lstrip("<>"))
    return Term(f"{output} at {time:g} {unit}", kind, output, time, number)


def _too_few(name: str, ess: float, wanted: float, terms: Sequence[Term], found: Draws, unit: str) -> str:
    """Say which observations the prior finds hardest to believe, and what to do."""
    loglik = found.loglik
    alone = [effective(normalised(column + found.ratio)) for column in loglik.T]
    hardest = np.argsort(alone)[:3]
    named = ", ".join(f"'{terms[k].name}' ({alone[k]:.0f} draws if it were alone)" for k in hardest)
    return (
        f"individual '{name}': {ess:.0f} effective of {len(loglik)} draws are compatible with the {len(terms)} "
        f"observations together, {wanted:g} are needed; hardest to believe: {named}. Check values, units and times of "
        f"these (bare times are in {unit}, the model's unit of time); draw more (most=...); leave out repeated "
        "observations; or calibrate with this patient in the evidence"
    )
