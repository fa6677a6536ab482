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
    OUTPUT_NOT_FINITE = 6

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
    Status.NOT_FINITE: (
        "a state or its rate of change is infinite or not a number; check the equations at the values given here"
    ),
    Status.NO_STEADY_STATE: (
        "no steady state was found: repeated for ever, the dose accumulates without limit, or so slowly that the "
        "search gave up; give the doses themselves (addl) to see what they do"
    ),
    Status.STIFF: "the equations are stiff for an explicit method; use method='auto' or 'rodas5p'",
    Status.OUTPUT_NOT_FINITE: (
        "an output is infinite or not a number although the states are finite (a division by zero, the logarithm or "
        "the power of a number that is not positive?); check its equation at the values given here"
    ),
}
