"""What unfinished work keeps in a file: what it is of, and its state; a file of other work is refused."""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pkpd.errors import PkpdError
from pkpd.files import write_whole

__all__ = ["check_head", "json_text", "read_state", "write_state"]

_HEAD = "head"
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)


def json_text(record: Mapping[str, Any]) -> str:
    """Return a record as JSON on one line, arrays as lists."""
    return json.dumps(dict(record), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not stored")


def check_head(what: str, path: str | os.PathLike[str], found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise PkpdError if a file is of other work; what differs is named.

    Parameters
    ----------
    what : str
        The work, for the message, such as ``"bootstrap"``.
    found, wanted : mapping
        What the file is of, as JSON gives it back, and what it has to be of.
    """
    own = json.loads(json_text(wanted))
    if off := [key for key in {**own, **found} if json.dumps(found.get(key)) != json.dumps(own.get(key))]:
        raise PkpdError(
            f"{what}: checkpoint {os.fspath(path)} is of other work: {', '.join(off)} "
            f"differ{'s' if len(off) == 1 else ''}; name a new file, or call as before"
        )


def write_state(path: str | os.PathLike[str], head: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write what work is of and its state, in one step: a kill leaves the old file or the new one.

    Parameters
    ----------
    path : path
    head : mapping
        What JSON can hold.
    arrays : mapping of name to array
    """
    packed = io.BytesIO()
    named: dict[str, Any] = {_HEAD: np.array(json_text(head))} | {k: np.asarray(v) for k, v in arrays.items()}
    np.savez_compressed(packed, **named)
    write_whole(Path(path), packed.getvalue())


def read_state(what: str, path: str | os.PathLike[str], head: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """Return the state that a file holds; None where there is no file.

    Raises
    ------
    PkpdError
        If the file cannot be read, or is of other work.
    """
    if not Path(path).is_file():
        return None
    try:
        with Path(path).open("rb") as file, np.load(file) as held:
            arrays = {name: held[name] for name in held.files}
        found = json.loads(str(arrays.pop(_HEAD)))
    except _UNREADABLE as error:
        raise PkpdError(f"{what}: checkpoint {os.fspath(path)} cannot be read: {error}; name another file") from None
    check_head(what, path, found, head)
    return arrays
