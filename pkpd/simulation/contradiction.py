"""Whether one patient's levels can be true of the model: effects, single levels, and all of them together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["FAR_EFFECT", "FAR_LEVEL", "RARE", "Level", "contradictions", "middle_of"]

FAR_EFFECT = 3.0
"""Standard deviations of the population beyond which a patient's random effect is told."""

FAR_LEVEL = 4.0
"""Residual standard deviations beyond which a level is told that the patient's own curve does not reach."""

RARE = 1e-3
"""Probability below which a level, or all of them together, is told to be unlike anybody of the population."""


@dataclass(frozen=True)
class Level:
    """One observation beside what was to be expected.

    Attributes
    ----------
    name : str
        ``"Cc at 8 h"``.
    observed : str
        As it reads: ``"29"``, ``"< 0.1"``.
    expected : tuple of (float, float, float)
        Median and central 90% in anybody with the patient's covariates and doses, residual error included; NaN where it
        is no number.
    rank : float
        Probability of less than was observed in anybody like the patient, 0 to 1; of a bound or a grade half its
        probability.
    residual : float
        Distance from the patient's own curve in residual standard deviations.
    """

    name: str
    observed: str
    expected: tuple[float, float, float]
    rank: float
    residual: float

    @property
    def rarity(self) -> float:
        """Probability of something as extreme in anybody like the patient, two-sided."""
        return 2.0 * min(self.rank, 1.0 - self.rank)

    def __str__(self) -> str:
        middle, low, high = self.expected
        if not math.isfinite(middle):
            return f"{self.name}: observed {self.observed}, which has a probability of {self.rank * 2:.1g}"
        far = f", {abs(self.residual):.1f} residual SD from his own curve" if abs(self.residual) > FAR_LEVEL else ""
        return f"{self.name}: observed {self.observed}, expected {middle:.3g} (90% {low:.3g} to {high:.3g}){far}"


def contradictions(
    effects: Mapping[str, float], levels: Sequence[Level], distance: float | None = None
) -> tuple[str, ...]:
    """Return in sentences what speaks against a patient's levels, or the model for this patient; empty if nothing does.

    Told are random effects (and other quantities that vary) more than `FAR_EFFECT` standard deviations from the
    population, levels as extreme as at most `RARE` of the population's (without any, those more than `FAR_LEVEL`
    residual standard deviations from the patient's own curve), and a chi-square of all levels together below `RARE`.

    Parameters
    ----------
    effects : mapping of name to float
        Distance of the patient's most probable value from the population's, in its standard deviations.
    levels : sequence of Level
    distance : float, optional
        Sum of squares that is chi-square with as many degrees of freedom as there are levels.

    Examples
    --------
    >>> contradictions({"eta_V": -7.7, "eta_CL": 0.3}, [])[1]
    'eta_V is 7.7 SD below the population'
    """
    from scipy.special import chdtrc

    found = [
        f"{name} is {abs(z):.1f} SD {'above' if z > 0 else 'below'} the population"
        for name, z in sorted(effects.items(), key=lambda item: -abs(item[1]))
        if abs(z) > FAR_EFFECT
    ]
    # A level that nobody has drags the curve away from the others, which are not to blame.
    told = [one for one in levels if one.rarity < RARE] or [one for one in levels if abs(one.residual) > FAR_LEVEL]
    chance = float(chdtrc(len(levels), distance)) if distance is not None and levels else 1.0
    if chance < RARE:
        found.append(f"all levels together: chi-square {distance:.3g} with {len(levels)}, P {_chance(chance)}")
        if not told:
            told = [min(levels, key=lambda one: one.rarity)]
    found += [str(one) for one in sorted(told, key=lambda one: one.rarity)]
    if not found:
        return ()
    return ("the levels contradict the model of this patient; check values, units, times and doses", *found)


def _chance(value: float) -> str:
    return f"{value:.1g}" if value >= 1e-6 else "< 1e-6"


def middle_of(values: np.ndarray) -> tuple[float, float, float]:
    """Return median, 5% and 95% of replicates; NaN if there is none."""
    seen = values[np.isfinite(values)]
    if not seen.size:
        return math.nan, math.nan, math.nan
    low, middle, high = (float(q) for q in np.quantile(seen, [0.05, 0.5, 0.95]))
    return middle, low, high
