"""Log-probabilities of terms and their derivatives by predictions and residual factors, as one compiled loop.

With m the prediction and s the factor on the residual error of an output, the analysis scale is log y with sd
``sqrt((sigma s)^2 + reading^2)`` for LogNormal and Exact outputs, y with sd ``sqrt((s sd(m))^2 + (reading m)^2)`` else.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from pkpd.engine.machine.jit import compiled, entry

__all__ = ["FAMILIES", "KIND_CODES", "OUTSIDE", "Packed", "log_cdf", "sum_terms"]

#: terms and their cells as columns: see ``pkpd.observation.packing``
Packed = namedtuple(
    "Packed",
    "kind subject first last value low high reading row output family a b scaled reach_first reach",
)
KIND_CODES = {
    "density": 0, "below": 1, "above": 2, "peak": 3, "nadir": 4, "ratio": 5, "ratio_below": 6, "ratio_above": 7,
    "grade": 8,
}  # fmt: skip
DENSITY, BELOW, ABOVE, PEAK, NADIR, RATIO, RATIO_BELOW, RATIO_ABOVE, GRADE = range(9)
FAMILIES = {"LogNormal": 0, "Exact": 0, "Additive": 1, "Proportional": 1, "Combined": 1, "Combined sd": 2, "Ordinal": 3}
LOG, VARIANCE, LINEAR = 0, 1, 2
HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
#: status of a subject with a prediction at which its data are impossible, beside those of ``pkpd.engine.solve.status``
OUTSIDE = 100


@compiled
def log_cdf(z):
    """Return log Phi(z) and its derivative, phi(z) / Phi(z), accurate in both tails."""
    if z > -25.0:
        half = 0.5 * math.erfc(-z * math.sqrt(0.5))
        value = math.log(half) if z < 1.0 else math.log1p(-0.5 * math.erfc(z * math.sqrt(0.5)))
        return value, math.exp(-0.5 * z * z - HALF_LOG_2PI - value)
    # phi(z) / Phi(z) as a continued fraction: Abramowitz and Stegun 26.2.14
    x, tail = -z, 0.0
    for k in range(12, 0, -1):
        tail = k / (x + tail)
    return -0.5 * z * z - HALF_LOG_2PI - math.log(x + tail), x + tail


@compiled
def _spread(family, a, b, m, s, reading):
    """Return the sd on the analysis scale and its derivatives by m and by s."""
    if family == LOG:
        sd = math.sqrt((a * s) ** 2 + reading * reading)
        return sd, 0.0, a * a * s / sd
    if family == VARIANCE:
        base2, slope = a * a + b * b * m * m, b * b * m
    else:
        base = a + b * abs(m)
        base2, slope = base * base, base * b * (1.0 if m >= 0.0 else -1.0)
    sd = math.sqrt(s * s * base2 + (reading * m) ** 2)
    return sd, (s * s * slope + reading * reading * m) / sd, s * base2 / sd


@compiled
def _cell(kind, family, a, b, m, s, reading, y):
    """Return the log-probability of one measurement and its derivatives by m and by s."""
    if family == LOG and not m > 0.0:
        return (0.0 if kind == BELOW else -np.inf), 0.0, 0.0
    sd, sd_m, sd_s = _spread(family, a, b, m, s, reading)
    if not sd > 0.0:
        return -np.inf, 0.0, 0.0
    shift = -1.0 / (m * sd) if family == LOG else -1.0 / sd
    z = (math.log(y / m) if family == LOG else y - m) / sd
    if kind == DENSITY:
        value = -0.5 * z * z - math.log(sd) - HALF_LOG_2PI - (math.log(y) if family == LOG else 0.0)
        wide = (z * z - 1.0) / sd
        return value, -z * shift + wide * sd_m, wide * sd_s
    sign = 1.0 if kind == BELOW else -1.0
    value, slope = log_cdf(sign * z)
    slope *= sign
    return value, slope * (shift - z * sd_m / sd), -slope * z * sd_s / sd


@compiled
def _relative(family, a, b, m, s):
    """Return the variance of log y and its derivatives by m and by s."""
    sd, sd_m, sd_s = _spread(family, a, b, m, s, 0.0) if family != LOG else (a * s, 0.0, a)
    if family == LOG:
        return sd * sd, 0.0, 2.0 * sd * sd_s
    r = sd / m
    return r * r, 2.0 * r * (sd_m - r) / m, 2.0 * r * sd_s / m


@compiled
def _ratio(kind, family, a, b, before, after, s, reading, y):
    """Return the log-probability of a ratio and its derivatives by both predictions and by s."""
    if not (before > 0.0 and after > 0.0):
        return -np.inf, 0.0, 0.0, 0.0
    v0, v0_m, v0_s = _relative(family, a, b, before, s)
    v1, v1_m, v1_s = _relative(family, a, b, after, s)
    sd = math.sqrt(v0 + v1 + reading * reading)
    z = math.log(y * before / after) / sd
    if kind == RATIO:
        value = -0.5 * z * z - math.log(sd) - HALF_LOG_2PI - math.log(y)
        slope, wide = -z / sd, 0.5 * (z * z - 1.0) / (sd * sd)
    else:
        sign = 1.0 if kind == RATIO_BELOW else -1.0
        value, slope = log_cdf(sign * z)
        slope *= sign / sd
        wide = -0.5 * slope * z / sd
    return value, slope / before + wide * v0_m, -slope / after + wide * v1_m, wide * (v0_s + v1_s)


@compiled
def _grade(low, high, m, s):
    """Return log P(low <= m + s L < high), L logistic, and its derivatives by m and by s."""
    # sigma(a) - sigma(b) = sigma(a) sigma(-b) (1 - exp(b - a))
    a, b = (m - low) / s, (m - high) / s
    value, by_a, by_b = 0.0, 0.0, 0.0
    if low > -np.inf:
        value -= math.log1p(math.exp(-abs(a))) + max(-a, 0.0)
        by_a += 1.0 / (1.0 + math.exp(a)) if a < 700.0 else 0.0
    if high < np.inf:
        value -= math.log1p(math.exp(-abs(b))) + max(b, 0.0)
        by_b -= 1.0 / (1.0 + math.exp(-b)) if b > -700.0 else 0.0
    total = by_a + by_b
    by_s = 0.0
    if low > -np.inf:
        by_s -= by_a * a / s
    if high < np.inf:
        by_s -= by_b * b / s
    if low > -np.inf and high < np.inf:
        gap = (high - low) / s
        value += math.log(-math.expm1(-gap))
        by_s -= gap / s / math.expm1(gap)
    return value, total / s, by_s


@compiled
def _add(p, y, n_out, o, row, subject, slope, gradient):
    """Add the derivative by a prediction times the prediction's derivatives."""
    for q in range(p.reach_first[o], p.reach_first[o + 1]):
        k = p.reach[q]
        gradient[subject, k] += slope * y[n_out * (k + 1) + o, row]


