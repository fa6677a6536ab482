"""What happens to one subject at events and observations, for the solvers that take one subject at a time."""

from __future__ import annotations

import math

import numpy as np

from pkpd.engine.machine.jit import compiled, inlined, leaf
from pkpd.engine.solve.event_codes import BOLUS, RATE, REPLACE, RESET, SS_BOLUS, SS_CONSTANT
from pkpd.engine.solve.shadows import AT_END, AT_START, DURING, SS_ONGOING, add_shadows

__all__ = ["change", "leave_blank", "leave_cycle", "record", "set_marks", "start", "turn"]


@leaf
def start(constants, column, x, r):
    """Set the states to their initial values and all infusion rates to zero."""
    for i in range(x.size):
        x[i], r[i] = constants.P[constants.initial[i], column], 0.0


@leaf
def set_marks(marks, x, state, time, amount):
    """Note a dose into a state where equations ask for the time or the amount of the last one."""
    for h in range(marks.shape[0]):
        if marks[h, 1] < 0 or marks[h, 1] == state:
            x[marks[h, 0]] = amount if marks[h, 2] else time


@inlined
def change(kind, state, value, column, constants, x, r):
    """Apply one event that concerns states x and infusion rates r alone."""
    if kind == BOLUS:
        x[state] += value
    elif kind == RATE:
        r[state] += value
        if abs(r[state]) < 1e-12 * abs(value):
            r[state] = 0.0
    elif kind == RESET:
        start(constants, column, x, r)
    elif kind == REPLACE:
        x[state] = value


@compiled
def leave_cycle(dose, additive, accumulates, base, kept, kept_r, x, r):
    """Go on from the end of a steady dosing cycle in x, for SS=2 added to what was there (kept).

    States that accumulate for ever, because nothing depends on them, are where they were (SS=2) or begin (base).
    """
    for i in range(x.size):
        if accumulates[i]:
            x[i] = kept[i] if additive else base[i]
        elif additive:
            x[i] += kept[i]
        r[i] = kept_r[i] if additive else 0.0
    if dose.kind != SS_BOLUS and dose.kind != SS_CONSTANT:
        ongoing = dose.ss[dose.row, SS_ONGOING]
        r[dose.state] += ongoing * dose.value
        add_shadows(r, dose, DURING, ongoing)


@inlined
def record(x, out, place, stride):
    """Write the states to out[place + state * stride]; return whether all are finite."""
    finite = True
    for i in range(x.size):
        out[place + i * stride] = x[i]
        finite &= math.isfinite(x[i])
    return finite


@leaf
def leave_blank(n, out, place, count, stride):
    """Mark observations that were not reached as not a number."""
    for i in range(n):
        for k in range(count):
            out[place + i * stride + k] = np.nan


@compiled
def turn(x, r, dose, on):
    """Turn the infusion of a steady dosing cycle on or off."""
    r[dose.state] += dose.value if on else -dose.value
    add_shadows(x, dose, AT_START if on else AT_END, 1.0)
    add_shadows(r, dose, DURING, 1.0 if on else -1.0)
