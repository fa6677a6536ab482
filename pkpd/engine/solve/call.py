"""Call machine code by address from compiled loops."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.np.arrayobj import make_array

from pkpd.engine.machine.jit import spliced

__all__ = ["call_method", "call_observe", "call_panel", "call_prepare", "unowned"]

_I64 = ir.IntType(64)
_BYTE = ir.IntType(8).as_pointer()


def _invoke(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Call the address in args[0] with data pointers for arrays and 64-bit numbers for integers."""
    values, kinds = [], []
    for kind, value in zip(signature.args[1:], args[1:], strict=True):
        if isinstance(kind, types.Array):
            pointer = make_array(kind)(context, builder, value).data
            values.append(builder.bitcast(pointer, _BYTE))
            kinds.append(_BYTE)
        else:
            values.append(context.cast(builder, value, kind, types.int64))
            kinds.append(_I64)
    function_type = ir.FunctionType(ir.VoidType(), kinds)
    function = builder.inttoptr(args[0], function_type.as_pointer())
    builder.call(function, values)
    return context.get_dummy_value()


@spliced
def call_method(
    typingctx: Any,
    address: Any,
    t: Any,
    h: Any,
    cap: Any,
    y: Any,
    p: Any,
    r: Any,
    K: Any,
    new: Any,
    info: Any,
    tol: Any,
) -> Any:
    """Call ``start``, ``step``, ``dense`` or ``commit`` (see ``pkpd.engine.solve.explicit.ARGUMENTS``)."""
    return types.void(address, t, h, cap, y, p, r, K, new, info, tol), _invoke


@spliced
def call_prepare(typingctx: Any, address: Any, count: Any, stride: Any, inputs: Any, out: Any) -> Any:
    """Call ``prepare`` of a kernel."""
    return types.void(address, count, stride, inputs, out), _invoke


@spliced
def call_observe(
    typingctx: Any, address: Any, count: Any, t: Any, y: Any, ystride: Any, p: Any, pstride: Any, out: Any, ostride: Any
) -> Any:
    """Call ``observe`` of a kernel."""
    return types.void(address, count, t, y, ystride, p, pstride, out, ostride), _invoke


@spliced
def call_panel(
    typingctx: Any, address: Any, clock: Any, x: Any, p: Any, sets: Any, which: Any, new: Any, info: Any
) -> Any:
    """Call ``panel`` of a cascade."""
    return types.void(address, clock, x, p, sets, which, new, info), _invoke


@spliced
def unowned(typingctx: Any, array: Any) -> Any:
    """Return the same array without its count of references, whose upkeep costs more than short calls do.

    Who owns it must use it once more after the last use of what is returned.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out = make_array(signature.return_type)(context, builder, args[0])
        out.meminfo = ir.Constant(out.meminfo.type, None)
        out.parent = ir.Constant(out.parent.type, None)
        return out._getvalue()

    return array(array), generate
