"""Populations one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PopulationError
from pkpd.people.columns import check_labels
from pkpd.people.people import People

__all__ = ["join"]

_ALIKE = ("model", "eta_names", "iov_names", "n_occasions")
Floats = NDArray[np.float64]
P = TypeVar("P", bound=People)


def join(people: Sequence[P], labels: Sequence[Any] | None) -> P:
    """Return the subjects of all populations in order; see ``Population.concat``."""
    first, who = people[0], f"population of '{people[0].model}'"
    for other in people[1:]:
        for name in _ALIKE:
            here, there = getattr(first, name), getattr(other, name)
            if here != there:
                raise PopulationError(f"{who}: cannot be joined: {name} is {here!r} here and {there!r} there")
        both = [name for name in first.basis.units if name in other.basis.units]
        if told := first.basis.others(other.basis, both):
            raise PopulationError(f"{who}: cannot be joined: here {', '.join(told)} there")
    n = sum(p.n for p in people)
    try:
        named = check_labels(who, labels if labels is not None else [x for p in people for x in p.labels.tolist()], n)
    except PopulationError as error:
        raise PopulationError(f"{error}, as in concat(other, labels=...)" if labels is None else str(error)) from None
    index, kappas = _places(people)
    return replace(
        first,
        labels=named,
        index=index,
        etas=np.concatenate([p.etas for p in people]),
        covariates={k: np.concatenate([p.covariates[k] for p in people]) for k in first.covariates},
        parameters=_parameters(who, people),
        varying=_varying(people),
        given_kappas=kappas,
    )


def _places(people: Sequence[People]) -> tuple[NDArray[np.int64], Floats | None]:
    """Return places in the random streams; kappas are fixed first where the places must change."""
    index = np.concatenate([p.index for p in people])
    together = len({p.seed for p in people}) == 1 and len(np.unique(index)) == len(index)
    drawn = all(p.given_kappas is None for p in people)
    kappas = None if together and drawn else np.concatenate([p.kappas for p in people])
    return (index if together else np.arange(len(index))), kappas


def _parameters(who: str, people: Sequence[People]) -> dict[str, Floats]:
    names = list(people[0].parameters)
    for other in people[1:]:
        if set(other.parameters) != set(names):
            here, there = ", ".join(names) or "none", ", ".join(other.parameters) or "none"
            raise PopulationError(
                f"{who}: cannot be joined: subjects have own parameters {here} here and {there} there"
            )
    return {k: np.concatenate([p.parameters[k] for p in people]) for k in names}


def _varying(people: Sequence[People]) -> dict[str, tuple[tuple[Floats, Floats], ...]]:
    """Return time courses; a subject whose covariate is constant gets one value at time 0."""
    out: dict[str, tuple[tuple[Floats, Floats], ...]] = {}
    for name in dict.fromkeys(k for p in people for k in p.varying):
        series: list[tuple[Floats, Floats]] = []
        for p in people:
            constant = ((np.zeros(1), np.array([v])) for v in p.covariates[name].tolist())
            series.extend(p.varying.get(name, tuple(constant)))
        out[name] = tuple(series)
    return out
