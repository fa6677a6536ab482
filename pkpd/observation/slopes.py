"""Densities of all observations with their slopes in one compiled loop, and what these say of each subject.

The densities are those of ``pkpd.observation.density``, one piece of machine code for each channel, called by address.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pkpd.engine.machine.jit import compiled, entry
from pkpd.engine.solve.call import call_code
from pkpd.observation.data import Channel, starts
from pkpd.observation.tape import Tape

__all__ = ["PackedSlopes", "Sensed", "pack_slopes", "pull", "slopes_of"]


class PackedSlopes(NamedTuple):
    """Channels as a compiled loop takes them.

    Attributes
    ----------
    address, size, width, cells : int array, (channels,)
        Machine code, number of data, the same filled up to whole vectors, observations that each datum speaks of.
    twice : bool array, (channels,)
        Whether the code's next input is the prediction that the variance is taken at.
    row_first, input_first, root_first : int array, (channels,)
        Where the channel begins in ``row``, ``inputs``, ``place``.
    own_first : int array, (channels + 1,)
    own : int array
        Numbers of the residual parameters that enter, which are the last inputs of the code.
    row : int array
        Numbers of the observations; of the first cell of each datum, then of the second.
    inputs : float array
        Rows of the code's inputs, those that do not change filled in.
    z_first : int array, (channels,)
        Row of the first residual parameter.
    place : int array
        Row of the logarithm in what the code writes, of its derivatives by predictions and by residual parameters; -1
        for a number, which is in ``number``.
    number : float array
    room : int
        Largest number of what the code writes.
    """

    address: np.ndarray
    size: np.ndarray
    width: np.ndarray
    cells: np.ndarray
    twice: np.ndarray
    row_first: np.ndarray
    input_first: np.ndarray
    root_first: np.ndarray
    own_first: np.ndarray
    own: np.ndarray
    row: np.ndarray
    inputs: np.ndarray
    z_first: np.ndarray
    place: np.ndarray
    number: np.ndarray
    room: int


def pack_slopes(
    channels: Sequence[Channel], codes: Sequence[Tape], own: Sequence[Sequence[int]], y: np.ndarray
) -> PackedSlopes:
    """Return channels with their machine code, which must be kept, and the residual parameters of each.

    Parameters
    ----------
    channels : sequence of Channel
    codes : sequence of Tape
        Of the logarithm, its derivatives by predictions, and by the residual parameters.
    own : sequence of sequence of int
    y : float array, (N,)
        Data.
    """
    inputs, rows, z_first = [], [], []
    for channel, code, mine in zip(channels, codes, own, strict=True):
        n, said = channel.rows.size, channel.reported
        width = -(-n // code.lanes) * code.lanes
        filled = len(channel.every) if said is not None else 2
        fixed = [y[channel.rows]] if said is None else [said.value, said.value_to, said.reading]
        columns = np.zeros((filled + len(fixed) + len(mine), width))
        for k, given in enumerate(fixed, start=filled):
            columns[k, :n], columns[k, n:] = given, given[-1:]
        inputs.append(columns)
        rows.append(np.concatenate(channel.every))
        z_first.append(filled + len(fixed))
    return PackedSlopes(
        address=_whole([code.address for code in codes]), size=_whole([c.rows.size for c in channels]),
        width=_whole([x.shape[1] for x in inputs]), cells=_whole([len(c.every) for c in channels]),
        twice=np.array([c.reported is None for c in channels], bool), row_first=starts([r.size for r in rows])[:-1],
        input_first=starts([x.size for x in inputs])[:-1], root_first=starts([code.size for code in codes])[:-1],
        own_first=starts([len(mine) for mine in own]), own=_whole([k for mine in own for k in mine]),
        row=_whole(np.concatenate([np.empty(0), *rows])),
        inputs=np.concatenate([np.empty(0), *(x.ravel() for x in inputs)]),
        z_first=_whole(z_first), place=_whole(np.concatenate([np.empty(0), *(code.places for code in codes)])),
        number=np.concatenate([np.empty(0), *(code.numbers for code in codes)]),
        room=max([code.rows * x.shape[1] for code, x in zip(codes, inputs, strict=True)], default=0),
    )  # fmt: skip


def _whole(values: Sequence[int] | np.ndarray) -> np.ndarray:
    return np.array(values, np.int64)


@compiled
def _fill(b, c, f, g, z, inputs):
    """Write to the inputs of a channel what changes: predictions and residual parameters."""
    n, width, at, first = b.size[c], b.width[c], b.input_first[c], b.row_first[c]
    for k in range(b.cells[c]):
        for j in range(width):
            inputs[at + k * width + j] = f[b.row[first + k * n + min(j, n - 1)]]
    if b.twice[c]:
        for j in range(width):
            inputs[at + width + j] = g[b.row[first + min(j, n - 1)]]
    for q in range(b.own_first[c], b.own_first[c + 1]):
        row = at + (b.z_first[c] + q - b.own_first[c]) * width
        for j in range(width):
            inputs[row + j] = z[b.own[q]]


@compiled
def _said(b, c, r, j, found):
    """Return what the machine code of a channel writes of a datum."""
    place = b.place[b.root_first[c] + r]
    return found[place * b.width[c] + j] if place >= 0 else b.number[b.root_first[c] + r]


@entry
def slopes_of(b, f, g, z, l, by_f, by_z):
    """Write the log-density of each datum and its derivatives.

    Parameters
    ----------
    b : PackedSlopes
    f, g : float array, (N,)
        Predictions, and those that variances are taken at.
    z : float array, (s,)
        Residual parameters on their scale.
    l, by_f : float array, (N,)
    by_z : float array, (s, N)
    """
    inputs, found = b.inputs.copy(), np.empty(b.room)
    for c in range(b.address.size):
        n, cells, first = b.size[c], b.cells[c], b.row_first[c]
        _fill(b, c, f, g, z, inputs)
        call_code(b.address[c], (b.width[c], b.width[c], inputs[b.input_first[c] :], found))
        for j in range(n):
            row = b.row[first + j]
            l[row] = _said(b, c, 0, j, found)
            for k in range(cells):
                by_f[b.row[first + k * n + j]] = _said(b, c, 1 + k, j, found)
            for q in range(b.own_first[c], b.own_first[c + 1]):
                by_z[b.own[q], row] = _said(b, c, 1 + cells + q - b.own_first[c], j, found)


#: of each observation its output, its row in the predictions, whose it is; number of outputs; directions that each
#: output depends on, as ranges
Sensed = namedtuple("Sensed", "output place subject outputs reach_first reach")


@entry
def pull(y, sensed, by_f, out):
    """Add up for each subject what derivatives by predictions say of each direction.

    Parameters
    ----------
    y : float array, (outputs * (1 + directions), rows)
        Predictions and their derivatives.
    sensed : Sensed
    by_f : float array, (N,)
    out : float array, (directions, subjects)
    """
    output, place, subject, outputs, reach_first, reach = sensed
    out[:] = 0.0
    for n in range(by_f.size):
        o, slope, who, row = output[n], by_f[n], subject[n], place[n]
        for q in range(reach_first[o], reach_first[o + 1]):
            k = reach[q]
            out[k, who] += slope * y[(k + 1) * outputs + o, row]
