"""What the bends of individual parameters add to the Laplace approximation, as parts of compiled loops.

The second derivative by u of the log-density of data has two parts: that by directions phi, and ``-B_k d2phi_k/du2`` of
each direction, which the expected information of normal data does not have.
"""

from __future__ import annotations

from pkpd.engine.machine.jit import leaf
from pkpd.engine.solve.rows import clear

__all__ = ["add_bends", "sum_bends"]


@leaf
def sum_bends(first, last, data, bends):
    """Sum anew what the bends of phi(u) add to the curvature of a subject's own data: ``B_k d2phi_k/du2``."""
    F, S, pair, v, sigma = data.F, data.S, data.pair, data.v, data.sigma
    B, N, B_e = bends.B, bends.N, bends.B_e
    d, s = B.size, B_e.shape[0]
    clear(B)
    clear(N)
    clear(B_e)
    for j in range(first, last):
        for k in range(d):
            B[k] += v[5, j] * F[1 + k, j]
            for m in range(d):
                fkm = S[pair[k, m], j] if pair[k, m] >= 0 else 0.0
                N[k, m] += v[6, j] * F[1 + m, j] * F[1 + k, j] + v[5, j] * fkm
            for z in range(s):
                B_e[z, k] += sigma[3, z, j] * F[1 + k, j]


@leaf
def add_bends(i, directions, moves, u, room, bends):  # noqa: C901
    """Add what the bends contribute to derivatives of the log determinant: to tau, and by u, by x and by sigma."""
    factor, at, size = moves.factor, moves.at, moves.size
    ee, eee, eex = directions.ee, directions.eee, directions.eex
    B, N, B_e = bends.B, bends.N, bends.B_e
    P, half, by_eta, Psi, tau = bends.P, bends.half, bends.by_eta, room.Psi, room.tau
    by_u, by_x, by_e = room.bend_slopes
    d, p, q, w = B.size, u.shape[1], eex.shape[3], at.shape[0]
    clear(P)
    clear(half)
    clear(by_eta)
    for a in range(p):
        for b in range(p):
            for c in range(b + 1):
                half[a, b] += Psi[a, c] * factor[b, c]
    for a in range(p):
        for b in range(p):
            for c in range(a + 1):
                P[a, b] += factor[a, c] * half[c, b]
    for k in range(d):
        total = 0.0
        for a in range(p):
            for b in range(p):
                total += P[a, b] * ee[k, a, b, i]
                for c in range(p):
                    by_eta[c] += B[k] * P[a, b] * eee[k, a, b, c, i]
                for t in range(q):
                    by_x[t] += B[k] * P[a, b] * eex[k, a, b, t, i]
        for m in range(d):
            tau[m] += N[k, m] * total
        for z in range(by_e.size):
            by_e[z] += B_e[z, k] * total
        for t in range(w):  # d(L^T phi'' L) = dL^T phi'' L + L^T phi'' dL, dL of few entries
            for o in range(at.shape[1]):
                r, c = at[t, o, 0], at[t, o, 1]
                if r < 0:
                    break
                for a in range(p):
                    by_x[q + t] += 2.0 * B[k] * size[t] * half[c, a] * ee[k, a, r, i]
    for c in range(p):
        for b in range(c + 1):
            by_u[b] += by_eta[c] * factor[c, b]
    for t in range(w):
        for o in range(at.shape[1]):
            r, c = at[t, o, 0], at[t, o, 1]
            if r < 0:
                break
            by_x[q + t] += by_eta[r] * size[t] * u[i, c]
