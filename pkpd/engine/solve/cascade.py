"""Solution of cascades ``x' = A x + b + r + g(t, u)``, whose upstream states u obey linear equations by themselves.

Between events A, b and the infusion rates r are constant. With ``E(s) = exp(A s)`` and G its integral, the upstream
states are exact at any time, and the others follow from an integral over the panel from t to t + h:

    u(t + c h) = [E(c h) x(t) + G(c h) (b + r)]_u
    x(t + h)   = E(h) x(t) + G(h) (b + r) + h int_0^1 E((1 - c) h) g(t + c h, u(t + c h)) dc

by the Gauss-Lobatto rule with 8 nodes (order 14). There is nothing to iterate and no stage waits for another one. The
rule has a node at either end: without, what is over before the first node (an effect that saturates soon after a dose)
would be missed.

How a subject moves on is in ``pkpd.engine.solve.cascade_march``, its steady states in ``cascade_steady``.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from pkpd.engine.machine.jit import entry, leaf
from pkpd.engine.solve.arrays import Constants, SteadyDose
from pkpd.engine.solve.call import unowned
from pkpd.engine.solve.cascade_march import NEEDS_SET, begin_stretch, carry, set_constants
from pkpd.engine.solve.cascade_steady import System, period_of, settle
from pkpd.engine.solve.event_codes import (
    BOLUS,
    RATE,
    REPLACE,
    RESET,
    ROW,
    SS_BOLUS,
    SS_CONSTANT,
    SS_FIRST,
    SS_INFUSION,
    STOP,
)
from pkpd.engine.solve.one_subject import change, leave_blank, leave_cycle, record, start
from pkpd.engine.solve.panel_sets import (
    ATOL,
    DONE,
    MAX_STEPS,
    SHORT,
    STEPS,
    TIME,
    begin_row,
    borrow,
    make,
    supply,
)
from pkpd.engine.solve.sizes import put_at_once
from pkpd.engine.solve.status import Status

__all__ = ["PanelCode", "solve_cascade"]

#: PanelAddresses and Pattern of a model, and room for sets, see ``pkpd.engine.solve.panel_sets.make``
PanelCode = namedtuple("PanelCode", "addresses pattern stored weights")

NOT_FINITE = int(Status.NOT_FINITE)


@leaf
def _note_size(clock, atol, sizes, r, span):
    """Let atol go with the smallest of the amounts that doses and initial values put into states, if it is below 1.

    ``sizes`` holds the largest value so far of each state that they go into, else 0.
    """
    smallest = 1.0
    for i in range(sizes.size):
        sizes[i] = max(sizes[i], abs(r[i]) * span)
        if 0.0 < sizes[i] < smallest:
            smallest = sizes[i]
    clock[ATOL] = atol * smallest


@entry
def solve_cascade(code_of_panel, room, constants, subjects, timeline, observed, control, results):
    """Solve subjects of a cascade; arguments as for :func:`pkpd.engine.solve.loop.solve_lanes`.

    code_of_panel : PanelCode
    room : DownstreamRoom or None
        For steady states; None where there are none, which compiles in less time.
    control : Control
        ``free`` leaves subjects to a stiff method that need many panels between two events.
    """
    address, at, stored, weights = code_of_panel
    rtol, atol, budget, h_max, free, proper = control
    first_row, origin, ev_start, ev_time, ev_kind, ev_state, ev_value, ev_row, ss, _, _ = timeline
    obs_first, obs_last, obs_time, obs_order = observed
    out, out_first, out_stride, place_of, place_first, status, when, steps = results
    n = constants.initial.size
    own_sets, own_me = make(at, stored, weights, n, constants.P.shape[0], rtol, atol, h_max)
    own = np.zeros((n, n)), np.zeros((6, n))
    at, sets, me = borrow(at, own_sets, own_me)
    A, b, r = unowned(own[0]), unowned(own[1][0]), unowned(own[1][1])
    kept, kept_r, base, sizes = unowned(own[1][2]), unowned(own[1][3]), unowned(own[1][4]), unowned(own[1][5])[:proper]
    P, accumulates, out = unowned(constants.P), unowned(constants.accumulates), unowned(out)
    fixed = Constants(P, unowned(constants.initial), accumulates)
    system = System(A, b, r, base, accumulates)
    clock, x, count = me.clock, me.x, me.count
    ordered = obs_order.size > 0
    for who in subjects:
        column = first_row[who]
        clock[TIME], count[STEPS], me.pace[DONE] = origin[who], 0, 0.0
        count[MAX_STEPS], count[SHORT] = budget[who], 0 if free else -1
        code = 0 if begin_row(at, sets, me, A, b, P, column) else NOT_FINITE
        start(fixed, column, x, r)
        for i in range(proper):
            sizes[i] = abs(x[i])
        _note_size(clock, atol, sizes, r, 0.0)
        set_constants(b, r, me.c, count)
        me.usual[:] = np.inf
        begin_stretch(n, me)
        e, o = ev_start[who], obs_first[who]
        while code == 0 and o < obs_last[who]:
            e_time = ev_time[e] if e < ev_start[who + 1] else np.inf
            observe = obs_order[o] <= e - ev_start[who] if ordered else obs_time[o] <= e_time
            target, since = obs_time[o] if observe else e_time, clock[TIME]
            if target > since:
                code = carry(address, since, target, me, sets)
                if code == NEEDS_SET:
                    supply(address.sets, at, sets, me)
                    clock[TIME], code = since, 0
                    continue
                if code:
                    break
            if observe:
                j = o - obs_first[who]
                if not record(x, out, out_first[who] + j, out_stride):
                    code = NOT_FINITE
                    break
                if place_of.size:
                    place_of[place_first[who] + j] = column
                o += 1
                continue
            kind, state, value = ev_kind[e], ev_state[e], ev_value[e]
            put = put_at_once(kind, value)
            if room is not None:  # noqa: SIM102  (numba leaves out a branch of None only where it stands alone)
                if kind in (SS_INFUSION, SS_CONSTANT):
                    put = abs(value) * period_of(ss, ev_row[e], kind, me.pace)
            if put > 0.0 and state < proper:
                sizes[state] = max(sizes[state], put)
                _note_size(clock, atol, sizes, r, 0.0)
            if kind == ROW:
                column = ev_row[e]
                if not begin_row(at, sets, me, A, b, P, column):
                    code = NOT_FINITE
                    break
            elif kind < SS_FIRST:
                change(kind, state, value, column, fixed, x, r)
            elif room is not None:
                for i in range(n):
                    base[i] = P[fixed.initial[i], column]
                dose = SteadyDose(kind, state, value, ss, ev_row[e])
                code = settle(address, at, sets, me, dose, timeline, system, room)
                if code:
                    break
                leave_cycle(dose, False, accumulates, base, kept, kept_r, x, r)
            if kind != BOLUS and kind != REPLACE and kind != STOP:
                set_constants(b, r, me.c, count)
            if kind == RESET:
                for i in range(proper):
                    sizes[i] = max(sizes[i], abs(x[i]))
            if kind in (BOLUS, RATE, RESET, SS_BOLUS, SS_INFUSION):
                later = ev_time[e + 1] if e + 1 < ev_start[who + 1] else obs_time[obs_last[who] - 1]
                _note_size(clock, atol, sizes, r, max(later - clock[TIME], 0.0))
            begins = kind == BOLUS or (kind == RATE and value > 0.0)
            begin_stretch(state if begins else n, me)
            count[SHORT] = min(count[SHORT], 0)
            e += 1
        status[who], when[who], steps[who] = code, clock[TIME], count[STEPS]
        leave_blank(n, out, out_first[who] + o - obs_first[who], obs_last[who] - o, out_stride)
    return own[0].size + own[1].size + own_sets.lengths.size + own_me.x.size  # which keeps what was borrowed
