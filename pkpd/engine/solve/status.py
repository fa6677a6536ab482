"""What can become of a subject: codes inside the loops, sentences outside."""

from __future__ import annotations

import enum

__all__ = ["Status"]


class Status(enum.IntEnum):
    """Result of one subject; its ``sentence`` says what happened and what helps, as the end of an error message."""

    sentence: str

    def __new__(cls, code: int, sentence: str) -> Status:
        """Make a member of a code and its sentence."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        return member

    OK = 0, "solved"
    STEP_TOO_SMALL = (
        1,
        "the step fell below what the clock can resolve; the solution blows up or jumps here, or rtol and atol are too "
        "tight",
    )
    TOO_MANY_STEPS = 2, "more steps than max_steps; raise max_steps, loosen rtol, or try method='rodas5p'"
    NOT_FINITE = (
        3,
        "a state or its rate of change is infinite or not a number; check the equations at the values given here",
    )
    NO_STEADY_STATE = (
        4,
        "no steady state was found: repeated for ever, the dose accumulates without limit, or so slowly that the "
        "search gave up; give the doses themselves (addl) to see what they do",
    )
    STIFF = 5, "the equations are stiff for an explicit method; use method='auto' or 'rodas5p'"
    OUTPUT_NOT_FINITE = (
        6,
        "an output is infinite or not a number although the states are finite (a division by zero, the logarithm or "
        "the power of a number that is not positive?); check its equation at the values given here",
    )
    IMPOSSIBLE_DATA = 100, "the data cannot be, given the predictions: they have no density or probability there"
    IMPOSSIBLE_DOSE = 101, "a dose has an impossible bioavailability, lag, rate or duration"
    VALUE_NOT_FINITE = 102, "a value of a free quantity is infinite or not a number"

    @property
    def is_of_solver(self) -> bool:
        """Whether a simulation can end with it; the others are of likelihoods."""
        return self < Status.IMPOSSIBLE_DATA and self is not Status.STIFF
