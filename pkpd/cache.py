"""What is kept on disk so that it need not be made again: a cache only ever saves time.

Whatever is wrong with it (no home, a read-only or full disk, damaged files, a folder of somebody else) means "make it
again". Machine code is loaded from it, so a folder that another user could write to is never used.
"""

from __future__ import annotations

import fcntl
import grp
import hashlib
import os
import pwd
import stat
import tempfile
import time
import warnings
from pathlib import Path

__all__ = ["CacheWarning", "Turn", "cache_directory", "drop", "keep", "kept", "safe"]

ROOT = 0
_SUM = hashlib.sha256().digest_size
_told: set[Path] = set()
#: seconds to wait for another process; whoever takes longer has stopped
LONGEST = 120.0
_PAUSE = 0.05


class CacheWarning(UserWarning):
    """Nothing is kept on disk, which costs time at every start."""


def cache_directory() -> Path | None:
    """Return the folder for what is kept, made if need be; None where there is none that only its owner can write.

    The first of ``$PKPD_CACHE_DIR``, the user's cache folder and, without one, a private folder among the temporary
    files. One that the user chose is used or nothing is.
    """
    chosen = os.environ.get("PKPD_CACHE_DIR")
    if chosen:
        folder = Path(chosen).absolute()
        if _made(folder) and not safe(folder) and folder not in _told:
            _told.add(folder)
            warnings.warn(
                CacheWarning(
                    f"PKPD_CACHE_DIR={chosen}: other users can write to this folder or to one above it, so no machine "
                    "code is read from it or kept in it; name a folder of your own, or take their right to write away "
                    "(chmod go-w)"
                ),
                stacklevel=2,
            )
        return folder if safe(folder) else None
    for folder in (_of_user(), Path(tempfile.gettempdir()).absolute() / f"pkpd-{os.geteuid()}"):
        if folder is not None and _made(folder) and safe(folder) and os.access(folder, os.W_OK):
            return folder
    return None


def _of_user() -> Path | None:
    """Return the user's cache folder, or None if the user has no home."""
    base = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache").absolute() / "pkpd"
    except RuntimeError:  # no HOME and no entry in the list of users
        return None


def _made(folder: Path) -> bool:
    """Return whether a folder is there, after an attempt to make it for its owner alone."""
    if not folder.is_dir():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError:
            return False
    return True


def safe(folder: Path) -> bool:
    """Return whether only this user and root can put files into a folder, or put another folder into its place."""
    try:
        real = folder.resolve(strict=True)
        own = real.stat()
        if not stat.S_ISDIR(own.st_mode) or _others_write(own):
            return False
        # in a folder with the sticky bit, such as /tmp, others cannot rename what is ours
        above = [p.stat() for p in real.parents]
        return all(not _others_write(s) or (s.st_mode & stat.S_ISVTX and s.st_uid in _trusted()) for s in above)
    except OSError:
        return False


def _trusted() -> tuple[int, int]:
    return ROOT, os.geteuid()


def _others_write(entry: os.stat_result) -> bool:
    if entry.st_uid not in _trusted() or entry.st_mode & stat.S_IWOTH:
        return True
    return bool(entry.st_mode & stat.S_IWGRP) and not _private_group(entry.st_gid)


def _private_group(gid: int) -> bool:
    """Return whether a group is the user's own, of whom nobody else is a member."""
    if gid == ROOT and os.geteuid() == ROOT:
        return True
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return user.pw_gid == gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def kept(name: str) -> bytes | None:
    """Return what was kept under a name, or None if nothing was, or if it is damaged; then it is dropped."""
    folder = cache_directory()
    if folder is None:
        return None
    try:
        data = (folder / name).read_bytes()
    except OSError:
        return None
    if hashlib.sha256(data[_SUM:]).digest() == data[:_SUM]:
        return data[_SUM:]
    drop(name)
    return None


def keep(name: str, data: bytes) -> None:
    """Keep bytes under a name, readable by the user alone; a folder that cannot be written only costs time."""
    folder = cache_directory()
    if folder is None:
        return
    part: Path | None = None
    try:
        handle, made = tempfile.mkstemp(prefix=".", suffix=".part", dir=folder)
        part = Path(made)
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(data).digest() + data)
        part.replace(folder / name)
    except OSError:
        if part is not None:
            _unlink(part)


class Turn:
    """The right to make what is kept under a name, for which other processes wait; ``end`` gives it away.

    It is a lock on a file beside, which ends with its process. Where files cannot be locked nobody waits.
    """

    def __init__(self, name: str) -> None:
        self._lock: tuple[int, Path] | None = None
        folder = cache_directory()
        if folder is None:
            return
        path = folder / f"{name}.lock"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        self._lock = file, path
        latest = time.monotonic() + LONGEST
        while time.monotonic() < latest:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                time.sleep(_PAUSE)
                continue
            except OSError:  # a file system without locks
                pass
            return

    def end(self) -> None:
        """Let the next process have its turn."""
        if self._lock is not None:
            file, path = self._lock
            _unlink(path)
            os.close(file)
            self._lock = None


def drop(name: str) -> None:
    """Forget what was kept under a name."""
    folder = cache_directory()
    if folder is not None:
        _unlink(folder / name)


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return  # it stays; it is looked at again and found damaged again
