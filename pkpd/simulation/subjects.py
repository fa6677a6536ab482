"""Who is simulated: a population of a model, or draws of what a fit, a calibration or one patient's data tell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError
from pkpd.model.model import Model
from pkpd.people.population import Population
from pkpd.people.suited import check_suited
from pkpd.randomness import check_seed
from pkpd.simulation.source import History, Subjects, model_from

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["subjects_of"]

_PLAIN = History(day_zero=0.0, axis="day from time 0", learned=frozenset())


def subjects_of(
    source: Any,
    n: int | None = None,
    population: Population | None = None,
    patient: str | None = None,
    cohort: str | None = None,
    covariates: Mapping[str, Any] | None = None,
    seed: int = 0,
    verb: str = "compare",
) -> Subjects:
    """Return the subjects that a source stands for.

    Parameters
    ----------
    source : Model, Fit, StudyFit or Individual
    n : int, optional
        Subjects, or draws, in place of ``population``; 500 by default.
    population : Population, optional
        The subjects themselves.
    patient, cohort : str, optional
        Of a calibration.
    covariates : mapping of name to number, array or distribution, optional
    seed : int
    verb : str
        Who asks, for messages.

    Raises
    ------
    PkpdError
        If the source is none of these, or is asked for what it does not have.
    """
    model = model_from(verb, source)
    check_seed(seed)
    chosen: dict[str, Any] = {k: v for k, v in (("patient", patient), ("cohort", cohort)) if v is not None}
    if population is not None:
        extra = [*(["n"] if n is not None else []), *chosen, *(["covariates"] if covariates else [])]
        if extra:
            raise PkpdError(f"{verb}: population and {', '.join(extra)} are both given; drop one")
        check_suited(verb, model, population)
        return Subjects(model, population, f"{population.n} given subjects", _history(source))
    n = 500 if n is None else n
    if isinstance(source, Model):
        if chosen:
            raise PkpdError(
                f"{verb}: a model knows no {' or '.join(chosen)}; give a calibration, or a population for the model"
            )
        people = Population.draw(model, n, covariates=covariates, seed=seed)
        spread = "between-subject variability" if model.etas else "no variability in the model"
        return Subjects(model, people, f"{n} virtual subjects of '{model.name}': {spread}", _PLAIN)
    found = source.subjects(verb, n, seed, patient, cohort)
    if covariates:
        base = Population.draw(model, found.people.n, covariates=covariates, seed=seed).covariates
        people = found.people
        kept = {k: v for k, v in people.varying.items() if k not in covariates}
        people = replace(people, covariates={**people.covariates, **{k: base[k] for k in covariates}}, varying=kept)
        found = replace(found, people=people)
    return found


def _history(source: Any) -> History:
    """Return the clock of given subjects: the patient's own if the source is one, else the model's."""
    return _PLAIN if isinstance(source, Model) else source.history()
