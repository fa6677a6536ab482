"""The host processor: how many people fit into a vector register, and LLVM code for it, kept on disk."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass

import llvmlite
import llvmlite.binding as llvm

from pkpd import cache

__all__ = ["MachineCode", "compile_ir", "lanes"]


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


def compile_ir(key: str, source: Callable[[], str], names: list[str], *, unroll: bool = False) -> MachineCode:
    """Compile LLVM IR for the host and return the addresses of the named functions.

    Parameters
    ----------
    key : str
        Stands for the source: equal keys, equal source. Object code is kept in ``pkpd.cache`` under a hash of the key,
        the compiler and the processor, so that a known model is not even written as IR again.
    source : callable
        Returns the IR.
    unroll : bool
        Whether loops of known length are written out: faster where they are short, slow to compile where not. Part of
        what the key stands for.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    flat = llvm.get_host_cpu_features().flatten() + (",-prefer-256-bit" if _features().get("avx512f") else "")
    full = "\n".join((key, llvmlite.__version__, llvm.get_host_cpu_name(), flat))
    name = f"{hashlib.sha256(full.encode()).hexdigest()[:32]}.o"
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=flat, opt=2, jit=True
    )
    data = cache.kept(name)
    cached = data is not None
    if data is None:
        data = _compile(source(), machine, unroll)
        cache.keep(name, data)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(data))
    engine.finalize_object()
    return MachineCode(engine, {n: engine.get_function_address(n) for n in names}, cached)


def _compile(source: str, machine: llvm.TargetMachine, unroll: bool) -> bytes:
    module = llvm.parse_assembly(source)
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    tuning.loop_unrolling = unroll
    tuning.loop_vectorization = tuning.slp_vectorization = False  # the code is vectors already
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_object(module)
