"""Outcomes that are no measurements: counts and times to events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.engine.graph.functions import lgamma, log
from pkpd.engine.graph.nodes import Node
from pkpd.errors import ModelError
from pkpd.model.residual import ResidualError
from pkpd.observation.families import REGISTRY, ErrorParameter, Family

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NegativeBinomial", "Poisson", "TimeToEvent"]


@dataclass(frozen=True, slots=True)
class Poisson(ResidualError):
    """Counts with the output as their mean.

    Examples
    --------
    >>> Poisson().sd([4.0])
    array([2.])
    """

    def sd(self, f: Any) -> Any:
        """Return the square root of f."""
        return np.sqrt(np.asarray(f, float))

    def draw(self, f: Any, normal: Any) -> Any:
        """Return counts by inversion: the probability integral of ``normal`` decides."""
        from scipy.special import ndtr
        from scipy.stats import poisson

        return poisson.ppf(ndtr(np.asarray(normal, float)), np.asarray(f, float))


@dataclass(frozen=True, slots=True)
class NegativeBinomial(ResidualError):
    """Counts with the output f as their mean and the variance ``f + overdispersion f^2``.

    Parameters
    ----------
    overdispersion : float
        Above 0.

    Examples
    --------
    >>> NegativeBinomial(0.5).sd([4.0]) ** 2
    array([12.])
    """

    overdispersion: float

    def __post_init__(self) -> None:
        if not 0 < self.overdispersion < np.inf:
            raise ModelError(f"NegativeBinomial: overdispersion must be > 0 and finite, got {self.overdispersion}")

    def sd(self, f: Any) -> Any:
        """Return the standard deviation of a count for each f."""
        f = np.asarray(f, float)
        return np.sqrt(f + self.overdispersion * f * f)

    def draw(self, f: Any, normal: Any) -> Any:
        """Return counts by inversion: the probability integral of ``normal`` decides."""
        from scipy.special import ndtr
        from scipy.stats import nbinom

        size = 1.0 / self.overdispersion
        f = np.asarray(f, float)
        return nbinom.ppf(ndtr(np.asarray(normal, float)), size, size / (size + f))


@dataclass(frozen=True, slots=True)
class TimeToEvent(ResidualError):
    """Events in time; the output is the cumulative hazard, and another output the hazard.

    A row with DV 1 is an event at its time; one with DV 0 ends the follow-up without. Events may repeat.

    Parameters
    ----------
    hazard : str
        Output of the model that is the hazard, per time.

    Examples
    --------
    >>> TimeToEvent("hazard").hazard
    'hazard'
    """

    hazard: str

    def sd(self, f: Any) -> Any:
        """Return the standard deviation of whether there was an event until then."""
        survival = np.exp(-np.asarray(f, float))
        return np.sqrt(survival * (1.0 - survival))

    def draw(self, f: Any, normal: Any) -> Any:
        """Return 1 where an event happened until then, 0 elsewhere."""
        from scipy.special import log_ndtr

        return (-log_ndtr(-np.asarray(normal, float)) <= np.asarray(f, float)).astype(float)


class Counted(Family):
    """Poisson counts."""

    def __init__(self, error: Poisson) -> None:
        pass

    def density(self, f: Node, g: Node, y: Node, s: Sequence[Node]) -> Node:
        return y * log(f) - f - lgamma(y + 1)

    def information(self, f: Node, g: Node, s: Sequence[Node]) -> Node:
        return 1 / f

    def rebuilt(self, values: Sequence[float]) -> ResidualError:
        return Poisson()


class Overdispersed(Family):
    """Negative binomial counts."""

    def __init__(self, error: NegativeBinomial) -> None:
        self.residuals = (ErrorParameter("overdispersion", error.overdispersion),)

    def density(self, f: Node, g: Node, y: Node, s: Sequence[Node]) -> Node:
        size = 1 / s[0]
        choose = lgamma(y + size) - lgamma(size) - lgamma(y + 1)
        return choose - size * log(1 + s[0] * f) + y * (log(s[0] * f) - log(1 + s[0] * f))

    def information(self, f: Node, g: Node, s: Sequence[Node]) -> Node:
        return 1 / (f + s[0] * f * f)

    def rebuilt(self, values: Sequence[float]) -> ResidualError:
        return NegativeBinomial(values[0])


class Survival(Family):
    """No event until now: minus the cumulative hazard."""

    def density(self, f: Node, g: Node, y: Node, s: Sequence[Node]) -> Node:
        return -f

    def information(self, f: Node, g: Node, s: Sequence[Node]) -> Node:
        return 1 / f


class Event(Family):
    """An event now: the logarithm of the hazard."""

    def density(self, f: Node, g: Node, y: Node, s: Sequence[Node]) -> Node:
        return log(f)

    def information(self, f: Node, g: Node, s: Sequence[Node]) -> Node:
        return 1 / (f * f)


REGISTRY[Poisson] = Counted
REGISTRY[NegativeBinomial] = Overdispersed
