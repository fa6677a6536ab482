"""What is kept of a sampling run while it goes on, so that a killed run goes on where it was.

A chain is a function of its seed and of the density. Every evaluation of an unfinished chain is therefore written to a
journal; a rerun takes the evaluations from there instead of solving the equations again, reaches the place where the
chain was killed within seconds, and goes on from it with the same draws as if nothing had happened.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PkpdError
from pkpd.estimation.checkpoint import read_state, write_state

__all__ = ["ChainStore", "Journal"]

Floats = NDArray[np.float64]
Density = Callable[[Floats], tuple[float, Floats]]
_FLUSH = 5.0  # seconds of work that may be lost


class Journal:
    """A density that remembers, in a file, what it returned in which order.

    Parameters
    ----------
    density : callable
        From q, shape (dim,), to the log density and its gradient.
    dim : int
    path : Path
        Rows of ``checksum of q, log density, gradient``, as float64.

    Attributes
    ----------
    replayed : int
        Evaluations taken from the file.
    """

    def __init__(self, density: Density, dim: int, path: Path) -> None:
        self.density, self.dim, self.path = density, dim, path
        self.width = dim + 2
        self.replayed = 0
        self._past = self._read()
        self._file: BinaryIO | None = None if len(self._past) else path.open("wb")
        self._flushed = time.monotonic()

    def _read(self) -> Floats:
        if not self.path.is_file():
            return np.empty((0, self.width))
        rows = self.path.stat().st_size // (8 * self.width)
        if not rows:
            return np.empty((0, self.width))
        return np.memmap(self.path, np.float64, "r", shape=(rows, self.width))

    def __call__(self, q: Floats) -> tuple[float, Floats]:
        """Return the log density and its gradient, from the file as long as it agrees."""
        check = float(zlib.crc32(np.ascontiguousarray(q, np.float64).tobytes()))
        if self._file is None:
            if self.replayed < len(self._past) and self._past[self.replayed, 0] == check:
                row = self._past[self.replayed]
                self.replayed += 1
                return float(row[1]), np.array(row[2:])
            self._go_on()
        logp, gradient = self.density(q)
        assert self._file is not None
        self._file.write(np.concatenate([[check, logp], gradient]).tobytes())
        if time.monotonic() - self._flushed > _FLUSH:
            self._file.flush()
            self._flushed = time.monotonic()
        return logp, gradient

    def _go_on(self) -> None:
        """Write from here on; rows that do not belong to this chain, or that were cut off, are dropped."""
        self._past = np.empty((0, self.width))
        self._file = self.path.open("r+b")
        self._file.truncate(self.replayed * 8 * self.width)
        self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Write what is left."""
        self._past = np.empty((0, self.width))
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ChainStore:
    """The folder of one sampling run: finished chains, and journals of unfinished ones.

    Parameters
    ----------
    folder : path or None
        Where runs are kept; nothing is kept without.
    name, fingerprint : str
        Of the study.
    seed : int
    settings : mapping
        Of the sampler. The number of chains does not enter, so more chains can be added to a finished run.
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None, name: str, fingerprint: str, seed: int, settings: Mapping[str, Any]
    ) -> None:
        kept = {k: v for k, v in settings.items() if k != "chains"}
        self.head = {"study": fingerprint, "seed": seed, "settings": kept}
        text = json.dumps([fingerprint, seed, kept], sort_keys=True)
        self.folder: Path | None = None
        if folder is not None:
            digest = hashlib.sha256(text.encode()).hexdigest()[:12]
            self.folder = Path(folder) / f"{name}-seed{seed}-{digest}"
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise PkpdError(f"fit: out={os.fspath(folder)!r} cannot be written: {error}") from None

    def chain(self, k: int) -> dict[str, Any] | None:
        """Return the arrays of a finished chain, or None; one whose file is damaged is to be sampled again."""
        if self.folder is None or not (path := self.folder / f"chain-{k}.npz").is_file():
            return None
        try:
            return read_state("fit", path, self.head)
        except PkpdError:
            warnings.warn(f"fit: {path} is damaged; its chain is sampled again, with the same draws", stacklevel=3)
            path.unlink()
            return None

    def keep(self, k: int, chain: Mapping[str, Any]) -> None:
        """Write a finished chain in one step, and drop its journal."""
        if self.folder is None:
            return
        write_state(self.folder / f"chain-{k}.npz", self.head, chain)
        self.journal_path(k).unlink(missing_ok=True)

    def journal_path(self, k: int) -> Path:
        """Return the file of an unfinished chain's evaluations."""
        assert self.folder is not None
        return self.folder / f"chain-{k}.journal"

    @contextlib.contextmanager
    def journal(self, posterior: Any, name: str) -> Iterator[None]:
        """Let a posterior remember its evaluations within the block, in a file of that name, if a folder is kept."""
        if self.folder is None:
            yield
            return
        with Journal(posterior.logp_grad, posterior.dim, self.folder / f"{name}.journal") as remembered:
            posterior.logp_grad = remembered
            try:
                yield
            finally:
                del posterior.logp_grad
