"""What doses do to the states that hold sensitivities: jumps and rates that follow from moving a dose a little.

With ``b = F amt`` given at ``tau = time + lag`` into state c, and S = dx/dq on n shadow states for each input q:

- a bolus adds ``amt dF/dq`` to S_c, and, as it is given later, ``-A_ic b dlag/dq`` to each S_i, where ``A_ic`` is what
  state c contributes to the derivative of state i;
- an infusion at rate R adds ``-R dlag/dq`` to S_c at its start, ``dR/dq`` per time while it runs, and ``R dend/dq`` at
  its end, which is at ``tau + F amt / R`` (rate given or modelled) or ``tau + D`` (duration D modelled, R = F amt / D).
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pkpd.engine.graph.nodes import Node
from pkpd.engine.machine.jit import compiled, leaf

__all__ = [
    "AT_END", "AT_START", "DURING", "NOT_CONSTANT", "SS_AMOUNT", "SS_COLUMNS", "SS_FIRST_STOP", "SS_LAST_STOP",
    "SS_OFF", "SS_ON", "SS_ONGOING", "SS_PERIOD", "SS_TURNS", "ShadowPlaces", "Shadows", "add_shadows",
    "place_shadows", "rows_of_doses", "shadow_effects",
]  # fmt: skip

#: places in P: of the derivatives of F, lag, rate and duration, (inputs, n, 4), and of A, (n, n), -1 where zero;
#: numbers of the shadow states, (inputs, n), -1 where there is none; whether doses into a state act on shadows, (n,)
ShadowPlaces = namedtuple("ShadowPlaces", "partials columns numbers dosed")
#: instead of a place in ``columns``: what this state contributes is not constant between events
NOT_CONSTANT = -2
# rows of effects, and the order of their blocks in the array of steady states
AT_START, DURING, AT_END = range(3)
# columns of the array of steady states before the effects: period, begin, end, running infusions, range of its
# stops, amount of a dose, periods after which the equations repeat
SS_PERIOD, SS_ON, SS_OFF, SS_ONGOING, SS_FIRST_STOP, SS_LAST_STOP, SS_AMOUNT, SS_TURNS = range(8)
SS_COLUMNS = 8


@dataclass(frozen=True)
class Shadows:
    """How doses act on shadow states.

    Attributes
    ----------
    states, inputs : int
        Number n of states proper and of inputs.
    numbers : tuple of tuple of int, (inputs, states)
        Number among all states of the shadow of each state; -1 where the input does not reach the state.
    partials : mapping of (input, state, word) to Node
        Derivatives of ``F``, ``tlag``, ``rate`` and ``duration`` of a state's doses, where not zero.
    columns : mapping of state c to {i: A_ic} or None
        For states whose lag depends on an input; None where A_ic is not constant between events.
    """

    states: int = 0
    inputs: int = 0
    numbers: tuple[tuple[int, ...], ...] = ()
    partials: Mapping[tuple[int, int, str], Node] = field(default_factory=dict)
    columns: Mapping[int, Mapping[int, Node] | None] = field(default_factory=dict)


def place_shadows(shadows: Shadows, slots: Any, words: tuple[str, ...], n: int) -> ShadowPlaces:
    """Give places to the nodes; ``words`` in the order of ``Kernel.dosing_places``, n states with all shadows."""
    partials = np.full((shadows.inputs, shadows.states, len(words)), -1, np.int64)
    columns = np.full((shadows.states, shadows.states), -1, np.int64)
    for (q, c, word), node in shadows.partials.items():
        partials[q, c, words.index(word)] = slots.place(node)
    for c, column in shadows.columns.items():
        if column is None:
            columns[:, c] = NOT_CONSTANT
        else:
            for i, node in column.items():
                columns[i, c] = slots.place(node)
    numbers = np.array(shadows.numbers, np.int64).reshape(shadows.inputs, shadows.states)
    dosed = np.zeros(n, bool)
    for _, c, _ in shadows.partials:
        dosed[c] = True
    return ShadowPlaces(partials, columns, numbers, dosed)


def rows_of_doses(dosing: np.ndarray, shadows: ShadowPlaces) -> np.ndarray:
    """Return the places that events of doses depend on."""
    found = np.unique(np.concatenate([dosing.ravel(), shadows.partials.ravel(), shadows.columns.ravel()]))
    return found[found >= 0]


@leaf
def _partial(shadows, P, q, c, word, column):
    place = shadows.partials[q, c, word]
    return P[place, column] if place >= 0 else 0.0


@compiled
def shadow_effects(shadows, P, columns, c, code, amt, given):
    """Return what a dose does to all states, (3, states proper and shadows): at its start, per time, at its end.

    Parameters
    ----------
    columns : DoseColumns
    c : int
        The state.
    code : float
        RATE of the record: 0 bolus, above 0 a rate, -1 modelled rate, -2 modelled duration.
    given : Dosing
    """
    column, (F, _, rate, duration) = columns.dose, given
    inputs, n, numbers = shadows.partials.shape[0], shadows.columns.shape[0], shadows.numbers
    out = np.zeros((3, n + np.sum(numbers >= 0)))
    for q in range(inputs):
        own = numbers[q, c]
        if own < 0:
            continue
        dF, dlag = _partial(shadows, P, q, c, 0, column), _partial(shadows, P, q, c, 1, columns.lag)
        if code == 0.0:
            out[AT_START, own] = amt * dF
            if dlag != 0.0:
                for i in range(n):
                    place = shadows.columns[i, c]
                    if place >= 0:
                        out[AT_START, numbers[q, i]] -= P[place, columns.active] * F * amt * dlag
            continue
        if code == -2.0:
            dduration = _partial(shadows, P, q, c, 3, column)
            drate = amt * (dF - F * dduration / duration) / duration
        else:
            drate = _partial(shadows, P, q, c, 2, column) if code == -1.0 else 0.0
            dduration = amt * (dF - F * drate / rate) / rate
        out[AT_START, own] = -rate * dlag
        out[DURING, own] = drate
        out[AT_END, own] = rate * (dlag + dduration)
    return out


@leaf
def add_shadows(v, dose, which, factor):
    """Add to a vector of states what the doses of a steady state do to shadow states, times a factor."""
    first = SS_COLUMNS + which * v.size
    if dose.ss.shape[1] > first:
        for s in range(v.size):
            v[s] += factor * dose.ss[dose.row, first + s]
