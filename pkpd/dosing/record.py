"""The record that dosing hands to the engine: one row in NONMEM's words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pkpd.errors import nearest

__all__ = [
    "COUNTABLE",
    "NEAR",
    "OFF",
    "ON",
    "RECORD",
    "Compartment",
    "compartment_index",
    "missing_compartment",
]

NEAR = 1e-9
"""Times no further apart than this, h, are one time, whatever arithmetic made them."""
COUNTABLE = 2**62
"""Counts from here on do not fit into the numbers that count."""
OFF, ON = 9, 10
"""``evid`` of a record that switches its compartment off, or on again: NONMEM's EVID 2 with CMT, off with a minus."""

Compartment = str | int | None
"""A state's name, its 1-based number in the model (NONMEM's CMT), or None or 0 for the first state."""

RECORD = np.dtype(
    [
        ("time", "f8"),
        ("evid", "i8"),
        ("cmt", "i8"),
        ("amt", "f8"),
        ("rate", "f8"),
        ("ii", "f8"),
        ("addl", "i8"),
        ("ss", "i8"),
    ]
)
"""One event. ``time`` and ``ii`` on one clock, ``amt`` in the unit of the dose, ``rate`` in that unit per time.

``evid``: 0 observation, 1 dose, 2 other, 3 reset, 4 reset and dose, 8 replace the amount, 9 and 10 (``OFF`` and ``ON``)
switch the compartment off and on. ``cmt``: 0-based index into the model's states. ``rate``: 0 bolus, > 0 infusion,
-1 modelled rate, -2 modelled duration. ``addl`` more doses, ``ii`` apart. ``ss``: 1 reset to steady state, 2 added to
what is there. A constant infusion at steady state has no ``ii`` and an ``amt`` of 0, or of inf if it goes on.

Source: NONMEM user's guide VI (PREDPP), chapters III and V; ``evid`` 8 as in mrgsolve.
"""


def compartment_index(cmt: Compartment, states: Sequence[str]) -> int | None:
    """Return the 0-based index of a compartment in a model's states, or None if the model has no such state.

    Examples
    --------
    >>> compartment_index("central", ["depot", "central"]), compartment_index(2, ["depot", "central"])
    (1, 1)
    >>> compartment_index(None, ["depot", "central"])
    0
    """
    if cmt is None or cmt == 0:
        return 0 if len(states) else None
    if isinstance(cmt, str) and cmt in states:
        return list(states).index(cmt)
    if isinstance(cmt, str) and not cmt.isdecimal():
        return None
    number = int(cmt)
    return number - 1 if 1 <= number <= len(states) else None


def missing_compartment(cmt: Compartment, states: Sequence[str]) -> str:
    """Say that a model has no such compartment, which ones it has, and which was meant.

    Examples
    --------
    >>> missing_compartment("depo", ["depot", "central"])
    "the model has no compartment 'depo'; it has depot, central (did you mean 'depot'?)"
    """
    hint = nearest(cmt, states) if isinstance(cmt, str) else ""
    if isinstance(cmt, str):
        return f"the model has no compartment {cmt!r}; it has {', '.join(states)}{hint}"
    numbered = ", ".join(f"{i} {name}" for i, name in enumerate(states, start=1))
    return f"the model has no compartment number {cmt}; it has {numbered}"
