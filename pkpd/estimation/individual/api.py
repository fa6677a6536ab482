"""One patient: what doses, covariates and a few observations say, given what is known of others."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, PkpdError
from pkpd.estimation.individual.draws import PatientDraws, Question, draws_of_effects, draws_of_people
from pkpd.estimation.individual.given import PatientData, given_of
from pkpd.estimation.individual.plausible import contradictions_of
from pkpd.estimation.individual.result import Individual
from pkpd.estimation.problem import pose
from pkpd.estimation.result import Fit
from pkpd.estimation.simulation import estimate_draws
from pkpd.estimation.study.result import StudyFit
from pkpd.estimation.uncertainty.sampled import Sampled
from pkpd.estimation.weights import effective, normalised
from pkpd.evidence.kinds import kind_named
from pkpd.evidence.term import Term
from pkpd.model.model import Model
from pkpd.options import checked, whole_number
from pkpd.randomness import check_seed
from pkpd.simulation.doses import span_on_clock
from pkpd.simulation.source import History, Source, model_from
from pkpd.timegrid import Span

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.dosing.events import EventTable

    Datum = Term | tuple[str, float, float | str]

__all__ = ["individual"]

#: draws of the estimates that share the proposals of a posterior with their uncertainty
VECTORS = 50


@checked
def individual(
    source: Model | Source,
    data: EventTable | pd.DataFrame | str | os.PathLike[str] | Sequence[Datum] | None = None,
    *,
    regimen: Regimen | str | EventTable | pd.DataFrame | None = None,
    covariates: Mapping[str, float] | None = None,
    cohort: str | None = None,
    uncertainty: bool | Sampled | np.ndarray = False,
    draws: int = 2000,
    most: int = 100_000,
    minimum_ess: float = 200.0,
    every: Span | None = None,
    name: str | None = None,
    seed: int = 0,
) -> Individual:
    """Estimate one patient, given a published model, a fit of a trial or a fit of reports.

    Of a model or a fit of a trial the random effects have a normal distribution: the mode is the empirical Bayes
    estimate, with residual variances at the individual predictions, and the posterior is by importance sampling from t
    distributions around the modes and from the population. Of a fit of reports, people drawn from its posterior are
    weighted by how probable the observations are in each. More are drawn until enough of them count.

    Parameters
    ----------
    source : Model, Fit or StudyFit
        A fit of reports gives patients of a cohort with all that is not known about them, on that cohort's clock; of a
        model or a fit the values are taken as known, unless ``uncertainty`` says otherwise.
    data : EventTable, data frame, path, or sequence of Term or of (output, time, value)
        The rows of one patient as for :func:`pkpd.read_events`: doses, covariates and observations. Or observations
        alone, at times in the model's time unit: a value such as ``"<5"`` or ``">500"`` is a bound, a `Term` says more
        (grades, peaks, ratios).
    regimen : Regimen, str, EventTable or data frame
        All that was given, on the clock of the observations, a text as for `Regimen.parse`; where ``data`` is no table.
        A table of doses also brings covariates, and observations where it has DV.
    covariates : mapping of name to float, optional
        In the model's units, the reference where not given.
    cohort : str, optional
        Of a fit of reports, whose patients this one is like.
    uncertainty : bool, Bootstrap, Sir or float array (k, size)
        Of a Fit, whether what is not known of the estimates counts, see
        :func:`pkpd.estimation.simulation.estimate_draws`.
    draws, most : int
        Draws to begin with, and at most.
    minimum_ess : float
        Effective draws that are enough.
    every : float, or text such as "12 h", optional
        Spacing of the measurements that a `Term` about a window stands for, from its beginning on, in the model's time
        unit where it has none of its own; a day by default. The end of the window is a measurement too. A
        window may be 10,000 measurements at most.
    name : str, optional
        The ID of a table, or ``"new patient"``, by default.
    seed : int

    Raises
    ------
    DataError
        If the data are not of one patient or cannot be understood, or too few draws are compatible with them.

    Notes
    -----
    A level at the very time of a dose is one before it, a trough, unless a table says otherwise: there the order of the
    rows does, and at the time of an additional dose (ADDL) the table's ``rules``, by which NONMEM counts it as after;
    a message says so.

    Examples
    --------
    >>> import pkpd
    >>> levels = [("Cc", 4.0, 1.4), ("Cc", 24.0, "<0.1")]
    >>> ann = individual(pkpd.models["anakinra"], levels, regimen="100 mg SC daily x3", draws=1000, seed=1)
    >>> sorted(ann.ebe), ann.observations["kind"].tolist(), ann.now
    (['CL', 'V', 'ka'], ['density', 'below'], 24.0)
    """
    model = model_from(
        "individual", source, ("Model", "Fit", "StudyFit"),
        {"Individual": "this is one patient already; give all observations at once"},
    )  # fmt: skip
    draws, most = whole_number("individual: draws", draws, 2), whole_number("individual: most", most, 2)
    if draws > most:
        raise PkpdError(f"individual: draws must be at most most={most}, got {draws}")
    check_seed(seed)
    if uncertainty is not False and not isinstance(source, Fit):
        known = "a model's values are taken as known" if isinstance(source, Model) else "its draws hold it already"
        raise PkpdError(f"individual: uncertainty needs the Fit of a trial; {known}")
    settings, spacing = _settings(source), span_on_clock(model, every, "individual: every")
    patient = given_of(model, data, regimen, covariates, settings.get("bloq", "m3"))
    if isinstance(source, (Model, Fit)):
        if cohort is not None:
            raise PkpdError(
                f"individual: a {'model' if isinstance(source, Model) else 'fit'} knows no cohort; a StudyFit does"
            )
        if patient.terms or patient.rows is None:
            patient = patient.constant("levels follow them as rows of the table, with DV")
        problem = None if patient.rows is None else pose(model, patient.rows.table, **settings)
        q = Question(patient, draws, most, minimum_ess, spacing, seed)
        found, history = draws_of_effects(_models(source, seed, uncertainty), problem, q), History(learned=frozenset())
        about = _about(source, uncertainty)
        if isinstance(source, Fit):
            history = source.history()
    else:
        if isinstance(source, StudyFit) and cohort is None:
            raise PkpdError(
                "individual: say of which cohort of the reports the new patient is, cohort=...; there are "
                f"{', '.join(dict.fromkeys(source.cohorts.values()))} (verbs such as compare take a patient of the "
                "reports themselves, patient=...)"
            )
        patient = patient.as_terms()
        found, who = draws_of_people(source, cohort, Question(patient, draws, most, minimum_ess, spacing, seed))
        about, history = who.about, who.history
    return _result(found, patient, about, history, name or patient.name or "new patient", minimum_ess, seed)


def _models(source: Model | Fit, seed: int, uncertainty: bool | Sampled | np.ndarray) -> list[Model]:
    """Return the model with its estimates, and with them as they could have been."""
    if not isinstance(source, Fit):
        return [source]
    if uncertainty is False:
        return [source.model]
    drawn = estimate_draws(source, VECTORS, seed, uncertainty, verb="individual")
    return [source.model, *(source.layout.rebuilt(x) for x in drawn)]


def _settings(source: Model | Source) -> dict[str, Any]:
    return {k: source.settings[k] for k in ("bloq", "rtol", "atol", "solver")} if isinstance(source, Fit) else {}


def _about(source: Model | Fit, uncertainty: bool | Sampled | np.ndarray) -> str:
    if not isinstance(source, Fit):
        return f"between-subject variability of {source.name}, its values taken as known"
    about = f"{source.layout.model.name} fitted to {source.events.name} by {source.method}"
    return about if uncertainty is False else f"{about}, with the uncertainty of its estimates"


def _result(
    found: PatientDraws, patient: PatientData, about: str, history: History, name: str, minimum_ess: float, seed: int
) -> Individual:
    terms, weights = (*patient.levels, *patient.terms), found.weights
    unit = found.model.time_unit
    if effective(weights) < minimum_ess:
        raise DataError(_too_few(name, float(effective(weights)), minimum_ess, terms, found, unit))
    messages = [*patient.messages, *found.messages]
    if patient.rows is not None:
        table = patient.rows.table
        if (seen := int(table.at_additional().sum())) and table.rules.additional == "before":
            messages.append(
                f"{seen} level{'s' if seen > 1 else ''} at the very time of an additional dose count as after it; for "
                "a trough give that dose its own row behind the level, or read_events(..., rules={'additional': "
                "'after'})"
            )
    effects, spread = found.mode, found.spread
    if effects is None or spread is None:
        etas = found.people.etas
        effects = weights @ etas
        spread = (etas - effects).T @ ((etas - effects) * weights[:, None])
    points = None if found.points is None else _predicted(found.points, found.first, terms)
    return Individual(
        name, found.model, found.people, weights, found.before, patient.regimen, terms, about, effects, spread,
        _predicted(found.weighed.cells, found.first, terms), points, history,
        contradictions_of(found, terms, seed), tuple(messages),
    )  # fmt: skip


def _predicted(cells: np.ndarray, first: np.ndarray, terms: Sequence[Term]) -> np.ndarray:
    """Return what is predicted of each observation, (draw, observation), from its cells."""
    out = np.empty((len(cells), len(terms)))
    for k, term in enumerate(terms):
        own, kind = cells[:, first[k] : first[k + 1]], kind_named(term.kind)
        alone = own.shape[1] == 1
        out[:, k] = own[:, 0] if alone else kind.statistic(own, term, np.ones(len(own)))
    return out


def _too_few(name: str, ess: float, wanted: float, terms: Sequence[Term], found: PatientDraws, unit: str) -> str:
    """Say which observations the prior finds hardest to believe, and what to do."""
    loglik = found.weighed.loglik
    alone = [float(effective(normalised(column + found.ratio))) for column in loglik.T]
    hardest = np.argsort(alone)[:3]
    named = ", ".join(f"'{terms[k].name}' ({alone[k]:.0f} draws if it were alone)" for k in hardest)
    return (
        f"individual '{name}': {ess:.0f} effective of {len(loglik)} draws are compatible with the {len(terms)} "
        f"observations together, {wanted:g} are needed; hardest to believe: {named}. Check values, units and times of "
        f"these (bare times are in {unit}, the model's unit of time); draw more (most=...); leave out repeated "
        "observations; or fit a study with this patient in the evidence"
    )
