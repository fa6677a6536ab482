"""What is kept on disk: it only saves time, nothing foreign or damaged is loaded from it, and it is never stale."""

from __future__ import annotations

import hashlib
import os
import pickle
import resource
import shutil
import stat
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest

import pkpd
from pkpd import cache
from pkpd.cache import CacheWarning, cache_directory, keep, kept
from pkpd.engine.machine import jit, sources
from pkpd.simulation import compiling

PACKAGE = Path(pkpd.__file__).parent


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that holds this process's cache."""
    monkeypatch.setenv("PKPD_CACHE_DIR", str(tmp_path / "own"))
    monkeypatch.setattr(cache, "_told", set())
    return tmp_path / "own"


def twice(x: float) -> float:
    return 2.0 * x


def loop_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.loop"))


# --- who may write ----------------------------------------------------------------------------------------------------
def test_what_is_kept_is_private(own: Path) -> None:
    keep("a", b"text")
    assert kept("a") == b"text"
    assert stat.S_IMODE(own.stat().st_mode) == 0o700
    assert stat.S_IMODE((own / "a").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o757, 0o722])
def test_a_folder_that_others_can_write_is_not_used(own: Path, mode: int) -> None:
    keep("a", b"mine")
    own.chmod(mode)
    with pytest.warns(CacheWarning, match=r"other users can write (.|\n)*chmod go-w"):
        assert cache_directory() is None
    assert kept("a") is None  # said once, not at every look
    keep("b", b"mine")
    assert [p.name for p in own.iterdir()] == ["a"]


