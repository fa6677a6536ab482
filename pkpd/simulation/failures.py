"""What went wrong, in sentences that name the subject, the time and the values that were really used."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pkpd.engine.graph.derivative import substitute
from pkpd.engine.graph.nodes import Node, const
from pkpd.engine.graph.tree import symbols_of, walk
from pkpd.engine.solve.block import Block, DoseFault, Result, Settings, Target
from pkpd.engine.solve.event_codes import (
    BAD_DURATION,
    BAD_F,
    BAD_LAG,
    BAD_RATE,
    BAD_SHADOW,
    MANY,
    MANY_SWITCHES,
    TOO_MANY,
)
from pkpd.engine.solve.run import solve_block
from pkpd.engine.solve.status import Status
from pkpd.engine.solve.switches import MOST_SWITCHES
from pkpd.errors import RegimenError, SolverError
from pkpd.model import run
from pkpd.model.numeric import individual_value

if TYPE_CHECKING:
    from pkpd.engine.solve.kernel import Kernel
    from pkpd.model.model import Model

__all__ = ["Failures", "SolverWarning", "solved"]

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
        "leave that parameter out of the derivatives, or give the dose as an infusion",
    ),
    TOO_MANY: (
        "",
        f"one record gives more than {MANY:,} doses up to the last observation, or as many infusions run at once; "
        "ADDL, II, AMT or RATE is off by a factor",
    ),
}
SHOWN = 8  # parameters that a message lists; those that are not above zero come first where there are more
CONDITIONS = 3


class SolverWarning(UserWarning):
    """Some subjects could not be solved; the others' results are kept."""


@dataclass
class Failures:
    """Which subjects of a simulation failed, when and why, and with which values.

    Attributes
    ----------
    reasons : dict of subject's number to text
        Of the first subject that failed in each block.
    """

    model: Model
    kernel: Kernel
    reasons: dict[int, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, first: int, block: Block, inputs: np.ndarray, result: Result) -> None:
        """Keep the reason of the first failure of a block whose subjects are numbered from ``first`` on."""
        failed = np.flatnonzero(result.status)
        if not failed.size:
            return
        i = int(failed[0])
        when, status = float(result.when[i]), Status(int(result.status[i]))
        text = f"t = {when:.6g} {self.model.time_unit}: {status.sentence}{self._switches(status)}"
        values = values_of(self.model, self.kernel, inputs[:, column_at(block, i, when)], when)
        with self.lock:
            self.reasons[first + i] = f"{text} ({values})"

    def _switches(self, status: Status) -> str:
        """Name the conditions on states, at which a solution that cannot leave them is stuck."""
        if status not in (Status.STEP_TOO_SMALL, Status.TOO_MANY_STEPS):
            return ""
        found = [n for n in walk(self.kernel.derivatives) if n.op in ("lt", "le") and _on_state(n)]
        if not found:
            return ""
        named = ", ".join(str(n) for n in found[:CONDITIONS]) + (", ..." if len(found) > CONDITIONS else "")
        return (
            f"; the equations switch at {named}: a solution that is driven back to such a switch from both sides "
            "cannot go on, and needs a smooth transition instead of where()"
        )

    def report(self, status: np.ndarray, label: Callable[[int], str], on_failure: str) -> None:
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
            f"model '{self.model.name}': {failed.size} of {status.size} subjects failed. {label(i)}, {self.reasons[i]}"
        )
        if on_failure == "raise":
            raise SolverError(text)
        blank = "the numbers that are missing" if status[i] == Status.OUTPUT_NOT_FINITE else "their results"
        after = "" if status[i] == Status.OUTPUT_NOT_FINITE else " from there on"
        warnings.warn(SolverWarning(f"{text}; {blank} are NaN{after}"), stacklevel=5)


def _on_state(n: Node) -> bool:
    return any(s.kind == "state" for s in symbols_of([n]))


def solved(
    model: Model, kernel: Kernel, block: Block, inputs: np.ndarray, settings: Settings, who: Callable[[int], str],
    target: Target | None = None,
) -> Result:  # fmt: skip
    """Return the solution of a block; subjects with an output that is not finite have failed.

    Parameters
    ----------
    who : function of int
        Names the i-th subject of the block.
    target
        As for `pkpd.engine.solve.run.solve_block`.

    Raises
    ------
    RegimenError, SolverError
        For a dose that cannot be given, and a condition on time that switches too often.
    """
    try:
        result = solve_block(kernel, block, inputs, settings, target)
    except DoseFault as fault:
        told = _condition_fault if fault.args[0] == MANY_SWITCHES else _dose_fault
        raise told(model, kernel, fault, block, inputs, who(fault.args[1])) from None
    _judge_outputs(block, result)
    return result


def _judge_outputs(block: Block, result: Result) -> None:
    """Fail subjects with an output that is not finite although they were solved; such numbers become NaN."""
    if result.finite:
        return
    out = result.outputs
    bad = ~np.isfinite(out)
    any_bad: np.ndarray = np.any(bad, axis=0)
    for i in range(block.column.size):
        if result.status[i] != Status.OK:
            continue
        times = slice(int(block.obs_first[i]), int(block.obs_last[i]))
        where = np.flatnonzero(any_bad[i] if block.shared else any_bad[times])
        if where.size:
            result.status[i] = Status.OUTPUT_NOT_FINITE
            result.when[i] = block.obs_time[times.start + where[0]]
    out[bad] = np.nan


