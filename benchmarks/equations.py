"""Right-hand sides of the workloads, as an expert would hand them to a numerical library.

Each takes the states and the constants of one subject as sequences and returns the derivatives as a tuple. Only
operators are used, so that one text serves plain Python, numba and jax.
"""

from __future__ import annotations

from typing import Any

__all__ = ["one_compartment", "pkpd_seven", "pkpd_seven_by_hand", "target_mediated"]


def one_compartment(u: Any, p: Any) -> tuple[Any, ...]:
    """Return the derivatives of W1: depot, central; constants KA, CL/V (1/h)."""
    absorbed = p[0] * u[0]
    return -absorbed, absorbed - p[1] * u[1]


def pkpd_seven(u: Any, p: Any) -> tuple[Any, ...]:
    """Return the derivatives of W2: depot, central, peripheral, effect, three turnover effects.

    Constants: KA, CL/V + Q/V, Q/V, Q/VP, KE0/V, KE0, then KIN, KOUT, IMAX, IC50, H of each effect.
    """
    absorbed, effect = p[0] * u[0], abs(u[3])
    power1, power2, power3 = effect ** p[10], effect ** p[15], effect ** p[20]
    return (
        -absorbed,
        absorbed - p[1] * u[1] + p[3] * u[2],
        p[2] * u[1] - p[3] * u[2],
        p[4] * u[1] - p[5] * u[3],
        p[6] * (1.0 - p[8] * power1 / (p[9] ** p[10] + power1)) - p[7] * u[4],
        p[11] * (1.0 - p[13] * power2 / (p[14] ** p[15] + power2)) - p[12] * u[5],
        p[16] * (1.0 - p[18] * power3 / (p[19] ** p[20] + power3)) - p[17] * u[6],
    )


def pkpd_seven_by_hand(u: Any, p: Any) -> tuple[Any, ...]:
    """Return the derivatives of W2 with all that is common to the subjects in the text, and IC50^H taken beforehand.

    Constants: KA, CL/V + Q/V, Q/V, Q/VP, KE0/V, KE0, IC50_1^1.5, IC50_2^2, IC50_3^0.8.
    """
    absorbed, effect = p[0] * u[0], abs(u[3])
    power1, power2, power3 = effect**1.5, effect * effect, effect**0.8
    return (
        -absorbed,
        absorbed - p[1] * u[1] + p[3] * u[2],
        p[2] * u[1] - p[3] * u[2],
        p[4] * u[1] - p[5] * u[3],
        10.0 * (1.0 - 0.9 * power1 / (p[6] + power1)) - 0.1 * u[4],
        5.0 * (1.0 - 0.8 * power2 / (p[7] + power2)) - 0.05 * u[5],
        20.0 * (1.0 - 0.95 * power3 / (p[8] + power3)) - 0.3 * u[6],
    )


def target_mediated(u: Any, p: Any) -> tuple[Any, ...]:
    """Return the derivatives of W3: depot, ligand, peripheral, receptor, complex; constants KEL, VC, KA."""
    bound = 50.0 * u[1] * u[3] - 0.5 * u[4]
    absorbed = p[2] * u[0]
    return (
        -absorbed,
        absorbed / p[1] - (p[0] + 0.2) * u[1] + 0.1 * u[2] / p[1] - bound,
        0.2 * u[1] * p[1] - 0.1 * u[2],
        1.0 - 0.2 * u[3] - bound,
        bound - 0.05 * u[4],
    )
