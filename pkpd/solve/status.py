"""What can become of a subject: codes inside the loops, sentences outside."""

from __future__ import annotations

import enum

__all__ = ["Status"]


class Status(enum.IntEnum):
    """Result of one subject; the text says what happened and what helps."""

    OK = 0
    STEP_TOO_SMALL = 1
    TOO_MANY_STEPS = 2
    NOT_FINITE = 3
    NO_STEADY_STATE = 4
    STIFF = 5

    @property
    def sentence(self) -> str:
        """What happened, as the end of an error message."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.OK: "solved",
    Status.STEP_TOO_SMALL: (
        "the step fell below what the clock can resolve; the solution blows up or jumps here, or rtol and atol are too "
        "tight"
    ),
    Status.TOO_MANY_STEPS: "more steps than max_steps; raise max_steps, loosen rtol, or try method='rodas5p'",
    Status.NOT_FINITE: "a state became infinite or not a number; check the equations at these parameter values",
    Status.NO_STEADY_STATE: (
        "no steady state was reached by repeating the dose; the drug accumulates without limit or far too slowly"
    ),
    Status.STIFF: "the equations are stiff for an explicit method; use method='auto' or 'rodas5p'",
}