@compiled
def _term(p, t, y, s, slopes, gradient):
    """Return the log-probability of a term and its derivative by s; add to the gradient of its subject."""
    n_out, kind, first, who, o = p.family.size, p.kind[t], p.first[t], p.subject[t], p.output[t]
    family, a, b, reading = p.family[o], p.a[o], p.b[o], p.reading[t]
    if kind == GRADE:
        total, by_m, by_s = _grade(p.low[t], p.high[t], y[o, p.row[first]], s)
        if slopes:
            _add(p, y, n_out, o, p.row[first], who, by_m, gradient)
        return total, by_s
    if kind >= RATIO:
        before, after = p.row[first], p.row[first + 1]
        total, by_0, by_1, by_s = _ratio(kind, family, a, b, y[o, before], y[o, after], s, reading, p.value[t])
        if slopes:
            _add(p, y, n_out, o, before, who, by_0, gradient)
            _add(p, y, n_out, o, after, who, by_1, gradient)
        return total, by_s
    total, by_s = 0.0, 0.0
    for c in range(first, p.last[t]):
        each = kind
        if kind >= PEAK:  # the first cell is that of the extreme
            each = DENSITY if c == first else BELOW if kind == PEAK else ABOVE
        value, by_m, more = _cell(each, family, a, b, y[o, p.row[c]], s, reading, p.value[t])
        total += value
        by_s += more
        if slopes:
            _add(p, y, n_out, o, p.row[c], who, by_m, gradient)
    return total, by_s


@entry
def sum_terms(p, y, scales, status, slopes, loglik, gradient, gradient_scales, terms):
    """Write the log-likelihood of each subject, its gradient, and the log-probability of each term.

    Parameters
    ----------
    p : Packed
    y : float array, (n_out * (1 + inputs), rows)
        Predictions and, if ``slopes``, their derivatives by each input.
    scales : float array, (subjects or 1, scaled outputs)
    status : int array, (subjects,)
        Not 0 where there are no predictions; OUTSIDE is written where data are impossible.
    loglik, gradient, gradient_scales, terms : float arrays
        Written: (subjects,), (subjects, inputs), (subjects, scaled outputs), (terms,).
    """
    loglik[:] = 0.0
    gradient[:] = 0.0
    gradient_scales[:] = 0.0
    for t in range(p.kind.size):
        who, e = p.subject[t], p.scaled[p.output[t]]
        terms[t] = -np.inf
        if status[who]:
            continue
        s = scales[min(who, scales.shape[0] - 1), e] if e >= 0 else 1.0
        total, by_s = _term(p, t, y, s, slopes, gradient)
        if not -np.inf < total < np.inf:
            status[who] = OUTSIDE
            continue
        terms[t] = total
        loglik[who] += total
        if e >= 0:
            gradient_scales[who, e] += by_s
    for i in range(loglik.size):
        if status[i] == 0 and not math.isfinite(np.sum(gradient[i]) + np.sum(gradient_scales[i])):
            status[i] = OUTSIDE
        if status[i]:
            loglik[i] = -np.inf
            gradient[i] = 0.0
            gradient_scales[i] = 0.0
