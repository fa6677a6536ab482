"""Files written whole or not at all."""

from __future__ import annotations

import io
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["alive", "netcdf_bytes", "write_whole"]


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


def _sweep(path: Path) -> None:
    """Remove what killed processes left of the same file."""
    left = re.compile(rf"\.{re.escape(path.name)}\.(\d+)-")
    for found in path.parent.iterdir():
        match = left.match(found.name)
        if match and not alive(int(match[1])):
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
