"""Tables of exposure."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from pkpd.metrics import exposure, exposure_summary

TIME = np.arange(0.0, 25.0)


def population(n=101):
    scale = np.exp(np.linspace(-1, 1, n))
    values = scale[:, None] * np.exp(-0.2 * TIME)
    array = xr.DataArray(
        np.stack([values, 2 * values]),
        dims=("regimen", "subject", "time"),
        coords={"regimen": ["low", "high"], "time": TIME},
        attrs={"units": "mg/L"},
        name="Cc",
    )
    return scale, array


def test_median_and_interval_per_regimen():
    scale, array = population()
    table = exposure_summary(exposure(array, tau=12), ["Cmax", "half_life"])
    assert list(table.columns) == ["Cmax [mg/L]", "half_life [h]"]
    assert list(table.index) == ["low", "high"]
    low, high = np.quantile(scale, [0.05, 0.95])
    assert table.loc["low", "Cmax [mg/L]"] == f"1 [{low:.3g}-{high:.3g}]"
    numbers = exposure_summary(exposure(array), ["Cmax"], text=False, coverage=0.5)
    assert list(numbers["Cmax [mg/L]"].columns) == ["median", "25%", "75%", "n"]
    assert numbers.loc["high", ("Cmax [mg/L]", "75%")] == pytest.approx(2 * np.quantile(scale, 0.75), rel=1e-12)


def test_geometric_mean_and_cv():
    scale, array = population()
    numbers = exposure_summary(exposure(array), ["Cmax"], statistic="geometric", text=False)["Cmax [mg/L]"]
    assert numbers.loc["high", "geometric mean"] == pytest.approx(2.0, rel=1e-12)
    assert numbers.loc["low", "CV%"] == pytest.approx(100 * np.sqrt(np.exp(np.log(scale).var(ddof=1)) - 1), rel=1e-12)


def test_failed_subjects_are_counted_and_reasons_written():
    _, array = population()
    array = array.copy()
    array[0, 3] = np.nan
    array[1] = np.nan
    table = exposure_summary(exposure(array), ["Cmax", "AUCtau"])
    assert table.loc["low", "Cmax [mg/L]"].endswith("n=100/101")
    assert table.loc["high", "Cmax [mg/L]"] == "- (missing values)"
    assert table.loc["low", "AUCtau [mg*h/L]"] == "- (no dosing interval known)"


def test_usual_metrics_depend_on_the_interval():
    _, array = population(5)
    assert "AUCtau [mg*h/L]" in exposure_summary(exposure(array, tau=12, threshold=0.1))
    single = exposure_summary(exposure(array.sel(regimen="low").isel(subject=2, drop=True)))
    assert "AUCinf [mg*h/L]" in single
    assert list(single.index) == ["Cc"]
    assert single["Cmax [mg/L]"].item() == "1"
