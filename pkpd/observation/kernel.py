"""The sum of the log-probabilities of terms, and its derivatives by predictions and residual factors.

The probabilities are those of kinds of facts and residual errors, compiled by ``pkpd.observation.rules``; this loop
gathers predictions for them, calls them by address, and adds up what they say. It knows neither kinds nor errors.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pkpd.engine.machine.jit import compiled, entry
from pkpd.engine.solve.call import call_code
from pkpd.engine.solve.status import Status

__all__ = ["Batches", "PackedTerms", "Sums", "sum_terms"]

IMPOSSIBLE_DATA = int(Status.IMPOSSIBLE_DATA)


class Batches(NamedTuple):
    """Factors that one piece of machine code calculates, batch by batch.

    Attributes
    ----------
    address : int array, (batches,)
    size : int array, (batches,)
        Factors.
    width : int array, (batches,)
        The same, filled up to whole vectors.
    cells : int array, (batches,)
        Cells of each factor, k.
    factor_first, cell_first, input_first, root_first : int array, (batches,)
        Where the batch begins in ``term``, ``row``, ``inputs``, ``place``.
    term : int array, (factors,)
        The term that each belongs to.
    row : int array
        Rows of the cells in the predictions; of the first cell of each factor, then of the second.
    inputs : float array
        Rows of the code's inputs; the first k + 1, predictions and factors on residual errors, are filled here.
    place : int array
        Row of the logarithm in what the code writes, of its derivatives by k predictions and by the factor; -1 for a
        number, which is in ``number``.
    number : float array
    room : int
        Largest number of what the code writes.
    """

    address: np.ndarray
    size: np.ndarray
    width: np.ndarray
    cells: np.ndarray
    factor_first: np.ndarray
    cell_first: np.ndarray
    input_first: np.ndarray
    root_first: np.ndarray
    term: np.ndarray
    row: np.ndarray
    inputs: np.ndarray
    place: np.ndarray
    number: np.ndarray
    room: int


class PackedTerms(NamedTuple):
    """What terms depend on.

    Attributes
    ----------
    subject, output : int array, (terms,)
    scaled : int array, (outputs,)
        Number of the factor on the residual error, -1 without.
    reach_first : int array, (outputs + 1,)
    reach : int array
        Numbers of the inputs that each output depends on.
    """

    subject: np.ndarray
    output: np.ndarray
    scaled: np.ndarray
    reach_first: np.ndarray
    reach: np.ndarray


class Sums(NamedTuple):
    """What is written.

    Attributes
    ----------
    loglik : float array, (subjects,)
    gradient : float array, (subjects, inputs)
    gradient_scales : float array, (subjects, scaled outputs)
    terms : float array, (terms,)
    """

    loglik: np.ndarray
    gradient: np.ndarray
    gradient_scales: np.ndarray
    terms: np.ndarray


@compiled
def _factor(p, scales, t):
    """Return the factor on the residual error of a term."""
    e = p.scaled[p.output[t]]
    return scales[min(p.subject[t], scales.shape[0] - 1), e] if e >= 0 else 1.0


@compiled
def _gather(p, b, g, y, scales, inputs):
    """Fill in the predictions and factors of a batch."""
    n, width, at = b.size[g], b.width[g], b.input_first[g]
    for j in range(width):
        i = min(j, n - 1)
        t = b.term[b.factor_first[g] + i]
        for c in range(b.cells[g]):
            inputs[at + c * width + j] = y[p.output[t], b.row[b.cell_first[g] + c * n + i]]
        inputs[at + b.cells[g] * width + j] = _factor(p, scales, t)


@compiled
def _root(b, g, r, j, found):
    """Return what a batch says of one factor: its logarithm, or one of its derivatives."""
    place = b.place[b.root_first[g] + r]
    return found[place * b.width[g] + j] if place >= 0 else b.number[b.root_first[g] + r]


@compiled
def _scatter(p, b, g, y, slopes, status, found, out):
    """Add what a batch says to its terms and to the gradients of their subjects."""
    n, k, n_out = b.size[g], b.cells[g], p.scaled.size
    for j in range(n):
        t = b.term[b.factor_first[g] + j]
        who, o = p.subject[t], p.output[t]
        if status[who]:
            continue
        out.terms[t] += _root(b, g, 0, j, found)
        if p.scaled[o] >= 0:
            out.gradient_scales[who, p.scaled[o]] += _root(b, g, k + 1, j, found)
        if not slopes:
            continue
        for c in range(k):
            slope, row = _root(b, g, c + 1, j, found), b.row[b.cell_first[g] + c * n + j]
            for q in range(p.reach_first[o], p.reach_first[o + 1]):
                out.gradient[who, p.reach[q]] += slope * y[n_out * (p.reach[q] + 1) + o, row]


@entry
def sum_terms(p, b, y, scales, status, slopes, out):
    """Write the log-likelihood of each subject, its gradient, and the log-probability of each term.

    Parameters
    ----------
    p : PackedTerms
    b : Batches
    y : float array, (n_out * (1 + inputs), rows)
        Predictions and, if ``slopes``, their derivatives by each input.
    scales : float array, (subjects or 1, scaled outputs)
    status : int array, (subjects,)
        Not 0 where there are no predictions; IMPOSSIBLE_DATA is written where data are impossible.
    out : Sums
    """
    loglik, gradient, gradient_scales, terms = out.loglik, out.gradient, out.gradient_scales, out.terms
    loglik[:] = 0.0
    gradient[:] = 0.0
    gradient_scales[:] = 0.0
    terms[:] = 0.0
    inputs, found = b.inputs.copy(), np.empty(b.room)
    for g in range(b.address.size):
        _gather(p, b, g, y, scales, inputs)
        call_code(b.address[g], (b.width[g], b.width[g], inputs[b.input_first[g] :], found))
        _scatter(p, b, g, y, slopes, status, found, out)
    for t in range(terms.size):
        who = p.subject[t]
        if status[who] == 0 and -np.inf < terms[t] < np.inf:
            loglik[who] += terms[t]
            continue
        terms[t] = -np.inf
        if status[who] == 0:
            status[who] = IMPOSSIBLE_DATA
    for i in range(loglik.size):
        if status[i] == 0 and not math.isfinite(np.sum(gradient[i]) + np.sum(gradient_scales[i])):
            status[i] = IMPOSSIBLE_DATA
        if status[i]:
            loglik[i] = -np.inf
            gradient[i] = 0.0
            gradient_scales[i] = 0.0
