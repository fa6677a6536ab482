"""From data to subjects, and from directions to the estimated vector: the compiled loop of the objective.

Random effects are ``eta = L u`` with ``omega = L L^T`` and u standard normal, so that a variance may go to 0 and omega
is never inverted. With d directions phi(u, x), the log-density l of a subject's data, the curvature M(phi) and
``A = dphi/du``,

    OFV_i = -2 l + u^T u + log det H,    H = I + A^T M A,

at the u that maximises ``l - u^T u / 2``. Derivatives follow from those of l and M by phi and the chain rule.

Source: Almquist J, Leander J, Jirstrand M. J Pharmacokinet Pharmacodyn 2015;42:191-209; for FOCEI
``M = sum_j (1/R + R_f^2 / (2 R^2)) f' f'^T``, their equations 20 to 22.
"""

from __future__ import annotations

import math

import numpy as np

from pkpd.engine.machine.jit import leaf, uncounted_entry
from pkpd.engine.solve.rows import clear
from pkpd.estimation.methods.bends import add_bends, sum_bends
from pkpd.estimation.methods.couples import bend_couples, sum_couples
from pkpd.estimation.methods.dense import cholesky, curvature, inverse, slopes, solve
from pkpd.estimation.methods.information import add_information, sum_variances

__all__ = ["outer_terms"]


@leaf
def _sum_data(first, last, data, sums):
    """Sum the data of a subject; return the log-density."""
    F, S, pair, third, v, sigma, G0 = data.F, data.S, data.pair, data.third, data.v, data.sigma, data.G0
    l_phi, L2, M, I, T = sums.l_phi, sums.L2, sums.M, sums.I, sums.T
    l_e, l_fe, M_e = sums.l_e, sums.l_fe, sums.M_e
    d, s, k0 = l_phi.size, sigma.shape[1], G0.shape[0]
    l = 0.0
    for j in range(first, last):
        l += v[0, j]
        for a in range(d):
            fa = F[1 + a, j]
            l_phi[a] += v[1, j] * fa
            for b in range(a + 1):
                fb = F[1 + b, j]
                fab = S[pair[a, b], j] if pair[a, b] >= 0 else 0.0
                L2[a, b] += v[2, j] * fa * fb + v[1, j] * fab
                M[a, b] += v[3, j] * fa * fb + v[5, j] * fab
                I[a, b] += v[10, j] * fa * fb
                for k in range(d):
                    fk = F[1 + k, j]
                    fak = S[pair[a, k], j] if pair[a, k] >= 0 else 0.0
                    fbk = S[pair[b, k], j] if pair[b, k] >= 0 else 0.0
                    t = v[4, j] * fa * fb * fk + v[3, j] * (fak * fb + fa * fbk) + v[6, j] * fk * fab
                    if third.size and pair[a, b] >= 0:
                        t += v[5, j] * third[k, pair[a, b], j]
                    T[a, b, k] += t
        for z in range(s):
            l_e[z] += sigma[0, z, j]
            for a in range(d):
                l_fe[z, a] += sigma[1, z, j] * F[1 + a, j]
                for b in range(a + 1):
                    fab = S[pair[a, b], j] if pair[a, b] >= 0 else 0.0
                    M_e[z, a, b] += sigma[2, z, j] * F[1 + a, j] * F[1 + b, j] + sigma[3, z, j] * fab
        for z in range(k0):
            g0 = G0[z, j]
            l_e[s + z] += v[7, j] * g0
            for a in range(d):
                l_fe[s + z, a] += v[8, j] * g0 * F[1 + a, j]
                for b in range(a + 1):
                    M_e[s + z, a, b] += v[9, j] * g0 * F[1 + a, j] * F[1 + b, j]
    return l


@leaf
def _mirror(sums):
    """Fill in the upper triangles of symmetric sums."""
    L2, M, I, T, M_e = sums.L2, sums.M, sums.I, sums.T, sums.M_e
    d = L2.shape[0]
    for a in range(d):
        for b in range(a):
            L2[b, a], M[b, a], I[b, a] = L2[a, b], M[a, b], I[a, b]
            for k in range(d):
                T[b, a, k] = T[a, b, k]
            for z in range(M_e.shape[0]):
                M_e[z, b, a] = M_e[z, a, b]


