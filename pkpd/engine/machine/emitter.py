"""Write expression graphs as LLVM instructions on vectors, one person a lane."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from pkpd.engine.graph.nodes import Node
from pkpd.engine.graph.tree import walk
from pkpd.engine.machine.split import size_logarithm
from pkpd.engine.machine.vectormath import VectorMath
from pkpd.errors import ModelError

__all__ = ["F64", "I64", "PTR", "Emitter", "Frame"]

F64, I64, PTR = ir.DoubleType(), ir.IntType(64), ir.PointerType()
Value = Any


class Frame:
    """A function under construction: named arguments, vector loads and stores, loops.

    All arrays hold doubles; an index counts vectors of ``lanes`` doubles unless it says otherwise.
    """

    def __init__(
        self, module: ir.Module, name: str, arguments: Sequence[str], lanes: int, *, numbers: Sequence[str] = ()
    ) -> None:
        types = [I64 if a in numbers else PTR for a in arguments]
        self.function = ir.Function(module, ir.FunctionType(ir.VoidType(), types), name=name)
        self.lanes = lanes
        self.vector = ir.VectorType(F64, lanes)
        self.builder = ir.IRBuilder(self.function.append_basic_block())
        self.math = VectorMath(self.builder, lanes)
        self.arg: dict[str, Value] = dict(zip(arguments, self.function.args, strict=True))
        for a, value in self.arg.items():
            if a not in numbers:
                value.add_attribute("noalias")

    def address(self, base: Value, index: Value | int) -> Value:
        """Return the address of the vector with the given number."""
        if isinstance(index, int):
            offset = ir.Constant(I64, index * self.lanes)
        else:
            offset = self.builder.mul(index, ir.Constant(I64, self.lanes))
        return self.builder.gep(base, [offset], source_etype=F64)

    def load(self, base: Value, index: Value | int = 0) -> Value:
        """Return the vector with the given number."""
        return self.builder.load(self.address(base, index), align=8, typ=self.vector)

    def store(self, value: Value, base: Value, index: Value | int = 0) -> None:
        """Keep a vector under the given number."""
        self.builder.store(value, self.address(base, index), align=8)

    def splat(self, scalar: Value) -> Value:
        """Return a vector with the scalar in every lane."""
        lane = self.builder.insert_element(
            ir.Constant(self.vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0)
        )
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(lane, ir.Constant(self.vector, ir.Undefined), mask)

    def scratch(self, vectors: int) -> Value:
        """Return room for some vectors on the stack."""
        block = self.builder.alloca(F64, ir.Constant(I64, max(vectors, 1) * self.lanes))
        setattr(block, "align", 64)  # noqa: B010  (declared as None in llvmlite)
        start = self.builder.gep(block, [ir.Constant(I64, 0)], source_etype=F64)
        start.type = PTR  # llvmlite keeps the element type of an allocation; what is stored here are vectors
        return start

    def loop(self, count: Value | int, body: Callable[[Value], None], step: int = 1) -> None:
        """Run body(i) for i = 0, step, ... below count."""
        b = self.builder
        end = ir.Constant(I64, count) if isinstance(count, int) else count
        before, head = b.block, self.function.append_basic_block("head")
        inside, after = self.function.append_basic_block("body"), self.function.append_basic_block("after")
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(I64)
        i.add_incoming(ir.Constant(I64, 0), before)
        b.cbranch(b.icmp_signed("<", i, end), inside, after)
        b.position_at_end(inside)
        body(i)
        i.add_incoming(b.add(i, ir.Constant(I64, step)), b.block)
        b.branch(head)
        b.position_at_end(after)

    def repeat(
        self, count: Value, values: Sequence[Value], body: Callable[[list[Value]], Sequence[Value]]
    ) -> list[Value]:
        """Run body count times, each time on what the one before returned, and return the last; values without."""
        b = self.builder
        before, head = b.block, self.function.append_basic_block("head")
        inside, after = self.function.append_basic_block("body"), self.function.append_basic_block("after")
        b.branch(head)
        b.position_at_end(head)
        k, held = b.phi(I64), [b.phi(value.type) for value in values]
        for phi, value in zip((k, *held), (ir.Constant(I64, 0), *values), strict=True):
            phi.add_incoming(value, before)
        b.cbranch(b.icmp_signed("<", k, count), inside, after)
        b.position_at_end(inside)
        found = body(list(held))
        for phi, value in zip((k, *held), (b.add(k, ir.Constant(I64, 1)), *found), strict=True):
            phi.add_incoming(value, b.block)
        b.branch(head)
        b.position_at_end(after)
        return list(held)

    def call(self, function: ir.Function, *args: Value) -> None:
        """Call another function of the module."""
        self.builder.call(function, list(args))

    def done(self) -> ir.Function:
        """Close the function and return it."""
        self.builder.ret_void()
        return self.function


class Emitter:
    """Evaluate nodes in a frame; values of leaves are given beforehand."""

    def __init__(self, frame: Frame, values: dict[Node, Value]) -> None:
        self.frame = frame
        self.math = frame.math
        self.values = dict(values)
        self.pairs: dict[Node, tuple[Value, Value]] = {}

    def __call__(self, roots: Sequence[Node]) -> list[Value]:
        """Return the vector value of each root; common sub-expressions are computed once."""
        for n in list(walk(roots, self.values)):
            self.values[n] = self._emit(n)
        return [self.values[r] for r in roots]

    def _emit(self, n: Node) -> Value:
        m = self.math
        if n.op == "const":
            return m.const(n.value)
        if n.op == "symbol":
            raise ModelError(f"'{n.name}' ({n.kind}) cannot be used here")
        if n.op == "pow":
            return self._pow(*n.args)
        return _SIMPLE[n.op](m, *(self.values[a] for a in n.args))

    def _pow(self, base: Node, exponent: Node) -> Value:
        m, x = self.math, self.values[base]
        if exponent.op == "const" and math.isfinite(exponent.value):
            e = exponent.value
            if e == int(e) and abs(e) <= 16:
                return m.pow_integer(x, int(e))
            if 2 * e == int(2 * e) and 0 < e <= 8:
                return m.mul(m.pow_integer(x, int(e - 0.5)), m.sqrt(x))
        if base.op == "const" and base.value > 0:
            return m.pow(x, self.values[exponent])
        pair = self._log_pair(base)
        return m.pow_from_pair(x, pair, self.values[exponent], positive=_never_negative(base))

    def _log_pair(self, x: Node) -> tuple[Value, Value]:
        """Return the logarithm of |x| in two parts, from that of a factor where the other one's is known."""
        if x not in self.pairs:
            self.pairs[x] = self._scaled_pair(x) or self.math.log_pair(self.values[x])
        return self.pairs[x]

    def _scaled_pair(self, x: Node) -> tuple[Value, Value] | None:
        if x.op == "mul":
            for c, rest in (x.args, x.args[::-1]):
                size = self.values.get(size_logarithm(c))
                if size is not None and rest in self.values:
                    return self.math.add_to_pair(self._log_pair(rest), size)
        return None


