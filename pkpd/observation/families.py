"""Observation families: how probable a datum is, given the prediction, as an expression.

A family is a log-density written with graph nodes. All that the estimators need, derivatives by the prediction and by
residual parameters, is differentiated from it, so a new family is one small class here and one line in ``REGISTRY``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pkpd.engine.graph.derivative import derivative
from pkpd.engine.graph.functions import exp, log, maximum, sqrt, where
from pkpd.engine.graph.nodes import Node, const
from pkpd.errors import DataError
from pkpd.model.residual import Additive, Combined, LogNormal, Ordinal, Proportional, ResidualError

__all__ = ["REGISTRY", "ErrorParameter", "Family", "family_of", "log_phi"]

F = Sequence[Node]


@dataclass(frozen=True)
class ErrorParameter:
    """A parameter of an observation family.

    Attributes
    ----------
    name : str
        Without the name of the output: ``sigma_add``.
    value : float
        The model's.
    scale : {"log", "additive"}
        On which it is estimated.
    fixed : bool
        Whether it is left alone unless asked for.
    """

    name: str
    value: float
    scale: str = "log"
    fixed: bool = False


class Family:
    """How an output is observed.

    Attributes
    ----------
    residuals : tuple of ErrorParameter
    gaussian : bool
        Whether data have a normal density on some scale; only these can be taken without interaction.
    """

    residuals: tuple[ErrorParameter, ...] = ()
    gaussian = False

    def density(self, f: Node, g: Node, y: Node, s: F) -> Node:
        """Return the log-density of datum y, without the constant ``-log(2 pi) / 2`` where it is continuous.

        Parameters
        ----------
        f : Node
            Prediction.
        g : Node
            Prediction that the residual variance is taken at: f itself with interaction.
        s : sequence of Node
            Values of ``residuals``.
        """
        raise NotImplementedError

    def information(self, f: Node, g: Node, s: F) -> Node | None:
        """Return the expected square of the derivative of the log-density by f; None: its curvature is taken."""
        return None

    def log_sd(self, g: Node, s: F) -> Node | None:
        """Return the logarithm of the standard deviation of the normal density, None where there is none."""
        return None

    def rebuilt(self, values: Sequence[float]) -> ResidualError:
        """Return the residual error of the model with other values."""
        raise NotImplementedError


class Normal(Family):
    """Normal error whose variance may depend on the prediction."""

    gaussian = True

    def __init__(self, error: ResidualError) -> None:
        self.error = error
        numbers = {n: float(getattr(error, n, 0.0)) for n in ("add", "prop")}
        self.parts = tuple(n for n, v in numbers.items() if v > 0)
        self.residuals = tuple(ErrorParameter(f"sigma_{n}", numbers[n]) for n in self.parts)

    def variance(self, g: Node, s: F) -> Node:
        """Return the variance of a datum."""
        given = dict(zip(self.parts, s, strict=True))
        add, prop = given.get("add", const(0)), given.get("prop", const(0))
        if getattr(self.error, "convention", "variance") == "sd":
            sd = add + prop * abs(g)
            return sd * sd
        return add * add + prop * prop * (g * g)

    def density(self, f: Node, g: Node, y: Node, s: F) -> Node:
        r = self.variance(g, s)
        return -0.5 * (log(r) + (y - f) * (y - f) / r)

    def information(self, f: Node, g: Node, s: F) -> Node:
        r = self.variance(g, s)
        slope = derivative([r], f)[0]
        return 1 / r + 0.5 * (slope / r) * (slope / r)

    def log_sd(self, g: Node, s: F) -> Node:
        return 0.5 * log(self.variance(g, s))

    def log_cdf(self, f: Node, g: Node, limit: Node, s: F, sign: float = 1.0) -> Node:
        """Return log P(y < limit), or of the opposite with sign -1."""
        return log_phi(sign * (limit - f) / sqrt(self.variance(g, s)))

    def rebuilt(self, values: Sequence[float]) -> ResidualError:
        given = dict(zip(self.parts, values, strict=True))
        if isinstance(self.error, Combined):
            return Combined(given.get("add", 0.0), given.get("prop", 0.0), self.error.convention)
        return type(self.error)(*values)


class LogScale(Family):
    """Normal error of the logarithm; the density is that of the datum itself."""

    gaussian = True

    def __init__(self, error: LogNormal) -> None:
        self.residuals = (ErrorParameter("sigma", error.sigma),)

    def density(self, f: Node, g: Node, y: Node, s: F) -> Node:
        z = (log(y) - log(f)) / s[0]
        return -0.5 * z * z - log(s[0]) - log(y)

    def information(self, f: Node, g: Node, s: F) -> Node:
        return 1 / (s[0] * s[0] * f * f)

    def log_sd(self, g: Node, s: F) -> Node:
        return log(s[0])

    def log_cdf(self, f: Node, g: Node, limit: Node, s: F, sign: float = 1.0) -> Node:
        return log_phi(sign * (log(limit) - log(f)) / s[0])

    def rebuilt(self, values: Sequence[float]) -> ResidualError:
        return LogNormal(values[0])


class Below(Family):
    """A datum known to lie below a limit; above with sign -1.

    Source: M3 of Beal SL. J Pharmacokinet Pharmacodyn 2001;28:481-504.
    """

    def __init__(self, base: Normal | LogScale, sign: float = 1.0) -> None:
        self.base, self.residuals, self.sign = base, base.residuals, sign

    def density(self, f: Node, g: Node, y: Node, s: F) -> Node:
        return self.base.log_cdf(f, g, y, s, self.sign)


class PositiveBelow(Family):
    """A datum known to lie between 0 and a limit, given that it is positive: M4 of Beal 2001."""

    def __init__(self, base: Normal) -> None:
        self.base, self.residuals = base, base.residuals

    def density(self, f: Node, g: Node, y: Node, s: F) -> Node:
        sd = sqrt(self.base.variance(g, s))
        upper, lower = (y - f) / sd, -f / sd
        # differences of probabilities are taken in the tail where both are small
        flip = lower > 0
        high = log_phi(where(flip, -lower, upper))
        low = log_phi(where(flip, -upper, lower))
        return high + log(1 - exp(low - high)) - log_phi(f / sd)


class Positive(Normal):
    """A quantified datum, given that it is positive: the other half of M4."""

    def density(self, f: Node, g: Node, y: Node, s: F) -> Node:
        return super().density(f, g, y, s) - log_phi(f / sqrt(self.variance(g, s)))


class Graded(Family):
    """Ordinal grades by a cumulative logit; the first cut is fixed, the gaps between cuts are estimated."""

    def __init__(self, error: Ordinal) -> None:
        cuts = error.cuts
        self.n = len(cuts)
        gaps = [ErrorParameter(f"gap_{k + 1}", cuts[k] - cuts[k - 1]) for k in range(1, self.n)]
        self.residuals = (ErrorParameter("cut_1", cuts[0], "additive", fixed=True), *gaps)

    def _cuts(self, s: F) -> list[Node]:
        cuts = [s[0]]
        for gap in s[1:]:
            cuts.append(cuts[-1] + gap)
        return cuts

    def density(self, f: Node, g: Node, y: Node, s: F) -> Node:
        cuts = self._cuts(s)
        logs = [-_softplus(f - cuts[0])]
        for low, high in pairwise(cuts):
            logs.append(log(1 - exp(low - high)) - _softplus(low - f) - _softplus(f - high))
        logs.append(-_softplus(cuts[-1] - f))
        out = logs[-1]
        for k in range(self.n - 1, -1, -1):
            out = where(y < k + 0.5, logs[k], out)
        return out

    def information(self, f: Node, g: Node, s: F) -> Node:
        above = [const(1), *(1 / (1 + exp(c - f)) for c in self._cuts(s)), const(0)]
        slope = [p * (1 - p) for p in above]
        total = const(0)
        for k in range(self.n + 1):
            d = slope[k] - slope[k + 1]
            total = total + d * d / maximum(above[k] - above[k + 1], 1e-300)
        return total

    def rebuilt(self, values: Sequence[float]) -> ResidualError:
        cuts = [values[0]]
        for gap in values[1:]:
            cuts.append(cuts[-1] + gap)
        return Ordinal(cuts)


def _softplus(x: Node) -> Node:
    """Return log(1 + exp(x)) without overflow."""
    return maximum(x, 0) + log(1 + exp(-abs(x)))


def log_phi(z: Node) -> Node:
    """Return the logarithm of the standard normal distribution function, accurate in its lower tail.

    Below -4 by the continued fraction of Abramowitz and Stegun 26.2.14, whose 16 levels leave an error below 1e-13.
    """
    from pkpd.engine.graph.functions import erf

    x = maximum(-z, 4.0)
    tail: Node = const(0)
    for k in range(16, 0, -1):
        tail = k / (x + tail)
    far = -0.5 * x * x - 0.5 * math.log(2 * math.pi) - log(x + tail)
    near = log(0.5 + 0.5 * erf(maximum(z, -4.0) / math.sqrt(2)))
    return where(z < -4.0, far, near)


REGISTRY: dict[type[ResidualError], Callable[..., Family]] = {
    Additive: Normal,
    Proportional: Normal,
    Combined: Normal,
    LogNormal: LogScale,
    Ordinal: Graded,
}


def family_of(output: str, error: ResidualError) -> Family:
    """Return the family of an output's residual error.

    Raises
    ------
    DataError
        If there is none, as for Exact.
    """
    kind = REGISTRY.get(type(error))
    if kind is None:
        known = ", ".join(k.__name__ for k in REGISTRY)
        raise DataError(
            f"fit: output '{output}' has {type(error).__name__} error, which has no density to fit with; use {known}"
        )
    return kind(error)
