"""The package as users meet it: its names, its import, its wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

import pkpd
from pkpd.catalogue import content_names

HEAVY = {"numba", "llvmlite", "pint", "xarray", "pandas", "matplotlib", "scipy", "zarr", "sympy", "numpy"}


def python(*args: str, executable: str | Path = sys.executable, cwd: Path | None = None) -> str:
    done = subprocess.run([str(executable), *args], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def spaces() -> list[ModuleType]:
    """Return the package and its public modules."""
    return [pkpd, *(space for name in pkpd.__all__ if isinstance(space := getattr(pkpd, name), ModuleType))]


def test_every_public_name_resolves_to_its_module():
    for space in spaces():
        for name in space.__all__:
            assert getattr(space, name) is not None
            assert name in dir(space)


def test_a_public_name_has_one_home():
    found: dict[int, list[str]] = {}
    for space in spaces():
        for name in space.__all__:
            found.setdefault(id(getattr(space, name)), []).append(f"{space.__name__}.{name}")
    assert [names for names in found.values() if len(names) > 1] == []


def test_namespaces_are_imported_like_modules():
    code = "from pkpd.checks import vpc; import pkpd.results; print(vpc.__name__, pkpd.results.Fit.__name__)"
    assert python("-c", code).split() == ["vpc", "Fit"]


def test_unknown_name_gives_the_nearest():
    with pytest.raises(AttributeError, match=r"has no attribute 'simulat' \(did you mean 'simulate'\?\)"):
        _ = pkpd.simulat  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError, match=r"'pkpd.checks' has no attribute 'npd' \(did you mean 'npde'\?\)"):
        _ = pkpd.checks.npd  # pyright: ignore[reportAttributeAccessIssue]


def test_name_of_a_namespace_is_shown_the_way():
    with pytest.raises(AttributeError, match=r"'pkpd' has no attribute 'Fit'; it is pkpd\.results\.Fit"):
        _ = pkpd.Fit  # pyright: ignore[reportAttributeAccessIssue]


def test_import_loads_nothing_heavy_and_listing_stays_light():
    shown = python("-c", "import sys, pkpd; print(*sys.modules); pkpd.models.entries(); print(*sys.modules)")
    at_import, after_listing = ({name.partition(".")[0] for name in line.split()} for line in shown.splitlines())
    assert "pkpd" in at_import
    assert not at_import & HEAVY
    assert not after_listing & HEAVY


def test_no_public_name_is_also_a_module(checkout: Path):
    """``import pkpd.x`` binds the module x to the package, where it would hide a function of that name."""
    for space in spaces()[1:]:
        folder = Path(str(space.__file__)).parent
        if (folder / "__init__.pyi").is_file() and folder.name != "pkpd":
            assert not {p.stem for p in folder.iterdir()} & set(space.__all__)
    modules = {p.stem for p in (checkout / "pkpd").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert modules & set(pkpd.__all__) == {space.__name__.removeprefix("pkpd.") for space in spaces()[1:]}


def test_version_is_in_the_changelog(checkout: Path):
    changelog = (checkout / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {pkpd.__version__}" in changelog


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the wheel and the source archive of this tree."""
    folder = tmp_path_factory.mktemp("dist")
    python("-m", "hatchling", "build", "-d", str(folder), cwd=checkout)
    return folder


def new_environment(folder: Path, wheel: Path) -> Path:
    """Make an environment that holds a wheel and sees the dependencies of this one; return its interpreter."""
    python("-m", "venv", "--without-pip", str(folder))
    executable = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    python("-m", "pip", "--python", str(executable), "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    ask_site = ("-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    site = Path(python(*ask_site, executable=executable).strip())
    # Path files in a folder that a path file adds are not read, so an editable pkpd there stays out of sight.
    (site / "zz_dependencies.pth").write_text(python(*ask_site), encoding="utf-8")
    return executable


@pytest.mark.slow
def test_wheel_carries_all_content_and_nothing_beside_the_package(built: Path):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
    assert {f"pkpd/_content/models/{name}.py" for name in content_names("models")} <= files
    assert {"pkpd/py.typed", "pkpd/_content/seeds/README.md", "pkpd/_content/calibration/README.md"} <= files
    tops = {name.partition("/")[0] for name in files}
    assert tops == {"pkpd", f"pkpd-{pkpd.__version__}.dist-info"}


@pytest.mark.slow
def test_source_archive_builds_the_same_wheel(built: Path, tmp_path: Path):
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    (tree,) = tmp_path.iterdir()
    python("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=tree)
    (again,), (wheel,) = tmp_path.glob("*.whl"), built.glob("*.whl")
    with zipfile.ZipFile(again) as one, zipfile.ZipFile(wheel) as other:
        assert sorted(one.namelist()) == sorted(other.namelist())


@pytest.mark.slow
def test_wheel_works_beside_the_users_own_models_py(built: Path, tmp_path: Path, checkout: Path):
    (wheel,) = built.glob("*.whl")
    executable = new_environment(tmp_path / "venv", wheel)
    (tmp_path / "models.py").write_text("MINE = 'mine'\n", encoding="utf-8")
    name = content_names("models")[0]
    shutil.copy(checkout / "models" / f"{name}.py", tmp_path / "own.py")
    script = tmp_path / "use.py"
    script.write_text(
        "import models, pkpd\n"
        "print(pkpd.__file__)\n"
        "print(*pkpd.models.entries().names)\n"
        f"print(pkpd.models['{name}'].name, pkpd.models['own.py'].name)\n"
        "print(models.MINE)\n",
        encoding="utf-8",
    )
    where, names, loaded, mine = python("use.py", executable=executable, cwd=tmp_path).splitlines()
    assert Path(where).is_relative_to(tmp_path / "venv")
    assert tuple(names.split()) == content_names("models")
    assert loaded.split() == [name, name]
    assert mine == "mine"


@pytest.mark.slow
def test_editable_install_reads_the_content_of_the_checkout(checkout: Path, tmp_path: Path):
    build = f"from hatchling.build import build_editable; print(build_editable({str(tmp_path)!r}))"
    wheel = tmp_path / python("-c", build, cwd=checkout).split()[-1]
    executable = new_environment(tmp_path / "venv", wheel)
    code = (
        "from pkpd.catalogue import content_root; from pkpd.library import list_models\n"
        "print(content_root()); print(*list_models().names)"
    )
    root, names = python("-c", code, executable=executable, cwd=tmp_path).splitlines()
    assert Path(root) == checkout
    assert tuple(names.split()) == content_names("models")
