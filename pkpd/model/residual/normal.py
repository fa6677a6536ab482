"""Errors that are normal, of the output itself or of its logarithm."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from pkpd.engine.graph.derivative import derivative
from pkpd.engine.graph.functions import exp, log, sqrt, where
from pkpd.engine.graph.nodes import Node
from pkpd.errors import ModelError
from pkpd.model.residual.error import ResidualError, number_or_node, standard_deviations
from pkpd.model.residual.tails import HALF_LOG_2PI, log_phi

__all__ = ["Additive", "Combined", "Exact", "LogNormal", "NormalError", "Proportional"]


class NormalError(ResidualError):
    """Normal error ``y = f + sd(f) * eps``, all of which follows from `variance`.

    With ``data = "log"`` the same on the logarithm: ``log y = log f + sd * eps``.
    """

    normal: ClassVar[bool] = True
    prefix: ClassVar[str] = "sigma_"

    @abstractmethod
    def variance(self, f: Any) -> Any:
        """Return the variance of y, or of ``log y`` where that is normal."""

    @property
    def _log(self) -> bool:
        return self.data == "log"

    def _shift(self, f: Any, y: Any) -> Any:
        return log(y) - log(f) if self._log else y - f

    def log_density(self, f: Any, y: Any, at: Any = None) -> Any:
        """Return the log-density; the variance is that at another prediction where ``at`` is given."""
        r, e = self.variance(f if at is None else at), self._shift(f, y)
        found = -0.5 * (log(r) + e * e / r) - HALF_LOG_2PI
        return found - log(y) if self._log else found

    def log_cdf(self, f: Any, y: Any, upper: bool = False, at: Any = None) -> Any:
        """Return log P(Y < y), or of the opposite; on the logarithm all is below any limit where f is 0."""
        sign = -1.0 if upper else 1.0
        found = log_phi(sign * self._shift(f, y) / sqrt(self.variance(f if at is None else at)))
        return where(f <= 0, 0.0, found) if self._log and not upper else found

    def information(self, f: Any, at: Any = None) -> Any:
        """Return ``1 / r + (r' / r)^2 / 2``, r being the variance."""
        at = f if at is None else at
        r = self.variance(at)
        slope = derivative([r], f)[0]
        own = 1 / (r * f * f) if self._log else 1 / r
        return own + 0.5 * (slope / r) * (slope / r)

    def log_sd(self, f: Any) -> Any:
        """Return the logarithm of the standard deviation on the scale on which data are normal."""
        return 0.5 * log(self.variance(f))

    def residual(self, f: Any, y: Any) -> Any:
        """Return ``(y - f) / sd`` or ``(log y - log f) / sd``."""
        return self._shift(f, y) / sqrt(self.variance(f))

    def compared_sd(self, f: Any) -> Any:
        """Return the standard deviation of y, or of ``log y`` where that is normal."""
        return sqrt(self.variance(f))

    def unit(self) -> NormalError | None:
        """Return this error with its only number 1 where the variance goes with the square of that number."""
        if len(self.parameters) != 1:
            return None
        (name,), f = self._numbers(), np.array([0.5, 1.0, 3.0])
        one, two = self.replaced(**{name: 1.0}), self.replaced(**{name: 2.0})
        return one if np.allclose(two.variance(f), 4.0 * one.variance(f), rtol=1e-12, atol=0.0) else None

    def sd(self, f: Any) -> Any:
        """Return the standard deviation of y itself."""
        f = number_or_node(f)
        r = self.variance(f)
        return abs(f) * sqrt((exp(r) - 1) * exp(r)) if self._log else sqrt(r)

    def draw(self, f: Any, normal: Any) -> Any:
        """Return ``f + sd * normal``, or ``f * exp(sd * normal)`` where the logarithm is normal."""
        f, normal = np.asarray(f, float), np.asarray(normal, float)
        sd = np.sqrt(self.variance(f))
        return f * np.exp(sd * normal) if self._log else f + sd * normal

    def widened(self, f: Any, factor: Any, reading: Any) -> NormalError:
        """Return a normal error with the variances of this one, times a factor squared, and of reading together."""
        r = factor * factor * self.variance(f)
        if self._log:
            return LogNormal.of(sigma=sqrt(r + reading * reading))
        return Additive.of(add=sqrt(r + (reading * f) * (reading * f)))

    def log_variance(self, f: Any) -> Any:
        """Return the variance of ``log y``."""
        return self.variance(f) if self._log else self.variance(f) / (f * f)


@dataclass(frozen=True, slots=True)
class Additive(NormalError):
    """Additive error: ``y = f + add * eps``.

    Parameters
    ----------
    add : float
        Standard deviation, in the output's unit.

    Examples
    --------
    >>> Additive(0.5).sd([1.0, 2.0])
    array([0.5, 0.5])
    """

    add: float

    def __post_init__(self) -> None:
        standard_deviations("Additive", add=self.add)

    def variance(self, f: Any) -> Any:
        """Return ``add^2`` for each f."""
        r = self.add * self.add
        return r if isinstance(f, Node) or isinstance(r, Node) else r + np.zeros(np.shape(f))


@dataclass(frozen=True, slots=True)
class Proportional(NormalError):
    """Proportional error: ``y = f * (1 + prop * eps)``.

    Parameters
    ----------
    prop : float
        Standard deviation as a fraction of f.

    Examples
    --------
    >>> Proportional(0.2).draw([10.0], [1.0])
    array([12.])
    """

    prop: float

    def __post_init__(self) -> None:
        standard_deviations("Proportional", prop=self.prop)

    def variance(self, f: Any) -> Any:
        """Return ``(prop f)^2``."""
        return self.prop * self.prop * (f * f)


@dataclass(frozen=True, slots=True)
class Combined(NormalError):
    """Additive and proportional error together.

    Parameters
    ----------
    add : float
        Standard deviation of the additive part, in the output's unit.
    prop : float
        Standard deviation of the proportional part, as a fraction of f.
    convention : {"variance", "sd"}
        ``variance``: two independent errors, ``sd^2 = add^2 + (prop f)^2`` (NONMEM's ``F + F*EPS(1) + EPS(2)``,
        Monolix "combined2"); ``sd``: one error, ``sd = add + prop |f|`` (Monolix "combined1").

    Examples
    --------
    >>> float(Combined(add=3.0, prop=0.4).sd(10.0)), float(Combined(add=3.0, prop=0.4, convention="sd").sd(10.0))
    (5.0, 7.0)
    """

    add: float
    prop: float
    convention: Literal["variance", "sd"] = "variance"

    def __post_init__(self) -> None:
        standard_deviations("Combined", add=self.add, prop=self.prop)
        if self.convention not in ("variance", "sd"):
            raise ModelError(
                "Combined: convention must be 'variance' (sd^2 = add^2 + (prop f)^2) or 'sd' (sd = add + prop f), "
                f"got {self.convention!r}"
            )

    def variance(self, f: Any) -> Any:
        """Return the variance in the chosen convention."""
        if self.convention == "sd":
            sd = self.add + self.prop * abs(f)
            return sd * sd
        return self.add * self.add + self.prop * self.prop * (f * f)


@dataclass(frozen=True, slots=True)
class LogNormal(NormalError):
    """Additive error on the logarithm: ``y = f * exp(sigma * eps)``, f being the median.

    Parameters
    ----------
    sigma : float
        Standard deviation of ``log y``; about the coefficient of variation where small.

    Examples
    --------
    >>> LogNormal(0.3).draw([1.0, 2.0], [0.0, 0.0])
    array([1., 2.])
    """

    data = "log"
    prefix: ClassVar[str] = ""

    sigma: float

    def __post_init__(self) -> None:
        standard_deviations("LogNormal", sigma=self.sigma)

    def variance(self, f: Any) -> Any:
        """Return ``sigma^2``, whatever f is."""
        return self.sigma * self.sigma


@dataclass(frozen=True, slots=True)
class Exact(ResidualError):
    """No error: ``y = f``.

    Examples
    --------
    >>> Exact().draw([1.0], [2.5])
    array([1.])
    """

    exact = True

    def log_density(self, f: Any, y: Any) -> Any:
        """Raise ModelError: no datum meets a prediction exactly."""
        raise ModelError("Exact error has no density, which no datum meets; give the output a residual error")

    def sd(self, f: Any) -> Any:
        """Return 0 for each f."""
        return np.zeros(np.shape(f))

    def draw(self, f: Any, normal: Any) -> Any:
        """Return f."""
        return np.asarray(f, float) + 0.0 * np.asarray(normal, float)

    def widened(self, f: Any, factor: Any, reading: Any) -> NormalError:
        """Return the error of reading, on the logarithm."""
        return LogNormal.of(sigma=reading)
