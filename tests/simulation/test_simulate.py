"""The verb as its user sees it: dimensions, names, units, stores, and what it says to bad input."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr
from drug_model import DAILY, TIMES, TWICE, drug, people

from pkpd import progress
from pkpd.dosing.events import EventTable, read_events
from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, PkpdError
from pkpd.library import load_model
from pkpd.people.population import Population
from pkpd.simulation.api import simulate


def same(a: xr.Dataset, b: xr.Dataset) -> None:
    """Compare values, coordinates and attributes."""
    xr.testing.assert_identical(a.drop_attrs(deep=False), b.drop_attrs(deep=False))


# --- dimensions -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("regimen", "who", "dims"),
    [
        (None, None, ("time",)),
        (DAILY, None, ("time",)),
        ({"a": DAILY}, None, ("regimen", "time")),
        ({"a": DAILY, "b": TWICE}, None, ("regimen", "time")),
        (DAILY, 1, ("subject", "time")),
        (DAILY, 5, ("subject", "time")),
        ({"a": DAILY}, 1, ("regimen", "subject", "time")),
        ({"a": DAILY, "b": TWICE}, 5, ("regimen", "subject", "time")),
        ([DAILY] * 5, 5, ("subject", "time")),
        ({"a": [DAILY, TWICE] * 2 + [DAILY], "b": TWICE}, 5, ("regimen", "subject", "time")),
    ],
)
def test_only_dimensions_that_were_asked_for_are_there(regimen, who, dims):
    sims = simulate(drug(), regimen, None if who is None else people(who), TIMES)
    assert sims["Cc"].dims == dims
    assert sims["status"].dims == dims[:-1]
    assert list(sims.data_vars) == ["Cc", "amount", "status"]
    assert set(sims.coords) == set(dims)
    assert sims["time"].to_numpy().tolist() == TIMES
    if "regimen" in dims:
        assert sims["regimen"].to_numpy().tolist() == list(regimen)
    if "subject" in dims:
        assert sims["subject"].to_numpy().tolist() == list(range(1, (who or 0) + 1))


def test_each_combination_is_what_it_would_be_alone():
    each = [DAILY, TWICE, TWICE.shift(3), DAILY * 2, Regimen(amt=10, cmt="central", tinf=3)]
    together = simulate(drug(), {"a": DAILY, "own": each}, people(), TIMES)
    for i, own in enumerate(each):
        for name, regimen in (("a", DAILY), ("own", own)):
            alone = simulate(drug(), regimen, people()[i], TIMES)
            np.testing.assert_array_equal(alone["Cc"][0], together["Cc"].sel(regimen=name, subject=i + 1))
    typical = simulate(drug(), DAILY, times=TIMES)["Cc"]
    np.testing.assert_array_equal(typical, simulate(drug(), DAILY, Population.typical(drug()), TIMES)["Cc"][0])


def test_labels_of_a_population_are_its_coordinate():
    named = Population.from_table(drug(), {"ID": ["ann", "bob"], "WT": [50.0, 80.0]})
    sims = simulate(drug(), {"a": DAILY}, named, TIMES)
    assert float(sims["Cc"].sel(subject="bob", time=6.0, regimen="a")) > 0


def test_a_data_set_gives_its_rows_in_order():
    table = EventTable.from_regimen({7: DAILY, 3: TWICE}, [0.0, 5.0, 30.0], covariates={"WT": [50.0, 80.0]})
    sims = simulate(drug(), table)
    assert sims["Cc"].dims == ("row",)
    assert sims["status"].dims == ("subject",)
    assert sims["subject"].to_numpy().tolist() == [7, 3]
    for column in ("ID", "TIME", "EVID", "WT"):
        assert sims[column].to_numpy().tolist() == table.frame[column].tolist()
    assert sims["TIME"].attrs["units"] == "h"
    assert sims["Cc"].attrs["units"] == "ug/L"
    observed = sims["Cc"].to_numpy()[(table.frame["EVID"] == 0).to_numpy()]
    heavy = Population.typical(drug(), 2, covariates={"WT": [50.0, 80.0]})
    grid = simulate(drug(), [DAILY, TWICE], heavy, [0.0, 5.0, 30.0])
    np.testing.assert_allclose(observed, grid["Cc"].to_numpy().ravel(), rtol=1e-12)


# --- names, units, attributes -----------------------------------------------------------------------------------------
def test_variables_carry_units_meaning_and_doses():
    sims = simulate(drug(), {"q24h": DAILY, "twice": TWICE}, times=TIMES)
    assert sims["Cc"].attrs["units"] == "ug/L"
    assert sims["Cc"].attrs["long_name"] == "concentration"
    assert sims["amount"].attrs["long_name"] == "amount"
    assert sims["time"].attrs == {"units": "h", "long_name": "time"}
    assert sims.attrs["model"] == "drug"
    assert sims.attrs["title"] == "A drug"
    doses = json.loads(sims["Cc"].attrs["doses"])
    assert doses["q24h"] == {
        "time": [0.0, 24.0], "amt": [100.0] * 2, "cmt": ["depot"] * 2, "ii": [24.0] * 2, "rate": [0.0] * 2,
        "ss": [0, 0], "evid": [1, 1], "units": ["ug"] * 2, "time_unit": "h",
    }  # fmt: skip
    assert doses["twice"]["time"] == [0.0, 12.0, 24.0, 36.0]
    assert list(json.loads(simulate(drug(), DAILY, times=TIMES)["Cc"].attrs["doses"])) == [""]
    meanings = sims["status"].attrs["flag_meanings"].split()
    assert len(meanings) == len(sims["status"].attrs["flag_values"])
    assert meanings[0] == "ok"


def test_doses_of_each_subject_are_told_apart():
    sims = simulate(drug(), [DAILY, TWICE, DAILY, TWICE, DAILY], people(), TIMES)
    doses = json.loads(sims["Cc"].attrs["doses"])[""]
    assert doses["which"] == [0, 1, 0, 1, 0]
    assert doses["subjects"] == [str(label) for label in people().labels]
    assert [one["time"] for one in doses["each"]] == [[0.0, 24.0], [0.0, 12.0, 24.0, 36.0]]


def test_states_and_individual_parameters_can_be_asked_for():
    sims = simulate(drug(), DAILY, people(), TIMES, outputs=["central", "CL", "ke", "Cc"])
    assert list(sims.data_vars) == ["central", "CL", "ke", "Cc", "status"]
    assert sims["central"].attrs == sims["central"].attrs | {"units": "ug", "long_name": "plasma"}
    assert sims["CL"].attrs["units"] == "L/h"
    expected = 5.0 * np.exp(people().etas[:, 0]) * (people().covariates["WT"] / 70) ** 0.75
    np.testing.assert_allclose(sims["CL"], np.repeat(expected[:, None], len(TIMES), axis=1), rtol=1e-12)
    np.testing.assert_allclose(sims["ke"], sims["CL"] / (50.0 * np.exp(people().etas[:, 1]))[:, None], rtol=1e-12)
    one = simulate(drug(), DAILY, people(), TIMES, outputs="Cc")
    assert list(one.data_vars) == ["Cc", "status"]
    np.testing.assert_array_equal(one["Cc"], sims["Cc"])


def test_amounts_are_converted_to_the_unit_of_the_state():
    in_mg = simulate(drug(), Regimen.parse("0.1 mg q24h x2", cmt="depot"), times=TIMES)
    np.testing.assert_allclose(in_mg["Cc"], simulate(drug(), DAILY, times=TIMES)["Cc"], rtol=1e-12)
    with pytest.raises(PkpdError, match="cannot be converted to ug"):
        simulate(drug(), Regimen(amt=100, cmt="depot", unit="mL"), times=TIMES)


def test_a_model_without_variability_is_solved_after_one_with_it():
    """Machine code of one is not taken for the other's."""
    simulate(drug(), DAILY, people(), TIMES)
    plain = drug().without_variability()
    sims = simulate(plain, DAILY, Population.typical(plain, 2), TIMES)
    np.testing.assert_allclose(sims["Cc"][0], simulate(drug(), DAILY, times=TIMES)["Cc"], rtol=1e-9)


