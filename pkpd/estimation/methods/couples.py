"""Data whose density is of two predictions together, as parts of the compiled loop of the objective.

What each prediction says by itself stands with its row, as that of any datum. Here is what they say together: with l of
f and h, and curvature ``M = -l_ff f' f'^T - l_fh (f' h'^T + h' f'^T) - l_hh h' h'^T - l_f f'' - l_h h''``, all terms
that both occur in.
"""

from __future__ import annotations

from pkpd.engine.machine.jit import leaf

__all__ = ["bend_couples", "sum_couples"]


@leaf
def _second(data, a, b, j):
    """Return a second derivative of a prediction, 0 where none is needed."""
    at = data.pair[a, b]
    return data.S[at, j] if at >= 0 else 0.0


@leaf
def sum_couples(i, data, sums):
    """Add the couples of a subject to its sums, lower triangles of those that are symmetric."""
    F, rows, values, sigma = data.F, data.couples.rows, data.couples.values, data.couples.sigma
    L2, M, T, M_e = sums.L2, sums.M, sums.T, sums.M_e
    d = L2.shape[0]
    for c in range(data.couple_starts[i], data.couple_starts[i + 1]):
        f, h = rows[0, c], rows[1, c]
        l_fh, l_ffh, l_fhh = values[0, c], values[1, c], values[2, c]
        for a in range(d):
            fa, ha = F[1 + a, f], F[1 + a, h]
            for b in range(a + 1):
                fb, hb = F[1 + b, f], F[1 + b, h]
                both = fa * hb + ha * fb
                f_ab, h_ab = _second(data, a, b, f), _second(data, a, b, h)
                L2[a, b] += l_fh * both
                M[a, b] -= l_fh * both
                for k in range(d):
                    fk, hk = F[1 + k, f], F[1 + k, h]
                    t = l_ffh * (fk * both + hk * fa * fb) + l_fhh * (hk * both + fk * ha * hb)
                    bent = _second(data, a, k, f) * hb + fa * _second(data, b, k, h) + hk * f_ab
                    bent += _second(data, a, k, h) * fb + ha * _second(data, b, k, f) + fk * h_ab
                    T[a, b, k] -= t + l_fh * bent
                for z in range(sigma.shape[0]):
                    M_e[z, a, b] -= sigma[z, c] * both


@leaf
def bend_couples(i, data, bends):
    """Add the couples of a subject to the derivatives of what the bends of phi(u) add to the curvature."""
    F, rows, values = data.F, data.couples.rows, data.couples.values
    d = bends.B.size
    for c in range(data.couple_starts[i], data.couple_starts[i + 1]):
        f, h = rows[0, c], rows[1, c]
        for k in range(d):
            for m in range(d):
                bends.N[k, m] -= values[0, c] * (F[1 + k, f] * F[1 + m, h] + F[1 + k, h] * F[1 + m, f])
