"""The host processor: how many people fit into a vector register, and LLVM code for it, kept on disk."""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

__all__ = ["MachineCode", "cache_directory", "compile_ir", "lanes"]


@functools.cache
def _features() -> dict[str, bool]:
    return dict(llvm.get_host_cpu_features())


def lanes() -> int:
    """Return how many doubles are worked on at once: 8 with AVX-512, 4 with AVX2, 2 elsewhere.

    The environment variable ``PKPD_LANES`` (1, 2, 4 or 8) overrides the choice; LLVM splits what is too wide.
    """
    forced = os.environ.get("PKPD_LANES")
    if forced:
        if forced not in ("1", "2", "4", "8"):
            raise ValueError(f"environment variable PKPD_LANES must be 1, 2, 4 or 8, got {forced!r}")
        return int(forced)
    features = _features()
    return 8 if features.get("avx512f") else 4 if features.get("avx2") else 2


def cache_directory() -> Path:
    """Return the folder for compiled models, ``$PKPD_CACHE_DIR`` or the user's cache folder; it may not exist yet."""
    chosen = os.environ.get("PKPD_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pkpd"


@dataclass(frozen=True)
class MachineCode:
    """Functions in memory; keep this object as long as an address is used.

    Attributes
    ----------
    addresses : dict of str to int
    cached : bool
        Whether the code came from disk.
    """

    engine: llvm.ExecutionEngine
    addresses: dict[str, int]
    cached: bool

    def __getitem__(self, name: str) -> int:
        return self.addresses[name]


class _ObjectFile:
    """One compiled module on disk, as LLVM's object cache wants it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hit = False

    def get(self, _module: llvm.ModuleRef) -> bytes | None:
        try:
            data = self.path.read_bytes()
        except OSError:
            return None
        self.hit = True
        return data

    def put(self, _module: llvm.ModuleRef, data: bytes) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(name, self.path)
        except OSError:
            return  # a cache that cannot be written only costs time


def compile_ir(source: str, names: list[str]) -> MachineCode:
    """Compile LLVM IR for the host and return the addresses of the named functions.

    The object code is kept in :func:`cache_directory` under a hash of the source, the compiler and the processor.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    flat = features.flatten() + (",-prefer-256-bit" if _features().get("avx512f") else "")
    key = "\n".join((source, llvmlite.__version__, llvm.get_host_cpu_name(), flat))
    store = _ObjectFile(cache_directory() / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.o")
    parsed = llvm.parse_assembly(source)
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=flat, opt=2, jit=True
    )
    if not store.path.exists():
        tuning = llvm.create_pipeline_tuning_options(speed_level=2)
        llvm.create_pass_builder(machine, tuning).getModulePassManager().run(parsed, llvm.create_pass_builder(machine, tuning))
    engine = llvm.create_mcjit_compiler(parsed, machine)
    engine.set_object_cache(store.put, store.get)
    engine.finalize_object()
    return MachineCode(engine, {n: engine.get_function_address(n) for n in names}, store.hit)