def test_a_model_with_other_values_is_solved_with_them():
    fast = simulate(drug().replace(values={"CL": 10.0}), DAILY, times=TIMES, outputs=["CL"])
    assert float(fast["CL"][0]) == 10.0


# --- residual error ---------------------------------------------------------------------------------------------------
def test_residual_error_is_added_to_outputs_that_declare_one_and_follows_the_seed():
    sims = simulate(drug(), {"a": DAILY, "b": DAILY}, people(), TIMES, residual=True)
    assert list(sims.data_vars) == ["Cc", "amount", "Cc_observed", "status"]
    noise = (sims["Cc_observed"] - sims["Cc"]).to_numpy()
    assert np.unique(noise.round(12)).size == noise.size  # no two draws alike, of regimens, subjects or times
    again = simulate(drug(), {"a": DAILY, "b": DAILY}, people(), TIMES, residual=True, threads=1)
    np.testing.assert_array_equal(again["Cc_observed"], sims["Cc_observed"])
    other = simulate(drug(), {"a": DAILY, "b": DAILY}, people(), TIMES, residual=True, seed=9)
    assert (other["Cc_observed"] != sims["Cc_observed"]).all()
    np.testing.assert_array_equal(other["Cc"], sims["Cc"])
    assert "residual error" in sims["Cc_observed"].attrs["long_name"]
    assert sims["Cc_observed"].attrs["units"] == "ug/L"


