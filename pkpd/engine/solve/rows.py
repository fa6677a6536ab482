"""Arithmetic on rows of eight doubles inside compiled loops, which numba alone would leave scalar."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.np.arrayobj import make_array

from pkpd.engine.machine.jit import spliced

__all__ = [
    "ROW", "choose_row", "clear", "copy_numbers", "copy_row", "multiply_add", "multiply_row", "row_series", "scale_row",
    "transposed",
]  # fmt: skip

ROW = 8
_F64, _I64 = ir.DoubleType(), ir.IntType(64)
_VECTOR = ir.VectorType(_F64, ROW)
FUSE = ("contract",)


class _Rows:
    """Vector loads and stores for one call of an intrinsic."""

    def __init__(self, context: Any, builder: Any, kinds: Any, args: Any) -> None:
        self.builder = builder
        self.values = [
            make_array(kind)(context, builder, value).data
            if isinstance(kind, types.Array)
            else context.cast(builder, value, kind, types.int64)
            for kind, value in zip(kinds, args, strict=True)
        ]

    def address(self, array: int, index: int | None = None) -> Any:
        """Return the address of a row of an array argument; another argument is its number, 0 without one."""
        number = ir.Constant(_I64, 0) if index is None else self.values[index]
        first = self.builder.mul(number, ir.Constant(_I64, ROW))
        start = self.builder.gep(self.values[array], [first])
        return self.builder.bitcast(start, _VECTOR.as_pointer())

    def load(self, array: int, index: int | None = None) -> Any:
        return self.builder.load(self.address(array, index), align=8)

    def splat(self, scalar: Any) -> Any:
        lane = self.builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), ROW), [0] * ROW)
        return self.builder.shuffle_vector(lane, ir.Constant(_VECTOR, ir.Undefined), mask)


@spliced
def multiply_add(typingctx: Any, c: Any, ic: Any, a: Any, ia: Any, b: Any, ib: Any) -> Any:
    """Add row ia of a times row ib of b, entry by entry, to row ic of c; arrays are contiguous, (rows, 8)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args, args)
        product = builder.fmul(rows.load(2, 3), rows.load(4, 5), flags=FUSE)
        builder.store(builder.fadd(rows.load(0, 1), product, flags=FUSE), rows.address(0, 1), align=8)
        return context.get_dummy_value()

    return types.void(c, ic, a, ia, b, ib), generate


@spliced
def copy_row(typingctx: Any, c: Any, ic: Any, a: Any, ia: Any) -> Any:
    """Copy row ia of a to row ic of c."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args, args)
        builder.store(rows.load(2, 3), rows.address(0, 1), align=8)
        return context.get_dummy_value()

    return types.void(c, ic, a, ia), generate


@spliced
def copy_numbers(typingctx: Any, c: Any, ic: Any, a: Any, ia: Any, count: Any) -> Any:
    """Copy ``count`` doubles of a from place ia on to those of c from place ic on, which may not overlap."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = _Rows(context, builder, signature.args, args).values
        target, source = (builder.gep(values[k], [values[k + 1]]) for k in (0, 2))
        cgutils.memcpy(builder, target, source, values[4])
        return context.get_dummy_value()

    return types.void(c, ic, a, ia, count), generate


@spliced
def clear(typingctx: Any, array: Any) -> Any:
    """Set all numbers of a contiguous array to 0; numba's own assignment compiles errors for shapes that differ."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole = make_array(signature.args[0])(context, builder, args[0])
        cgutils.memset(builder, whole.data, builder.mul(whole.nitems, whole.itemsize), 0)
        return context.get_dummy_value()

    return types.void(array), generate


@spliced
def multiply_row(typingctx: Any, c: Any, ic: Any, a: Any, ia: Any, b: Any, ib: Any) -> Any:
    """Write row ia of a times row ib of b, entry by entry, to row ic of c."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args, args)
        builder.store(builder.fmul(rows.load(2, 3), rows.load(4, 5)), rows.address(0, 1), align=8)
        return context.get_dummy_value()

    return types.void(c, ic, a, ia, b, ib), generate


@spliced
def scale_row(typingctx: Any, c: Any, ic: Any, a: Any, ia: Any, factor: Any) -> Any:
    """Write row ia of a times a number to row ic of c."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args[:4], args[:4])
        number = rows.splat(context.cast(builder, args[4], signature.args[4], types.float64))
        builder.store(builder.fmul(rows.load(2, 3), number), rows.address(0, 1), align=8)
        return context.get_dummy_value()

    return types.void(c, ic, a, ia, factor), generate


@spliced
def choose_row(typingctx: Any, c: Any, ic: Any, a: Any, ia: Any, mask: Any, im: Any) -> Any:
    """Copy the entries of row ia of a to row ic of c where those of row im of a mask are above zero."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _Rows(context, builder, signature.args, args)
        above = builder.fcmp_ordered(">", rows.load(4, 5), ir.Constant(_VECTOR, [0.0] * ROW))
        builder.store(builder.select(above, rows.load(2, 3), rows.load(0, 1)), rows.address(0, 1), align=8)
        return context.get_dummy_value()

    return types.void(c, ic, a, ia, mask, im), generate


def transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Return the transpose of eight vectors of eight doubles."""
    values, half = list(rows), ROW // 2
    while half:  # swap the halves of blocks of 2 half rows, then of ever smaller ones
        low = [k + (ROW if k & half else 0) - (half if k & half else 0) for k in range(ROW)]
        high = [k + half if not k & half else k + ROW for k in range(ROW)]
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), ROW), m) for m in (low, high)]
        for k in range(ROW):
            if not k & half:
                pair = values[k], values[k + half]
                values[k], values[k + half] = (builder.shuffle_vector(*pair, m) for m in masks)
        half //= 2
    return values


@spliced
def row_series(typingctx: Any, out: Any, place: Any, series: Any, degree: Any, s: Any, factor: Any) -> Any:
    """Write factor sum_m T[m] s^m to eight doubles of out from ``place`` on.

    ``series`` is (table, row, stride), and T[m] row ``row + m stride`` of the table; degree is a literal.
    """
    if not isinstance(degree, types.IntegerLiteral):
        return None
    highest = degree.literal_value

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds, given = list(signature.args[2]), [builder.extract_value(args[2], k) for k in range(3)]
        target_of = _Rows(context, builder, signature.args[:2], args[:2])
        rows = _Rows(context, builder, kinds, given)
        one = ir.Constant(_I64, ROW)
        first = builder.mul(rows.values[1], one)
        step = builder.mul(rows.values[2], one)
        power, scale = (rows.splat(context.cast(builder, args[k], signature.args[k], types.float64)) for k in (4, 5))

        def coefficients(m: int) -> Any:
            place = builder.gep(rows.values[0], [builder.add(first, builder.mul(step, ir.Constant(_I64, m)))])
            return builder.load(builder.bitcast(place, _VECTOR.as_pointer()), align=8)

        total = coefficients(highest)
        for m in range(highest - 1, -1, -1):
            total = builder.fadd(builder.fmul(total, power, flags=FUSE), coefficients(m), flags=FUSE)
        target = builder.bitcast(builder.gep(target_of.values[0], [target_of.values[1]]), _VECTOR.as_pointer())
        builder.store(builder.fmul(total, scale), target, align=8)
        return context.get_dummy_value()

    return types.void(out, place, series, degree, s, factor), generate
