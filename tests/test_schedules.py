"""The job behind ``make run``: its files, and what they say about anakinra's schedules."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pkpd import schedules
from pkpd.exposure import exposure

N = 20
SCHEDULES = ["daily", "BID", "daily, CLcr 20", "q48h, CLcr 20"]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "results"
    assert schedules.main(["--out", str(folder), "--n", str(N), "--seed", "3"]) == 0
    return folder


@pytest.fixture(scope="module")
def sims(out: Path) -> xr.Dataset:
    with xr.open_dataset(out / "anakinra_schedules.nc", engine="h5netcdf") as data:
        return data.load()


@pytest.fixture(scope="module")
def table(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "anakinra_schedules.csv").set_index(["regimen", "metric"])


def test_files_are_whole_and_nothing_else_is_left(out: Path):
    found = {path.name: path.stat().st_size for path in out.iterdir()}
    figures = {f"anakinra_{what}{suffix}" for what in ("schedules", "exposure") for suffix in (".png", ".svg")}
    assert set(found) == figures | {"anakinra_schedules.nc", "anakinra_schedules.csv"}
    assert (out / "anakinra_schedules.png").read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in (out / "anakinra_schedules.svg").read_text(encoding="utf-8")[-20:]
    assert min(found.values()) > 1000


def test_simulations_are_labelled(sims: xr.Dataset):
    assert dict(sims["Cc"].sizes) == {"regimen": 4, "subject": N, "time": 673}
    assert sims["regimen"].values.tolist() == SCHEDULES
    assert (sims["status"] == 0).all()
    assert np.isfinite(sims["Cc"]).all()
    assert [sims[name].attrs["units"] for name in ("Cc", "Ccsf", "time", "CRCL", "WT")] == [
        "mg/L", "mg/L", "h", "mL/min", "kg",
    ]  # fmt: skip
    doses = json.loads(sims["Cc"].attrs["doses"])
    assert {name: len(given["time"]) for name, given in doses.items()} == dict(
        zip(SCHEDULES, (14, 28, 14, 7), strict=True)
    )
    assert "not medical advice" in sims.attrs["note"]


def test_persons_are_the_same_but_for_their_kidneys(sims: xr.Dataset):
    assert sims["WT"].dims == ("subject",)
    assert sims["WT"].min() >= 40
    assert sims["CRCL"].sel(regimen=["daily", "BID"]).min() >= 80
    assert sims["CRCL"].sel(regimen=SCHEDULES[2:]).max() <= 29
    assert (sims["Cc"].sel(regimen="daily, CLcr 20", time=24) > sims["Cc"].sel(regimen="daily", time=24)).all()


def test_table_is_the_exposure_of_the_simulations(sims: xr.Dataset, table: pd.DataFrame):
    found = exposure(sims["Cc"])
    for metric in ("Cmax_tau", "Ctrough", "AUCtau", "Cavg", "half_life", "accumulation"):
        for schedule in SCHEDULES:
            row, values = table.loc[(schedule, metric)], found[metric].sel(regimen=schedule)
            expected = np.quantile(values, [0.5, 0.05, 0.95])
            assert row[["median", "p5", "p95"]].to_numpy(float) == pytest.approx(expected, rel=1e-3)
            assert row["n"] == N
            assert row["unit"] == found[metric].attrs.get("units", "1")


def test_schedules_stand_as_published(table: pd.DataFrame):
    """No accumulation worth the name of daily doses; every other day halves the daily average at CLcr 20."""
    median = table["median"].unstack()
    assert median.loc["daily", "accumulation"] < 1.15
    assert median.loc["BID", "Cavg"] == pytest.approx(2 * median.loc["daily", "Cavg"], rel=0.01)
    assert median.loc["q48h, CLcr 20", "Cavg"] == pytest.approx(median.loc["daily, CLcr 20", "Cavg"] / 2, rel=0.01)
    assert 1 < median.loc["q48h, CLcr 20", "Cavg"] / median.loc["daily", "Cavg"] < 2


def test_summary_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    schedules.main(["--out", str(tmp_path), "--n", "2"])
    printed = capsys.readouterr().out
    for text in ("Ctrough [mg/L]", *SCHEDULES, "not medical advice", "adults of 70 kg", "anakinra_schedules.nc"):
        assert text in printed


def test_same_seed_gives_the_same_numbers():
    one, two, other = (schedules.schedules(2, seed)["Cc"].values for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, other)


def test_impossible_number_of_subjects(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        schedules.main(["--out", str(tmp_path / "none"), "--n", "0"])
    assert stop.value.code == 2
    assert "n must be" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_failed_write_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def fail(_: Path) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        schedules._write(path, fail)
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]
    assert path.read_text() == "old"
