"""Texts of the errors of `exposure`."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
import pytest
import xarray as xr

from pkpd.errors import DataError, RegimenError, UnitError
from pkpd.metrics import exposure, exposure_summary

TIME = np.arange(0.0, 25.0)


def curve(values=None, time=TIME, **attrs):
    values = np.exp(-0.2 * time) if values is None else np.asarray(values, float)
    array = xr.DataArray(values, dims="time", coords={"time": time}, name="Cc")
    array.attrs = {"units": "mg/L", **attrs}
    return array


dataset: Any = cast(Any, xr.Dataset({"Cc": curve(), "R": curve()}))
numbers: Any = cast(Any, np.ones(3))


def regimens():
    array = xr.concat([curve(), curve()], "regimen").assign_coords(regimen=["q24h", "q12h"])
    entry = {"time": [0.0, 12.0], "amt": [1.0, 1.0], "cmt": ["depot", "depot"], "ii": [12.0, 12.0]}
    array.attrs["doses"] = json.dumps({"q24h": entry, "q12h": entry})
    return array


def swapped():
    time = TIME.copy()
    time[[3, 4]] = time[[4, 3]]
    return time


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: exposure(dataset),
            DataError,
            r"one output, such as .* it has Cc, R",
        ),
        (lambda: exposure(numbers), DataError, "takes a DataArray with dim 'time', got ndarray"),
        (lambda: exposure(curve().rename(time="Time")), DataError, r"coordinate 'time', has dims \('Time',\)"),
        (lambda: exposure(curve().drop_vars("time")), DataError, "Cc: needs a dim and coordinate 'time'"),
        (lambda: exposure(curve(time=swapped())), DataError, "Cc: time must increase, position 4 has 3 after 4"),
        (lambda: exposure(curve(time=np.r_[TIME[:-1], np.nan])), DataError, r"not finite at 1 positions \(first: 24\)"),
        (lambda: exposure(curve()[:1]), DataError, "needs at least 2 times, has 1"),
        (
            lambda: exposure(curve(np.r_[1, -0.4, np.ones(23)])),
            DataError,
            r"negative in 1 curves \(first: t = 1, value -0.4",
        ),
        (lambda: exposure(curve(), method="linaer"), DataError, r"'linaer' is unknown; .* \(did you mean 'linear'\?\)"),
        (lambda: exposure(curve(), lloq=-1), DataError, "lloq must be finite and >= 0, got -1"),
        (lambda: exposure(curve(), terminal_points=2), DataError, "terminal_points must be at least 3, got 2"),
        (lambda: exposure(curve(), window=(0, 13.4)), DataError, "13.4 is not an observation time; the nearest is 13"),
        (lambda: exposure(curve(), window=(12, 0)), DataError, "from an earlier to a later time, got 12 to 0"),
        (lambda: exposure(curve(), threshold=-1), DataError, "threshold must be finite and >= 0, got -1"),
        (lambda: exposure(curve(), threshold="high"), DataError, "threshold 'high': write a number and a unit"),
        (lambda: exposure(curve(), threshold="2 nmol/L"), UnitError, "threshold '2 nmol/L': .*'nmol/L'.*'mg/L'"),
        (lambda: exposure(curve().drop_attrs(), threshold="2 mg/L"), DataError, "the concentration has no units"),
        (lambda: exposure(curve(), auc=curve()), DataError, "cannot decrease, it does in 1 curves .first at t = 1"),
        (lambda: exposure(curve(), auc=curve()[:5]), DataError, "auc: needs the sizes of the concentration"),
        (lambda: exposure(curve(), auc=curve(time=TIME + 1)), DataError, "auc: its times differ"),
        (lambda: exposure(curve(), tau=0), RegimenError, "tau must be finite and > 0, in the unit of the times, got 0"),
        (lambda: exposure(curve(), dose=-5), RegimenError, "dose must be finite and > 0, got -5"),
        (lambda: exposure(curve(), dose_times=[12, 0]), RegimenError, r"finite and increasing, .* got \[12.0, 0.0\]"),
        (lambda: exposure(curve(), bolus=True), RegimenError, "bolus=True needs the dose times"),
        (
            lambda: exposure(curve(), bolus=True, dose_times=[0, 0.5]),
            DataError,
            r"an observation at each dose time; missing at 1 \(first: 0.5\)",
        ),
        (lambda: exposure(regimens(), tau={"q12": 12}), RegimenError, r"tau: no regimen 'q12'.*did you mean 'q12h'"),
        (lambda: exposure(regimens(), tau={"q12h": -1}), RegimenError, "regimen 'q12h': tau must be finite"),
        (lambda: exposure(regimens(), dose_times={"q24h": [0]}), RegimenError, "dose_times has no regimen 'q12h'"),
        (
            lambda: exposure(regimens(), cmt="Depot"),
            RegimenError,
            r"cmt: no dose goes into 'Depot'; .*did you mean 'depot'",
        ),
        (lambda: exposure_summary(exposure(curve()), ["cmax"]), DataError, r"no metric 'cmax'; .*did you mean 'Cmax'"),
        (lambda: exposure_summary(exposure(curve()), statistic="mean"), DataError, "it is median or geometric"),
        (lambda: exposure_summary(exposure(curve()), coverage=90), DataError, "between 0 and 1, got 90"),
    ],
)
def test_bad_input_names_the_culprit_and_the_remedy(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_negative_value_names_regimen_and_subject():
    values = np.ones((2, 3, 25))
    values[1, 2, 7] = -0.5
    array = xr.DataArray(
        values,
        dims=("regimen", "subject", "time"),
        coords={"regimen": ["a", "b"], "subject": [11, 12, 13], "time": TIME},
        name="DV",
    )
    with pytest.raises(DataError, match=r"DV: negative in 1 curves .first: subject 13, regimen 'b', t = 7, value -0.5"):
        exposure(array)