_SIMPLE: dict[str, Callable[..., Value]] = {
    "add": VectorMath.add, "sub": VectorMath.sub, "mul": VectorMath.mul, "div": VectorMath.div, "neg": VectorMath.neg,
    "min": VectorMath.minimum, "max": VectorMath.maximum, "abs": VectorMath.abs, "sqrt": VectorMath.sqrt,
    "floor": VectorMath.floor, "exp": VectorMath.exp, "log": VectorMath.log, "tanh": VectorMath.tanh,
    "erf": VectorMath.erf, "sin": VectorMath.sin, "cos": VectorMath.cos, "lgamma": VectorMath.lgamma,
    "lt": VectorMath.less, "le": VectorMath.less_equal, "and": VectorMath.logical_and, "or": VectorMath.logical_or,
    "not": VectorMath.logical_not, "where": VectorMath.select,
}  # fmt: skip


def _never_negative(n: Node, depth: int = 6) -> bool:
    """Tell whether an expression is seen at a glance to be zero, positive or not a number."""
    if n.op == "const":
        return n.value >= 0
    if n.op in ("exp", "abs", "sqrt"):
        return True
    if depth == 0 or n.op not in ("max", "min", "add", "mul", "div", "pow", "where"):
        return False
    args = n.args[1:] if n.op == "where" else n.args[:1] if n.op == "pow" else n.args
    parts = [_never_negative(a, depth - 1) for a in args]
    return any(parts) if n.op == "max" else all(parts)
