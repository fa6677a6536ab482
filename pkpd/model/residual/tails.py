"""Logarithms of probabilities that are accurate where the probabilities are small; for expressions and arrays."""

from __future__ import annotations

import math
from typing import Any

from pkpd.engine.graph.functions import erf, exp, log, maximum, minimum, where

__all__ = ["HALF_LOG_2PI", "log_phi", "softplus"]

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
#: from here on tails are taken as a continued fraction, of which so many levels leave an error below 1e-13
FAR, LEVELS = 3.5, 28


def log_phi(z: Any) -> Any:
    """Return the logarithm of the standard normal distribution function, accurate in both tails.

    Beyond 3.5 on either side by the continued fraction of Abramowitz and Stegun 26.2.14.

    Examples
    --------
    >>> round(float(log_phi(-40.0)), 6), float(log_phi(40.0)) == 0.0
    (-804.608442, True)
    """
    x = maximum(abs(z), FAR)
    # x + 1 / (x + 2 / (x + ...)) as a quotient of polynomials in 1 / x^2, by the recurrence of convergents
    w: Any = 1 / (x * x)
    convergents: list[Any] = [1.0, 1.0, 0.0, 1.0]  # numerators and denominators, each the last but one and the last
    for k in range(1, LEVELS + 1):
        p0, p1, q0, q1 = convergents
        convergents = [p1, p1 + k * w * p0, q1, q1 + k * w * q0]
    log_tail = -0.5 * x * x - HALF_LOG_2PI - log(x * convergents[1] / convergents[3])
    q = exp(log_tail)
    near = log(0.5 + 0.5 * erf(maximum(-FAR, minimum(z, FAR)) / math.sqrt(2)))
    return where(z < -FAR, log_tail, where(z > FAR, -q * (1 + q * (1 / 2 + q * (1 / 3 + q / 4))), near))


def softplus(x: Any) -> Any:
    """Return log(1 + exp(x)) without overflow."""
    return maximum(x, 0) + log(1 + exp(-abs(x)))
