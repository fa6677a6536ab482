"""A new patient: what covariates and a few marker values say about one person, given what is known of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, PkpdError
from pkpd.estimation.individual.adaptive import Question, WeightedDraws, weighted_draws
from pkpd.estimation.individual.given import given_of
from pkpd.estimation.individual.plausible import messages_of
from pkpd.estimation.methods.chain_history import seen_of
from pkpd.estimation.result import Fit
from pkpd.evidence.term import Term
from pkpd.options import checked, whole_number
from pkpd.randomness import check_seed
from pkpd.simulation.source import History, model_from
from pkpd.simulation.weighted import WeightedPeople, effective, normalised

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from pkpd.dosing.events import EventTable

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
    observed : frozenset of str
        Outputs that something was observed of, in this patient or in those before.
    ill : bool
        Whether the people before are patients, whose markers move while they are ill.
    messages : tuple of str
        What was found in the patient's table.
    """

    regimen: Regimen
    terms: tuple[Term, ...]
    covariates: dict[str, float]
    source: str
    observed: frozenset[str] = frozenset()
    ill: bool = False
    messages: tuple[str, ...] = ()

    @property
    def doses(self) -> Regimen:
        """What the patient was given."""
        return self.regimen

    @property
    def now(self) -> float:
        """Time of the last observation, in the model's unit."""
        seen = seen_of(self.terms)
        return 0.0 if seen is None else seen[1]

    def history(self) -> History:
        """Return the patient's clock: doses, observations, what a day means."""
        seen = seen_of(self.terms)
        return History(
            given=self.regimen, seen=seen, learned=self.observed, ill=self.ill, now=self.now,
            notes=self.contradictions,
        )  # fmt: skip

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
                *(f"  {message}" for message in (*self.contradictions, *self.messages)),
            ]
        )


@checked
def individual(
    source: Any,
    regimen: Regimen | EventTable | pd.DataFrame | str | None,
    observations: Sequence[Any] = (),
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
    source : Model, Fit or StudyFit
        A calibration gives patients of a cohort with all that is not known about them, on that cohort's clock; a model
        or a fit its between-subject variability, its typical values taken as known.
    regimen : Regimen, str, EventTable, data frame or None
        All that was given, on the clock of the observations, a text as for `Regimen.parse`; or the rows of one patient
        as for :func:`pkpd.read_events`, with doses, constant covariates and, where there is DV, observations. Another
        clock than the model's is converted.
    observations : sequence of Term or of (output, time, value), optional
        Times in the model's time unit; a level at the very time of a dose is taken before it. A value such as ``"<5"``
        or ``">500"`` is a bound; a `Term` says more (grades, peaks, ratios).
    covariates : mapping of name to float, optional
        In the model's units, the reference where not given.
    cohort : str, optional
        Of a calibration, whose patients the new one is like.
    draws, most : int
        WeightedDraws to begin with, and at most.
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
    draws, most = whole_number("individual: draws", draws, 0), whole_number("individual: most", most, 1)
    if not 1 <= draws <= most:
        raise PkpdError(f"individual: draws must be from 1 to most={most}, got {draws}")
    check_seed(seed)
    model = model_from(
        "individual", source, ("Model", "Fit", "StudyFit"),
        {"Individual": "this is one patient already; give all observations at once"},
    )  # fmt: skip
    given = given_of(model, regimen, observations, covariates)
    doses, terms = given.regimen, given.terms
    question = Question(doses, terms, given.covariates, cohort, draws, most, minimum_ess, every, seed)
    # Of a fit, the estimates are taken as known: they are the values of its model.
    found = weighted_draws(model if isinstance(source, Fit) else source, question)
    weights = found.weights
    if effective(weights) < minimum_ess:
        raise DataError(_too_few(name, effective(weights), minimum_ess, terms, found, model.time_unit))
    known = {n: float(found.people.covariates[n][0]) for n in found.model.covariates}
    before = normalised(found.ratio)
    about = found.about if not isinstance(source, Fit) else f"{found.about}, as fitted to {source.events.name}"
    learned = (found.history.learned or frozenset()) | {t.output for t in terms}
    return Individual(
        name, found.model, found.people, weights, before, doses, terms, known, about,
        learned, found.history.ill, given.messages, contradictions=messages_of(found, terms, seed),
    )  # fmt: skip


def _too_few(name: str, ess: float, wanted: float, terms: Sequence[Term], found: WeightedDraws, unit: str) -> str:
    """Say which observations the prior finds hardest to believe, and what to do."""
    loglik = found.loglik
    alone = [effective(normalised(column + found.ratio)) for column in loglik.T]
    hardest = np.argsort(alone)[:3]
    named = ", ".join(f"'{terms[k].name}' ({alone[k]:.0f} draws if it were alone)" for k in hardest)
    return (
        f"individual '{name}': {ess:.0f} effective of {len(loglik)} draws are compatible with the {len(terms)} "
        f"observations together, {wanted:g} are needed; hardest to believe: {named}. Check values, units and times of "
        f"these (bare times are in {unit}, the model's unit of time); draw more (most=...); leave out repeated "
        "observations; or fit a study with this patient in the evidence"
    )
