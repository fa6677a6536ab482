"""The folder of results: written beside its place and moved there when everything is done."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pkpd.errors import PkpdError
from pkpd.files import begin_folder, set_aside

__all__ = ["MANIFEST", "check_place", "manifest_of", "results_folder"]

MANIFEST = "run.json"
"""Says what was run and which files it made; a folder with it is ours to replace."""


def check_place(out: Path) -> None:
    """Refuse a place where somebody else's files would be lost.

    Raises
    ------
    PkpdError
        If it is a file, or a folder with files that no run of ours made.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise PkpdError(f"results: '{out}' is a file; give a folder with --out")
    found = sorted(str(path.relative_to(out)) for path in out.rglob("*") if not path.is_dir())
    if not found:
        return
    known = manifest_of(out)
    if known is None:
        raise PkpdError(
            f"results: the folder '{out}' holds {len(found)} files (first: {found[0]}) and no {MANIFEST}, so it was "
            "not made by pkpd run; give another folder with --out, or move the files away"
        )
    foreign = [name for name in found if name not in {MANIFEST, *known["files"]}]
    if foreign:
        raise PkpdError(
            f"results: the folder '{out}' holds {len(foreign)} files that pkpd run did not make (first: {foreign[0]}); "
            "move them away, or give another folder with --out"
        )


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """Return what a folder of results says about itself; None where it is not ours."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("made_by") != "pkpd run" or "files" not in content:
        return None
    return content


@contextmanager
def results_folder(out: Path, about: Mapping[str, Any]) -> Iterator[Path]:
    """Give a temporary folder beside `out` that takes its place when the block ends well.

    Whatever happens before, `out` stays as it was.

    Parameters
    ----------
    out : Path
        Where the results are to be.
    about : mapping
        What was run, for the manifest; read when the block has ended.

    Raises
    ------
    PkpdError
        As `check_place`.
    """
    place = out.resolve()
    check_place(place)
    made = begin_folder(place)
    try:
        yield made
        _sign(made, about)
        check_place(place)
        with set_aside(place):
            made.rename(place)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _sign(folder: Path, about: Mapping[str, Any]) -> None:
    """Write the manifest, with a fingerprint of every file."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}
    content = {"made_by": "pkpd run", **about, "files": files}
    (folder / MANIFEST).write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")
