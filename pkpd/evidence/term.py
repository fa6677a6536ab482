"""What is said about one output of one subject, on the model's clock and in its units."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

__all__ = ["Term"]


@dataclass(frozen=True, slots=True)
class Term:
    """One factor of a subject's likelihood.

    Parameters
    ----------
    name : str
        For messages and results.
    kind : str
        Of ``pkpd.evidence.kinds``.
        ``density``: the output was ``value`` at ``time``. ``below``, ``above``: it was less or more than ``value`` at
        ``time`` or, with ``time_to``, at all times of the window. ``peak``, ``nadir``: its extreme over ``time`` to
        ``time_to`` was ``value``, measured at ``at``. ``ratio``: its value at ``time_to`` was ``value`` times that at
        ``time``; ``ratio_below``, ``ratio_above``: less, more than that. ``grade``: an ordinal output was graded
        ``value`` to ``value_to`` (``value`` alone without) at ``time``.
    output : str
        An output of the model with a residual error.
    time, time_to, at : float
        In the model's time unit.
    value, value_to : float
        In the output's unit; NaN of a kind that states no number.
    reading_sd : float
        Relative standard deviation of reading and rounding, added in quadrature to the residual error: of each
        measurement, or once of a ratio.

    Examples
    --------
    >>> Term("CRP on day 3", "density", "CRP", 72.0, 140.0).reading_sd
    0.0
    """

    name: str
    kind: str
    output: str
    time: float
    value: float
    _: KW_ONLY
    time_to: float | None = None
    value_to: float | None = None
    at: float | None = None
    reading_sd: float = 0.0