def test_a_folder_of_a_group_with_other_members_is_not_used(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own.mkdir(mode=0o700)
    own.chmod(0o770)
    monkeypatch.setattr(cache, "_private_group", lambda gid: False)
    with pytest.warns(CacheWarning):
        assert cache_directory() is None


def test_a_folder_of_another_user_is_not_used(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own.mkdir(mode=0o755)
    real = own.stat()
    other = os.stat_result((*real[:4], real.st_uid + 1, *real[5:]))
    plain = Path.stat
    monkeypatch.setattr(Path, "stat", lambda p, **o: other if p == own else plain(p, **o))
    with pytest.warns(CacheWarning):
        assert cache_directory() is None


def test_a_folder_below_one_that_others_can_write_is_not_used(own: Path) -> None:
    own.mkdir(mode=0o700)
    own.parent.chmod(0o777)
    with pytest.warns(CacheWarning):
        assert cache_directory() is None
    own.parent.chmod(0o1777)  # with the sticky bit others cannot rename what is ours
    assert cache_directory() == own


def test_a_link_leads_to_the_folder_that_is_judged(own: Path) -> None:
    real = own.with_name("real")
    real.mkdir()
    real.chmod(0o777)
    own.symlink_to(real)
    with pytest.warns(CacheWarning):
        assert cache_directory() is None


# --- no home, no room -------------------------------------------------------------------------------------------------
def test_without_a_home_a_private_folder_among_the_temporary_ones_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("PKPD_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = cache_directory()
    assert folder is not None
    assert folder == tmp_path / f"pkpd-{os.geteuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)  # as somebody else could have made it
    assert cache_directory() is None


def test_a_home_that_is_no_folder_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PKPD_CACHE_DIR", str(tmp_path / "file" / "below"))
    loop = jit.entry(twice)
    assert loop(2.0) == 4.0
    assert cache_directory() is None


def test_a_full_disk_costs_time_only(tmp_path: Path) -> None:
    code = """
        from pkpd.cache import keep, kept
        from pkpd.metrics.kernels import cumulative_area
        import numpy as np
        area = np.zeros((1, 3))
        cumulative_area(np.array([0.0, 1.0, 2.0]), np.ones((1, 3)), 0, area)
        keep("a", b"x" * 5000)
        print(area.tolist(), kept("a"))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=os.environ | {"PKPD_CACHE_DIR": str(tmp_path / "c")},
        capture_output=True, text=True, check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )  # fmt: skip
    assert done.stdout.split("\n")[0] == "[[0.0, 1.0, 2.0]] None"
    assert list((tmp_path / "c").iterdir()) == []  # no half of a file is left


# --- damage -----------------------------------------------------------------------------------------------------------
def foreign() -> bytes:
    """Return what is whole but no loop."""
    data = pickle.dumps(("no", "loop"))
    return hashlib.sha256(data).digest() + data


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "foreign"])
def test_a_damaged_loop_is_compiled_anew(own: Path, damage: str) -> None:
    assert jit.entry(twice)(3.0) == 6.0
    (path,) = loop_files(own)
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    path.write_bytes({"empty": b"", "cut": whole[:20], "flipped": bytes(changed), "foreign": foreign()}[damage])
    again = jit.entry(twice)
    assert again(3.0) == 6.0
    assert not again.stats.cache_hits
    third = jit.entry(twice)
    assert third(3.0) == 6.0
    assert third.stats.cache_hits


def test_of_two_processes_one_compiles_and_the_other_waits(tmp_path: Path) -> None:
    code = (
        "import numpy as np; from pkpd.engine.machine.jit import watchers; watchers.append((print, lambda name: None));"
        "from pkpd.metrics.kernels import cumulative_area; a = np.zeros((1, 2));"
        "cumulative_area(np.array([0.0, 1.0]), np.ones((1, 2)), 0, a); print(a.tolist())"
    )
    env = os.environ | {"PKPD_CACHE_DIR": str(tmp_path)}
    running = [
        subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    lines = [line for p in running for line in p.communicate()[0].splitlines()]
    assert sorted(lines) == ["[[0.0, 1.0]]", "[[0.0, 1.0]]", "cumulative_area"]
    assert [p.suffix for p in tmp_path.iterdir()] == [".loop"]


def test_nobody_waits_for_a_process_that_is_gone_or_stands_still(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own.mkdir()
    (own / "a.lock").touch()  # left by a process that was killed: nothing holds it
    gone = cache.Turn("a")
    gone.end()
    assert list(own.iterdir()) == []
    code = "import sys; from pkpd.cache import Turn; turn = Turn('a'); print('mine', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mine\n"
        monkeypatch.setattr(cache, "LONGEST", 0.2)
        cache.Turn("a").end()


# --- never stale ------------------------------------------------------------------------------------------------------
def modules() -> dict[str, str]:
    """Return the text of every module of the package by name."""
    names = {p: ".".join(["pkpd", *p.relative_to(PACKAGE).with_suffix("").parts]) for p in PACKAGE.rglob("*.py")}
    return {name.removesuffix(".__init__"): p.read_text() for p, name in names.items()}


def test_every_compiled_function_is_part_of_a_loop_that_knows_its_file() -> None:
    texts = modules()
    compiled = {n for n, t in texts.items() if "from pkpd.engine.machine.jit import" in t and "watchers" not in t}
    entries = {n for n in compiled if "@entry" in texts[n] or "@uncounted_entry" in texts[n]}
    assert {
        "pkpd.engine.solve.linear",
        "pkpd.estimation.methods.inner_terms",
        "pkpd.observation.kernel",
        "pkpd.metrics.kernels",
    } <= entries
    assert compiled == {n for e in entries for n in sources.made_of(e)} & compiled


def test_no_loop_is_compiled_past_the_cache() -> None:
    wild = [
        n
        for n, t in modules().items()
        if ("import njit" in t or "import jit\n" in t) and n != "pkpd.engine.machine.jit"
    ]
    assert wild == []


@pytest.mark.parametrize(
    "edited",
    ["estimation/methods/dense.py", "engine/solve/timeline.py", "engine/solve/one_subject.py", "metrics/kernels.py"],
)
def test_an_edit_changes_the_hash_of_what_is_made_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edited: str
) -> None:
    shutil.copytree(PACKAGE, tmp_path / "pkpd", ignore=shutil.ignore_patterns("__pycache__"))
    name = "pkpd." + edited.removesuffix(".py").replace("/", ".")
    loops = ("estimation.methods.outer_terms", "engine.solve.expand", "engine.solve.linear", "metrics.kernels")
    users = [n for n in (f"pkpd.{name}" for name in loops)
             if name in sources.made_of(n)]  # fmt: skip
    assert users

    def digests() -> list[str]:
        for function in (sources._imports, sources.made_of, sources.digest):
            function.cache_clear()
        return [sources.digest(n) for n in users]

    with monkeypatch.context() as patch:
        patch.setattr(sources, "_PACKAGE", tmp_path / "pkpd")
        before = digests()
        with (tmp_path / "pkpd" / edited).open("a") as file:
            file.write("# another text\n")
        after = digests()
    assert all(b != a for b, a in zip(before, after, strict=True))
    digests()


def test_an_edited_loop_gives_its_new_numbers_at_once(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "pkpd", ignore=shutil.ignore_patterns("__pycache__"))
    loop = tmp_path / "pkpd" / "metrics" / "kernels.py"
    code = (
        "import numpy as np; from pkpd.metrics.kernels import cumulative_area; a = np.zeros((1, 2));"
        "cumulative_area(np.array([0.0, 1.0]), np.array([[1.0, 3.0]]), 0, a); print(a[0, 1])"
    )
    env = os.environ | {"PKPD_CACHE_DIR": str(tmp_path / "c"), "PYTHONPATH": str(tmp_path)}

    def run() -> float:
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return float(done.stdout)

    assert run() == 2.0
    text = loop.read_text()
    assert "mean = 0.5 * (left + right)" in text
    loop.write_text(text.replace("mean = 0.5 * (left + right)", "mean = 1.5 * (left + right)"))
    assert run() == 6.0


# --- what is said -----------------------------------------------------------------------------------------------------
def test_compilation_is_told_only_where_something_is_compiled(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[str] = []
    monkeypatch.setattr(jit, "watchers", [(begun.append, lambda name: None)])
    jit.entry(twice)(1.0)
    jit.entry(twice)(1.0)
    assert begun == ["twice"]
    announcement = compiling.Announcement()
    monkeypatch.setattr(compiling, "PATIENCE", 0.01)
    announcement.begin("loop")
    assert announcement.timer is not None
    announcement.timer.join()
    announcement.end("loop")
    announcement.begin("another")
    assert capsys.readouterr().err == "pkpd: compiling its solvers, once for this machine (about ten seconds) ...\n"


def test_loops_give_the_same_numbers_from_disk(own: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = jit.entry(twice), jit.entry(twice)
        np.testing.assert_array_equal(first(0.1), second(0.1))
    assert second.stats.cache_hits
