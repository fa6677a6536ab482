"""A subject: doses, covariates, and what is said about them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.evidence.kinds import kind_named
from pkpd.evidence.term import Term
from pkpd.simulation.doses import records_of, regimen_from

if TYPE_CHECKING:
    from pkpd.dosing.regimen import Regimen
    from pkpd.model.model import Model
    from pkpd.model.residual import ResidualError

__all__ = ["MOST", "Subject", "check", "doses_of", "faults_of", "window_faults"]

#: measurements that one fact about a window may be taken as
MOST = 10_000


@dataclass(frozen=True)
class Subject:
    """A subject: doses, covariates, what is said about them.

    Parameters
    ----------
    name : str
    regimen : Regimen or str, optional
        Doses into the model's states; none without. A text is read by `Regimen.parse`, on whatever clock.
    covariates : mapping of name to float
        In the model's units; the reference where not given.
    terms : tuple of Term
    values : mapping of name to float
        Parameters of this subject that differ from the model's.
    """

    name: str
    regimen: Regimen | str | None = None
    covariates: Mapping[str, float] = field(default_factory=dict)
    terms: tuple[Term, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)


def doses_of(model: Model, subject: Subject) -> tuple[Regimen, np.ndarray]:
    """Return a subject's doses bound to a model, and as the engine reads them.

    Raises
    ------
    RegimenError
        If they do not go into the model; it does not say whose they are.
    """
    regimen = regimen_from(model, subject.regimen, "regimen", subject.covariates)
    return regimen, records_of(model, regimen)


def faults_of(term: Term, errors: Mapping[str, ResidualError | None], start: float, every: float) -> Iterator[str]:
    """Yield what is wrong with a term.

    Parameters
    ----------
    errors : mapping of output to its residual error, None where it declares none
    start : float
        Time from which the subject is simulated.
    every : float
        Time between the measurements of a window.
    """
    try:
        kind = kind_named(term.kind)
    except DataError as fault:
        yield str(fault)
        return
    if term.output not in errors:
        yield f"the model has no output '{term.output}'{nearest(term.output, errors)}; it has {', '.join(errors)}"
        return
    error = errors[term.output]
    if error is None:
        yield f"output '{term.output}' declares no residual error; give it one in the model (Exact() with reading_sd)"
        return
    stated = "value" in kind.needs or (term.value is not None and not math.isnan(term.value))
    if term.value is None or (stated and not math.isfinite(term.value)):
        yield f"value must be a finite number, got {term.value}"
    elif stated and kind.has_unit and not term.reading_sd and (why := error.no_spread(np.array([term.value], float))):
        yield f"residual error of output '{term.output}': {why}"
    if term.reading_sd is None or not math.isfinite(term.reading_sd) or term.reading_sd < 0:
        yield f"reading_sd must be finite and >= 0, got {term.reading_sd}"
    for name in ("value_to", "time_to", "at"):
        x = getattr(term, name)
        if x is not None and not math.isfinite(x):
            yield f"{name} must be finite or left out, got {x}"
    yield from kind.faults(term, error, start)
    yield from window_faults(term, every)


def window_faults(term: Term, every: float) -> Iterator[str]:
    """Yield whether the window of a term is more measurements than one term may be."""
    if term.time_to is None or kind_named(term.kind).shape not in ("window", "extreme"):
        return
    length = term.time_to - term.time
    if length / every > MOST:
        yield (
            f"its window, {term.time:g} to {term.time_to:g}, is {length / every:.3g} measurements, one each {every:g}; "
            f"at most {MOST:,} are taken: give every={1.1 * length / MOST:.2g} or more, or a shorter window"
        )


def check(faults: Sequence[tuple[str, str]], verb: str = "likelihood", limit: int = 20) -> str:
    """Return the message of all faults, each with who it belongs to; empty if there are none."""
    if not faults:
        return ""
    lines = [f"  {who}: {what}" for who, what in faults[:limit]]
    more = [f"  ... and {len(faults) - limit} more"] if len(faults) > limit else []
    return "\n".join([f"{verb}: {len(faults)} faults" if len(faults) > 1 else f"{verb}:", *lines, *more])
