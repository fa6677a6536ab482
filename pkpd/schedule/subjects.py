"""Who is simulated: a population of a model, or draws of what a calibration or an individual fit knows."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError
from pkpd.model.model import Model
from pkpd.population.people import Population

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Subjects", "model_of", "subjects_of"]


@dataclass(frozen=True)
class Subjects:
    """Subjects of a comparison.

    Attributes
    ----------
    model : Model
    people : Population
    about : str
        Who they are, and what the spread over them means.
    """

    model: Model
    people: Population
    about: str


def subjects_of(
    source: Any,
    n: int = 500,
    population: Population | None = None,
    patient: str | None = None,
    cohort: str | None = None,
    covariates: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Subjects:
    """Return the subjects that a source stands for.

    Parameters
    ----------
    source : Model, or anything with ``model`` and ``population(n, seed=...)``
        A calibration also takes ``patient`` and ``cohort``.
    n : int
        Subjects, or draws.
    population : Population, optional
        The subjects themselves.
    patient, cohort : str, optional
        Of a calibration.
    covariates : mapping of name to number, array or distribution, optional
    seed : int

    Raises
    ------
    PkpdError
        If the source is neither, or is asked for what it does not have.
    """
    model = model_of(source)
    chosen: dict[str, Any] = {k: v for k, v in (("patient", patient), ("cohort", cohort)) if v is not None}
    if population is not None:
        if chosen or covariates:
            extra = ", ".join([*chosen, *(["covariates"] if covariates else [])])
            raise PkpdError(f"compare: population and {extra} are both given; drop one")
        return Subjects(model, population, f"{population.n} given subjects")
    if model is source:
        if chosen:
            raise PkpdError(
                f"compare: a model knows no {' or '.join(chosen)}; give a calibration, or a population for the model"
            )
        people = Population.draw(model, n, covariates=covariates, seed=seed)
        spread = "between-subject variability" if model.etas else "no variability in the model"
        return Subjects(model, people, f"{n} virtual subjects of '{model.name}': {spread}")
    if cohort is not None and "variability" in inspect.signature(source.population).parameters:
        # A new patient also differs in what the study did not estimate patient by patient.
        chosen["variability"] = True
    people = source.population(n, **chosen, seed=seed)
    if covariates:
        base = Population.draw(model, people.n, covariates=covariates, seed=seed).covariates
        people = replace(people, covariates={**people.covariates, **{k: base[k] for k in covariates}})
    return Subjects(model, people, _about(source, people, patient, cohort))


def model_of(source: Any) -> Model:
    """Return the model of a source: itself, its ``model``, or that of its study.

    Raises
    ------
    PkpdError
        If there is none.
    """
    if isinstance(source, Model):
        return source
    model = getattr(source, "model", None)
    if not isinstance(model, Model):
        model = getattr(getattr(getattr(source, "study", None), "problem", None), "model", None)
    if not isinstance(model, Model) or not callable(getattr(source, "population", None)):
        raise PkpdError(f"compare: source must be a Model, a calibration or an individual fit, got {source!r}")
    return model


def _about(source: Any, people: Population, patient: str | None, cohort: str | None) -> str:
    study = getattr(source, "study", None)
    name = getattr(study if study is not None else source, "name", type(source).__name__)
    if patient is not None:
        return f"{people.n} posterior draws of patient {patient} ({name}): what is not known about one patient"
    if cohort is not None:
        return (
            f"{people.n} new patients of cohort {cohort} ({name}): differences between patients and what is not known"
        )
    return f"{people.n} draws of {name}"
