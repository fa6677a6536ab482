"""Exposure metrics of simulated outputs as a labelled data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, RegimenError
from pkpd.metrics.block import Rules, metrics
from pkpd.metrics.cases import Case, blocks_of
from pkpd.metrics.checks import check_output, rules_from, threshold_value
from pkpd.metrics.labels import empty, labelled, notes, time_unit_of
from pkpd.metrics.sources import Asked, check_asked, grid_cases, row_cases
from pkpd.options import checked
from pkpd.timegrid import times_in

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["exposure"]

_BLOCK = 1 << 15


@checked
def exposure(
    concentration: xr.DataArray,
    *,
    tau: float | Mapping[str, float] | None = None,
    dose_times: Sequence[float] | np.ndarray | Mapping[str, Sequence[float] | np.ndarray] | None = None,
    dose: float | None = None,
    cmt: str | Sequence[str] | None = None,
    window: tuple[float, float] | np.ndarray | None = None,
    threshold: float | str | None = None,
    method: str = "linear-up log-down",
    auc: xr.DataArray | None = None,
    bolus: bool = False,
    lloq: float = 0.0,
    terminal_points: int | None = None,
) -> xr.Dataset:
    r"""Compute the exposure of every subject and regimen from its concentration curve.

    What each number is, and over which times, stands in `pkpd.metrics.register.REGISTER` and in the attributes
    ``long_name`` and ``interval`` of the result. Cmax, Tmax, AUC are over all times; AUCtau, Cavg, Ctrough, Cmin,
    Cmax_tau, fluctuation and swing over the last dosing interval that the times cover, of each regimen and person.

    A simulation knows its doses: their amounts and units, who got them, infusions, steady state, several a day. It also
    knows what a grid of times cannot show, the values right before and right after a dose and at the end of an
    infusion; these are used, so that a bolus needs no `bolus`, Cmax is the true maximum at a dose, and areas have the
    trapezoid's error between doses only. Where these values are not known, as for measured curves, a value at a dose
    time counts as before the dose, and Cmax is the highest one observed. Where a number cannot be said, it is NaN and
    a status says why: an interval without a sample inside, a curve that begins after the dose, a poor terminal slope.

    Parameters
    ----------
    concentration : DataArray, dims (..., time) or (row,)
        One output of `simulate`, of regimens or of a data set; its attributes `units`, `doses` and `at_doses` give the
        unit, what was given, and the values around doses. Of a data set all rows with a value count, those of doses
        too. Single missing values are left out with a note; subjects whose first or last value is
        missing stay NaN. Negative values down to 1e-6 of the subject's maximum are taken as zero, being an
        integrator's noise.
    tau : float or mapping of regimen to float, optional
        Length of a dosing interval, in the unit of the times; taken from the doses unless given. Without doses the
        intervals start at the first time.
    dose_times : sequence of float, or mapping of regimen to sequence, optional
        Times of the doses in place of the attribute `doses`: bare numbers in the unit of the times, or grids as of
        `hours`.
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
        For measured curves: the doses are intravenous boluses, and the concentration right after each, which no time
        shows, is extrapolated log-linearly from the two values that follow it.
    lloq : float
        Lower limit of quantification; smaller values are not measurable for Clast, Tlast and the terminal fit.
    terminal_points : int, optional
        Number of last points in the terminal fit, at least 3; chosen by the best adjusted R2 unless given. The
        half-life of points that were chosen by hand stays, whatever its status.

    Returns
    -------
    Dataset, dims (...)
        One variable per metric, with units; `half_life_status`, `interval_status`, `AUC_status`, `AUCinf_status`,
        `AUC24_status` and `CL_F_status` say why a value is missing (`flag_meanings`); `tau` and `interval_start`.

    Raises
    ------
    DataError
        If there is no increasing `time`, a concentration is negative, or an option cannot apply to the data.
    RegimenError
        If `tau`, `dose_times` or `cmt` do not fit the regimens.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> t = np.arange(0.0, 25.0)
    >>> c = xr.DataArray(np.exp(-0.1 * t), dims="time", coords={"time": t}, attrs={"units": "mg/L"})
    >>> found = exposure(c)
    >>> round(float(found.AUCinf), 6), found.AUCinf.attrs["units"]
    (10.0, 'mg*h/L')
    """
    check_output(concentration)
    unit = time_unit_of(concentration)
    rules = rules_from(method, bolus, threshold_value(threshold, concentration), lloq, terminal_points, unit)
    asked = Asked(tau, _on_clock(dose_times, unit), dose, cmt, times_in(window, unit))
    check_asked(asked)
    if "row" in concentration.dims and "TIME" in concentration.coords:
        cases = row_cases(concentration, asked, auc)
    else:
        cases = grid_cases(concentration, asked, auc)
    for case in cases:
        _check_bolus(rules, case)
    found = _compute(cases, rules)
    return labelled(concentration, auc, found, cases, rules, notes(cases, asked))


def _on_clock(times: Any, unit: str) -> Any:
    """Return dose times, or those of each regimen, in the unit of the curve."""
    if isinstance(times, Mapping):
        return {name: times_in(each, unit) for name, each in times.items()}
    return times_in(times, unit)


def _compute(cases: Sequence[Case], rules: Rules) -> dict[str, np.ndarray]:
    """Fill every metric, shape (case, subject), in blocks that stay in the cache."""
    subjects = max(len(case.conc) for case in cases)
    found = empty(len(cases), subjects, rules)
    for k, case in enumerate(cases):
        for rows, block in blocks_of(case, max(_BLOCK // len(case.time), 1)):
            for name, values in metrics(block, rules).items():
                found[name][k, rows] = values
            span = block.plan.last
            if span is not None:
                found["tau"][k, rows], found["interval_start"][k, rows] = span[1] - span[0], span[0]
    return found


def _check_bolus(rules: Rules, case: Case) -> None:
    if not rules.bolus or case.around is not None:
        return
    doses = None if case.given is None else case.given.each[0]
    if doses is None:
        raise RegimenError(f"regimen '{case.name}': bolus=True needs the dose times; give dose_times")
    off = [float(t) for t in doses.time if case.time[0] <= t <= case.time[-1] and not (case.time == t).any()]
    if off:
        raise DataError(
            f"regimen '{case.name}': bolus=True needs an observation at each dose time; "
            f"missing at {len(off)} (first: {off[0]:g})"
        )
