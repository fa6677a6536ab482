"""numba's passes over a loop or a part of one, without what loops have no use for.

After each pass numba finds out anew how long each variable lives, which is asked for once, at the end; and it goes
through all that it knows of an operator at each use of it, though the answer for two numbers is always the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from numba.core import transforms, types
from numba.core import typed_passes as typed
from numba.core import untyped_passes as untyped
from numba.core.compiler import Flags
from numba.core.compiler_machinery import PassManager
from numba.core.postproc import PostProcessor
from numba.core.registry import cpu_target

from pkpd.engine.machine.lowering import LoopLowering

__all__ = ["LoopPasses", "QuickFlags", "quickly"]

#: those that can change a loop: of arithmetic, branches, calls and arrays, without closures or containers
_PASSES = (
    untyped.TranslateByteCode, untyped.FixupArgs, untyped.IRProcessing, untyped.RewriteSemanticConstants,
    untyped.DeadBranchPrune, untyped.GenericRewrites, untyped.InlineInlinables, untyped.DeadBranchPrune,
    untyped.ReconstructSSA, untyped.DeadBranchPrune, typed.NopythonTypeInference, typed.PreLowerStripPhis,
    typed.IRLegalization, LoopLowering, typed.NoPythonBackend,
)  # fmt: skip


#: those that leave blocks without a way to them
_CUTTING = (untyped.InlineInlinables, untyped.DeadBranchPrune)


class LoopPasses(PassManager):
    """The passes, in their order."""

    def __init__(self) -> None:
        super().__init__("loops")
        for one in _PASSES:
            self.add_pass(one, one.name())
        self.finalize()

    def _runPass(self, index: int, pss: Any, internal_state: Any) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        pss.analysis = self._analysis
        changed = pss.run_initialization(internal_state)
        changed |= pss.run_pass(internal_state)
        changed |= pss.run_finalizer(internal_state)
        if changed and isinstance(pss, _CUTTING):
            _tidy(internal_state.func_ir)


_DEFAULTS = {name: option.default for name, option in Flags.options.items()}


class QuickFlags(Flags):
    """numba's options of a function; it compares them at each operator, and reads every one of them for it."""

    __slots__ = ()

    def values(self) -> dict[str, Any]:
        """Return all options by name."""
        return _DEFAULTS | self._values

    def __eq__(self, other: object) -> Any:
        if type(other) is QuickFlags and (other is self or other._values == self._values):
            return True
        return super().__eq__(other)

    def __hash__(self) -> int:
        return super().__hash__()


def _tidy(function: Any) -> None:
    function.blocks = transforms.canonicalize_cfg(function.blocks)


def _is_arithmetic(function: Any, args: Any) -> bool:
    """Tell whether one of numba's functions is called with numbers."""
    return type(function) is types.Function and all(isinstance(one, types.Number) for one in args)


#: by function and types of numbers: signature, and under what it is found
_known: dict[Any, tuple[Any, Any]] = {}


@contextlib.contextmanager
def quickly() -> Iterator[None]:
    """Let numba ask once in a process what a function of numbers does to them, and for lifetimes where they matter."""
    context: Any = cpu_target.typing_context
    if "_resolve_user_function_type" in vars(context):  # a loop that calls another one
        yield
        return
    ask, process = context._resolve_user_function_type, PostProcessor.run

    def resolve(func: Any, args: Any, kws: Any, literals: Any = None) -> Any:
        kind: Any = context._lookup_global(func) or func
        if kws or not _is_arithmetic(kind, args):
            return ask(func, args, kws, literals)
        found = _known.get((kind, args))
        if found is None:
            signature = ask(func, args, kws, literals)
            if signature is not None:
                _known[kind, args] = signature, kind.get_impl_key(signature)
            return signature
        signature, key = found
        kind._impl_keys[signature.args] = key
        return signature

    def run(self: Any, emit_dels: bool = False, extend_lifetimes: bool = False) -> None:
        if emit_dels or self.func_ir.is_generator:
            process(self, emit_dels, extend_lifetimes)
        else:
            _tidy(self.func_ir)

    context._resolve_user_function_type, PostProcessor.run = resolve, run
    try:
        yield
    finally:
        PostProcessor.run = process
        del context._resolve_user_function_type
