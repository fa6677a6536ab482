"""What a study declares about an estimated vector: typical values by patient or cohort, factors on residual errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["TypicalValues", "VectorDesign"]


@dataclass(frozen=True, eq=False)
class TypicalValues:
    """Typical values of one parameter, which may differ between subjects.

    Attributes
    ----------
    scale : {"log", "logit", "additive"}
    labels : tuple of str
        Names of those that are estimated.
    start : tuple of float
        Their start values, in the parameter's unit.
    at : int array, (m,)
        Number of the one that holds for a subject; -1 where the value is known.
    held : float array, (m,)
        Known values, in the parameter's unit.
    """

    scale: str
    labels: tuple[str, ...]
    start: tuple[float, ...]
    at: np.ndarray
    held: np.ndarray


@dataclass(frozen=True, eq=False)
class VectorDesign:
    """What is estimated, where the model does not say it.

    Attributes
    ----------
    typical : mapping of parameter to TypicalValues
        All typical values that are estimated.
    factors : mapping of output to float
        Factors on standard deviations of facts, which take the place of the residual parameters.
    estimated : frozenset of str
        Outputs whose factor is estimated.
    spreads : frozenset of str
        Parameters whose standard deviation between subjects is estimated.
    """

    typical: Mapping[str, TypicalValues]
    factors: Mapping[str, float]
    estimated: frozenset[str]
    spreads: frozenset[str]
