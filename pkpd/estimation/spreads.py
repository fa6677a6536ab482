"""Distributions that are believed before the data: of standard deviations and of residual errors."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from pkpd.errors import PkpdError
from pkpd.options import is_number

__all__ = ["ErrorScale", "HalfNormal", "belief_of_plain", "plain_belief"]


@dataclass(frozen=True, slots=True)
class HalfNormal:
    """Prior of a standard deviation: the positive half of a normal distribution.

    Parameters
    ----------
    scale : float
        Standard deviation of the normal distribution, on the parameter's scaled axis.

    Examples
    --------
    >>> HalfNormal(0.5).scale
    0.5
    """

    scale: float

    def __post_init__(self) -> None:
        if not is_number(self.scale) or self.scale <= 0:
            raise PkpdError(f"HalfNormal: scale must be a number > 0, got {self.scale!r}")


@dataclass(frozen=True, slots=True)
class ErrorScale:
    """Log-normal prior of the factor on an output's residual standard deviation.

    Parameters
    ----------
    value : float
        Median of the factor; 1 keeps the error that the model declares.
    sd : float
        Standard deviation of its logarithm.
    source : str
        Where the belief comes from.

    Examples
    --------
    >>> ErrorScale(1.0, 0.3).sd
    0.3
    """

    value: float = 1.0
    sd: float = 0.5
    source: str = ""

    def __post_init__(self) -> None:
        faults = [f"{n} must be a number > 0, got {v!r}" for n, v in (("value", self.value), ("sd", self.sd))
                  if not is_number(v) or v <= 0]  # fmt: skip
        if faults:
            raise PkpdError(f"ErrorScale: {'; '.join(faults)}")


def plain_belief(value: Any) -> Any:
    """Return a distribution as a mapping that JSON can hold; anything else as it is.

    Examples
    --------
    >>> plain_belief(HalfNormal(0.5))
    {'distribution': 'HalfNormal', 'scale': 0.5}
    """
    if not isinstance(value, HalfNormal | ErrorScale):
        return value
    return {"distribution": type(value).__name__, **{f.name: getattr(value, f.name) for f in fields(value)}}


def belief_of_plain(value: Any) -> Any:
    """Return what :func:`plain_belief` was given: a distribution, a pair, or a number."""
    if not isinstance(value, dict):
        return tuple(value) if isinstance(value, list) else value
    known = {each.__name__: each for each in (HalfNormal, ErrorScale)}
    return known[value["distribution"]](**{k: v for k, v in value.items() if k != "distribution"})
