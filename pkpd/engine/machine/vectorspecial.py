"""Error function, circular functions and log-gamma on LLVM vectors, without the C library."""

from __future__ import annotations

import math

from pkpd.engine.machine.vectorcore import Value
from pkpd.engine.machine.vectorexp import ROUND, VectorExponential

__all__ = ["COS", "ERF", "SIN", "VectorSpecial"]

# -log(erfc(x)) / x on [0, 5.95]; relative error of erf 3e-16
ERF = (
    1.1283791670955123, 0.6366197723676831, 0.10277260329601447, -0.01912844687345441,
    -0.00020919626750652868, 0.0016962177870234602, -0.0005901803032678831, 2.606314763613347e-05,
    6.403721135008908e-05, -2.8880980609358703e-05, 2.2048441148290926e-06, 4.175527602053409e-06,
    -2.923130370700262e-06, 1.166773811917289e-06, -3.3043606104673816e-07, 6.966458535129601e-08,
    -1.0946763353828262e-08, 1.2492159783615345e-09, -9.786333462763984e-11, 4.700597879255778e-12,
    -1.0410325465557586e-13,
)  # fmt: skip
# (sin(r) / r - 1) / r^2 and (cos(r) - 1 + r^2 / 2) / r^4 in r^2, |r| <= pi / 4; errors 1.2e-17, 4e-19
SIN = (
    -0.1666666666666664, 0.008333333333323575, -0.000198412698300642, 2.7557313621771677e-06, -2.505072963516614e-08,
    1.5894416118120822e-10,
)  # fmt: skip
COS = (
    0.04166666666666665, -0.0013888888888882785, 2.4801587294577833e-05, -2.755731571979273e-07, 2.0875894650485317e-09,
    -1.1367797644656625e-11,
)  # fmt: skip
HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)  # their sum is pi / 2 to 161 bits
# B_2n / (2n (2n - 1)), Abramowitz & Stegun 6.1.41
STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)
SHIFT = 8  # Stirling's series is good to 1e-16 from here


class VectorSpecial(VectorExponential):
    """Add erf, sin, cos and lgamma."""

    def erf(self, x: Value) -> Value:
        """Return 1 - exp(-g) with the sign of x, g = -log(erfc(|x|)) being one polynomial."""
        a = self._clamp(self.abs(x), None, 5.95)
        g = self._mul(a, self.polynomial(a, ERF))
        z, r = self._reduce(self.neg(g), 1023)
        return self._copysign(self.abs(self._expm1_scaled(z, r)), x)

    def sin(self, x: Value) -> Value:
        """Return sin x for |x| <= 1e9 (full precision); NaN at infinity, +0 at -0."""
        quadrant, s, c = self._circular(x)
        return self._turn(quadrant, s, c)

    def cos(self, x: Value) -> Value:
        """Return cos x for |x| <= 1e9 (full precision); NaN at infinity."""
        quadrant, s, c = self._circular(x)
        return self._turn(self.builder.add(quadrant, self._integer(1)), s, c)

    def lgamma(self, x: Value) -> Value:
        """Return log(gamma(x)) for x >= 0, NaN below.

        Relative error below 1e-14, absolute below 1e-14 near the zeros at 1 and 2. Stirling's series, for x < 8 at
        x + 8 less the logarithm of x (x + 1) ... (x + 7).
        """
        zero, one = self.const(0.0), self.const(1.0)
        small = self.less(x, self.const(SHIFT))
        product = x
        for i in range(1, SHIFT):
            product = self._mul(product, self._add(x, self.const(i)))
        w = self.select(small, self._add(x, self.const(SHIFT)), x)
        inverse = self.div(one, w)
        series = self._mul(inverse, self.polynomial(self._mul(inverse, inverse), STIRLING))
        series = self._add(series, self.const(0.5 * math.log(2 * math.pi) - 0.5))
        y = self.fma(self._sub(w, self.const(0.5)), self._sub(self.log(w), one), series)
        y = self._sub(y, self.select(small, self.log(self.select(small, product, one)), zero))
        return self.select(self.less(x, zero), self.const(math.nan), y)

    def _circular(self, x: Value) -> tuple[Value, Value, Value]:
        """Return the number of quarter turns in x and sine and cosine of the rest (Cody & Waite 1980, chapter 8)."""
        z = self.fma(x, self.const(2 / math.pi), self.const(ROUND))
        k = self._sub(z, self.const(ROUND))
        r = x
        for part in HALF_PI:  # the first step is exact, since k pi / 2 is close to x
            r = self.fma(k, self.const(-part), r)
        r2 = self._mul(r, r)
        s = self.fma(self._mul(r, r2), self.polynomial(r2, SIN), r)
        c = self.fma(r2, self.const(-0.5), self.const(1.0))
        return self._bits(z), s, self.fma(self._mul(r2, r2), self.polynomial(r2, COS), c)

    def _turn(self, quadrant: Value, s: Value, c: Value) -> Value:
        b = self.builder
        odd = b.icmp_signed("!=", b.and_(quadrant, self._integer(1)), self._integer(0))
        sign = b.shl(b.and_(quadrant, self._integer(2)), self._integer(62))
        return self._float(b.xor(self._bits(self.select(odd, c, s)), sign))