def test_a_subject_keeps_its_residual_error_in_any_company():
    all_of_them = simulate(drug(), DAILY, people(), TIMES, residual=True)["Cc_observed"]
    some = simulate(drug(), DAILY, people()[[3, 1]], TIMES, residual=True)["Cc_observed"]
    np.testing.assert_array_equal(some, all_of_them[[3, 1]])


def test_residual_error_has_the_declared_size():
    many = Population.typical(drug(), 4000)
    sims = simulate(drug(), DAILY, many, [6.0], residual=True, seed=1)
    level = float(sims["Cc"][0, 0])
    noise = (sims["Cc_observed"] - sims["Cc"]).to_numpy()
    assert noise.std() == pytest.approx(np.hypot(0.1, 0.2 * level), rel=0.05)
    assert abs(noise.mean()) < 4 * noise.std() / np.sqrt(4000)


def test_residual_error_of_a_data_set():
    table = EventTable.from_regimen([DAILY] * 3, TIMES)
    a, b = (simulate(drug(), table, residual=True, seed=s)["Cc_observed"] for s in (1, 2))
    np.testing.assert_array_equal(a, simulate(drug(), table, residual=True, seed=1)["Cc_observed"])
    assert (a != b).all()


# --- stores -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("who", [None, 1, 150])
@pytest.mark.parametrize("regimen", [DAILY, {"a": DAILY}, {"a": DAILY, "b": TWICE}])
def test_what_is_streamed_to_zarr_is_what_memory_would_hold(tmp_path, regimen, who):
    population = None if who is None else people(who)
    for residual in (False, True):
        arguments: dict[str, Any] = {"times": TIMES, "residual": residual}
        memory = simulate(drug(), regimen, population, **arguments)
        stored = simulate(drug(), regimen, population, store=tmp_path / f"{residual}.zarr", **arguments)
        same(stored.load(), memory)
        assert stored.attrs == memory.attrs
        for name in memory.variables:
            assert _plain(stored[name].attrs) == _plain(memory[name].attrs), name
        same(xr.open_zarr(tmp_path / f"{residual}.zarr", consolidated=False), memory)


def _plain(attributes: dict[Any, Any]) -> dict[Any, Any]:
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in attributes.items()}


