"""How large the states of a subject are: absolute tolerances go with that, so that small amounts are solved as well."""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from pkpd.engine.machine.jit import leaf
from pkpd.engine.solve.event_codes import BOLUS, REPLACE, SS_ADD, SS_BOLUS

__all__ = ["Sizes", "finite_slopes", "forget_sizes", "note_sizes", "put_at_once"]

#: of each lane: largest value so far of each state, (n, lanes); whether a dose or an initial value goes into the state,
#: bool (n, lanes); rtol, and atol of each state, (1 + n, lanes)
Sizes = namedtuple("Sizes", "largest source tolerance")


@leaf
def put_at_once(kind, value):
    """Return the amount that an event puts into its state at once: a bolus, one of a steady state, a value set."""
    at_once = kind in (BOLUS, REPLACE, SS_BOLUS) or kind == SS_BOLUS + SS_ADD
    return abs(value) if at_once else 0.0


@leaf
def forget_sizes(w, Y, sizes):
    """Begin with the initial values."""
    for s in range(Y.shape[0]):
        sizes.largest[s, w], sizes.source[s, w] = abs(Y[s, w]), Y[s, w] != 0.0


@leaf
def note_sizes(w, span, proper, Y, R, sizes, rtol, atol):
    """Bring a lane's tolerances up to date with the amounts that it has had: below 1, atol goes with them.

    The size of a state is the largest value so far, what an infusion brings in the time ``span`` included. One into
    which neither a dose nor an initial value goes directly has at least the size of the smallest into which they do.

    Parameters
    ----------
    proper : int
        States that are no sensitivities; they come first, and no others count as smallest.
    Y, R : float array, (n, lanes)
        States and infusion rates.
    sizes : Sizes
        Its tolerances are written.
    """
    n, smallest, (OWN, SOURCE, TOL) = Y.shape[0], np.inf, sizes
    for s in range(n):
        flow = abs(R[s, w]) * span
        OWN[s, w] = max(OWN[s, w], abs(Y[s, w]), flow)
        SOURCE[s, w] |= flow > 0.0
        if SOURCE[s, w] and s < proper and 0.0 < OWN[s, w] < smallest:
            smallest = OWN[s, w]
    TOL[0, w] = rtol
    for s in range(n):
        size = OWN[s, w] if SOURCE[s, w] and s < proper else max(OWN[s, w], smallest)
        TOL[1 + s, w] = atol * min(1.0, size if size > 0.0 else smallest)


@leaf
def finite_slopes(K, Y, w):
    """Tell whether a lane's states and their rates of change are finite."""
    total = 0.0
    for s in range(Y.shape[0]):
        total += abs(K[s, w]) + abs(Y[s, w])
    return math.isfinite(total)
