"""Numbers put into sentences, always in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["chance", "interval", "learned", "listing", "number", "percent", "plural", "quantiles", "records", "span"]

_TAUGHT = {
    "taught": "the reports narrowed it clearly",
    "taught a little": "the reports narrowed it a little",
    "moved, not narrowed": "the reports moved it, but did not narrow it",
    "not taught": "the reports say almost nothing about it",
}


def number(value: float, digits: int = 2) -> str:
    """Write a number for a sentence.

    Examples
    --------
    >>> number(0.1234), number(1234.5), number(12.0)
    ('0.12', '1230', '12')
    """
    if not np.isfinite(value):
        return "never" if value > 0 else "unknown"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 100:
        return f"{float(f'{value:.3g}'):.0f}"
    if size >= 10:
        return f"{value:.0f}"
    return f"{value:.{digits}g}" if size < 1 else f"{value:.{digits - 1}f}".removesuffix(".0")


def percent(share: float) -> str:
    """Write a share as a percentage that does not claim certainty.

    Examples
    --------
    >>> percent(0.123), percent(0.9991), percent(0.0004)
    ('12%', 'more than 99%', 'less than 1%')
    """
    if share > 0.99:
        return "more than 99%"
    if share < 0.01:
        return "less than 1%"
    return f"{100 * share:.0f}%"


def chance(probability: float) -> str:
    """Write a probability with a word for it.

    Examples
    --------
    >>> chance(0.97), chance(0.5)
    ('very likely (97%)', 'as likely as not (50%)')
    """
    words = ((0.95, "very likely"), (0.75, "likely"), (0.6, "more likely than not"), (0.4, "as likely as not"),
             (0.25, "less likely than not"), (0.05, "unlikely"), (-1.0, "very unlikely"))  # fmt: skip
    return f"{next(word for least, word in words if probability >= least)} ({percent(probability)})"


def quantiles(draws: Any) -> tuple[float, float, float]:
    """Return the median and the ends of the central 95%."""
    low, middle, high = np.quantile(np.asarray(draws, float), [0.025, 0.5, 0.975])
    return float(middle), float(low), float(high)


def interval(draws: Any, unit: str = "") -> str:
    """Write median and central 95%.

    Examples
    --------
    >>> interval([0.3, 0.3, 0.3])
    '0.3 (0.3 to 0.3)'
    """
    return span(*quantiles(draws), unit)


def span(middle: float, low: float, high: float, unit: str = "") -> str:
    """Write a middle and its interval with the same number of decimals.

    Examples
    --------
    >>> span(0.97, 0.784, 0.999), span(0.0684, 0.0045, 0.3), span(1234.0, 900.0, 1800.0, "h")
    ('0.97 (0.78 to 1.00)', '0.07 (0.00 to 0.30)', '1230 h (900 to 1800)')
    """
    width = high - low
    if not np.isfinite([middle, low, high]).all() or width <= 0 or max(abs(low), abs(high)) >= 100:
        texts = [number(x) for x in (middle, low, high)]
    else:
        digits = int(np.clip(1 - np.floor(np.log10(width)), 0, 6))
        texts = [f"{x:.{digits}f}" for x in (middle, low, high)]
    return f"{texts[0]}{f' {unit}' if unit else ''} ({texts[1]} to {texts[2]})"


def learned(verdict: str) -> str:
    """Return the words for a verdict of ``StudyFit.contraction``."""
    return _TAUGHT.get(verdict, verdict)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as mappings of column to value."""
    columns = [frame[name].tolist() for name in frame.columns]
    return [dict(zip(map(str, frame.columns), row, strict=True)) for row in zip(*columns, strict=True)]


def plural(count: int, noun: str, many: str = "") -> str:
    """Write a count with its noun.

    Examples
    --------
    >>> plural(1, "fact"), plural(3, "fact"), plural(2, "study", "studies")
    ('1 fact', '3 facts', '2 studies')
    """
    return f"{count} {noun if count == 1 else many or noun + 's'}"


def listing(names: Sequence[str]) -> str:
    """Write names one after the other.

    Examples
    --------
    >>> listing(["a", "b", "c"]), listing(["a"])
    ('a, b and c', 'a')
    """
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
