"""Numbers over subjects: medians, intervals, paired contrasts, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Summary", "bound", "chance_error", "contrast", "number", "quantiles", "share", "summary"]

_TIE = 1e-3
"""Relative difference up to which two values are a tie: no more than a solver or a clinician can tell."""


def number(value: float, endless: str = "inf") -> str:
    """Write a number with three digits, as a reader would; a day that never comes is ``endless``.

    Examples
    --------
    >>> number(0.012345), number(1234.5), number(float("inf")), number(float("inf"), "never"), number(3.0)
    ('0.0123', '1234', 'inf', 'never', '3')
    """
    if np.isnan(value):
        return "-"
    if np.isinf(value):
        return endless if value > 0 else f"-{endless}"
    if abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}"


def bound(n: float) -> float:
    """Return how probable something may still be that happened in none of n draws: 3 / n, the rule of three.

    Source: Hanley JA, Lippman-Hand A. JAMA 1983;249:1743; the end of a 95% interval.

    Examples
    --------
    >>> bound(300)
    0.01
    """
    return min(3.0 / n, 1.0) if n > 0 else 1.0


def share(probability: float, n: float = np.inf) -> str:
    """Write a probability in percent, never as certain: it is counted in n draws.

    Examples
    --------
    >>> share(0.5), share(1.0), share(0.0), share(1.0, 60), share(0.0, 60)
    ('50%', '>99%', '<1%', '>95%', '<5%')
    """
    percent = 100 * probability
    least = 100 * bound(n)
    if least > 1 and percent >= 100:
        return f">{100 - np.ceil(least - 1e-9):.0f}%"
    if least > 1 and percent <= 0:
        return f"<{np.ceil(least - 1e-9):.0f}%"
    if percent > 99:
        return ">99%"
    if percent < 1:
        return "<1%"
    return f"{percent:.0f}%"


def quantiles(values: np.ndarray, at: list[float]) -> np.ndarray:
    """Return quantiles of values that may be infinite; NaN where there are none.

    Examples
    --------
    >>> quantiles(np.array([1.0, 2.0, np.inf]), [0.5, 0.95])
    array([ 2., inf])
    """
    if not len(values):
        return np.full(len(at), np.nan)
    # Between infinite values nothing can be interpolated.
    method = "linear" if np.isfinite(values).all() else "inverted_cdf"
    return np.quantile(values, at, method=method)


def chance_error(probability: float, n: float) -> float:
    """Return the Monte Carlo error of a probability from n draws; of 0 and 1, which have none, the rule of three.

    Examples
    --------
    >>> chance_error(0.5, 100), chance_error(1.0, 100)
    (0.05, 0.03)
    """
    if not n or np.isnan(probability):
        return np.nan
    if probability in (0.0, 1.0):
        return bound(n)
    return float(np.sqrt(probability * (1 - probability) / n))


@dataclass(frozen=True)
class Summary:
    """A measure over the subjects of one arm.

    Attributes
    ----------
    columns : dict of str to float
        Statistics by name.
    total : int
        Subjects, with or without a value.
    chance : bool
        Whether it is a probability.
    endless : str
        What an infinite value is called.
    """

    columns: dict[str, float]
    total: int
    chance: bool
    endless: str = "inf"

    def __str__(self) -> str:
        values = list(self.columns.values())
        n = int(values[-1])
        if not n:
            return "-"
        if self.chance:
            text = share(values[0], n)
        else:
            middle, low, high = (number(value, self.endless) for value in values[:3])
            text = f"{middle} [{low}-{high}]" if n > 1 and low != high else middle
        return text if n == self.total else f"{text} n={n}/{self.total}"


def summary(values: np.ndarray, coverage: float, chance: bool, endless: str = "inf") -> Summary:
    """Return median and central interval of the subjects' values, or the mean of a probability with its error."""
    seen = values[~np.isnan(values)]
    if chance:
        mean = float(seen.mean()) if len(seen) else np.nan
        error = chance_error(mean, len(seen))
        return Summary({"probability": mean, "error": error, "n": len(seen)}, len(values), True)
    tail = (1 - coverage) / 2
    middle, low, high = (float(q) for q in quantiles(seen, [0.5, tail, 1 - tail]))
    names = ("median", f"{100 * tail:g}%", f"{100 * (1 - tail):g}%")
    columns = {**dict(zip(names, (middle, low, high), strict=True)), "n": len(seen)}
    return Summary(columns, len(values), False, endless)


def contrast(values: np.ndarray, base: np.ndarray, coverage: float) -> dict[str, float]:
    """Return how values differ from those of the same subjects under another regimen.

    Parameters
    ----------
    values, base : ndarray, shape (subject,)
        NaN where there is none.
    coverage : float
        Fraction of the subjects within the intervals.
    """
    both = ~(np.isnan(values) | np.isnan(base))
    a, b = values[both], base[both]
    tail = (1 - coverage) / 2
    found: dict[str, float] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        tie = (a == b) | (np.abs(a - b) <= _TIE * np.minimum(np.abs(a), np.abs(b)))
        # inf - inf is a tie, which the choice turns into 0.
        pairs = {"ratio": a / b, "difference": np.where(tie, 0.0, a - b)}
    for kind, part in pairs.items():
        # A ratio of two zeros, or of two days that never come, says nothing.
        part = part[~np.isnan(part)] if kind == "difference" or np.isfinite(part).all() else np.empty(0)
        ends = quantiles(part, [0.5, tail, 1 - tail])
        found |= dict(zip((kind, f"{kind}_low", f"{kind}_high"), map(float, ends), strict=True))
    higher = np.mean(np.where(tie, 0.5, a > b)) if len(a) else np.nan
    return {**found, "P(higher)": float(higher), "n": len(a)}