def test_chunks_are_filled_whatever_the_blocks_are(tmp_path, monkeypatch):
    from pkpd.simulation import grid

    monkeypatch.setattr(grid, "STATES", 1)
    monkeypatch.setattr(grid, "OUTPUTS", 1)
    memory = simulate(drug(), {"a": DAILY, "b": TWICE}, people(500), TIMES, threads=3)
    stored = simulate(drug(), {"a": DAILY, "b": TWICE}, people(500), TIMES, threads=3, store=tmp_path / "s.zarr")
    same(stored.load(), memory)


def test_a_store_that_exists_is_not_overwritten(tmp_path):
    simulate(drug(), DAILY, times=TIMES, store=tmp_path / "s.zarr")
    with pytest.raises(PkpdError, match=r"store '.*s\.zarr' exists already; remove it or choose another name"):
        simulate(drug(), DAILY, times=TIMES, store=tmp_path / "s.zarr")


def test_a_result_that_memory_cannot_hold_is_refused_with_a_remedy(monkeypatch):
    from pkpd.simulation import sink

    monkeypatch.setattr(sink, "_available_bytes", lambda: 100)
    monkeypatch.setattr(sink, "SMALL", 100)
    with pytest.raises(PkpdError, match=r"give store='results\.zarr' to stream it to disk"):
        simulate(drug(), DAILY, people(), TIMES)


@pytest.mark.parametrize("regimen", [DAILY, {"a": DAILY, "b": TWICE}])
def test_netcdf_gives_back_what_was_written(tmp_path, regimen):
    sims = simulate(drug(), regimen, people(), TIMES, residual=True)
    path = tmp_path / "sims.nc"
    sims.to_netcdf(path, engine="h5netcdf")
    with xr.open_dataset(path, engine="h5netcdf") as back:
        same(back.load(), sims)
        assert back["Cc"].attrs["doses"] == sims["Cc"].attrs["doses"]


