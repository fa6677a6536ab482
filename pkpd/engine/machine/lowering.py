"""How numba's instructions become LLVM's in loops: numbers of arrays in a few of them, and nothing for what needs none.

numba takes every array apart at each number that is read, and asks at each operator anew what types it takes. It looks
after each variable until it is deleted, though only arrays that a loop makes itself need that.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core import ir as numba_ir
from numba.core import typed_passes as typed
from numba.core.compiler_machinery import register_pass
from numba.core.lowering import Lower

__all__ = ["LoopLowering"]

#: what numba writes in another way where an exponent is known
_POWERS = (operator.pow, operator.ipow)
_INDEX = ir.IntType(64)
_TUPLES = (types.UniTuple, types.Tuple)
_NUMBERS = (types.Integer, types.Float, types.Boolean)


class _Lower(Lower):
    """Writes the instructions of one function."""

    def init(self) -> None:
        super().init()
        self._counted: dict[Any, bool] = {}
        #: entries of tuples of whole numbers, by name, which are put together where somebody asks for the tuple
        self._entries: dict[str, tuple[Any, list[Any]]] = {}

    def _is_counted(self, kind: Any) -> bool:
        """Tell whether values of a type hold arrays whose references are counted."""
        known = self._counted.get(kind)
        if known is None:
            nrt = self.context.enable_nrt
            known = self._counted[kind] = nrt and self.context.data_model_manager[kind].contains_nrt_meminfo()
        return known

    def lower_block(self, block: Any) -> None:
        self.pre_block(block)
        for inst in block.body:
            self.loc = inst.loc
            self.lower_inst(inst)
        self.post_block(block)

    def lower_inst(self, inst: Any) -> None:
        if isinstance(inst, numba_ir.Assign):
            value: Any = inst.value
            name, kind = inst.target.name, self.typeof(inst.target.name)
            if getattr(value, "op", None) == "build_tuple" and name in self._singly_assigned_vars and _is_place(kind):
                self._entries[name] = kind, self._whole_numbers(value.items, kind)
                return
            self.storevar(self.lower_assign(kind, inst), name)
        elif isinstance(inst, numba_ir.Del):
            self.delvar(inst.value)
        else:
            super().lower_inst(inst)

    def _whole_numbers(self, items: Any, kind: Any) -> list[Any]:
        cast = self.context.cast
        return [
            cast(self.builder, self.loadvar(item.name), self.typeof(item.name), one)
            for item, one in zip(items, kind, strict=True)
        ]

    def loadvar(self, name: str) -> Any:
        """Return the value of a variable."""
        if name in self._entries and name not in self._blk_local_varmap:
            kind, entries = self._entries[name]
            self._blk_local_varmap[name] = self.context.make_tuple(self.builder, kind, entries)
        return super().loadvar(name)

    def storevar(self, value: Any, name: str, argidx: int | None = None) -> None:
        """Set a variable."""
        kind = self.typeof(name)
        if self._is_counted(kind):
            super().storevar(value, name)
        elif name in self._singly_assigned_vars:
            self._blk_local_varmap[name] = value
        else:
            self.builder.store(value, self.getvar(name))

    def delvar(self, name: str) -> None:
        """Forget a variable, which does something where it holds arrays that are counted."""
        if self._is_counted(self.typeof(name)):
            super().delvar(name)
        elif name not in self._blk_local_varmap and name not in self._entries:
            self._singly_assigned_vars.discard(name)

    def alloca_lltype(self, name: str, lltype: Any, datamodel: Any = None) -> Any:
        """Return room for a variable."""
        return cgutils.alloca_once(self.builder, lltype, name=name)

    def incref(self, typ: Any, val: Any) -> None:
        if self._is_counted(typ):
            super().incref(typ, val)

    def decref(self, typ: Any, val: Any) -> None:
        if self._is_counted(typ):
            super().decref(typ, val)

    def lower_binop(self, resty: Any, expr: Any, op: Any) -> Any:
        """Return the result of an operator."""
        kinds = self.typeof(expr.lhs.name), self.typeof(expr.rhs.name)
        if op in _POWERS or not all(isinstance(kind, types.Number) for kind in kinds):
            return super().lower_binop(resty, expr, op)
        wanted, context = self.fndesc.calltypes[expr].args, self.context
        given = [
            context.cast(self.builder, self.loadvar(operand.name), kind, one)
            for operand, kind, one in zip((expr.lhs, expr.rhs), kinds, wanted, strict=True)
        ]
        signature = context.typing_context.resolve_function_type(op, wanted, {})
        function = context.get_function(context.typing_context.resolve_value_type(op), signature)
        return context.cast(self.builder, function(self.builder, given), signature.return_type, resty)

    # -- arrays

    def lower_getitem(self, resty: Any, expr: Any, value: Any, index: Any, signature: Any) -> Any:
        array, kinds = self.typeof(value.name), _kinds(self.typeof(index.name))
        if not _is_number_of(array, kinds):
            return super().lower_getitem(resty, expr, value, index, signature)
        place = self._place(value.name, array, index.name, kinds)
        found = self.context.unpack_value(self.builder, array.dtype, place, align=None if array.aligned else 1)
        return self.context.cast(self.builder, found, array.dtype, resty)

    def lower_setitem(self, target_var: Any, index_var: Any, value_var: Any, signature: Any) -> Any:
        array, kinds = self.typeof(target_var.name), _kinds(self.typeof(index_var.name))
        given = self.typeof(value_var.name)
        if not (_is_number_of(array, kinds) and isinstance(given, _NUMBERS)):
            return super().lower_setitem(target_var, index_var, value_var, signature)
        value = self.context.cast(self.builder, self.loadvar(value_var.name), given, array.dtype)
        place = self._place(target_var.name, array, index_var.name, kinds)
        self.context.pack_value(self.builder, array.dtype, value, place, align=None if array.aligned else 1)
        return None

    def _place(self, name: str, array: Any, index: str, kinds: tuple[Any, ...]) -> Any:
        """Return the address of a number of a contiguous array; counted from the end where a number is below zero."""
        builder, held, model = self.builder, self.loadvar(name), self.context.data_model_manager[array]
        known = self._entries.get(index)
        if known is not None:
            entries = known[1]
        elif len(kinds) == 1 and not isinstance(self.typeof(index), types.BaseTuple):
            entries = [self.loadvar(index)]
        else:
            whole = self.loadvar(index)
            entries = [builder.extract_value(whole, k) for k in range(len(kinds))]
        shape = model.get_field_position("shape")
        place = None
        for axis, (entry, kind) in enumerate(zip(entries, kinds, strict=True)):
            size = None
            number = self.context.cast(builder, entry, kind, types.intp if kind.signed else types.uintp)
            if axis:
                size = builder.extract_value(held, (shape, axis))
                place = builder.mul(place, size)
            if kind.signed and not (isinstance(number, ir.Constant) and number.constant >= 0):
                if size is None:
                    size = builder.extract_value(held, (shape, axis))
                below = builder.icmp_signed("<", number, ir.Constant(_INDEX, 0))
                number = builder.select(below, builder.add(number, size), number)
            place = number if place is None else builder.add(place, number)
        data = builder.extract_value(held, model.get_field_position("data"))
        return builder.gep(data, [place])


def _is_place(kind: Any) -> bool:
    """Tell whether a type is a tuple of whole numbers."""
    return isinstance(kind, _TUPLES) and all(isinstance(one, types.Integer) for one in kind)


def _kinds(index: Any) -> tuple[Any, ...]:
    """Return the types of the entries of an index."""
    return tuple(index) if isinstance(index, _TUPLES) else (index,)


def _is_number_of(array: Any, kinds: tuple[Any, ...]) -> bool:
    """Tell whether whole numbers of the given types are the place of one number of a contiguous array."""
    return (
        isinstance(array, types.Array)
        and array.layout == "C"
        and array.ndim == len(kinds) > 0
        and isinstance(array.dtype, _NUMBERS)
        and all(isinstance(kind, types.Integer) for kind in kinds)
    )


@register_pass(mutates_CFG=True, analysis_only=False)
class LoopLowering(typed.NativeLowering):
    """The pass that does it."""

    _name = "loop_lowering"

    @property
    def lowering_class(self) -> Any:
        """The class that writes a function."""
        return _Lower
