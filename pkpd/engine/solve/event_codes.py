"""What the numbers in columns of events mean: kinds, ranks among the rows of a time, and faults."""

from __future__ import annotations

__all__ = [
    "ADDITIONAL",
    "ADDITIONAL_AFTER",
    "AFTER_OWN_ROW",
    "BAD_DURATION",
    "BAD_F",
    "BAD_LAG",
    "BAD_RATE",
    "BAD_SHADOW",
    "BOLUS",
    "END",
    "LAGGED",
    "LAGGED_AFTER",
    "MANY",
    "MANY_SWITCHES",
    "OFF",
    "RATE",
    "REPLACE",
    "RESET",
    "ROW",
    "SS_ADD",
    "SS_BOLUS",
    "SS_CONSTANT",
    "SS_FIRST",
    "SS_INFUSION",
    "STOP",
    "TOO_MANY",
]

# kinds of events: add to a state, add to an infusion rate, take another column of P, start anew, set a state, only stop
BOLUS, RATE, ROW, RESET, REPLACE, STOP = range(6)
SS_FIRST = 8
SS_BOLUS, SS_INFUSION, SS_CONSTANT = 8, 9, 10
SS_ADD = 4  # added to an SS kind for SS=2
# faults found on the way
BAD_F, BAD_LAG, BAD_RATE, BAD_DURATION, BAD_SHADOW, TOO_MANY = 1, 2, 3, 4, 5, 6
MANY_SWITCHES = 100  # no dose's: a condition on time, by its number
#: EVID of a record that switches its compartment off
OFF = 9
#: doses of one record up to the last time of interest
MANY = 100_000
# rank of an event among the rows of its time: ends of infusions first, then doses that a record implies, then the rows
# (0, 1, ...) with their own doses after each; or lagged doses at last
END, ADDITIONAL, LAGGED, AFTER_OWN_ROW, ADDITIONAL_AFTER, LAGGED_AFTER = -2.0, -1.0, -0.9, 0.25, 1e17, 1e18
