"""Expected information of data that are linear in the random effects: a part of the compiled loop of the objective.

With data y of a subject of mean f and covariance ``V = R + G omega G^T`` (R diagonal, ``G = dy/deta``), the information
of two numbers that move f is ``f_a^T V^-1 f_b``, and of two that move V ``tr(V^-1 V_a V^-1 V_b) / 2``. A residual
parameter moves R. What the random effects take up of the data tells nothing of it, so that a subject with n data and p
random effects that are free tells of a standard deviation what n - p data would.

Source: Searle SR, Casella G, McCulloch CE. Variance Components (1992), section 6.2; ``V^-1`` by Woodbury's formula.
"""

from __future__ import annotations

import math

from pkpd.engine.machine.jit import leaf
from pkpd.engine.solve.rows import clear
from pkpd.estimation.methods.dense import cholesky, curvature, inverse

__all__ = ["add_information", "sum_variances"]


@leaf
def _times(A, B, C):
    """Write A B to C."""
    for a in range(A.shape[0]):
        for b in range(B.shape[1]):
            t = 0.0
            for k in range(A.shape[1]):
                t += A[a, k] * B[k, b]
            C[a, b] = t


@leaf
def _around(A, M, which, B, C):
    """Write A^T M A to C, and M A to B, with the matrix M of that number."""
    for a in range(A.shape[0]):
        for b in range(A.shape[1]):
            t = 0.0
            for k in range(A.shape[0]):
                t += M[which, a, k] * A[k, b]
            B[a, b] = t
    for a in range(A.shape[1]):
        for b in range(A.shape[1]):
            t = 0.0
            for k in range(A.shape[0]):
                t += A[k, a] * B[k, b]
            C[a, b] = t


@leaf
def sum_variances(first, last, data, known):
    """Sum what the data of a subject tell of residual parameters.

    ``w_e`` (s, s): the information given the random effects. ``once`` (s, d, d) and ``twice`` (s s, d, d):
    ``sum_j r_zj w_j f'_j f'_j^T`` and ``sum_j r_zj r_yj w_j f'_j f'_j^T``, w being the information of a datum on its
    prediction and r_z the root of that on the residual parameter, 0 where this is no variance.
    """
    F, v, sigma = data.F, data.v, data.sigma
    w_e, once, twice = known.w_e, known.once, known.twice
    d, s = F.shape[0] - 1, sigma.shape[1]
    clear(w_e)
    clear(once)
    clear(twice)
    for j in range(first, last):
        for z in range(s):
            for y in range(s):
                w_e[z, y] += sigma[4, z, j] * sigma[4, y, j]
            root = sigma[5, z, j] * v[10, j]
            if root == 0.0:
                continue
            for a in range(d):
                for b in range(d):
                    t = root * F[1 + a, j] * F[1 + b, j]
                    once[z, a, b] += t
                    for y in range(s):
                        twice[z * s + y, a, b] += t * sigma[5, y, j]


@leaf
def _add_residuals(A, q, moves, known, room, fisher):
    """Add the information on residual parameters, and on them together with covariances.

    With ``A = G L`` by directions, ``Q = H^-1`` and ``U = I - A Q A^T M``, so that ``V^-1 F = W F U``.
    """
    factor, at, size = moves.factor, moves.at, moves.size
    w_e, once, twice = known.w_e, known.once, known.twice
    Q, S, UE, MA, around, product = room.Q, room.S, room.UE, room.MA, room.around, room.product
    p, w, s = A.shape[1], at.shape[0], w_e.shape[0]
    _times(room.U, room.E, UE)
    for z in range(s):
        _around(A, once, z, MA, around)
        _times(Q, around, product)
        for a in range(p):
            for b in range(p):
                S[z, a, b] = product[a, b]
        for y in range(z + 1):
            t = w_e[z, y]
            _around(A, twice, z * s + y, MA, around)
            _times(Q, around, product)
            for a in range(p):
                t -= 2.0 * product[a, a]
                for b in range(p):
                    t += S[z, a, b] * S[y, b, a]
            fisher[q + w + z, q + w + y] += t
            if y < z:
                fisher[q + w + y, q + w + z] += t
        _around(UE, once, z, MA, around)
        _times(around, factor, product)
        for t in range(w):
            for o in range(at.shape[1]):
                r, c = at[t, o, 0], at[t, o, 1]
                if r < 0:
                    break
                both = math.sqrt(2.0) * size[t] * product[r, c]
                fisher[q + t, q + w + z] += both
                fisher[q + w + z, q + t] += both


@leaf
def add_information(i, e, effects, M, moves, known, room, fisher):  # noqa: C901
    """Add the expected information of subject i, of data linear in the random effects around where they are."""
    A, X = effects.A, effects.X
    factor, at, size = moves.factor, moves.at, moves.size
    d, p = A.shape
    w = at.shape[0]
    q = X.shape[1] - w
    H, E, Q, U, AQ, B = room.around, room.E, room.Q, room.U, room.AQ, room.MA
    P, We, K = room.P, room.around, room.K
    curvature(A, M, H)
    if math.isnan(cholesky(H, H)):
        return
    inverse(H, Q)
    _times(A, Q, AQ)
    _times(M, A, B)
    for k in range(d):
        for c in range(d):
            U[k, c] = 1.0 if k == c else 0.0
        for a in range(p):
            E[k, a] = e[k, a, i]
            for c in range(d):
                U[k, c] -= AQ[k, a] * B[c, a]
    _times(M, U, P)  # M - M A H^-1 A^T M = F^T V^-1 F of the linear model
    for t in range(q):
        for r in range(q):
            for k in range(d):
                for c in range(d):
                    fisher[t, r] += X[k, t] * P[k, c] * X[c, r]
    _around(E, room.stacked_P, 0, B, We)
    clear(K)
    for t in range(w):
        for o in range(at.shape[1]):
            r, c = at[t, o, 0], at[t, o, 1]
            if r < 0:
                break
            for a in range(p):
                for b in range(p):
                    K[t, a, b] += size[t] * We[a, r] * factor[b, c]
                    for f in range(p):
                        if b == r:
                            K[t, a, b] += size[t] * We[a, f] * factor[f, c]
    for t in range(w):
        for r in range(w):
            for a in range(p):
                for b in range(p):
                    fisher[q + t, q + r] += 0.5 * K[t, a, b] * K[r, b, a]
    _add_residuals(A, q, moves, known, room, fisher)