@leaf
def _effects(i, directions, moves, u, out):  # noqa: C901
    """Write the derivatives of phi by u and by thetas and covariances of subject i."""
    e, x, ee, ex = directions.e, directions.x, directions.ee, directions.ex
    factor, at, size = moves.factor, moves.at, moves.size
    A, Auu, X, Ux, delta, half = out
    d, p, q, w = e.shape[0], e.shape[1], x.shape[1], at.shape[0]
    slopes(e, factor, i, A)
    for k in range(d):
        for a in range(p):
            for b in range(p):
                t = 0.0
                for c in range(b, p):
                    t += ee[k, a, c, i] * factor[c, b]
                half[a, b] = t
        for a in range(p):
            for b in range(p):
                t = 0.0
                for c in range(a, p):
                    t += factor[c, a] * half[c, b]
                Auu[k, a, b] = t
        for t in range(q):
            X[k, t] = x[k, t, i]
            for a in range(p):
                s = 0.0
                for c in range(a, p):
                    s += factor[c, a] * ex[k, c, t, i]
                Ux[k, a, t] = s
        for t in range(w):
            clear(delta)
            X[k, q + t] = 0.0
            for a in range(p):
                Ux[k, a, q + t] = 0.0
            for o in range(at.shape[1]):
                r, c = at[t, o, 0], at[t, o, 1]
                if r < 0:
                    break
                delta[r] += size[t] * u[i, c]
                Ux[k, c, q + t] += e[k, r, i] * size[t]
            for r in range(p):
                if delta[r] != 0.0:
                    X[k, q + t] += e[k, r, i] * delta[r]
                    for a in range(p):
                        Ux[k, a, q + t] += half[r, a] * delta[r]


@leaf
def _exact_curvature(A, Auu, L2, g, J):
    """Write the second derivative by u of ``-l + u^T u / 2``."""
    curvature(A, L2, J)
    d, p = A.shape
    for a in range(p):
        for b in range(p):
            s = (2.0 if a == b else 0.0) - J[a, b]
            for k in range(d):
                s -= g[k] * Auu[k, a, b]
            J[a, b] = s


@leaf
def _weights(A, M, T, room):
    """Write V = M A Psi, W = A Psi A^T and tau_k = sum_ab T_abk W_ab."""
    Psi, V, W, tau, B = room.Psi, room.V, room.W, room.tau, room.AP
    d, p = A.shape
    for k in range(d):
        for a in range(p):
            t = 0.0
            for b in range(p):
                t += A[k, b] * Psi[b, a]
            B[k, a] = t
    for k in range(d):
        for c in range(d):
            t = 0.0
            for a in range(p):
                t += B[k, a] * A[c, a]
            W[k, c] = t
        for a in range(p):
            t = 0.0
            for c in range(d):
                t += M[k, c] * B[c, a]
            V[k, a] = t
    for k in range(d):
        t = 0.0
        for a in range(d):
            for b in range(d):
                t += T[a, b, k] * W[a, b]
        tau[k] = t


