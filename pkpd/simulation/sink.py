"""Where results go: memory, or a Zarr folder that grows block by block."""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.engine.solve.block import Target
from pkpd.errors import PkpdError
from pkpd.files import begin_folder
from pkpd.simulation.dataset import grid_dataset, status_attributes, variable_attributes
from pkpd.simulation.kernels import OutputQuantity

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.model.model import Model

__all__ = ["MemorySink", "ZarrSink"]

Shape = tuple[int, int, int]
SMALL = 1 << 26  # bytes that need no question whether there is room


def _available_bytes() -> int | None:
    """Return how much memory is free, or None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None


class MemorySink:
    """Keep results in arrays of shape (regimens, subjects, times)."""

    def __init__(
        self, model: Model, chosen: Sequence[OutputQuantity], shape: Shape, coords: dict[str, Any], doses: str
    ) -> None:
        need = 8 * len(chosen) * math.prod(shape)
        free = _available_bytes() if need > SMALL else None
        if free is not None and need > 0.8 * free:
            raise PkpdError(
                f"simulate: the result needs {need / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; "
                "give store='results.zarr' to stream it to disk, or ask for fewer outputs or times"
            )
        self.model, self.chosen, self.coords, self.doses = model, chosen, coords, doses
        self.shape = shape
        self.block = np.empty((len(chosen), *shape))
        self.values: dict[str, np.ndarray] = {q.name: self.block[k] for k, q in enumerate(chosen)}
        self.status = np.zeros(shape[:2], np.int64)
        self.lock = threading.Lock()

    def target(self, regimen: int, subjects: slice) -> Target | None:
        """Return where the solver may write the outputs of some subjects straight away."""
        _, n, times = self.shape
        return self.block.reshape(-1), (regimen * n + subjects.start) * times, math.prod(self.shape)

    def room(self, regimen: int, subjects: slice) -> np.ndarray | None:
        """Return where the outputs of some subjects are to stand, (outputs, subjects, times)."""
        return self.block[:, regimen, subjects]

    def write(self, regimen: int, subjects: slice, values: Mapping[str, np.ndarray], status: np.ndarray) -> None:
        """Store one block; outputs that were written to their place already cost nothing."""
        for name, array in values.items():
            if name not in self.values:
                with self.lock:
                    self.values.setdefault(name, np.empty(self.shape))
            place = self.values[name][regimen, subjects]
            if place.__array_interface__["data"] != array.__array_interface__["data"]:
                place[...] = array
        self.status[regimen, subjects] = status

    def finish(self) -> None:
        """Nothing is left to do in memory."""

    def abandon(self, error: BaseException) -> None:
        """Nothing is left behind."""

    def dataset(self, notes: dict[str, Any], corners: Mapping[str, str]) -> xr.Dataset:
        """Return the data set; ``corners`` are the attributes `at_doses` of outputs."""
        about = (self.doses, corners, notes)
        return grid_dataset(self.model, self.chosen, self.values, self.status, self.coords, *about)


class ZarrSink:
    """Write blocks to a Zarr folder; memory holds the blocks being solved and the status."""

    def __init__(
        self,
        model: Model,
        chosen: Sequence[OutputQuantity],
        shape: Shape,
        coords: dict[str, Any],
        doses: str,
        path: Path,
    ) -> None:
        import zarr

        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise PkpdError(f"simulate: store {str(path)!r} exists already; remove it or choose another name")
        self.path, self.coords = path, coords
        self.part = begin_folder(path)
        self.dims = [d for d in ("regimen", "subject", "time") if d in coords]
        self.keep = [i for i, d in enumerate(("regimen", "subject", "time")) if d in coords]
        self.rows = max(64, min(shape[1], (1 << 22) // (8 * max(shape[2], 1))))
        self.group = zarr.open_group(str(self.part), mode="w", attributes={"model": model.name, "title": model.title})
        self.status = np.zeros(shape[:2], np.int64)
        self.pending: dict[tuple[int, int], tuple[int, dict[str, np.ndarray]]] = {}
        self.lock = threading.Lock()
        self.shape = shape
        for name, (dim, data, *attrs) in coords.items():
            self._array(name, np.asarray(data), [dim], attrs[0] if attrs else {})
        full = [shape[i] for i in self.keep]
        self.layout = {"shape": full, "chunks": tuple((1, self.rows, shape[2])[i] for i in self.keep)}
        self.chosen, self.doses = chosen, doses
        self.variables: dict[str, Any] = {}  # to ask the store for them takes longer than to solve a block
        for q in chosen:
            self._variable(q.name)

    def _variable(self, name: str) -> None:
        """Make room for an output, or for an output with residual error."""
        attributes: dict[str, Any] = dict(variable_attributes(name, self.chosen))
        attributes["doses"] = self.doses
        self.variables[name] = self.group.create_array(
            name, dtype="f8", attributes=attributes, dimension_names=self.dims, compressors=_packing(), **self.layout
        )

    def _array(self, name: str, data: np.ndarray, dims: list[str], attributes: dict[str, Any]) -> None:
        # text of fixed length has no place in the specification of Zarr 3
        kind: Any = str if _is_text(data) else data.dtype
        array = self.group.create_array(
            name, shape=data.shape, dtype=kind, attributes=_plain(attributes), dimension_names=dims
        )
        array[...] = data

    def target(self, regimen: int, subjects: slice) -> Target | None:
        """Return None: chunks are gathered first."""
        return None

    def room(self, regimen: int, subjects: slice) -> np.ndarray | None:
        """Return None, as `target` does."""
        return None

    def write(self, regimen: int, subjects: slice, values: Mapping[str, np.ndarray], status: np.ndarray) -> None:
        """Keep one block until a chunk of the store is full, then write that."""
        self.status[regimen, subjects] = status
        a = subjects.start
        while a < subjects.stop:
            chunk = a // self.rows
            b = min(subjects.stop, (chunk + 1) * self.rows)
            self._keep(
                regimen, chunk, slice(a, b), {n: v[a - subjects.start : b - subjects.start] for n, v in values.items()}
            )
            a = b

    def _keep(self, regimen: int, chunk: int, subjects: slice, values: dict[str, np.ndarray]) -> None:
        begin = chunk * self.rows
        size = min(self.rows, self.shape[1] - begin)
        with self.lock:
            filled, room = self.pending.pop((regimen, chunk), (0, {}))
            here = slice(subjects.start - begin, subjects.stop - begin)
            for name, array in values.items():
                if name not in self.variables:
                    self._variable(name)
                room.setdefault(name, np.empty((size, self.shape[2])))[here] = array
            filled += subjects.stop - subjects.start
            if filled < size:
                self.pending[regimen, chunk] = (filled, room)
                return
        where: Any = tuple((regimen, slice(begin, begin + size), slice(None))[i] for i in self.keep)
        for name, array in room.items():
            self.variables[name][where] = array if 1 in self.keep else array[0]

    def abandon(self, error: BaseException) -> None:
        """Leave nothing behind of a store that is not complete, and say so if the disk is to blame."""
        shutil.rmtree(self.part, ignore_errors=True)
        if isinstance(error, OSError):
            raise PkpdError(
                f"simulate: store {str(self.path)!r} cannot be written ({error.strerror or error}); nothing of it stays"
            ) from error

    def finish(self) -> None:
        """Write the fates of the subjects."""
        keep = tuple(slice(None) if i in self.keep else 0 for i in range(2))
        self._array("status", np.asarray(self.status[keep]), self.dims[:-1], status_attributes())

    def dataset(self, notes: dict[str, Any], corners: Mapping[str, str]) -> xr.Dataset:
        """Return the data set opened from disk; values are read when used."""
        import xarray as xr

        for name, text in corners.items():
            for own in (name, f"{name}_observed"):
                if own in self.variables:
                    self.variables[own].attrs["at_doses"] = text
        self.group.attrs.update(notes)
        if self.path.exists():
            self.path.rmdir()
        self.part.rename(self.path)
        stored = xr.open_zarr(str(self.path), consolidated=False, chunks=None)
        return stored.assign_coords({n: c for n, c in self.coords.items() if _is_text(np.asarray(c[1]))})


def _packing() -> Any:
    """Return how chunks are packed: fast, bytes of equal weight side by side, which suits smooth curves."""
    from zarr.codecs import BloscCodec

    return BloscCodec(cname="lz4", clevel=1, shuffle="shuffle", typesize=8)


def _is_text(data: np.ndarray) -> bool:
    return data.dtype.kind in "OTU"


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as JSON can hold them."""
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in attributes.items()}
