"""Elementary functions as inline LLVM vector code: no calls of the C library, equal results in every lane and width."""

from __future__ import annotations

from pkpd.engine.machine.vectorspecial import VectorSpecial

__all__ = ["VectorMath"]


class VectorMath(VectorSpecial):
    """Write arithmetic and elementary functions on ``<lanes x double>`` with an LLVM builder.

    Relative errors are below 1e-15 over the whole range of exp, log, tanh, erf, expm1, log1p, sin and cos
    (|x| <= 1e9), and below 3e-15 for pow; infinities, NaN, signed zeros (but for sin) and subnormal numbers are
    treated as C99 says. See :class:`~pkpd.engine.machine.vectorcore.VectorCore` for the parameters and for what the
    host must offer.

    Powers share the logarithm of their base::

        pair = math.log_pair(x)
        math.pow_from_pair(x, pair, gamma), math.pow_from_pair(x, pair, delta)

    Examples
    --------
    >>> from llvmlite import ir
    >>> vector = ir.VectorType(ir.DoubleType(), 4)
    >>> function = ir.Function(ir.Module(), ir.FunctionType(vector, [vector]), "gauss")
    >>> builder = ir.IRBuilder(function.append_basic_block())
    >>> math, x = VectorMath(builder, 4), function.args[0]
    >>> builder.ret(math.exp(math.mul(math.const(-0.5), math.mul(x, x)))).opname
    'ret'
    """
