"""Compile a loop and all its parts as one module, optimised once.

numba optimises each function and makes machine code of it, then does so again within each caller, since it cannot know
who else calls it. Parts of loops are called by loops alone: here they stay as numba wrote them until a loop takes them
in.
"""

from __future__ import annotations

import contextlib
import functools
import gc
from collections.abc import Iterator
from typing import Any

import llvmlite.binding as llvm
from numba.core.codegen import CPUCodeLibrary, JITCodeLibrary, JITCPUCodegen
from numba.core.compiler import CompilerBase
from numba.core.registry import cpu_target

from pkpd.engine.machine.held import held
from pkpd.engine.machine.passes import LoopPasses, QuickFlags, quickly

__all__ = ["EntryCompiler", "PartCompiler"]

#: what Python calls; everything else of a loop is its own
_WRAPPER = "_ZN7cpython"


class _Part(CPUCodeLibrary):
    """One function as numba wrote it, neither optimised nor made into machine code."""

    def add_llvm_module(self, ll_module: Any) -> None:
        self._final_module.link_in(ll_module)

    def add_linking_library(self, library: Any) -> None:
        self._linking_libraries.append(library)

    def finalize(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def _finalize_specific(self) -> None:
        """There is no machine code."""

    def get_pointer_to_function(self, name: str) -> int:
        return 0

    @functools.cached_property
    def own_module(self) -> Any:
        """The module of this function alone, to be linked into others."""
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == llvm.Linkage.external:
                function.linkage = "linkonce_odr"
        return self._final_module

    def _get_module_for_linking(self) -> Any:
        """Return a module of this function and all that it calls, for functions that numba alone compiles."""
        if self._shared_module is None:
            module = self.own_module.clone()
            for other in _called(self):
                module.link_in(_module_of(other), preserve=True)
            self._shared_module = module
        return self._shared_module


def _module_of(library: Any) -> Any:
    return library.own_module if isinstance(library, _Part) else library._get_module_for_linking()


def _called(library: Any) -> list[Any]:
    """Return all that a library calls, directly or not, each once."""
    found: dict[Any, None] = {}
    waiting = [library]
    while waiting:
        for other in waiting.pop()._linking_libraries:
            if other not in found:
                found[other] = None
                if isinstance(other, _Part):  # numba's own have taken in what they call
                    waiting.append(other)
    return list(found)


class _Parts(JITCPUCodegen):
    """Makes parts of what numba compiles."""

    _library_class = _Part

    def set_env(self, env_name: str, env: Any) -> None:
        """Do nothing: parts do not run by themselves."""


@functools.cache
def _parts() -> _Parts:
    return _Parts("pkpd.parts")


class _Whole(JITCodeLibrary):
    """A loop with all its parts."""

    add_llvm_module = _Part.add_llvm_module
    add_linking_library = _Part.add_linking_library

    def finalize(self) -> None:
        self._raise_if_finalized()
        for library in _called(self):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(_module_of(library), preserve=True)
        self._optimize_final_module()
        self._final_module.verify()
        self._finalize_final_module()

    def _optimize_final_module(self) -> None:
        """Optimise once, without what loops gain nothing by: their work is in rows of eight and in models' own code."""
        module = self._final_module
        module.data_layout = self._codegen._data_layout
        for function in module.functions:
            if not function.is_declaration and not function.name.startswith(_WRAPPER):
                function.linkage = "internal"
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
        builder = llvm.create_pass_builder(self._codegen._tm, options)
        passes = builder.getModulePassManager()
        passes.add_refprune_pass()  # of references counted twice
        passes.run(module, builder)


@functools.cache
def _passes() -> LoopPasses:
    return LoopPasses()


class PartCompiler(CompilerBase):
    """numba's compiler, for parts of loops."""

    def define_pipelines(self) -> list[Any]:
        """Return the passes over a function."""
        return [_passes()]

    def compile_extra(self, func: Any) -> Any:
        """Compile a part for the types in ``state.args``."""
        self.state.flags = QuickFlags(self.state.flags)
        return super().compile_extra(func)


class EntryCompiler(PartCompiler):
    """numba's compiler, for loops that Python calls: named tuples come by address, and parts are taken in."""

    def compile_extra(self, func: Any) -> Any:
        """Compile a loop for the types in ``state.args``; numba calls it by the types that it was given."""
        given = self.state.args
        self.state.args = tuple(map(held, given))
        self.state.library = _Whole(self.state.targetctx.codegen(), func.__qualname__)
        self.state.library.enable_object_caching()
        with _making_parts(), quickly(), _no_collection():
            made = super().compile_extra(func)
        return made._replace(signature=made.signature.replace(args=given))


@contextlib.contextmanager
def _making_parts() -> Iterator[None]:
    """Make parts of all that is compiled meanwhile; numba lets one thread at a time compile."""
    context: Any = cpu_target.target_context
    ordinary = context._internal_codegen
    context._internal_codegen = _parts()
    try:
        yield
    finally:
        context._internal_codegen = ordinary


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Leave cycles alone meanwhile: a compiler's objects stay, and to look at them again and again takes a tenth."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
