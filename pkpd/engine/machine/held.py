"""Named tuples of arrays handed to loops by address: by value, numba hands over each number of each array.

A loop that Python calls reads their fields from memory; the arrays belong to the caller, so nothing is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel.models import PrimitiveModel
from numba.core.datamodel.registry import register_default
from numba.core.imputils import impl_ret_borrowed, lower_builtin, lower_getattr_generic
from numba.core.pythonapi import NativeValue, unbox
from numba.np.numpy_support import as_dtype

__all__ = ["ByAddress", "held"]

_BYTES = ir.IntType(8).as_pointer()


class ByAddress(types.BaseNamedTuple):
    """A named tuple of which a loop has the address.

    Attributes
    ----------
    types : tuple of numba types
        Of the fields; a named tuple within is held too.
    dtypes : tuple
        NumPy's of the fields that are arrays, None of others.
    """

    def __init__(self, plain: Any) -> None:
        self.plain = plain
        self.types = tuple(map(held, plain))
        self.dtypes = tuple(as_dtype(kind.dtype) if isinstance(kind, types.Array) else None for kind in plain)
        self.count = len(self.types)
        self.fields, self.instance_class = plain.fields, plain.instance_class
        super().__init__(f"ByAddress{plain}")

    @property
    def key(self) -> Any:
        """What tells types of this kind apart."""
        return self.plain

    def __getitem__(self, args: Any) -> Any:
        return self.types[args]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.types)

    def __len__(self) -> int:
        return self.count

    def __unliteral__(self) -> ByAddress:
        return self


def held(kind: Any) -> Any:
    """Return the type by which an argument of the given type travels."""
    return ByAddress(kind) if isinstance(kind, types.BaseNamedTuple) and not isinstance(kind, ByAddress) else kind


def _layout(context: Any, kind: Any) -> Any:
    """Return how a value lies in memory."""
    if isinstance(kind, ByAddress):
        return ir.LiteralStructType([_layout(context, k) for k in kind])
    return context.get_value_type(kind)


@register_default(ByAddress)
class _ByAddressModel(PrimitiveModel):
    def __init__(self, manager: Any, kind: ByAddress) -> None:
        super().__init__(manager, kind, _BYTES)


def _field(context: Any, builder: Any, kind: ByAddress, value: Any, index: int) -> Any:
    start = builder.bitcast(value, _layout(context, kind).as_pointer())
    place = cgutils.gep_inbounds(builder, start, 0, index)
    if isinstance(kind[index], ByAddress):
        return builder.bitcast(place, _BYTES)
    return impl_ret_borrowed(context, builder, kind[index], builder.load(place))


@lower_getattr_generic(ByAddress)
def _attribute(context: Any, builder: Any, kind: ByAddress, value: Any, name: str) -> Any:
    return _field(context, builder, kind, value, kind.fields.index(name))


@lower_builtin("static_getitem", ByAddress, types.IntegerLiteral)
def _entry(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return _field(context, builder, signature.args[0], args[0], args[1])


@unbox(ByAddress)
def _unboxed(kind: ByAddress, value: Any, c: Any) -> NativeValue:
    place = cgutils.alloca_once(c.builder, _layout(c.context, kind))
    failed = cgutils.alloca_once_value(c.builder, cgutils.false_bit)
    _fill(kind, value, place, failed, c)
    return NativeValue(c.builder.bitcast(place, _BYTES), is_error=c.builder.load(failed))


def _fill(kind: ByAddress, value: Any, place: Any, failed: Any, c: Any) -> None:
    """Write the fields of a Python tuple to their places; the type of each has been looked at."""
    for index, field in enumerate(kind):
        item, where = c.pyapi.tuple_getitem(value, index), cgutils.gep_inbounds(c.builder, place, 0, index)
        if isinstance(field, ByAddress):
            _fill(field, item, where, failed, c)
            continue
        if isinstance(field, types.Array):
            wrong = c.builder.call(_reader(c), [item, c.builder.bitcast(where, _BYTES), _size(field)])
        else:
            native = c.unbox(field, item)
            c.builder.store(native.value, where)
            wrong = native.is_error
        c.builder.store(c.builder.or_(wrong, c.builder.load(failed)), failed)


def _size(field: types.Array) -> Any:
    return ir.Constant(ir.IntType(64), as_dtype(field.dtype).itemsize)


def _reader(c: Any) -> Any:
    """Return a function that writes an array's address and shape to a place, and tells whether it could not."""
    kind = ir.FunctionType(ir.IntType(1), [c.pyapi.pyobj, _BYTES, ir.IntType(64)])
    name = "pkpd.read_array"
    if name in c.builder.module.globals:
        return c.builder.module.globals[name]
    function = ir.Function(c.builder.module, kind, name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block())
    adapt = cgutils.get_or_insert_function(
        c.builder.module, ir.FunctionType(ir.IntType(32), [c.pyapi.pyobj, _BYTES]), "numba_adapt_ndarray"
    )
    status = builder.call(adapt, function.args[:2])
    head = builder.bitcast(function.args[1], ir.LiteralStructType([_BYTES, _BYTES, *[ir.IntType(64)] * 2]).as_pointer())
    item_size = builder.load(cgutils.gep_inbounds(builder, head, 0, 3))
    wrong = builder.or_(cgutils.is_not_null(builder, status), builder.icmp_signed("!=", item_size, function.args[2]))
    with builder.if_then(wrong, likely=False):
        c.context.get_python_api(builder).err_set_string("PyExc_TypeError", "an array of another type was expected")
    builder.ret(wrong)
    return function
