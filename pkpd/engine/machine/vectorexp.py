"""Exponential, logarithm, power and hyperbolic tangent on LLVM vectors, without the C library.

exp and log follow the reductions of fdlibm (Sun Microsystems 1993, ``e_exp.c``, ``e_log.c``); the polynomials are
minimax ones of our own, by Remez exchange in 50 digits, rounded to double.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from llvmlite import ir

from pkpd.engine.machine.vectorcore import Value, VectorCore

__all__ = ["ATANH", "ATANH_LONG", "EXPM1", "VectorExponential"]

# (e^r - 1 - r) / r^2 on |r| <= log(2) / 2, relative error of e^r 1.2e-17
EXPM1 = (
    0.500000000000001, 0.16666666666666674, 0.041666666666520795, 0.00833333333332337, 0.001388888894818612,
    0.00019841269883683857, 2.4801486912479383e-05, 2.755724521547351e-06, 2.763281167227811e-07, 2.510906368053191e-08,
)  # fmt: skip
# (atanh(s) / s - 1) / s^2 in s^2, |s| <= 3 - 2 sqrt(2); error of atanh(s) / s 2.3e-18 and 6e-20
ATANH = (
    0.3333333333333355, 0.19999999999759913, 0.14285714364642327, 0.11111099545453493, 0.09091785770239097,
    0.0765658219620751, 0.07405259910344406,
)  # fmt: skip
ATANH_LONG = (
    0.3333333333333333, 0.2000000000000239, 0.14285714284685136, 0.11111111311895006, 0.09090888177125812,
    0.07693548947467509, 0.06624663639467622, 0.06631431606802872,
)  # fmt: skip

LOG2_E = 1 / math.log(2)
LN2_HI, LN2_LO = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # k LN2_HI is exact for |k| < 2^20
ROUND = 1.5 * 2.0**52  # added to a number it leaves the nearest integer in the lowest bits
TINY = 2.0**-1022  # below are the subnormals
ONE, ROOT_HALF, MANTISSA = 0x3FF0000000000000, 0x3FE6A09E667F3BCD, 0x000FFFFFFFFFFFFF
USUAL = 707.0  # exponents of e up to which 2^k is a normal number
COUNT = 2.0**52  # its bits, with an integer in the lowest, are 2^52 + the integer


class VectorExponential(VectorCore):
    """Add exp, log, pow and tanh; special values are those of C99 (ISO/IEC 9899:1999, F.9)."""

    def exp(self, x: Value) -> Value:
        """Return e^x; below -745.13 it is 0, above 709.78 infinite, between -745 and -708 subnormal."""
        return self._exp(self._clamp(x, -746.0, 710.0), None)

    def exp_pair(self, hi: Value, lo: Value) -> Value:
        """Return e^(hi + lo), where lo is no more than some units in the last place of hi.

        Where hi alone decides (it is infinite or the result overflows or vanishes) lo is ignored, NaN included.
        """
        x = self._clamp(hi, -746.0, 710.0)
        return self._exp(x, self.select(self.equal(x, hi), lo, self.const(0.0)))

    def log(self, x: Value) -> Value:
        """Return the natural logarithm: -inf at zero, NaN below."""
        m, k = self._split(x)
        return self._log_special(x, self._log(self._sub(m, self.const(1.0)), k))

    def log_pair(self, x: Value) -> tuple[Value, Value]:
        """Return hi, lo with hi + lo = log|x| to about 2^-58 relative, hi being the nearest double.

        log|x| = k log 2 + 2 atanh(s) with s = (m - 1) / (m + 1), s and its rounding error kept apart. At zero and
        infinity hi is infinite, and lo is no more than some finite number.
        """
        x = self.abs(x)
        m, k = self._split(x)
        one = self.const(1.0)
        f, t = self._sub(m, one), self._add(m, one)
        t_lo = self._sub(f, self._sub(t, self.const(2.0)))
        inverse = self.div(one, t)
        s = self._mul(f, inverse)
        rest = self.fma(self.neg(s), t_lo, self.fma(self.neg(s), t, f))
        s_lo = self._mul(rest, inverse)
        z = self._mul(s, s)
        two_s = self._add(s, s)
        whole = self._mul(k, self.const(LN2_HI))
        head = self._add(whole, two_s)
        tail = self._sub(two_s, self._sub(head, whole))
        tail = self.fma(k, self.const(LN2_LO), tail)
        tail = self.fma(self.fma(s_lo, z, s_lo), self.const(2.0), tail)  # d atanh(s) = (1 + s^2 + ...) ds
        tail = self.fma(self._mul(two_s, z), self.polynomial(z, ATANH_LONG), tail)
        hi = self._add(head, tail)
        lo = self._sub(tail, self._sub(hi, head))
        hi = self.select(self.less(x, self.const(math.inf)), hi, x)
        return self.select(self.equal(x, self.const(0.0)), self.const(-math.inf), hi), lo

    def add_to_pair(self, pair: tuple[Value, Value], size: Value) -> tuple[Value, Value]:
        """Return log|c x| from the pair of log|x| and from log|c|, whose rounding error remains."""
        hi, lo = pair
        total = self._add(hi, size)
        part = self._sub(total, hi)
        lost = self._add(self._sub(hi, self._sub(total, part)), self._sub(size, part))
        return total, self._add(lo, lost)

    def pow(self, x: Value, y: Value, *, positive: bool = False) -> Value:
        """Return x^y; see :meth:`pow_from_pair`."""
        return self.pow_from_pair(x, self.log_pair(x), y, positive=positive)

    def pow_from_pair(self, x: Value, pair: tuple[Value, Value], y: Value, *, positive: bool = False) -> Value:
        """Return x^y from ``pair = log_pair(x)``, so that several powers of one base share the logarithm.

        Special values as in C99; in particular x^0 = 1^y = 1, NaN included, and a negative finite base gives NaN unless
        y is an integer.

        Parameters
        ----------
        positive : bool
            The base is known not to be negative (nor -0): leave out the search for integers in y.
        """
        hi, lo = pair
        product = self._mul(y, hi)
        rest = self.fma(y, lo, self.fma(y, hi, self.neg(product)))
        z, r = self._reduce(product, 1023)
        power = self._mul(
            self._add(self._expm1(self._add(r, rest)), self.const(1.0)), self._power_of_two(self._bits(z))
        )
        usual = self.less(self.abs(product), self.const(USUAL))
        if not positive:
            usual = self.logical_and(usual, self.less(self.const(0.0), x))
        return self._unless(usual, power, lambda: self._any_power(x, y, (hi, product, rest), positive))

    def pow_integer(self, x: Value, n: int) -> Value:
        """Return x^n by repeated squaring, of 1/x for negative n; x^0 is 1.

        The relative error grows to (n - 1) 2^-53, for negative n to (2 |n| - 1) 2^-53: meant for |n| <= 16.
        """
        if n == 0:
            return self.const(1.0)
        square = x if n > 0 else self.div(self.const(1.0), x)
        result, left = None, abs(n)
        while left:
            if left & 1:
                result = square if result is None else self._mul(result, square)
            left >>= 1
            if left:
                square = self._mul(square, square)
        return result

    def expm1(self, x: Value) -> Value:
        """Return e^x - 1, precise near zero too."""
        z, r = self._reduce(self._clamp(x, -40.0, 710.0), 1022)
        half = self._power_of_two(self._bits(z))  # 2^(k - 1), since 2^1024 is no double
        y = self.fma(self._expm1(r), half, self._sub(half, self.const(0.5)))
        small = self.less(self.abs(x), self.const(2.0**-54))
        return self.select(small, x, self._add(y, y))

    def log1p(self, x: Value) -> Value:
        """Return log(1 + x), precise near zero too: -inf at -1, NaN below."""
        one, zero = self.const(1.0), self.const(0.0)
        u = self._add(one, x)
        lost = self._sub(x, self._sub(u, one))
        m, k = self._split(u)
        # The part of x that 1 + x rounded away, over 2^k; it is zero where 2^-k would be subnormal.
        inverse = self._power_of_two(self._bits(self._sub(self.const(ROUND + 1023), k)))
        lost = self.select(self.equal(lost, zero), zero, self._mul(lost, inverse))
        y = self._log_special(u, self._log(self._add(self._sub(m, one), lost), k))
        return self.select(self.equal(x, zero), x, y)

    def tanh(self, x: Value) -> Value:
        """Return t / (t + 2) with t = e^(2 |x|) - 1 and the sign of x."""
        a = self._clamp(self.abs(x), None, 22.0)
        z, r = self._reduce(self._add(a, a), 1023)
        t = self._expm1_scaled(z, r)
        return self._copysign(self.div(t, self._add(t, self.const(2.0))), x)

    # --- kernels

    def _reduce(self, x: Value, bias: int) -> tuple[Value, Value]:
        """Return z, whose lowest bits are k + bias, and r = x - k log 2, |r| <= log(2) / 2."""
        z = self.fma(x, self.const(LOG2_E), self.const(ROUND + bias))
        k = self._sub(z, self.const(ROUND + bias))
        r = self.fma(k, self.const(-LN2_HI), x)
        return z, self.fma(k, self.const(-LN2_LO), r)

    def _expm1(self, r: Value) -> Value:
        return self.fma(self._mul(r, r), self.polynomial(r, EXPM1), r)

    def _expm1_scaled(self, z: Value, r: Value) -> Value:
        """Return 2^k e^r - 1 for k in -1022 ... 1023, from a reduction with bias 1023."""
        scale = self._power_of_two(self._bits(z))
        return self.fma(self._expm1(r), scale, self._sub(scale, self.const(1.0)))

    def _exp(self, x: Value, lo: Value | None) -> Value:
        z, r = self._reduce(x, 2046)
        if lo is not None:
            r = self._add(r, lo)
        p = self._add(self._expm1(r), self.const(1.0))
        # 2^k in two factors, so that overflow and gradual underflow come from the last product alone.
        half = self._bits(self.fma(x, self.const(LOG2_E / 2), self.const(ROUND + 1023)))
        rest = self.builder.sub(self._bits(z), half)
        return self._mul(self._mul(p, self._power_of_two(half)), self._power_of_two(rest))

    def _split(self, x: Value) -> tuple[Value, Value]:
        """Return m in [sqrt(1/2), sqrt(2)) and k, as doubles, with x = 2^k m for positive finite x."""
        b = self.builder
        small = self.less(x, self.const(TINY))
        scaled = self.select(small, self._mul(x, self.const(2.0**54)), x)
        offset = self.select(small, self.const(COUNT + 1023 + 54), self.const(COUNT + 1023))
        shifted = b.add(self._bits(scaled), self._integer(ONE - ROOT_HALF))
        exponent = b.or_(b.lshr(shifted, self._integer(52)), self._integer(0x4330000000000000))
        m = b.add(b.and_(shifted, self._integer(MANTISSA)), self._integer(ROOT_HALF))
        return self._float(m), self._sub(self._float(exponent), offset)

    def _log(self, f: Value, k: Value) -> Value:
        """Return k log 2 + log(1 + f), arranged as f - f^2/2 + s (f^2/2 + R) with s = f / (2 + f)."""
        s = self.div(f, self._add(f, self.const(2.0)))
        z = self._mul(s, s)
        half_square = self._mul(self._mul(f, self.const(0.5)), f)
        inner = self.fma(z, self.polynomial(z, [2 * c for c in ATANH]), half_square)
        tail = self.fma(s, inner, self._mul(k, self.const(LN2_LO)))
        return self.fma(k, self.const(LN2_HI), self._sub(f, self._sub(half_square, tail)))

    def _log_special(self, x: Value, y: Value) -> Value:
        zero = self.const(0.0)
        y = self.select(self.less(x, self.const(math.inf)), y, x)
        edge = self.select(self.equal(x, zero), self.const(-math.inf), self.const(math.nan))
        return self.select(self.less_equal(x, zero), edge, y)

    def _unless(self, usual: Value, value: Value, other: Callable[[], Value]) -> Value:
        """Return the value, or, where a condition does not hold in all lanes, what the other way gives for all."""
        b = self.builder
        others = b.bitcast(self.logical_not(usual), ir.IntType(self.lanes))
        before = b.block
        with b.if_then(b.icmp_unsigned("!=", others, ir.Constant(others.type, 0)), likely=False):
            found = other()
            inside = b.block
        out = b.phi(self.vector)
        out.add_incoming(value, before)
        out.add_incoming(found, inside)
        return out

    def _any_power(self, x: Value, y: Value, parts: tuple[Value, Value, Value], positive: bool) -> Value:
        """Return x^y from log|x| to double precision and from the two parts of y log|x|, whatever they are."""
        hi, product, rest = parts
        power, zero = self.exp_pair(product, rest), self.const(0.0)
        unit = self.logical_or(self.equal(y, zero), self.equal(hi, zero))  # hi is zero where |x| is 1
        power = self.select(unit, self.const(1.0), power)
        return power if positive else self._power_sign(x, y, power)

    def _power_sign(self, x: Value, y: Value, power: Value) -> Value:
        """Return |x|^y with its sign: that of x for odd y, NaN for a negative finite x and a y that is no integer."""
        half = self._mul(y, self.const(0.5))
        whole = self.equal(self.floor(y), y)
        odd = self.logical_and(whole, self.not_equal(self.floor(half), half))
        power = self.select(odd, self._copysign(power, x), power)
        negative = self.logical_and(self.less(x, self.const(0.0)), self.greater(x, self.const(-math.inf)))
        undefined = self.logical_and(negative, self.logical_not(whole))
        return self.select(undefined, self.const(math.nan), power)
