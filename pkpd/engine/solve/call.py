"""Call machine code by address from compiled loops."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.np.arrayobj import make_array

from pkpd.engine.machine.jit import spliced

__all__ = ["call_code", "unowned"]

_I64 = ir.IntType(64)
_BYTE = ir.IntType(8).as_pointer()


def _invoke(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Call an address with the entries of a tuple: data pointers for arrays, 64-bit numbers for integers."""
    values, kinds = [], []
    for k, kind in enumerate(signature.args[1]):
        value = builder.extract_value(args[1], k)
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
def call_code(typingctx: Any, address: Any, arguments: Any) -> Any:
    """Call machine code with a tuple of arguments: arrays by their data, whole numbers.

    Of a method it is ``pkpd.engine.solve.loop.MethodArguments``; of ``prepare`` (count, stride, inputs, out); of
    ``observe`` (count, t, y, ystride, p, pstride, out, ostride); of ``panel`` (clock, x, p, sets, which, new, info).
    """
    return types.void(address, arguments), _invoke


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
