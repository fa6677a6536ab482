"""Curves of one arm over time, and what can be read off them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pkpd.metrics.curve import Curve
from pkpd.model.residual import ResidualError
from pkpd.units import conversion

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Course"]


@dataclass(frozen=True)
class Course:
    """Outputs of an arm's subjects.

    Attributes
    ----------
    time : ndarray, shape (time,)
        Increasing, on the model's clock as all times here; every time below is among them. A value at the time of a
        dose is from before it.
    values : mapping of output to ndarray, shape (subject, time)
    window : tuple of (float, float)
        Common to all arms.
    treated : tuple of (float, float)
        From right after the arm's first dose to one interval after its last, within the window.
    interval : tuple of (float, float) or None
        Last dosing interval within the window.
    graded : mapping of output to ResidualError
        Errors of the outputs that are observed as grades.
    day_zero : float
        Time of day 0 of whoever is compared.
    day : float
        Length of a day on that clock: 24 for a model in hours, 1 for one in days.
    exposure : callable, optional
        Returns `pkpd.metrics` of an output, dims (subject,).
    """

    time: np.ndarray
    values: Mapping[str, np.ndarray]
    window: tuple[float, float]
    treated: tuple[float, float] | None
    interval: tuple[float, float] | None
    graded: Mapping[str, ResidualError]
    day_zero: float = 0.0
    day: float = 24.0
    exposure: Callable[[str], xr.Dataset] | None = None

    def number(self, name: str, number: str, unit: str) -> np.ndarray:
        """Return a number of the register of exposure in a unit, shape (subject,); NaN where it has a reason.

        Parameters
        ----------
        name : str
            Output.
        number : str
            As in `pkpd.metrics.register`.
        unit : str
        """
        if self.exposure is None:
            return self.nothing()
        found = self.exposure(name)[number]
        own = str(found.attrs.get("units", unit))
        factor = 1.0 if own == unit else conversion(own, unit or "1")
        return np.broadcast_to(np.asarray(found.values, float), (self.n,)) * factor

    @property
    def n(self) -> int:
        """Number of subjects."""
        return len(next(iter(self.values.values())))

    def nothing(self) -> np.ndarray:
        """Return NaN for each subject: the measure does not exist in this arm."""
        return np.full(self.n, np.nan)

    def columns(self, span: tuple[float, float]) -> slice:
        """Return the columns of a span of time, ends included."""
        return slice(int(np.searchsorted(self.time, span[0] - 1e-9)), int(np.searchsorted(self.time, span[1] + 1e-9)))

    def behind(self, time: float) -> float:
        """Return a time; that right after the first dose if the dose is given then."""
        first = None if self.treated is None else self.treated[0]
        return time if first is None or not 0 <= first - time <= 1e-5 / 24 * self.day else first

    def at(self, name: str, time: float) -> np.ndarray:
        """Return an output at a time, linear between those observed, shape (subject,)."""
        k = int(np.searchsorted(self.time, time - 1e-9))
        k = min(k, len(self.time) - 1)
        right = self.values[name][:, k]
        if k == 0 or self.time[k] <= time + 1e-9:
            return right.copy()
        left = self.values[name][:, k - 1]
        return left + (right - left) * (time - self.time[k - 1]) / (self.time[k] - self.time[k - 1])

    def curve(self, values: np.ndarray, span: tuple[float, float]) -> Curve:
        """Return values at all times, shape (subject, time), as curves over a span, linear between the times."""
        at = self.columns(span)
        return Curve(self.time[at], np.ascontiguousarray(values[:, at]), "linear")

    def area(self, name: str, span: tuple[float, float]) -> np.ndarray:
        """Return the area under an output over a span, unit x time, shape (subject,)."""
        return self.curve(self.values[name], span).area()[:, -1]

    def mean(self, name: str, span: tuple[float, float]) -> np.ndarray:
        """Return the average of an output over a span, shape (subject,)."""
        return self.area(name, span) / (span[1] - span[0])

    def highest(self, name: str, span: tuple[float, float]) -> np.ndarray:
        """Return the largest value of an output in a span, shape (subject,)."""
        return self.values[name][:, self.columns(span)].max(axis=1)

    def lowest(self, name: str, span: tuple[float, float]) -> np.ndarray:
        """Return the smallest value of an output in a span, shape (subject,)."""
        return self.values[name][:, self.columns(span)].min(axis=1)

    def moves(self, name: str, span: tuple[float, float]) -> np.ndarray:
        """Return whether an output changes in a span by more than a thousandth of its size, shape (subject,)."""
        values = self.values[name][:, self.columns(span)]
        return np.ptp(values, axis=1) > 1e-3 * np.abs(values).max(axis=1)

    def above(self, name: str, level: float, span: tuple[float, float]) -> np.ndarray:
        """Return the fraction of a span in which an output is above a level, shape (subject,)."""
        found = self.curve(self.values[name], span)
        return found.time_above(level).sum(axis=1) / float(found.time[-1] - found.time[0])

    def exceedance(self, name: str, grade: int) -> np.ndarray:
        """Return the probability that an ordinal output has at least a grade, shape (subject, time)."""
        return self.graded[name].exceedance(self.values[name])[..., grade - 1]

    def settled_below(self, name: str, level: float) -> np.ndarray:
        """Return when an output falls below a level for the rest of the window; inf where it does not."""
        at = self.columns(self.window)
        time, values = self.time[at], self.values[name][:, at]
        over = values >= level
        last = values.shape[1] - 1 - over[:, ::-1].argmax(axis=1)
        never, always = over[:, -1], ~over.any(axis=1)
        k = np.minimum(last, values.shape[1] - 2)
        rows = np.arange(len(values))
        left, right = values[rows, k], values[rows, k + 1]
        share = np.divide(left - level, left - right, out=np.zeros(len(k)), where=left > right)
        crossing = time[k] + share * (time[k + 1] - time[k])
        return np.where(never, np.inf, np.where(always, time[0], crossing))
