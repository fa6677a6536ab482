"""What the solver loop knows of its lanes: tables with one column a lane."""

from __future__ import annotations

from collections import namedtuple

__all__ = [
    "AGAIN", "BUSY", "CALM", "CYCLE", "DUE", "END", "EV", "EVEND", "EXHAUSTED", "FURTHER", "HIT", "INSIDE", "KNOWN",
    "LANE_ROWS", "LAST", "LEAVE", "LEFT", "LONGEST", "MODE", "MOST", "NEXT", "OB", "OBEND", "OUTCOME", "PACE_ROWS",
    "SINCE", "SSEV", "STABLE", "STAGE", "STALLED", "STEPS", "STIFF", "STOP", "STOPPED", "SWITCH", "TINY", "TURN",
    "WHO", "WISH", "Moving", "SteadySearch",
]  # fmt: skip

# rows of the integer table L: subject, event and end of events, observation and end of observations, whether in a
# dosing cycle, place in the cycle, cycles, cycles since the search began anew, event of the steady state, whether a
# stop is due, cycles remembered, stalled ones, next switch within the cycle, interval of the cycle
(
    WHO, EV, EVEND, OB, OBEND, MODE, STAGE, CYCLE, SINCE, SSEV, DUE, KNOWN, STALLED, SWITCH, TURN,
) = range(15)  # fmt: skip
LANE_ROWS = 15

# rows of the table of numbers that the machine code of a step works on, see ``pkpd.engine.solve.pace``: length of the
# next step, next stop, whether there is a subject, next observation before the stop, longest step that was stable,
# steps in a row at the limit of stability and calm ones since, steps, most steps, stiff ones after which to leave,
# last observation, longest step allowed, end of the step, what became of it
(
    WISH, STOP, BUSY, NEXT, STABLE, STIFF, CALM, STEPS, MOST, LEAVE, LAST, LONGEST, END, OUTCOME,
) = range(14)  # fmt: skip
PACE_ROWS = 14
#: what became of a step: the next one follows; it hit the stop; it ran into the limit of stability for the first time;
#: the next one would be too short; there are too many; there are too many at the limit of stability
FURTHER, HIT, AGAIN, TINY, EXHAUSTED, LEFT = range(6)
#: lanes as bits: with an observation inside the step, with an outcome other than FURTHER
INSIDE, STOPPED = range(2)

#: time, (1, lanes); states and infusion rates, (n, lanes); hot places and the time at which conditions on time are
#: judged, (hot + 1, lanes); column of P in force, (lanes,)
Moving = namedtuple("Moving", "T Y R PL ROWS")
#: of a dosing cycle: times of its stops and what changes there, (3, lanes); states, (3, n, lanes); ends and changes of
#: past cycles, (2, DEPTH, n, lanes); distances, (2, lanes); see ``pkpd.engine.solve.steady``
SteadySearch = namedtuple("SteadySearch", "SST SSV states past DIST")
