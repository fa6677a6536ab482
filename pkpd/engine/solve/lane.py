"""What the solver loop knows of its lanes: tables with one column a lane."""

from __future__ import annotations

from collections import namedtuple

__all__ = [
    "CALM", "CYCLE", "DUE", "EV", "EVEND", "HIT", "KNOWN", "LANE_ROWS", "MODE", "OB", "OBEND", "SINCE", "SSEV", "STAGE",
    "STALLED", "STEPS", "STIFF", "SWITCH", "TURN", "WHO", "Moving", "SteadySearch",
]  # fmt: skip

# rows of the integer table L: subject, event and end of events, observation and end of observations, steps, stiff and
# calm ones, whether in a dosing cycle, place in the cycle, cycles, cycles since the search began anew, event of the
# steady state, whether a stop is due, whether the step hits it, cycles remembered, stalled ones, next switch within the
# cycle, interval of the cycle
(
    WHO, EV, EVEND, OB, OBEND, STEPS, STIFF, CALM, MODE, STAGE, CYCLE, SINCE, SSEV, DUE, HIT, KNOWN, STALLED, SWITCH,
    TURN,
) = range(19)  # fmt: skip
LANE_ROWS = 19

#: time, (1, lanes); states and infusion rates, (n, lanes); hot places and the time at which conditions on time are
#: judged, (hot + 1, lanes); column of P in force, (lanes,)
Moving = namedtuple("Moving", "T Y R PL ROWS")
#: of a dosing cycle: times of its stops and what changes there, (3, lanes); states, (3, n, lanes); ends and changes of
#: past cycles, (2, DEPTH, n, lanes); distances, (2, lanes); see ``pkpd.engine.solve.steady``
SteadySearch = namedtuple("SteadySearch", "SST SSV states past DIST")
