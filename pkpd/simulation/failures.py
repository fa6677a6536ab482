"""What went wrong, in sentences that name the subject, the time and the parameter values."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import RegimenError, SolverError
from pkpd.solve.block import Fault
from pkpd.solve.status import Status
from pkpd.solve.timeline import BAD_DURATION, BAD_F, BAD_LAG, BAD_RATE, BAD_SHADOW

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["SolverWarning", "dose_fault", "report"]

_FAULTS = {
    BAD_F: ("F", "bioavailability F must be a finite number >= 0"),
    BAD_LAG: ("tlag", "lag time must be a finite number >= 0"),
    BAD_RATE: ("rate", "the dose asks for a modelled rate (RATE=-1); the model must give the compartment a rate > 0"),
    BAD_DURATION: (
        "duration",
        "the dose asks for a modelled duration (RATE=-2); the model must give the compartment a duration > 0",
    ),
    BAD_SHADOW: (
        "tlag",
        "derivatives by a parameter of the lag need a compartment on which all equations depend linearly; "
        "leave that parameter out of wrt, or give the dose as an infusion",
    ),
}


class SolverWarning(UserWarning):
    """Some subjects could not be solved; the others' results are kept."""


def dose_fault(model: Model, fault: Fault, who: str, state: int, values: str) -> RegimenError:
    """Return the error for a dose that cannot be given."""
    code = fault.args[0]
    word, rule = _FAULTS[code]
    name = list(model.states)[state]
    declared = word in model.trace.dosing.get(state, {})
    remedy = "" if declared else f"; model '{model.name}' declares no {word} for '{name}' in dosing()"
    return RegimenError(f"{who}: dose into '{name}': {rule}{remedy} ({values})")


def report(
    model: Model,
    status: np.ndarray,
    when: np.ndarray,
    label: Callable[[int], str],
    values: Callable[[int], str],
    on_failure: str,
) -> None:
    """Warn or raise if a subject failed.

    Raises
    ------
    SolverError
        If a subject failed and ``on_failure`` is ``"raise"``.
    """
    failed = np.flatnonzero(status)
    if not failed.size or on_failure == "ignore":
        return
    i = int(failed[0])
    text = (
        f"model '{model.name}': {failed.size} of {status.size} subjects failed. "
        f"{label(i)}, t = {when[i]:.6g} {model.time_unit}: "
        f"{Status(int(status[i])).sentence} ({values(i)})"
    )
    if on_failure == "raise":
        raise SolverError(text)
    warnings.warn(SolverWarning(text + "; their results are NaN from there on"), stacklevel=4)


def describe(names: Sequence[str], numbers: Sequence[float]) -> str:
    """Return ``CL=5, V=50`` for an error message."""
    return ", ".join(f"{n}={v:.4g}" for n, v in zip(names, numbers, strict=True))
