"""What is said about one subject: a measured or reported fact, and the subject it belongs to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

from pkpd.errors import nearest

if TYPE_CHECKING:
    from pkpd.dosing.regimen import Regimen

__all__ = ["KINDS", "WINDOWS", "Subject", "Term", "faults_of"]

KINDS = ("density", "below", "above", "peak", "nadir", "ratio", "ratio_below", "ratio_above", "grade")
#: kinds that speak of all times of a window, where one is given
WINDOWS = ("below", "above", "peak", "nadir")
RATIOS = ("ratio", "ratio_below", "ratio_above")


@dataclass(frozen=True, slots=True)
class Term:
    """One factor of a subject's likelihood.

    Parameters
    ----------
    name : str
        For messages and results.
    kind : str
        ``density``: the output was ``value`` at ``time``. ``below``, ``above``: it was less or more than ``value`` at
        ``time`` or, with ``time_to``, at all times of the window. ``peak``, ``nadir``: its extreme over ``time`` to
        ``time_to`` was ``value``, measured at ``at``. ``ratio``: its value at ``time_to`` was ``value`` times that at
        ``time``; ``ratio_below``, ``ratio_above``: less, more than that. ``grade``: an ordinal output was graded
        ``value`` to ``value_to`` (``value`` alone without) at ``time``.
    output : str
        An output of the model with a residual error.
    time, time_to, at : float
        In the model's time unit.
    value, value_to : float
        In the output's unit.
    reading_sd : float
        Relative standard deviation of reading and rounding, added in quadrature to the residual error.

    Examples
    --------
    >>> Term("CRP on day 3", "density", "CRP", 72.0, 140.0).reading_sd
    0.0
    """

    name: str
    kind: str
    output: str
    time: float
    value: float
    _: KW_ONLY
    time_to: float | None = None
    value_to: float | None = None
    at: float | None = None
    reading_sd: float = 0.0


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


def _missing(x: float | None) -> bool:
    return x is None or not math.isfinite(x)


def faults_of(term: Term, outputs: Mapping[str, str | None], grades: Mapping[str, int], start: float) -> Iterator[str]:
    """Yield what is wrong with a term.

    Parameters
    ----------
    outputs : mapping of output to the name of its residual error, None where it declares none
    grades : mapping of ordinal output to its highest grade
    start : float
        Time from which the subject is simulated.
    """
    if term.kind not in KINDS:
        yield f"kind must be one of {', '.join(KINDS)}, got {term.kind!r}{nearest(str(term.kind), KINDS)}"
        return
    if term.output not in outputs:
        known = ", ".join(outputs)
        yield f"the model has no output '{term.output}'{nearest(term.output, outputs)}; it has {known}"
        return
    error = outputs[term.output]
    if error is None:
        yield f"output '{term.output}' declares no residual error; give it one in the model (Exact() with reading_sd)"
        return
    yield from _numbers(term)
    yield from _times(term, start)
    if (term.kind == "grade") != (error == "Ordinal"):
        what = "is ordinal: use kind 'grade'" if error == "Ordinal" else f"has {error} error: 'grade' needs Ordinal"
        yield f"output '{term.output}' {what}, got kind '{term.kind}'"
    elif term.kind == "grade":
        yield from _grades(term, grades[term.output])
    elif error == "Exact" and not term.reading_sd > 0:
        yield f"output '{term.output}' is Exact: reading_sd must be > 0, got {term.reading_sd:g}"
    elif (error in ("LogNormal", "Exact") or term.kind in RATIOS) and not term.value > 0:
        yield f"value must be > 0 for {error} error and ratios, got {term.value:g}"


def _numbers(term: Term) -> Iterator[str]:
    if _missing(term.value):
        yield f"value must be a finite number, got {term.value}"
    if _missing(term.reading_sd) or term.reading_sd < 0:
        yield f"reading_sd must be finite and >= 0, got {term.reading_sd}"
    for name in ("value_to", "time_to", "at"):
        x = getattr(term, name)
        if x is not None and not math.isfinite(x):
            yield f"{name} must be finite or left out, got {x}"


def _times(term: Term, start: float) -> Iterator[str]:
    """Yield what is wrong with the times of a term."""
    if _missing(term.time):
        yield f"time must be a finite number, got {term.time}"
        return
    first = min([t for t in (term.time, term.at, term.time_to) if t is not None])
    if first < start:
        yield f"time {first:g} is before the start of the simulation at {start:g}"
    if term.kind in ("peak", "nadir"):
        if term.time_to is None or term.at is None:
            yield f"a {term.kind} needs time_to and at"
        elif not term.time <= term.at <= term.time_to:
            yield f"at must lie in the window {term.time:g} to {term.time_to:g}, got {term.at:g}"
    elif term.at is not None:
        yield f"at is for peak and nadir, got {term.at:g} with kind '{term.kind}'"
    if term.kind in RATIOS and (term.time_to is None or term.time_to == term.time):
        yield f"a {term.kind} needs time_to, another time than {term.time:g}"
    if term.kind in ("density", "grade") and term.time_to is not None:
        yield f"a {term.kind} is of one time, got time_to {term.time_to:g}"
    if term.kind in WINDOWS and term.time_to is not None and term.time_to < term.time:
        yield f"time_to must not be before time {term.time:g}, got {term.time_to:g}"


def _grades(term: Term, highest: int) -> Iterator[str]:
    low, high = term.value, term.value if term.value_to is None else term.value_to
    if not (0 <= low <= high <= highest and low == int(low) and high == int(high)):
        yield f"grades must be whole numbers from 0 to {highest}, rising, got {low:g} to {high:g}"


def check(faults: Sequence[tuple[str, str]], limit: int = 20) -> str:
    """Return the message of all faults, each with who it belongs to; empty if there are none."""
    if not faults:
        return ""
    lines = [f"  {who}: {what}" for who, what in faults[:limit]]
    more = [f"  ... and {len(faults) - limit} more"] if len(faults) > limit else []
    return "\n".join([f"likelihood: {len(faults)} faults" if len(faults) > 1 else "likelihood:", *lines, *more])
