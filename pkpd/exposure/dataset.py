"""Exposure metrics of simulated outputs as a labelled data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import DataError, RegimenError, nearest
from pkpd.exposure.checks import area_values, curve_values, in_window, rules_from, threshold_value
from pkpd.exposure.labels import labelled, notes
from pkpd.exposure.metrics import Rules, metrics
from pkpd.exposure.schedule import Doses, Schedule, doses_from_attribute, plan

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["exposure"]

_BLOCK = 1 << 15


def exposure(
    concentration: xr.DataArray,
    *,
    tau: float | Mapping[str, float] | None = None,
    dose_times: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    dose: float | None = None,
    cmt: str | Sequence[str] | None = None,
    window: tuple[float, float] | None = None,
    threshold: float | str | None = None,
    method: str = "linear-up log-down",
    auc: xr.DataArray | None = None,
    bolus: bool = False,
    lloq: float = 0.0,
    terminal_points: int | None = None,
) -> xr.Dataset:
    r"""Compute the exposure of every subject and regimen from its concentration curve.

    Single-dose metrics (Cmax, Tmax, Clast, Tlast, AUC, AUCinf) are over all times; interval metrics (AUCtau, Cavg =
    AUCtau/tau, Ctrough, Cmin, Cmax_tau, fluctuation, swing) over the last dosing interval that the times cover, of each
    regimen by itself; the accumulation compares it with the first. A value at a dose time counts as before the dose.

    Parameters
    ----------
    concentration : DataArray, dims (..., time)
        One output of `simulate`; its attribute `units` gives the unit, its attribute `doses` what was given. Subjects
        with a missing value stay NaN. Negative values down to 1e-6 of the subject's maximum are taken as zero, being
        an integrator's noise.
    tau : float or mapping of regimen to float, optional
        Length of a dosing interval, in the unit of `time`; taken from the doses unless given. Without doses the
        intervals start at the first time.
    dose_times : sequence of float, or mapping of regimen to sequence, optional
        Times of the doses in place of the attribute `doses`.
    dose : float, optional
        Amount of each dose, in place of that in `doses`; for the clearance.
    cmt : str or sequence of str, optional
        Only doses into these compartments count. Name the drug's own when a regimen gives several drugs.
    window : tuple of (float, float), optional
        Use only the times from the first to the second, both of which must be among the times.
    threshold : float or str, optional
        Concentration for `time_above` and `time_above_tau`; a text such as ``"0.5 mg/L"`` is converted.
    method : {"linear-up log-down", "linear", "log"}
        Trapezoidal rule, also between the times for the ends of the intervals and for crossings of the threshold.
    auc : DataArray, optional
        Cumulative area integrated by the model, of the same dims, in place of the trapezoids.
    bolus : bool
        The doses are intravenous boluses: the concentration right after each, which no time shows, is extrapolated
        log-linearly from the two values that follow it.
    lloq : float
        Lower limit of quantification; smaller values are not measurable for Clast, Tlast and the terminal fit.
    terminal_points : int, optional
        Number of last points in the terminal fit, at least 3; chosen by the best adjusted R2 unless given.

    Returns
    -------
    Dataset, dims (...)
        One variable per metric, with units; `half_life_status`, `interval_status` and `CL_F_status` say why a value is
        missing or doubtful (`flag_meanings`); `tau` and `interval_start` per regimen.

    Raises
    ------
    DataError
        If there is no increasing `time`, a concentration is negative, or an option cannot apply to the data.
    RegimenError
        If `tau`, `dose_times` or `cmt` do not fit the regimens.

    Notes
    -----
    Definitions as in Rowland M, Tozer TN. Clinical Pharmacokinetics and Pharmacodynamics, 4th ed., appendix A, and
    Gabrielsson J, Weiner D. Pharmacokinetic and Pharmacodynamic Data Analysis.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> t = np.arange(0.0, 25.0)
    >>> c = xr.DataArray(np.exp(-0.1 * t), dims="time", coords={"time": t}, attrs={"units": "mg/L"})
    >>> found = exposure(c)
    >>> round(float(found.AUCinf), 6), found.AUCinf.attrs["units"]
    (10.0, 'mg*h/L')
    """
    names, time, conc = curve_values(concentration)
    rules = rules_from(method, bolus, threshold_value(threshold, concentration), lloq, terminal_points)
    exact = area_values(auc, concentration)
    kept = in_window(time, window)
    time, conc = time[kept], conc[..., kept]
    exact = None if exact is None else exact[..., kept]
    doses = _doses(concentration, names, dose_times, dose, cmt)
    _check_tau(tau, names)
    plans = [
        plan(name, time, given, tau.get(name) if isinstance(tau, Mapping) else tau)
        for name, given in zip(names, doses, strict=True)
    ]
    for name, schedule in zip(names, plans, strict=True):
        _check_bolus(rules, name, time, schedule)
    found = _compute(time, conc, plans, rules, exact)
    return labelled(concentration, auc, found, plans, rules, notes(doses, time, cmt, tau))


def _compute(
    time: np.ndarray, conc: np.ndarray, plans: list[Schedule], rules: Rules, exact: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Fill every metric, shape (regimen, subject), in blocks that stay in the cache."""
    found: dict[str, np.ndarray] = {}
    step = max(_BLOCK // len(time), 1)
    for regimen, schedule in enumerate(plans):
        for start in range(0, conc.shape[1], step):
            rows = slice(start, start + step)
            area = None if exact is None else np.asarray(exact[regimen, rows], float)
            block = metrics(time, np.asarray(conc[regimen, rows], float), schedule, rules, area)
            for name, values in block.items():
                found.setdefault(name, np.empty(conc.shape[:2], values.dtype))[regimen, rows] = values
    return found


def _doses(
    concentration: xr.DataArray,
    names: list[str],
    dose_times: Sequence[float] | Mapping[str, Sequence[float]] | None,
    dose: float | None,
    cmt: str | Sequence[str] | None,
) -> list[Doses | None]:
    """Doses of each regimen, from the arguments or from the attribute `doses`."""
    if dose is not None and not (np.isfinite(dose) and dose > 0):
        raise RegimenError(f"dose must be finite and > 0, got {dose}")
    found: list[Doses | None] = []
    for name in names:
        times = dose_times
        if isinstance(times, Mapping):
            if name not in times:
                known = ", ".join(map(str, times))
                raise RegimenError(f"dose_times has no regimen '{name}'; it has {known}{nearest(name, times)}")
            times = times[name]
        if times is not None:
            at = np.asarray(times, float)
            if at.ndim != 1 or not len(at) or not np.isfinite(at).all() or (np.diff(at) <= 0).any():
                raise RegimenError(f"dose_times must be finite and increasing, at least one, got {at.tolist()}")
            given = Doses(at, np.full(len(at), np.nan))
        else:
            text = concentration.attrs.get("doses")
            given = None if text is None else doses_from_attribute(text, name, cmt)
        if given is not None and dose is not None:
            given = Doses(given.time, np.full(len(given.time), float(dose)), given.ii, given.cmt, given.unit)
        found.append(given)
    return found


def _check_tau(tau: float | Mapping[str, float] | None, names: list[str]) -> None:
    if isinstance(tau, Mapping):
        for name in tau:
            if name not in names:
                raise RegimenError(f"tau: no regimen '{name}'; there is {', '.join(names)}{nearest(name, names)}")


def _check_bolus(rules: Rules, name: str, time: np.ndarray, schedule: Schedule) -> None:
    if not rules.bolus:
        return
    if schedule.doses is None:
        raise RegimenError(f"regimen '{name}': bolus=True needs the dose times; give dose_times")
    at = schedule.doses.time
    off = [float(t) for t in at if time[0] <= t <= time[-1] and not (time == t).any()]
    if off:
        raise DataError(
            f"regimen '{name}': bolus=True needs an observation at each dose time; "
            f"missing at {len(off)} (first: {off[0]:g})"
        )
