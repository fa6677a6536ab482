"""Concentration curves on a grid of times: area, values between the times, time above a threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pkpd.metrics.kernels import LINEAR, LOG, LOG_DOWN, cumulative_area

__all__ = ["METHODS", "Curve", "highest"]

EQUAL = 1e-8
"""Relative difference of values that count as equally high: what a solver leaves of peaks in steady state."""

METHODS = {"linear-up log-down": LOG_DOWN, "linear": LINEAR, "log": LOG}


def _logarithmic(conc: np.ndarray, method: str) -> np.ndarray:
    """Mark the segments that follow an exponential, shape (subject, time - 1)."""
    left, right = conc[:, :-1], conc[:, 1:]
    if method == "linear":
        return np.zeros(left.shape, bool)
    if method == "log":
        return (left > 0) & (right > 0) & (left != right)
    return (right > 0) & (right < left)


def highest(conc: np.ndarray) -> np.ndarray:
    """Return where each row is highest, shape (subject,): the first place of several that only rounding tells apart."""
    top = conc.max(axis=1, keepdims=True)
    return (conc >= top - EQUAL * np.abs(top)).argmax(axis=1)


@dataclass
class Curve:
    """Curves of several subjects on one grid, which may hold a time twice: before and after a bolus.

    Attributes
    ----------
    time : ndarray, shape (time,)
        Non-decreasing times.
    conc : ndarray, shape (subject, time)
        Concentrations.
    method : str
        Rule between the times, one of `METHODS`.
    """

    time: np.ndarray
    conc: np.ndarray
    method: str

    def with_corners(self, time: np.ndarray, before: np.ndarray, after: np.ndarray) -> Curve:
        """Add the values right before and right after each of some times.

        Parameters
        ----------
        time : ndarray, shape (corner,)
            Increasing, within the grid. Where the grid has the time, its value stays as the one before.
        before, after : ndarray, shape (subject, corner)
        """
        where, times, columns = [], [], []
        slack = 1e-9 * max(1.0, float(np.abs(self.time[[0, -1]]).max()))
        for k, at in enumerate(time.tolist()):
            i = int(np.searchsorted(self.time, at + slack, side="right"))
            if i == 0 or i == len(self.time):
                continue
            on_grid = abs(float(self.time[i - 1]) - at) <= slack
            at = float(self.time[i - 1]) if on_grid else at
            jumps = bool((before[:, k] != after[:, k]).any())
            if not on_grid:
                where.append(i)
                times.append(at)
                columns.append(before[:, k])
            if jumps:
                where.append(i)
                times.append(at)
                columns.append(after[:, k])
        return self._inserted(where, times, columns)

    def with_boluses(self, doses: np.ndarray) -> Curve:
        """Add the value right after each bolus, extrapolated log-linearly from the two samples that follow it.

        Where these do not fall the first of them is taken. Each dose time within the grid must be on it.
        """
        where, columns = [], []
        for k, dose in enumerate(doses):
            i = int(np.searchsorted(self.time, dose, side="right"))
            if i == 0 or i == len(self.time):
                continue
            later = doses[k + 1] if k + 1 < len(doses) else np.inf
            c1 = self.conc[:, i]
            value = c1
            if i + 1 < len(self.time) and self.time[i + 1] <= later:
                c2 = self.conc[:, i + 1]
                share = (self.time[i] - dose) / (self.time[i + 1] - self.time[i])
                falls = (c2 > 0) & (c2 < c1)
                value = np.where(falls, c1 * (c1 / np.where(falls, c2, 1.0)) ** share, c1)
            where.append(i)
            columns.append(value)
        return self._inserted(where, [float(self.time[i - 1]) for i in where], columns)

    def with_times(self, times: list[float]) -> Curve:
        """Add interpolated values at times within the grid that it does not hold."""
        where, added, columns = [], [], []
        for at in sorted(set(times) - set(self.time.tolist())):
            i = int(np.searchsorted(self.time, at))
            share = (at - self.time[i - 1]) / (self.time[i] - self.time[i - 1])
            left, right = self.conc[:, i - 1], self.conc[:, i]
            value = left + share * (right - left)
            curved = _logarithmic(self.conc[:, i - 1 : i + 1], self.method)[:, 0]
            value[curved] = left[curved] * (right[curved] / left[curved]) ** share
            where.append(i)
            added.append(at)
            columns.append(value)
        return self._inserted(where, added, columns)

    def _inserted(self, where: list[int], times: list[float], columns: list[np.ndarray]) -> Curve:
        if not where:
            return self
        conc = np.insert(self.conc, where, np.column_stack(columns), axis=1)
        return Curve(np.insert(self.time, where, times), conc, self.method)

    def area(self, exact: np.ndarray | None = None, exact_time: np.ndarray | None = None) -> np.ndarray:
        r"""Return the cumulative area, shape (subject, time), zero at the first time.

        Linear: :math:`\Delta t (C_1 + C_2) / 2`; logarithmic: :math:`\Delta t (C_1 - C_2) / \ln(C_1 / C_2)`, exact for
        an exponential. Linear-up log-down takes the logarithmic one where the concentration falls to a value > 0.

        Parameters
        ----------
        exact : ndarray, shape (subject, exact time), optional
            Cumulative area that a model integrated; at times between its own it is divided as the trapezoids are.
        exact_time : ndarray, shape (exact time,), optional
            Times of `exact`, all of which are on the grid.
        """
        area = np.empty(self.conc.shape)
        cumulative_area(self.time, self.conc, METHODS[self.method], area)
        if exact is None or exact_time is None:
            return area
        left = np.searchsorted(exact_time, self.time, side="right") - 1
        known = exact[:, left] - exact[:, :1]
        for j in np.flatnonzero(exact_time[left] != self.time):
            a = int(np.searchsorted(self.time, exact_time[left[j]], side="right")) - 1
            b = int(np.searchsorted(self.time, exact_time[left[j] + 1]))
            whole = area[:, b] - area[:, a]
            share = np.divide(area[:, j] - area[:, a], whole, out=np.zeros(len(whole)), where=whole > 0)
            known[:, j] += share * (exact[:, left[j] + 1] - exact[:, left[j]])
        return known

    def time_above(self, threshold: float) -> np.ndarray:
        """Return the time above the threshold within each segment, shape (subject, time - 1)."""
        left, right = self.conc[:, :-1], self.conc[:, 1:]
        share = ((left > threshold) | (right > threshold)).astype(float)
        row, segment = np.nonzero((left > threshold) != (right > threshold))
        pair = np.stack([left[row, segment], right[row, segment]])
        low, high = pair.min(axis=0), pair.max(axis=0)
        part = (high - threshold) / (high - low)
        curved = _logarithmic(self.conc, self.method)[row, segment]
        part[curved] = np.log(high[curved] / threshold) / np.log(high[curved] / low[curved]) if threshold > 0 else 1.0
        share[row, segment] = part
        return share * np.diff(self.time)
