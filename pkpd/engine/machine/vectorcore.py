"""Arithmetic, comparisons and bit operations on LLVM vectors of doubles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

__all__ = ["Value", "VectorCore"]

Value = Any
F64, I64, I1 = ir.DoubleType(), ir.IntType(64), ir.IntType(1)

FUSE = ("contract",)
SIGN = 1 << 63
WIDTHS = (1, 2, 4, 8, 16)


class VectorCore:
    """Write elementary operations on ``<lanes x double>`` with a builder.

    Values are llvmlite values: numbers are ``<lanes x double>``, conditions ``<lanes x i1>``. Public ``add``, ``sub``
    and ``mul`` may be contracted to fused multiply-adds; the underscored ones are rounded one by one, as compensated
    sums need. ``fma`` is always fused: the host must have the instruction (x86-64 with FMA3, i.e. AVX2 and later;
    arm64), else LLVM calls the C library's, which is right but slow.

    Parameters
    ----------
    builder : ir.IRBuilder
        Where the instructions go.
    lanes : int
        Doubles in a vector: 1, 2, 4, 8 or 16. LLVM splits vectors that are wider than the registers.

    Raises
    ------
    ValueError
        If ``lanes`` is another number.
    """

    def __init__(self, builder: ir.IRBuilder, lanes: int) -> None:
        if lanes not in WIDTHS:
            raise ValueError(f"lanes must be one of {', '.join(map(str, WIDTHS))}, got {lanes!r}")
        self.builder: Any = builder
        self.lanes = lanes
        self.vector = ir.VectorType(F64, lanes)
        self.integers = ir.VectorType(I64, lanes)
        self.mask = ir.VectorType(I1, lanes)

    # --- constants and arithmetic

    def const(self, x: float) -> Value:
        """Return the number in all lanes."""
        return ir.Constant(self.vector, [float(x)] * self.lanes)

    def add(self, a: Value, b: Value) -> Value:
        """Return a + b."""
        return self.builder.fadd(a, b, flags=FUSE)

    def sub(self, a: Value, b: Value) -> Value:
        """Return a - b."""
        return self.builder.fsub(a, b, flags=FUSE)

    def mul(self, a: Value, b: Value) -> Value:
        """Return a b."""
        return self.builder.fmul(a, b, flags=FUSE)

    def div(self, a: Value, b: Value) -> Value:
        """Return a / b."""
        return self.builder.fdiv(a, b)

    def neg(self, a: Value) -> Value:
        """Return -a."""
        return self.builder.fneg(a)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """Return a b + c, rounded once."""
        return self._intrinsic("fma", a, b, c)

    def abs(self, a: Value) -> Value:
        """Return the absolute value."""
        return self._intrinsic("fabs", a)

    def sqrt(self, a: Value) -> Value:
        """Return the square root; NaN below zero."""
        return self._intrinsic("sqrt", a)

    def floor(self, a: Value) -> Value:
        """Return the largest integer that is not above a."""
        return self._intrinsic("floor", a)

    def minimum(self, a: Value, b: Value) -> Value:
        """Return the smaller; NaN if either is NaN."""
        return self._extreme("<", a, b)

    def maximum(self, a: Value, b: Value) -> Value:
        """Return the larger; NaN if either is NaN."""
        return self._extreme(">", a, b)

    # --- comparisons (false where either side is NaN) and conditions

    def less(self, a: Value, b: Value) -> Value:
        """Return a < b."""
        return self.builder.fcmp_ordered("<", a, b)

    def less_equal(self, a: Value, b: Value) -> Value:
        """Return a <= b."""
        return self.builder.fcmp_ordered("<=", a, b)

    def greater(self, a: Value, b: Value) -> Value:
        """Return a > b."""
        return self.builder.fcmp_ordered(">", a, b)

    def greater_equal(self, a: Value, b: Value) -> Value:
        """Return a >= b."""
        return self.builder.fcmp_ordered(">=", a, b)

    def equal(self, a: Value, b: Value) -> Value:
        """Return a == b."""
        return self.builder.fcmp_ordered("==", a, b)

    def not_equal(self, a: Value, b: Value) -> Value:
        """Return where a and b differ; true where either is NaN."""
        return self.builder.fcmp_unordered("!=", a, b)

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """Return a where the condition holds, else b; the other side may be NaN."""
        return self.builder.select(condition, a, b)

    def logical_and(self, a: Value, b: Value) -> Value:
        """Return where both hold."""
        return self.builder.and_(a, b)

    def logical_or(self, a: Value, b: Value) -> Value:
        """Return where one or both hold."""
        return self.builder.or_(a, b)

    def logical_not(self, a: Value) -> Value:
        """Return where the condition does not hold."""
        return self.builder.xor(a, ir.Constant(self.mask, [True] * self.lanes))

    # --- building blocks of the functions

    def polynomial(self, x: Value, coefficients: Sequence[float]) -> Value:
        """Return sum_i c_i x^i by Estrin's scheme, whose chain of dependent operations is short."""
        terms = [self.const(c) for c in coefficients]
        power = x
        while len(terms) > 1:
            paired = [self.fma(terms[i + 1], power, terms[i]) for i in range(0, len(terms) - 1, 2)]
            terms = paired + terms[len(paired) * 2 :]
            if len(terms) > 1:
                power = self._mul(power, power)
        return terms[0]

    def _add(self, a: Value, b: Value) -> Value:
        return self.builder.fadd(a, b)

    def _sub(self, a: Value, b: Value) -> Value:
        return self.builder.fsub(a, b)

    def _mul(self, a: Value, b: Value) -> Value:
        return self.builder.fmul(a, b)

    def _clamp(self, x: Value, low: float | None, high: float) -> Value:
        """Return x moved into [low, high], NaN left as it is."""
        bounds = ((">", high),) if low is None else (("<", low), (">", high))
        for sign, bound in bounds:
            x = self.select(self.builder.fcmp_ordered(sign, x, self.const(bound)), self.const(bound), x)
        return x

    def _copysign(self, magnitude: Value, sign: Value) -> Value:
        """Return the magnitude (not negative) with the sign of the other."""
        bits = self.builder.and_(self._bits(sign), self._integer(SIGN))
        return self._float(self.builder.or_(self._bits(magnitude), bits))

    def _integer(self, x: int) -> Value:
        return ir.Constant(self.integers, [x] * self.lanes)

    def _bits(self, x: Value) -> Value:
        return self.builder.bitcast(x, self.integers)

    def _float(self, bits: Value) -> Value:
        return self.builder.bitcast(bits, self.vector)

    def _power_of_two(self, bits: Value) -> Value:
        """Return 2^(n - 1023) where n stands in the lowest eleven bits."""
        return self._float(self.builder.shl(bits, self._integer(52)))

    def _extreme(self, sign: str, a: Value, b: Value) -> Value:
        # One compare-and-choose hands on a NaN in its last operand only, which a constant never is.
        if isinstance(a, ir.Constant):
            a, b = b, a
        best = self.select(self.builder.fcmp_ordered(sign, b, a), b, a)
        if isinstance(b, ir.Constant):
            return best
        return self.select(self.builder.fcmp_unordered("uno", b, b), b, best)

    def _intrinsic(self, name: str, *args: Value) -> Value:
        full = f"llvm.{name}.v{self.lanes}f64"
        module = self.builder.module
        function = module.globals.get(full)
        if function is None:
            function = ir.Function(module, ir.FunctionType(self.vector, [self.vector] * len(args)), name=full)
        return self.builder.call(function, args)