def test_a_data_set_simulated_can_be_written_as_netcdf(tmp_path):
    table = EventTable.from_regimen({"x": DAILY, "y": TWICE}, TIMES, covariates={"WT": 60.0})
    sims = simulate(drug(), table)
    sims.to_netcdf(tmp_path / "rows.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "rows.nc", engine="h5netcdf") as back:
        np.testing.assert_array_equal(back["Cc"], sims["Cc"])


# --- covariates and occasions -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("carry", ["forward", "backward", "linear"])
def test_covariates_of_a_table_with_time_vary_as_in_a_data_set(carry):
    """The same course said as people and as rows; doses never fall on a change."""
    model = drug(carry)
    course = {"ID": [1, 1, 1, 2, 2], "TIME": [0.0, 5.0, 30.0, 0.0, 9.0], "WT": [50.0, 90.0, 70.0, 60.0, 120.0]}
    times = np.array([0.0, 2.0, 5.0, 9.0, 20.0, 30.0, 40.0])
    regimen = Regimen(amt=100, cmt="depot", time=1.0) + Regimen(amt=50, cmt="central", time=8.0, tinf=4.0)
    sims = simulate(model, regimen, Population.from_table(model, course), times, outputs=["Cc", "amount", "CL"])
    frame = EventTable.from_regimen([regimen, regimen], np.unique([*times, 1.0, 8.0])).frame
    frame["WT"] = [_weight(course, i, t, carry) for i, t in zip(frame["ID"], frame["TIME"], strict=True)]
    rows = simulate(model, read_events(frame), outputs=["Cc", "amount", "CL"])
    keep = ((frame["EVID"] == 0) & frame["TIME"].isin(list(times))).to_numpy()
    for name in ("Cc", "amount", "CL"):
        np.testing.assert_allclose(sims[name].to_numpy().ravel(), rows[name].to_numpy()[keep], rtol=1e-7, atol=1e-9)
    assert sims["CL"].to_numpy()[0, 0] != sims["CL"].to_numpy()[0, 3]


def _weight(course: dict[str, list[float]], subject: int, time: float, carry: str) -> float:
    points = [(t, w) for i, t, w in zip(course["ID"], course["TIME"], course["WT"], strict=True) if i == subject]
    when, weights = (np.array(v) for v in zip(*points, strict=True))
    if carry == "linear":
        return float(np.interp(time, when, weights))
    if carry == "forward":
        return float(weights[np.searchsorted(when, time, side="right") - 1])
    return float(weights[min(np.searchsorted(when, time, side="left"), weights.size - 1)])


def test_occasions_change_the_parameters_at_their_times():
    model = drug(iov=True)
    some = Population.draw(model, 3, n_occasions=3, seed=6)
    sims = simulate(
        model, DAILY, some, [0.0, 10.0, 20.0, 24.0, 30.0, 50.0], outputs=["CL", "Cc"], occasions=[20.0, 30.0]
    )
    occasion = [0, 0, 1, 1, 2, 2]
    expected = 5.0 * np.exp(some.etas[:, :1] + some.kappas[:, occasion, 0])
    np.testing.assert_allclose(sims["CL"], expected, rtol=1e-12)
    first = simulate(model, DAILY, some, [0.0, 10.0], outputs=["Cc"])
    np.testing.assert_allclose(first["Cc"], sims["Cc"][:, :2], rtol=1e-9)


def test_more_occasions_than_were_drawn_are_drawn():
    model = drug(iov=True)
    some = Population.draw(model, 3, seed=6)
    sims = simulate(model, DAILY, some, [0.0, 25.0], outputs=["CL"], occasions=[20.0])
    more = Population.draw(model, 3, n_occasions=2, seed=6)
    np.testing.assert_allclose(sims["CL"][:, 1], 5.0 * np.exp(more.etas[:, 0] + more.kappas[:, 1, 0]), rtol=1e-12)


# --- threads, progress ------------------------------------------------------------------------------------------------
def test_threads_do_not_change_results():
    a, b = (simulate(drug(), {"a": DAILY, "b": TWICE}, people(300), TIMES, threads=t, residual=True) for t in (1, 4))
    same(a, b)


def test_a_bar_is_shown_for_long_work_and_only_then(monkeypatch, capfd):
    simulate(drug(), DAILY, people(), TIMES, progress=True)
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    simulate(drug(), DAILY, people(), TIMES, progress=True)
    assert "simulating drug" in capfd.readouterr().err
    simulate(drug(), DAILY, people(), TIMES, progress=False)
    assert capfd.readouterr().err == ""


def test_the_example_of_the_issue_runs(tmp_path):
    times = np.arange(0.0, 337.0, 1.0)
    q24h = Regimen.parse("100 mg q24h x14", cmt="depot")
    q12h = Regimen.parse("50 mg BID x14d", cmt="depot")
    loading = Regimen(amt=200_000, cmt="depot") + q24h.shift(24).to("ug")
    sims = simulate(
        drug(), {"q24h": q24h, "q12h": q12h, "loading": loading}, people(20), times, store=tmp_path / "w.zarr"
    )
    assert sims["Cc"].shape == (3, 20, 337)
    assert sims["status"].to_numpy().max() == 0
    assert float(sims["Cc"].sel(regimen="loading", time=6).mean()) > float(
        sims["Cc"].sel(regimen="q24h", time=6).mean()
    )


def test_data_set_made_of_a_regimen_keeps_its_unit():
    model = load_model("pk2_oral_irm1")  # has states in mg and one without unit
    curves = []
    for regimen in (Regimen.parse("50000 ug q24h x2", cmt="depot"), Regimen.parse("50 mg q24h x2", cmt="depot")):
        table = EventTable.from_regimen(regimen, [0.0, 5.0, 30.0])
        assert table.subject(1).unit == table.unit == regimen.unit
        curves.append(simulate(model, table, outputs=["Cc"])["Cc"].to_numpy())
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-12)
    mixed = [Regimen.parse("1 ug once", cmt="depot"), Regimen.parse("1 mg once", cmt="depot")]
    with pytest.raises(DataError, match="different units"):
        EventTable.from_regimen(mixed, [0.0])
