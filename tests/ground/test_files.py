"""Results are written whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import pkpd
from pkpd.errors import PkpdError
from pkpd.estimation.methods.chain_store import ChainStore
from pkpd.files import begin_folder, netcdf_bytes, set_aside, write_whole
from pkpd.report.folder import results_folder

DEAD = 2**22 + 1  # above the largest number of a process on Linux


def run(code: str, *, room: int | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process whose files can hold so many bytes."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        most = room or resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=os.environ | environment, capture_output=True, text=True,
        check=False, preexec_fn=limit,
    )  # fmt: skip


def test_what_was_there_stays_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("before")

    def fail(part: Path) -> None:
        part.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(PkpdError, match=r"a\.csv' cannot be written \(No space left on device\)"):
        write_whole(path, fail)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_leftovers_of_killed_processes_go_with_the_next_write(tmp_path: Path) -> None:
    (tmp_path / f".a.csv.{DEAD}-x.csv").write_text("half")
    alive = tmp_path / f".a.csv.{os.getpid()}-x.csv"
    alive.write_text("at work")
    (tmp_path / f".b.csv.{DEAD}-x.csv").write_text("of another file")
    write_whole(tmp_path / "a.csv", "whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([f".b.csv.{DEAD}-x.csv", alive.name, "a.csv"])


def test_a_file_has_the_rights_of_any_other_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_whole(tmp_path / "whole", b"")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("suffix", ["nc", "csv"])
def test_a_full_disk_ends_in_an_error_that_names_the_file(tmp_path: Path, suffix: str) -> None:
    done = run(
        f"""
        import numpy as np, xarray as xr
        from pathlib import Path
        from pkpd.cli.files import save_dataset
        from pkpd.errors import PkpdError
        try:
            noise = np.random.default_rng(1).normal(size=9000)
            save_dataset(xr.Dataset({{"x": ("t", noise)}}), Path("{tmp_path}/a.{suffix}"))
        except PkpdError as error:
            print(error)
        """,
        room=20000,
    )
    assert done.returncode == 0, done.stderr
    assert f"a.{suffix}' cannot be written (File too large)" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_netcdf_made_in_memory_reads_back(tmp_path: Path) -> None:
    data = xr.Dataset({"x": ("t", np.arange(4.0))}, attrs={"a": "b"})
    write_whole(tmp_path / "a.nc", netcdf_bytes({None: data, "more": data}, lambda v: {"zlib": True}))
    for group in (None, "more"):
        with xr.open_dataset(tmp_path / "a.nc", group=group, engine="h5netcdf") as again:
            xr.testing.assert_identical(again.load(), data)


# --- fits, chains, streams, runs --------------------------------------------------------------------------------------
def test_a_damaged_chain_is_sampled_again(tmp_path: Path) -> None:
    store = ChainStore(tmp_path, "toy", "f", 1, {"chains": 1})
    store.keep(0, {"q": np.arange(3.0)})
    np.testing.assert_array_equal((store.chain(0) or {})["q"], np.arange(3.0))
    assert store.folder is not None
    path = store.folder / "chain-0.npz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.warns(UserWarning, match=r"chain-0\.npz is damaged; its chain is sampled again"):
        assert store.chain(0) is None
    assert not path.exists()


STREAM = """
    import pkpd
    model = pkpd.models["pk1_iv"]
    people = pkpd.Population.draw(model, 3000, seed=1)
    try:
        pkpd.simulate(model, pkpd.Regimen(amt=1, cmt="central"), people, pkpd.hours(0, 48), store=r"{store}", threads=1)
    except BaseException as error:
        print(type(error).__name__)
"""


def test_a_stream_that_fails_leaves_nothing(tmp_path: Path) -> None:
    done = run(STREAM.format(store=tmp_path / "s.zarr"), room=60000)
    assert done.stdout.strip() == "PkpdError", done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_stream_is_whole(tmp_path: Path) -> None:
    model = pkpd.models["pk1_iv"]
    people = pkpd.Population.draw(model, 50, seed=1)
    given: dict[str, Any] = {"regimen": pkpd.Regimen(amt=1, cmt="central"), "population": people, "times": [0.0, 1.0]}
    (tmp_path / f".s.zarr.{DEAD}-x").mkdir()
    stored = pkpd.simulate(model, **given, store=tmp_path / "s.zarr")
    np.testing.assert_array_equal(stored["Cc"].to_numpy(), pkpd.simulate(model, **given)["Cc"].to_numpy())
    assert [p.name for p in tmp_path.iterdir()] == ["s.zarr"]
    with pytest.raises(PkpdError, match="exists already"):
        pkpd.simulate(model, **given, store=tmp_path / "s.zarr")


def _unfinished(place: Path) -> Path:
    """Return the folder that a killed process began."""
    begun = begin_folder(place)
    return begun.rename(begun.with_name(begun.name.replace(f".{os.getpid()}-", f".{DEAD}-")))


def test_a_new_run_clears_what_a_killed_one_left(tmp_path: Path) -> None:
    place = tmp_path / "results"
    (_unfinished(place) / "half.txt").write_text("half")
    with results_folder(place, {}) as folder:
        (folder / "a.txt").write_text("whole")
    assert [p.name for p in tmp_path.iterdir()] == ["results"]
    assert (place / "a.txt").read_text() == "whole"


def test_results_that_a_killed_run_had_moved_aside_come_back(tmp_path: Path) -> None:
    place = tmp_path / "results"
    (_unfinished(place) / "former").mkdir()
    begin_folder(place).rmdir()
    assert [p.name for p in tmp_path.iterdir()] == ["results"]


@pytest.mark.parametrize("fails", [True, False])
def test_what_is_set_aside_comes_back_unless_replaced(tmp_path: Path, fails: bool) -> None:
    place = tmp_path / "a"
    place.mkdir()
    (place / "old").touch()

    def work() -> None:
        with set_aside(place):
            if fails:
                raise OSError
            place.mkdir()

    def attempt(function: Callable[[], None]) -> None:
        with pytest.raises(OSError):  # noqa: PT011
            function()

    attempt(work) if fails else work()
    assert [p.name for p in place.iterdir()] == (["old"] if fails else [])
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