def column_at(block: Block, i: int, when: float) -> int:
    """Return the column of inputs that holds for a subject at a time."""
    segments = slice(int(block.seg_first[i]), int(block.seg_first[i + 1]))
    begun = np.flatnonzero(block.seg_time[segments] <= when)
    return int(block.seg_column[segments][begun[-1]] if begun.size else block.column[i])


def _inputs_of(kernel: Kernel, values: np.ndarray, when: float) -> dict[str, dict[str, np.float64]]:
    """Return what stands in a column of inputs by kind and name, covariates that slope at the given time."""
    out: dict[str, dict[str, np.float64]] = {kind: {} for kind in ("theta", "eta", "kappa", "covariate")}
    for node, value in zip(kernel.inputs, values, strict=True):
        out[node.kind][node.name] = np.float64(value)
    cov = out["covariate"]
    for name in [n for n in cov if n.endswith(":slope")]:
        base, slope = name.removesuffix(":slope"), cov.pop(name)
        cov[base] = cov[base] + slope * (when - cov.pop(f"{base}:origin"))
    return out


def _individual(model: Model, given: Mapping[str, Mapping[str, np.float64]]) -> dict[str, np.float64] | None:
    """Return the individual parameters, or None if they cannot be computed."""
    base: dict[str, np.float64] = {}
    try:
        with np.errstate(all="ignore"):
            for name, parameter in model.parameters.items():
                theta = given["theta"].get(name, np.float64(parameter.value))
                effects = [given[kind][name] for kind in ("eta", "kappa") if name in given[kind]]
                base[name] = individual_value(parameter, theta, np.float64(sum(effects)) if effects else None)
            cov = {n: np.float64(c.reference) for n, c in model.covariates.items()}
            cov |= given["covariate"]
            return {n: np.float64(v) for n, v in run.individual(model, base, cov).items()}
    except (ArithmeticError, TypeError, ValueError):  # a function of the standard library outside of its domain
        return None


def values_of(model: Model, kernel: Kernel, column: np.ndarray, when: float) -> str:
    """Return the individual parameters and the covariates in a column of inputs, as ``CL=0, V=0; WT=0``."""
    given = _inputs_of(kernel, column, when)
    shown: dict[str, np.float64] | None = _individual(model, given)
    if shown is None:
        shown = given["theta"] | {f"eta_{n}": v for n, v in given["eta"].items()}
    covariates = describe(given["covariate"])
    return describe(shown) + (f"; {covariates}" if covariates else "")


def describe(values: Mapping[str, float]) -> str:
    """Return ``CL=5, V=50`` for an error message; of many values those not above zero come first."""
    items = list(values.items())
    if len(items) > SHOWN:
        items.sort(key=lambda item: bool(item[1] > 0.0 and math.isfinite(item[1])))
    text = ", ".join(f"{n}={v:.4g}" for n, v in items[:SHOWN])
    return text + (", ..." if len(items) > SHOWN else "")


def _condition_fault(
    model: Model, kernel: Kernel, fault: DoseFault, block: Block, inputs: np.ndarray, who: str
) -> SolverError:
    """Return the error for a condition on time that switches too often to be followed."""
    _, i, k = fault.args
    column = inputs[:, block.column[i]]
    return SolverError(
        f"model '{model.name}', {who}: the condition or whole number in {kernel.kinks[k].source!r} changes more "
        f"than {MOST_SWITCHES:,} times, or cannot be told from its limit, before the last observation; write it with "
        "during(t, start, stop, every=...) or mod(t, period), or observe a shorter time "
        f"({values_of(model, kernel, column, float(block.origin[i]))})"
    )


def _dose_fault(
    model: Model, kernel: Kernel, fault: DoseFault, block: Block, inputs: np.ndarray, who: str
) -> RegimenError:
    """Return the error for a dose that cannot be given, with what the model made of it."""
    code, i, k = fault.args
    word, rule = _FAULTS[code]
    state, when = int(block.records.cmt[k]), float(block.records.time[k])
    name = list(model.states)[state]
    declared = model.trace.dosing.get(state, {}).get(word)
    column = inputs[:, int(block.rec_column[k]) if block.rec_column.size else column_at(block, i, when)]
    got = _dosing_value(declared, kernel, column, word) if declared is not None and code != BAD_SHADOW else ""
    remedy = (
        ""
        if declared is not None or not word
        else f"; model '{model.name}' declares no {word} for '{name}' in dosing()"
    )
    return RegimenError(
        f"{who}: dose into '{name}': {rule}{got}{remedy} "
        f"(t = {when:.6g} {model.time_unit}: {values_of(model, kernel, column, when)})"
    )


def _dosing_value(node: Node, kernel: Kernel, column: np.ndarray, word: str) -> str:
    """Return ``, got F = -0.5``, or nothing where that is no number."""
    known = {s: const(float(v)) for s, v in zip(kernel.inputs, column, strict=True)}
    value = substitute([node], known)[0]
    return f", got {word} = {value.value:.4g}" if value.op == "const" else ""