@uncounted_entry
def outer_terms(data, directions, moves, u, linear, room, bends, out):  # noqa: C901, PLR0915
    """Write the objective and its exact gradient for each subject.

    Parameters
    ----------
    data : DataRows
    directions : Directions
    moves : FactorMoves
    u : float array, (m, p)
    linear : bool
        FO: the model is taken as linear in u at u = 0.
    room : OuterRoom
    bends : Bends or None
        None where no datum's own curvature counts, and then all that it needs is left out.
    out : OuterOut
        Written.
    """
    starts, sigma, G0, g0x = data.starts, data.sigma, data.G0, data.g0x
    e, x = directions.e, directions.x
    at = moves.at
    ofv, gradient, moved, exact, extra, fisher = out.ofv, out.gradient, out.moved, out.exact, out.extra, out.fisher
    m, d, p, q, w, s = u.shape[0], e.shape[0], e.shape[1], x.shape[1], at.shape[0], sigma.shape[1]
    k0 = G0.shape[0]
    n, ne = q + w + s, s + k0
    effects, sums, known = room.effects, room.sums, room.known
    A, Auu, X, Ux = effects.A, effects.Auu, effects.X, effects.Ux
    l_phi, L2, M, I, T, l_e, l_fe, M_e = sums
    H, C, J, Psi, V, W, tau = room.H, room.C, room.J, room.Psi, room.V, room.W, room.tau
    b, vec, lam, by_e, shift = room.b, room.vec, room.lam, room.by_e, room.shift
    bend_u, bend_x, bend_e = room.bend_slopes
    clear(fisher)
    clear(gradient)
    clear(moved)
    clear(extra)
    for i in range(m):
        exact[i], ofv[i] = True, 0.0
        if starts[i + 1] == starts[i]:
            continue
        clear(l_phi)
        clear(l_e)
        clear(L2)
        clear(M)
        clear(I)
        clear(l_fe)
        clear(T)
        clear(M_e)
        l = _sum_data(starts[i], starts[i + 1], data, sums)
        if bends is not None:  # no couple of data is normal
            sum_couples(i, data, sums)
        _mirror(sums)
        sum_variances(starts[i], starts[i + 1], data, known)
        _effects(i, directions, moves, u, effects)
        add_information(i, e, effects, I, moves, known, room.information, fisher)
        for a in range(p):
            b[a] = 0.0
            for k in range(d):
                b[a] += A[k, a] * l_phi[k]
        curvature(A, M, H)
        if bends is not None:
            clear(bend_u)
            clear(bend_x)
            clear(bend_e)
            sum_bends(starts[i], starts[i + 1], data, bends)
            bend_couples(i, data, bends)
            for k in range(d):
                for a in range(p):
                    for c in range(p):
                        H[a, c] += bends.B[k] * Auu[k, a, c]
        logdet = cholesky(H, C)
        if logdet != logdet:
            exact[i], ofv[i] = False, np.inf
            continue
        inverse(C, Psi)
        ofv[i] = logdet - 2.0 * l
        if linear:
            for a in range(p):
                vec[0, a] = b[a]
            solve(C, vec, 0)
            for a in range(p):
                ofv[i] -= b[a] * vec[0, a]
                lam[0, a] = -2.0 * vec[0, a]
                for c in range(p):
                    Psi[a, c] += vec[0, a] * vec[0, c]
        _weights(A, M, T, room)
        if not linear:
            if bends is not None:
                add_bends(i, directions, moves, u, room, bends)
            _exact_curvature(A, Auu, L2, l_phi, J)
            curvature(A, I, H)
            for a in range(p):
                ofv[i] += u[i, a] * u[i, a]
                for c in range(p):
                    extra[i, a, c] = J[a, c] - H[a, c]
                lam[0, a] = bend_u[a]
                for k in range(d):
                    lam[0, a] += tau[k] * A[k, a]
                    for c in range(p):
                        lam[0, a] += 2.0 * V[k, c] * Auu[k, c, a]
            if math.isnan(cholesky(J, J)):
                exact[i] = False
                curvature(A, M, J)
                cholesky(J, J)
            # what a Newton step would still change, to first order in the log determinant
            decrement = 0.0
            for a in range(p):
                vec[0, a] = b[a] - u[i, a]
                decrement += vec[0, a] * vec[0, a]
            solve(J, vec, 0)
            if decrement < 1e-6:
                for a in range(p):
                    ofv[i] += (lam[0, a] - (b[a] - u[i, a])) * vec[0, a]
            solve(J, lam, 0)
        for z in range(ne):
            t = -2.0 * l_e[z] + (bend_e[z] if z < s else 0.0)
            for k in range(d):
                for c in range(d):
                    t += W[k, c] * M_e[z, k, c]
            by_e[z] = t
        for t in range(n):
            total = 0.0
            for a in range(p):
                vec[0, a] = 0.0
            clear(shift)
            if t < q + w:
                total += bend_x[t]
                for k in range(d):
                    total += (tau[k] - 2.0 * l_phi[k]) * X[k, t]
                    for c in range(d):
                        shift[k] += L2[k, c] * X[c, t]
                    for a in range(p):
                        total += 2.0 * V[k, a] * Ux[k, a, t]
                        vec[0, a] += Ux[k, a, t] * l_phi[k]
                if t < q:
                    for z in range(k0):
                        total += by_e[s + z] * g0x[z, t, i]
                        for k in range(d):
                            shift[k] += l_fe[s + z, k] * g0x[z, t, i]
            else:
                z = t - q - w
                total += by_e[z]
                for k in range(d):
                    shift[k] += l_fe[z, k]
            for a in range(p):
                for k in range(d):
                    vec[0, a] += A[k, a] * shift[k]
                total += lam[0, a] * vec[0, a]
            gradient[i, t] = total
            if not linear:
                solve(J, vec, 0)
                for a in range(p):
                    moved[i, a, t] = vec[0, a]
