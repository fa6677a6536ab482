"""Exposure against closed forms.

One-compartment formulae: Gibaldi M, Perrier D. Pharmacokinetics, 2nd ed., chapters 1 and 3; Bateman function for oral
doses, superposition for multiple ones.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from pkpd.metrics import exposure

DOSE, CL, V, KA = 100.0, 5.0, 20.0, 1.2
K = CL / V


def attribute(**regimens: tuple[list[float], float, float]) -> str:
    return json.dumps(
        {
            name: {"time": times, "amt": [amt] * len(times), "cmt": ["depot"] * len(times), "ii": [ii] * len(times)}
            for name, (times, amt, ii) in regimens.items()
        }
    )


def curve(time, values, dims=("time",), units="mg/L", **attrs):
    array = xr.DataArray(np.asarray(values, float), dims=dims, coords={"time": np.asarray(time, float)}, name="Cc")
    array["time"].attrs["units"] = "h"
    array.attrs = {"units": units, **attrs}
    return array


def oral(t, dose=DOSE, k=K):
    t = np.clip(t, 0, None)
    return dose * KA / (V * (KA - k)) * (np.exp(-k * t) - np.exp(-KA * t))


def infusion(t, rate, duration):
    """Constant rate into one compartment: rate/CL (1 - exp(-k t)), mono-exponential after its end."""
    on, off = np.clip(t, 0, duration), np.clip(np.asarray(t) - duration, 0, None)
    return rate / CL * (1 - np.exp(-K * on)) * np.exp(-K * off)


def test_bolus_is_exact_with_the_value_right_after_the_dose():
    t = np.r_[0.0, 0.5, 1, 2, 4, 8, 12, 24]
    c = DOSE / V * np.exp(-K * t)
    c[0] = 0.0
    got = exposure(curve(t, c, doses=attribute(iv=([0.0], DOSE, 0.0))), bolus=True)
    assert float(got.Cmax) == pytest.approx(DOSE / V, rel=1e-12)
    assert float(got.Tmax) == 0.0
    assert float(got.AUC) == pytest.approx(DOSE / CL * (1 - np.exp(-K * 24)), rel=1e-12)
    assert float(got.AUCinf) == pytest.approx(DOSE / CL, rel=1e-12)
    assert float(got.AUC_extrapolated) == pytest.approx(np.exp(-K * 24), rel=1e-9)
    assert float(got.half_life) == pytest.approx(np.log(2) / K, rel=1e-12)
    assert float(got.r2_adj) == pytest.approx(1.0, abs=1e-12)
    assert int(got.n_points) == 7
    assert float(got.CL_F) == pytest.approx(CL, rel=1e-12)


def test_boluses_accumulate_as_the_geometric_series():
    tau, n = 6.0, 12
    doses = np.arange(n) * tau
    t = np.arange(0, n * tau + 0.5, 0.5)
    c = sum(np.where(t > d, DOSE / V * np.exp(-K * (t - d)), 0.0) for d in doses)
    got = exposure(curve(t, c, doses=attribute(iv=(doses.tolist(), DOSE, tau))), bolus=True)
    series = (1 - np.exp(-n * K * tau)) / (1 - np.exp(-K * tau))
    top = DOSE / V * series
    bottom = top * np.exp(-K * tau)
    assert float(got.accumulation) == pytest.approx(series, rel=1e-12)
    assert float(got.accumulation_Cmax) == pytest.approx(series, rel=1e-12)
    assert float(got.accumulation) == pytest.approx(1 / (1 - np.exp(-K * tau)), rel=1e-7)
    assert float(got.Ctrough) == pytest.approx(bottom, rel=1e-12)
    assert float(got.Cmin) == pytest.approx(bottom, rel=1e-12)
    area = (top - bottom) / K
    assert float(got.AUCtau) == pytest.approx(area, rel=1e-12)
    assert float(got.Cavg) == pytest.approx(area / tau, rel=1e-12)
    assert float(got.fluctuation) == pytest.approx((top - bottom) / (area / tau), rel=1e-12)
    assert float(got.swing) == pytest.approx((top - bottom) / bottom, rel=1e-12)
    assert float(got.CL_F) == pytest.approx(CL, rel=1e-6)
    assert int(got.CL_F_status) == 1
    assert meaning(got, "half_life_status") == "observed_for_less_than_2_half_lives"
    assert np.isnan(got.half_life)


def test_oral_dose_converges_to_the_bateman_function():
    t = np.arange(0, 48.01, 0.02)
    got = exposure(curve(t, oral(t), doses=attribute(po=([0.0], DOSE, 0.0))), terminal_points=200)
    peak = np.log(KA / K) / (KA - K)
    assert float(got.Tmax) == pytest.approx(peak, abs=0.011)
    assert float(got.Cmax) == pytest.approx(float(oral(peak)), rel=1e-4)
    assert float(got.half_life) == pytest.approx(np.log(2) / K, rel=1e-9)
    assert int(got.n_points) == 200
    errors = []
    for step in (0.1, 0.05, 0.025):
        t = np.arange(0, 48.01, step)
        errors.append(abs(float(exposure(curve(t, oral(t)), terminal_points=10).AUCinf) - DOSE / CL))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(orders, 2.0, atol=0.1)


def test_infusion_ends_on_the_exponential():
    t = np.r_[np.linspace(0, 2, 401), 2.5, 3, 5, 9, 17]
    got = exposure(curve(t, infusion(t, DOSE / 2, 2.0), doses=attribute(inf=([0.0], DOSE, 0.0))))
    assert float(got.Tmax) == 2.0
    assert float(got.AUCinf) == pytest.approx(DOSE / CL, rel=1e-6)
    assert float(got.half_life) == pytest.approx(np.log(2) / K, rel=1e-10)


def test_steady_state_infusion_is_flat():
    t = np.arange(0.0, 25.0)
    got = exposure(curve(t, np.full(25, DOSE / CL)), tau=12)
    assert float(got.Cavg) == pytest.approx(DOSE / CL, rel=1e-14)
    assert float(got.fluctuation) == 0.0
    assert float(got.accumulation) == pytest.approx(1.0, rel=1e-14)
    assert int(got.half_life_status) == 3


@pytest.mark.parametrize("step", [1e-9, 1e-3, 0.08, 0.2, 3.0])
def test_log_rule_is_exact_for_any_steepness(step):
    t = np.linspace(0, 10, 11)
    c = np.exp(-step * t)
    exact = -np.expm1(-10 * step) / step
    assert float(exposure(curve(t, c)).AUC) == pytest.approx(exact, rel=1e-12)
    rising = exposure(curve(t, c[::-1]), method="log")
    assert float(rising.AUC) == pytest.approx(exact, rel=1e-12)


def test_linear_rule_is_the_trapezoid():
    t, c = np.r_[0.0, 1, 3, 7], np.r_[0.0, 4, 2, 1]
    assert float(exposure(curve(t, c), method="linear").AUC) == pytest.approx(np.trapezoid(c, t), rel=1e-15)
    mixed = 2 + 2 * (4 - 2) / np.log(2) + 4 * (2 - 1) / np.log(2)
    assert float(exposure(curve(t, c)).AUC) == pytest.approx(mixed, rel=1e-15)


def test_each_regimen_has_its_own_interval():
    t = np.arange(0.0, 97.0)
    names = {"q24h": (np.arange(4) * 24.0, DOSE), "q12h": (np.arange(8) * 12.0, DOSE / 2)}
    c = np.stack([[sum(oral(t - d, amt) for d in at)] * 2 for at, amt in names.values()])
    doses = attribute(**{n: (at.tolist(), amt, at[1]) for n, (at, amt) in names.items()})
    array = curve(t, c, ("regimen", "subject", "time"), doses=doses).assign_coords(regimen=list(names))
    got = exposure(array)
    assert got.tau.values.tolist() == [24.0, 12.0]
    assert got.interval_start.values.tolist() == [72.0, 84.0]
    assert got.Cavg.dims == ("regimen", "subject")
    np.testing.assert_allclose(got.Cavg.sel(regimen="q24h"), got.Cavg.sel(regimen="q12h"), rtol=2e-2)
    one = exposure(array.sel(regimen="q12h", subject=0))
    assert one.AUCtau.dims == ()
    assert float(one.AUCtau) == float(got.AUCtau.sel(regimen="q12h", subject=0))
    turned = exposure(array.transpose("time", "subject", "regimen"))
    assert turned.AUCtau.dims == ("subject", "regimen")
    np.testing.assert_array_equal(turned.AUCtau.values.T, got.AUCtau.values)


def test_interval_that_ends_between_times_is_interpolated():
    t = np.arange(0.0, 31.0, 4.0)
    c = np.exp(-K * t)
    got = exposure(curve(t, c), dose_times=[0.0, 7.0, 14.0], dose=DOSE)
    assert (float(got.interval_start), float(got.tau)) == (14.0, 7.0)
    assert float(got.AUCtau) == pytest.approx((np.exp(-14 * K) - np.exp(-21 * K)) / K, rel=1e-12)
    assert float(got.Ctrough) == pytest.approx(np.exp(-21 * K), rel=1e-12)
    assert meaning(got, "CL_F_status") == "doses_over_AUCinf"
    assert float(got.CL_F) == pytest.approx(3 * DOSE * K, rel=1e-9)


@pytest.mark.parametrize("method", ["linear-up log-down", "log"])
def test_time_above_a_threshold_crosses_exactly(method):
    t = np.r_[0.0, 2, 5, 9, 14, 20]
    got = exposure(curve(t, np.exp(-K * t)), threshold=0.3, method=method, tau=9)
    assert float(got.time_above) == pytest.approx(np.log(1 / 0.3) / K, rel=1e-12)
    assert float(got.time_above_tau) == 0.0
    rising = exposure(curve([0.0, 3, 10.0], [0.0, 1.5, 5.0]), threshold="2000 ug/L", tau=10)
    assert float(rising.time_above) == pytest.approx(6.0, rel=1e-12)
    assert float(rising.time_above_tau) == pytest.approx(0.6, rel=1e-12)


def test_threshold_zero_counts_all_positive_time():
    assert float(exposure(curve([0.0, 1, 2, 3], [0.0, 1, 0, 0]), threshold=0).time_above) == 2.0


def test_area_of_the_model_replaces_the_trapezoids():
    t = np.arange(0.0, 49.0, 4.0)
    state = DOSE / CL * (1 - np.exp(-K * t))
    c = curve(t, DOSE / V * np.exp(-K * t))
    area = curve(t, state, units="mg*h/L")
    got = exposure(c, auc=area, dose_times=[0.0, 12.0, 24.0, 36.0], method="linear")
    assert float(got.AUC) == pytest.approx(state[-1], rel=1e-14)
    assert float(got.AUCtau) == pytest.approx(state[12] - state[9], rel=1e-12)
    assert got.attrs["method"] == "model state"
    split = exposure(c, auc=area, dose_times=[0.0, 6.0], tau=6)
    assert float(split.AUCtau) == pytest.approx(DOSE / CL * (np.exp(-6 * K) - np.exp(-12 * K)), rel=1e-12)


def test_failed_subjects_stay_missing_and_the_others_are_kept():
    t = np.arange(0.0, 25.0)
    c = np.tile(np.exp(-K * t), (3, 1))
    c[1, 5:] = np.nan
    got = exposure(curve(t, c, ("subject", "time")), tau=12, threshold=0.1)
    for name, values in got.data_vars.items():
        if "subject" in values.dims and values.dtype.kind == "f" and name != "CL_F":
            assert np.isfinite(values.values).tolist() == [True, False, True], name
    assert got.half_life_status.values.tolist() == [0, 1, 0]
    assert got.interval_status.values.tolist() == [0, 1, 0]


def test_units_follow_the_data():
    t = np.arange(0.0, 25.0)
    doses = json.dumps({"": {"time": [0.0], "amt": [DOSE], "cmt": ["depot"], "ii": [24.0], "units": "mg"}})
    got = exposure(curve(t, 1000 * oral(t), units="ng/mL", doses=doses), threshold=1.0)
    units = {name: got[name].attrs.get("units") for name in got.data_vars}
    assert units["Cmax"] == "ng/mL"
    assert units["AUCtau"] == units["AUCinf"] == "ng*h/mL"
    assert units["half_life"] == units["Tmax"] == units["time_above"] == units["tau"] == "h"
    assert units["lambda_z"] == "1/h"
    assert units["fluctuation"] == "1"
    assert units["CL_F"] == "L/h"
    assert float(got.CL_F) == pytest.approx(CL, rel=0.03)
    bare = curve(t, oral(t))
    del bare.attrs["units"]
    assert "units" not in exposure(bare).AUC.attrs


def meaning(data: xr.Dataset, name: str) -> str:
    return data[name].attrs["flag_meanings"].split()[int(data[name])]


def test_every_missing_value_has_its_reason():
    t = np.arange(0.0, 13.0)
    plain = exposure(curve(t, oral(t)))
    assert meaning(plain, "interval_status") == "no_dosing_interval_known"
    assert meaning(plain, "CL_F_status") == "dose_or_area_not_known"
    assert "give tau or dose_times" in plain.attrs["note"]
    short = exposure(curve(t, oral(t)), dose_times=[0.0], tau=24)
    assert meaning(short, "interval_status") == "times_do_not_cover_a_dosing_interval"
    single = exposure(curve(t, oral(t)), dose_times=[0.0], tau=12)
    assert meaning(single, "interval_status") == "only_one_dosing_interval"
    assert np.isfinite(single.AUCtau)
    assert np.isnan(single.accumulation)
    late = exposure(curve(t, oral(t + 24)), dose_times=[-12.0, 0.0], tau=12)
    assert meaning(late, "interval_status") == "first_dosing_interval_not_observed"
    assert "AUC starts there" in late.attrs["note"]
    uneven = exposure(curve(t, oral(t)), dose_times=[0.0, 4.0, 6.0])
    assert meaning(uneven, "interval_status") == "first_and_last_interval_differ"
    rising = exposure(curve(t, t))
    assert meaning(rising, "half_life_status") == "fewer_than_3_points_after_the_peak"
    assert np.isnan(rising.half_life)
    assert np.isnan(rising.AUCinf)
    flat = exposure(curve(t, np.ones(13)))
    assert meaning(flat, "half_life_status") == "concentration_does_not_decline"
    brief = exposure(curve(t, np.exp(-0.01 * t)))
    assert meaning(brief, "half_life_status") == "observed_for_less_than_2_half_lives"
    assert np.isnan(brief.half_life)
    assert np.isnan(brief.AUCinf)
    assert meaning(brief, "AUCinf_status") == "no_terminal_slope_see_half_life_status"
    chosen = exposure(curve(t, np.exp(-0.01 * t)), terminal_points=5)
    assert float(chosen.half_life) == pytest.approx(np.log(2) / 0.01, rel=1e-10)
    zero = exposure(curve(t, np.zeros(13)))
    assert (float(zero.Cmax), float(zero.AUC)) == (0.0, 0.0)
    assert np.isnan(zero.Tlast)


def test_loading_dose_is_no_accumulation():
    t = np.arange(0.0, 73.0)
    doses = json.dumps({"": {"time": [0, 24, 48], "amt": [200, 100, 100], "cmt": ["depot"] * 3, "ii": [0, 24, 24]}})
    got = exposure(curve(t, oral(t, 200) + oral(t - 24) + oral(t - 48), doses=doses))
    assert meaning(got, "interval_status") == "first_and_last_interval_differ"
    assert np.isfinite(got.AUCtau)


def test_only_the_doses_of_the_drug_count():
    t = np.arange(0.0, 49.0)
    doses = {"time": [0, 0, 8, 24], "amt": [8, 100, 6, 100], "cmt": ["other", "depot"] * 2, "ii": [0, 24] * 2}
    array = curve(t, oral(t) + oral(t - 24), doses=json.dumps({"": doses}))
    assert "name cmt" in exposure(array).attrs["note"]
    got = exposure(array, cmt="depot")
    assert (float(got.interval_start), float(got.tau)) == (24.0, 24.0)
    assert "note" not in got.attrs
    assert float(got.CL_F) == pytest.approx(100 / float(got.AUCtau), rel=1e-14)


def test_window_restricts_the_times():
    t = np.arange(0.0, 49.0)
    array = curve(t, oral(t) + oral(t - 24), doses=attribute(po=([0.0, 24.0], DOSE, 24.0)))
    first = exposure(array, window=(0, 24))
    assert float(first.Tlast) == 24.0
    assert float(first.AUCtau) == pytest.approx(float(exposure(curve(t[:25], oral(t[:25]))).AUC), rel=1e-14)


def test_lloq_ends_the_curve():
    t = np.arange(0.0, 25.0)
    got = exposure(curve(t, np.exp(-K * t)), lloq=0.1)
    assert float(got.Tlast) == 9.0
    assert float(got.AUC) == pytest.approx((1 - np.exp(-9 * K)) / K, rel=1e-12)
    assert int(got.n_points) == 9


def test_the_noise_of_an_integrator_is_no_concentration():
    t = np.arange(0.0, 201.0)
    c = np.exp(-0.5 * t)
    c[60:] = 1e-11 * (-1.0) ** t[60:]
    got = exposure(curve(t, c))
    assert float(got.half_life) == pytest.approx(np.log(2) / 0.5, rel=1e-10)


def test_metrics_scale_with_the_concentration_and_shift_with_time():
    t = np.sort(np.r_[0.0, np.random.default_rng(3).uniform(0, 30, 40), 30.0])
    base = exposure(curve(t, oral(t)), tau=10, threshold=1.0)
    scaled = exposure(curve(t, 7 * oral(t)), tau=10, threshold=7.0)
    moved = exposure(curve(t + 100, oral(t)), tau=10, threshold=1.0)
    for name in ("Cmax", "Clast", "AUC", "AUCinf", "AUCtau", "Ctrough", "Cavg"):
        assert float(scaled[name]) == pytest.approx(7 * float(base[name]), rel=1e-12)
        assert float(moved[name]) == pytest.approx(float(base[name]), rel=1e-12)
    for name in ("half_life", "fluctuation", "swing", "accumulation", "time_above"):
        assert float(scaled[name]) == pytest.approx(float(base[name]), rel=1e-9)
    assert float(moved.Tmax) == pytest.approx(float(base.Tmax) + 100, rel=1e-12)


def test_a_poor_fit_has_no_half_life():
    t = np.arange(0.0, 25.0)
    c = np.exp(-0.2 * t) * np.where(t % 2 == 0, 4.0, 0.3)
    got = exposure(curve(t, c))
    assert meaning(got, "half_life_status") == "poor_fit"
    assert float(got.r2_adj) < 0.8
    assert np.isnan([float(got[n]) for n in ("half_life", "lambda_z", "AUCinf", "AUC_extrapolated")]).all()


def test_the_terminal_slope_is_that_after_the_last_dose():
    t = np.arange(0.0, 31.0)
    c = np.where(t > 0, 3 * np.exp(-K * t), 0) + np.where(t > 24, np.exp(-K * (t - 24)), 0)
    given = {"doses": attribute(iv=([0.0, 24.0], DOSE, 24.0))}
    few = exposure(curve(t, c, **given), terminal_points=10)
    assert meaning(few, "half_life_status") == "fewer_than_3_points_after_the_peak"
    assert int(few.n_points) == 0
    enough = exposure(curve(t, c, **given), terminal_points=4)
    assert float(enough.half_life) == pytest.approx(np.log(2) / K, rel=1e-9)


def test_an_interval_that_the_times_do_not_reach_the_end_of_is_not_the_last():
    t = np.arange(0.0, 46.0)
    doses = np.arange(4) * 12.0
    c = sum(np.where(t > d, np.exp(-K * (t - d)), 0.0) for d in doses)
    got = exposure(curve(t, c, doses=attribute(iv=(doses.tolist(), DOSE, 12.0))))
    assert float(got.interval_start) == 24.0


def test_a_trough_that_still_rises_has_no_clearance():
    """Troughs of 0.850 and 1.015, and too short a time after the last dose for a slope."""
    t, slow = np.arange(0.0, 37.0), 0.05
    c = sum(np.where(t > d, np.exp(-slow * (t - d)), 0.0) for d in (0.0, 12.0, 24.0))
    got = exposure(curve(t, c, doses=attribute(iv=([0.0, 12.0, 24.0], DOSE, 12.0))))
    assert meaning(got, "CL_F_status") == "trough_still_changes_by_more_than_5_percent_and_there_is_no_AUCinf"
    assert np.isnan(got.CL_F)
    assert np.isfinite(got.AUCtau)
