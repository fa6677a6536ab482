"""Compiled loops over subjects: cumulative areas and terminal fits."""

from __future__ import annotations

import math

import numpy as np

from pkpd.engine.machine.jit import entry

__all__ = ["cumulative_area", "terminal_fit"]

LINEAR, LOG_DOWN, LOG = range(3)


@entry
def cumulative_area(time: np.ndarray, conc: np.ndarray, rule: int, area: np.ndarray) -> None:
    """Fill the area under each curve from the first time on, by the trapezoidal rule.

    Parameters
    ----------
    time : ndarray, shape (time,)
        Non-decreasing times.
    conc : ndarray, shape (subject, time)
        Concentrations, >= 0.
    rule : int
        0 linear, 1 linear-up log-down, 2 logarithmic wherever both values are > 0.
    area : ndarray, shape (subject, time)
        Filled with the cumulative area, in the unit of `conc` times that of `time`.
    """
    for row in range(conc.shape[0]):
        total = 0.0
        area[row, 0] = 0.0
        for j in range(1, time.size):
            left, right = conc[row, j - 1], conc[row, j]
            mean = 0.5 * (left + right)
            if rule != 0 and right > 0.0 and (right < left or (rule == 2 and left > 0.0)):
                slope = 0.5 * (left - right) / mean
                # ln(C1/C2) = 2 atanh(slope): the series keeps the digits that a quotient of small differences loses.
                if abs(slope) < 0.02:
                    s = slope * slope
                    mean /= 1.0 + s * (1 / 3 + s * (1 / 5 + s * (1 / 7 + s / 9)))
                else:
                    mean *= 2.0 * slope / math.log(left / right)
            total += mean * (time[j] - time[j - 1])
            area[row, j] = total


@entry
def terminal_fit(
    time: np.ndarray, conc: np.ndarray, skip: int, lloq: float, points: int, tolerance: float, fits: np.ndarray
) -> None:
    r"""Fill the log-linear fit to the last points of each curve: rate, adjusted R2, points, span, candidates.

    Parameters
    ----------
    time : ndarray, shape (time,)
        Increasing times.
    conc : ndarray, shape (subject, time)
        Concentrations, >= 0.
    skip : int
        Points to leave out from the peak on: 0 keeps the peak, 1 leaves it out.
    lloq : float
        Points below it are left out; below 1e-6 of the peak where it is 0.
    points : int
        Number of points in the fit; 0 to choose.
    tolerance : float
        Fits whose adjusted R2 is within it of the best are as good as the best.
    fits : ndarray, shape (subject, 5)
        Filled with :math:`\lambda_z` (1/time), adjusted :math:`R^2`, points used, time between first and last of them,
        number of fits that had enough points; a rate of 0 stands for no fit.
    """
    width = time.size
    quality, rate, begin = np.empty(width), np.empty(width), np.empty(width)
    for row in range(conc.shape[0]):
        peak = np.argmax(conc[row])
        floor = lloq if lloq > 0.0 else 1e-6 * conc[row, peak]
        n, candidates, end, log_end = 0, 0, 0.0, 0.0
        mean_x = mean_y = xx = xy = yy = 0.0
        best = -np.inf
        for j in range(width - 1, peak + skip - 1, -1):
            value = conc[row, j]
            if not (value > 0.0 and value >= floor):
                continue
            if n == 0:
                end, log_end = time[j], math.log(value)
            n += 1
            x, y = time[j] - end, math.log(value) - log_end
            dx, dy = x - mean_x, y - mean_y
            mean_x += dx / n
            mean_y += dy / n
            xx += dx * (x - mean_x)
            xy += dx * (y - mean_y)
            yy += dy * (y - mean_y)
            begin[n - 1], quality[n - 1] = time[j], -np.inf
            if n < 3 or (points > 0 and n != points):
                continue
            candidates += 1
            if xy < 0.0 and yy > 0.0:
                quality[n - 1] = 1.0 - (1.0 - min(xy * xy / (xx * yy), 1.0)) * (n - 1) / (n - 2)
                rate[n - 1] = -xy / xx
                best = max(best, quality[n - 1])
        fits[row] = 0.0
        fits[row, 4] = candidates
        for k in range(n - 1, 1, -1):
            if quality[k] > -np.inf and quality[k] >= best - tolerance:
                fits[row, 0], fits[row, 1], fits[row, 2], fits[row, 3] = rate[k], quality[k], k + 1, end - begin[k]
                break
