"""Long work in pieces: on all cores, with a bar, kept in a file from which it goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.checkpoint import check_head, json_text
from pkpd.files import write_whole
from pkpd.progress import Progress

__all__ = ["FAULTS", "Pieces", "attempt", "run_pieces"]

#: what a single refit may fail with, without ending the whole
FAULTS = (PkpdError, np.linalg.LinAlgError, ArithmeticError, ValueError)

Record = dict[str, Any]


@dataclass(frozen=True)
class Pieces:
    """Records of finished work by key, in the order asked for.

    Attributes
    ----------
    records : dict of str to dict
    resumed : int
        How many were read from the file.
    interrupted : bool
        Whether Ctrl-C ended it before all was done.
    """

    records: dict[str, Record]
    resumed: int
    interrupted: bool

    def messages(self, wanted: int, checkpoint: Any) -> list[str]:
        """Return what the user should know of how it went."""
        out = []
        if self.resumed:
            out.append(f"{self.resumed} of {wanted} were read from {checkpoint}")
        if self.interrupted:
            more = f"; call again with checkpoint={str(checkpoint)!r} to go on" if checkpoint else ""
            out.append(f"interrupted: {len(self.records)} of {wanted} are done{more}")
        return out


def attempt(work: Callable[[], Record]) -> Record:
    """Return the record of a piece; where it fails, one with the reason as ``error``."""
    try:
        return work()
    except FAULTS as error:
        return {"error": f"{type(error).__name__}: {error}"}


def run_pieces(
    work: Mapping[str, Callable[[], Record]], *, text: str, head: Record, threads: int = 1,
    progress: bool | None = None, checkpoint: str | os.PathLike[str] | None = None,
) -> Pieces:  # fmt: skip
    """Do all pieces of work that are not in the file yet.

    Parameters
    ----------
    work : mapping of key to function
        Each returns a record that JSON can hold.
    text : str
        What the bar says.
    head : dict
        What the records are of: a file of something else is refused.
    threads : int
        Records do not depend on it.
    progress : bool, optional
    checkpoint : path, optional

    Raises
    ------
    PkpdError
        If the file is of something else.
    """
    path = None if checkpoint is None else Path(checkpoint)
    known = _read(path, head) if path is not None and path.exists() else {}
    done = {k: known[k] for k in work if k in known}
    resumed, left = len(done), [k for k in work if k not in done]
    interrupted = False
    if path is not None and not path.exists():
        write_whole(path, json_text(head) + "\n")
    with Progress(progress) as bar:
        bar.start(len(work), text)
        bar.advance(resumed)
        pool = ThreadPoolExecutor(threads)
        try:
            for key, record in _finished(pool, ((k, work[k]) for k in left), threads):
                done[key] = record
                if path is not None:
                    with path.open("a", encoding="utf-8") as file:
                        file.write(json_text({"key": key, **record}) + "\n")
                bar.advance(1)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return Pieces({k: done[k] for k in work if k in done}, resumed, interrupted)


def _finished(
    pool: ThreadPoolExecutor, work: Iterable[tuple[str, Callable[[], Record]]], threads: int
) -> Iterable[tuple[str, Record]]:
    """Yield pieces as they end, with few waiting so that an interruption ends soon."""
    running: dict[Future[Record], str] = {}
    for key, piece in work:
        running[pool.submit(attempt, piece)] = key
        while len(running) >= threads:
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                yield running.pop(future), future.result()
    while running:
        ended, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in ended:
            yield running.pop(future), future.result()


def _read(path: Path, head: Record) -> dict[str, Record]:
    """Return the records of a file; a last line that was cut off is left out."""
    lines = path.read_text(encoding="utf-8").split("\n")
    try:
        found = json.loads(lines[0])
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise PkpdError(f"{head['what']}: {path} is no checkpoint; name a new file, or the one that was written")
    check_head(head["what"], path, found, head)
    out: dict[str, Record] = {}
    for line in lines[1:-1]:
        record = json.loads(line)
        out[record.pop("key")] = record
    if lines[-1]:  # what follows must begin on a line of its own
        write_whole(path, "\n".join([*lines[:-1], ""]))
    return out
