"""Arrays that travel together through the compiled loops, as named tuples; per-subject arrays have one entry each."""

from __future__ import annotations

from collections import namedtuple

__all__ = [
    "Constants", "Control", "DoseColumns", "Dosing", "Events", "Held", "Observed", "Records", "Results", "Span",
    "SteadyDose", "SubjectArrays", "Timeline", "Who",
]  # fmt: skip

#: P, (places, columns), what is constant between events; places of the initial values in it, (n,); states that never
#: reach a steady state, bool (n,)
Constants = namedtuple("Constants", "P initial accumulates")
#: column of P and time at the start; each subject's events, ``ends[i]`` to ``ends[i + 1]``, as columns, see
#: ``pkpd.engine.solve.timeline``; steady states, times at which conditions on time switch within their cycles (``ss``
#: has each one's range), and states that doses set, (marks, 3), see ``pkpd.engine.solve.kernel.Kernel``
Timeline = namedtuple("Timeline", "column origin ends time kind state value row ss cycle_stops marks")
#: half-open range of a subject's observations in ``time``; how many of the subject's events come before each one (or
#: empty: observations precede events of their time)
Observed = namedtuple("Observed", "first last time order")
#: state s of a subject's j-th observation goes to ``out[first[i] + s * stride + j]``; the column of P in force there to
#: ``place_of[place_first[i] + j]`` unless that is empty; status code, time reached and steps taken of each subject
Results = namedtuple("Results", "out first stride place_of place_first status when steps")
#: tolerances, most steps of each subject, longest step; whether subjects that suit a stiff method better are left to
#: it; number of states that are no sensitivities, which come first
Control = namedtuple("Control", "rtol atol budget h_max free proper")
#: a steady state: kind of event, state, amount or rate, and the row of ``ss`` that has the rest
SteadyDose = namedtuple("SteadyDose", "kind state value ss row")
#: bioavailability, lag, rate and duration of a dose
Dosing = namedtuple("Dosing", "F lag rate duration")
#: columns of P of a dose's F, rate and duration, of its lag (that of its record), and of the equations at its start
DoseColumns = namedtuple("DoseColumns", "dose lag active")
#: values in force for a while: a column of P, and what the last doses set
Held = namedtuple("Held", "P column doses")
#: times from start to end, and the one at which conditions are judged
Span = namedtuple("Span", "start end piece")
#: dose records as columns, and events as columns, for the compiled loops
Records = namedtuple("Records", "time evid cmt amt rate ii addl ss")
Events = namedtuple("Events", "time rank kind state value row")
#: a block of subjects, see ``pkpd.engine.solve.block.Block``: its arrays, P, and places of dosing and of shadows
SubjectArrays = namedtuple(
    "SubjectArrays",
    "column rec rec_first rec_last rec_column seg_first seg_time seg_rank seg_column P places shadows obs_time "
    "obs_first obs_last anew near lag_rank add_rank",
)
#: one subject: records first to last - 1, column of P at the start, switches of columns, places of F, tlag, rate and
#: duration, last time of interest, distance of times that are one, ranks of lagged and of other additional doses,
#: whether some record ends what others began, and which resets end doses to come
Who = namedtuple(
    "Who",
    "rec first last rec_column own seg_first seg_last seg_time seg_rank seg_column P places shadows horizon near "
    "lag_rank add_rank ends anew",
)
