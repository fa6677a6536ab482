"""Whether people who were made for one model can be people of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pkpd.errors import PopulationError
from pkpd.people.basis import Basis
from pkpd.people.columns import check_people
from pkpd.people.people import People

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["check_suited"]


def check_suited(who: str, model: Model, people: Any) -> None:
    """Raise PopulationError unless a model reads the numbers of people as they were meant.

    People of one model suit another that has the same random effects, on the same scales, and what else they have
    values of in the same units; values of parameters, covariances and residual errors may be others. A random effect on
    a logarithm or logit has no unit, and people have no clock unless a covariate changes in time.

    Parameters
    ----------
    who : str
        For messages.
    model : Model
    people : Population
        Made for it or for another.
    """
    if not isinstance(people, People):
        raise PopulationError(
            f"{who}: population must be a Population, got {people!r:.60}; draw one: Population.draw(model, n), or of a "
            "fit fit.population(n)"
        )
    _check_effects(who, model, people)
    held = people.basis
    strange = [n for n in people.parameters if n not in model.parameters]
    if strange:
        raise PopulationError(
            f"{who}: the population, made for model '{people.model}', has values of {', '.join(strange)}, which is no "
            f"parameter of model '{model.name}'; draw it for this model"
        )
    effects = [n for n in (*people.eta_names, *people.iov_names) if held.scales[n] == "additive"]
    names = dict.fromkeys([*people.parameters, *effects, *(c for c in people.covariates if c in model.covariates)])
    if other := held.others(Basis.of(model), names, timed=bool(people.varying)):
        raise PopulationError(
            f"{who}: the population was made for model '{people.model}' in other units than model '{model.name}' has: "
            f"{', '.join(other)}; draw it for this model"
        )
    check_people(who, model, people)


def _check_effects(who: str, model: Model, people: People) -> None:
    """Raise PopulationError unless random effects are those of the model."""
    scales = Basis.of(model).scales
    kinds: tuple[tuple[str, Any, Any], ...] = (
        ("", people.eta_names, model.etas),
        (" between occasions", people.iov_names, model.iov_etas),
    )
    for where, here, there in kinds:
        if tuple(here) != tuple(there):
            raise PopulationError(
                f"{who}: the population was drawn for random effects{where} on {', '.join(here) or 'nothing'}, "
                f"model '{model.name}' has them on {', '.join(there) or 'nothing'}; draw it for this model"
            )
        moved = [n for n in here if people.basis.scales[n] != scales[n]]
        if moved:
            shown = ", ".join(f"{n} on the {people.basis.scales[n]} scale ({scales[n]})" for n in moved)
            raise PopulationError(
                f"{who}: the population was drawn for random effects of {shown} of model '{model.name}'; draw it for "
                "this model"
            )
