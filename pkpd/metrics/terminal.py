"""Terminal slope by log-linear regression on the last points, all subjects at once."""

from __future__ import annotations

import numpy as np

from pkpd.metrics.kernels import terminal_fit

__all__ = ["terminal_slope"]

_TOLERANCE = 1e-4
_POOR = 0.8


def terminal_slope(
    time: np.ndarray, conc: np.ndarray, points: int | None = None, with_peak: bool = False, lloq: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    r"""Fit :math:`\ln C = a - \lambda_z t` to the last points of each curve.

    Of all fits to the last 3, 4, ... positive points behind the peak, those with a falling slope compete; the adjusted
    :math:`R^2` decides, and among fits within 1e-4 of the best the one with most points. One pass from
    the end finds them all.

    Parameters
    ----------
    time : ndarray, shape (time,)
        Increasing times, behind the last dose.
    conc : ndarray, shape (subject, time)
        Concentrations, >= 0.
    points : int, optional
        Take this number of last points instead of choosing.
    with_peak : bool
        Let the peak take part, as after a bolus.
    lloq : float
        Lower limit of quantification: points below it are left out. Where it is 0, points below 1e-6 of the peak
        are left out instead, because an integrator's noise has no slope.

    Returns
    -------
    lambda_z : ndarray, shape (subject,)
        Terminal rate constant, 1/time; NaN where there is none, and where `status` rejects it. With `points` the choice
        is the user's, so that the rate stays and the status only says what speaks against it.
    r2_adj : ndarray, shape (subject,)
        Adjusted coefficient of determination.
    n_points : ndarray of int, shape (subject,)
        Points used.
    status : ndarray of int, shape (subject,)
        Index into ``FLAGS["half_life_status"]``.

    Notes
    -----
    The rule is the one of Phoenix WinNonlin ("Best Fit") and of PKNCA (Denney W, Duvvuri S, Buckeridge C. J
    Pharmacokinet Pharmacodyn 2015; 42: S65).
    """
    fits = np.zeros((len(conc), 5))
    terminal_fit(time, np.ascontiguousarray(conc), 0 if with_peak else 1, lloq, points or 0, _TOLERANCE, fits)
    rate, r2_adj, count, span, candidates = fits.T
    found = rate > 0
    rate, r2_adj = np.where(found, rate, np.nan), np.where(found, r2_adj, np.nan)
    few, poor, short = candidates == 0, r2_adj < _POOR, span * rate < 2 * np.log(2)
    status = np.select([few, np.logical_not(found), poor, short], [2, 3, 4, 5], 0)
    if points is None:
        rate = np.where(status == 0, rate, np.nan)
    return rate, r2_adj, count.astype(int), status
