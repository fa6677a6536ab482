"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["alive", "begin_folder", "is_dir_at", "is_file_at", "netcdf_bytes", "set_aside", "write_whole"]

ASIDE = "former"  # what a folder that was set aside is called meanwhile


def write_whole(path: Path, content: bytes | str | Callable[[Path], Any]) -> None:
    """Write a file so that nobody ever finds half of it; what was there before stays if it fails.

    Parameters
    ----------
    path : Path
        Its folder is made if needed.
    content : bytes, str or callable
        What to write, text as UTF-8; or a function that writes it to the path that it gets, which has the same suffix.

    Raises
    ------
    PkpdError
        If it cannot be written: no right, no room, no such place.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.{os.getpid()}-", suffix=path.suffix, dir=path.parent)
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                if not callable(content):
                    file.write(content.encode("utf-8") if isinstance(content, str) else content)
                    file.flush()
                    os.fsync(file.fileno())
            if callable(content):
                content(part)
            part.chmod(0o666 & ~_umask())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise PkpdError(
            f"'{path}' cannot be written ({error.strerror or error}); what was there before is as it was"
        ) from error


def netcdf_bytes(groups: Mapping[str | None, xr.Dataset], encoding: Callable[[xr.DataArray], Any]) -> bytes:
    """Return data sets as the bytes of one NetCDF file.

    It is made in memory: the library below ends the whole process when a disk fills up under it.

    Parameters
    ----------
    groups : mapping of name to Dataset
        None names the root.
    encoding : callable
        From a variable to how it is packed.
    """
    memory = io.BytesIO()
    for i, (name, data) in enumerate(groups.items()):
        packed: dict[Any, Any] = {n: found for n, v in data.data_vars.items() if (found := encoding(v))}
        data.to_netcdf(memory, mode="w" if i == 0 else "a", group=name, engine="h5netcdf", encoding=packed)
    return memory.getvalue()


def begin_folder(place: Path) -> Path:
    """Return a new empty folder beside a place, to be renamed to it when it is complete.

    What killed processes left there is removed, and what one of them had moved aside is put back.

    Raises
    ------
    PkpdError
        If it cannot be made.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        made = Path(tempfile.mkdtemp(prefix=f".{place.name}.{os.getpid()}-", dir=place.parent))
        made.chmod(0o777 & ~_umask())
    except OSError as error:
        raise PkpdError(f"'{place}' cannot be written ({error.strerror or error})") from error
    return made


@contextlib.contextmanager
def set_aside(place: Path) -> Iterator[None]:
    """Move what is at a place away, and put it back unless the block puts something else there."""
    if not place.exists():
        yield
        return
    aside = begin_folder(place)
    place.rename(aside / ASIDE)
    try:
        yield
    finally:
        if not place.exists():
            (aside / ASIDE).rename(place)
        shutil.rmtree(aside, ignore_errors=True)


def _sweep(path: Path) -> None:
    """Remove what killed processes left of the same file or folder."""
    left = re.compile(rf"\.{re.escape(path.name)}\.(\d+)-")
    for found in list(path.parent.iterdir()):
        match = left.match(found.name)
        if not match or alive(int(match[1])):
            continue
        if found.is_dir():
            if (found / ASIDE).exists() and not path.exists():
                (found / ASIDE).rename(path)
            shutil.rmtree(found, ignore_errors=True)
        else:
            found.unlink(missing_ok=True)


def alive(pid: int) -> bool:
    """Return whether a process runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it runs as somebody else
        return True
    return True


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def is_file_at(path: Path) -> bool:
    """Return whether there is a file at a path; there is none where no file could be, as at too long a name.

    Examples
    --------
    >>> is_file_at(Path("x" * 5000))
    False
    """
    try:
        return path.is_file()
    except OSError:
        return False


def is_dir_at(path: Path) -> bool:
    """Return whether there is a folder at a path; there is none where no folder could be."""
    try:
        return path.is_dir()
    except OSError:
        return False
