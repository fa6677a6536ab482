"""Hash-consed expression nodes: equal expressions are one object, so common sub-expressions share themselves."""

from __future__ import annotations

import math
import numbers
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from pkpd.engine.graph import numpycalls
from pkpd.engine.graph.printing import text
from pkpd.engine.graph.running import is_running
from pkpd.engine.graph.tree import symbols_of, walk
from pkpd.errors import ModelError

__all__ = ["MASKS", "Node", "as_node", "const", "make", "symbol"]

Number = int | float

#: every operation with its number of arguments
ARITY = {
    "add": 2, "sub": 2, "mul": 2, "div": 2, "pow": 2, "min": 2, "max": 2,
    "neg": 1, "exp": 1, "log": 1, "sqrt": 1, "tanh": 1, "erf": 1, "sin": 1, "cos": 1, "lgamma": 1, "abs": 1, "floor": 1,
    "lt": 2, "le": 2, "and": 2, "or": 2, "not": 1, "where": 3,
}  # fmt: skip
MASKS = frozenset({"lt", "le", "and", "or", "not"})


class Node:
    """One operation on other nodes; build it with operators and ``pkpd.engine.graph.functions``, never directly.

    Attributes
    ----------
    op : str
        ``const``, ``symbol`` or a key of ``ARITY``.
    args : tuple of Node
    value : float
        Of a constant.
    name, kind : str
        Of a symbol; kind is ``time``, ``state``, ``dose``, ``theta``, ``eta``, ``kappa`` or ``covariate``.
    """

    __slots__ = ("__weakref__", "args", "kind", "name", "op", "value")

    op: str
    args: tuple[Node, ...]
    value: float
    name: str
    kind: str

    def __add__(self, other: Node | Number) -> Node:
        return make("add", self, as_node(other))

    def __radd__(self, other: Number) -> Node:
        return make("add", as_node(other), self)

    def __sub__(self, other: Node | Number) -> Node:
        return make("sub", self, as_node(other))

    def __rsub__(self, other: Number) -> Node:
        return make("sub", as_node(other), self)

    def __mul__(self, other: Node | Number) -> Node:
        return make("mul", self, as_node(other))

    def __rmul__(self, other: Number) -> Node:
        return make("mul", as_node(other), self)

    def __truediv__(self, other: Node | Number) -> Node:
        return make("div", self, as_node(other))

    def __rtruediv__(self, other: Number) -> Node:
        return make("div", as_node(other), self)

    def __pow__(self, other: Node | Number) -> Node:
        return make("pow", self, as_node(other))

    def __rpow__(self, other: Number) -> Node:
        return make("pow", as_node(other), self)

    def __mod__(self, period: Node | Number) -> Node:
        return self - as_node(period) * (self // period)

    def __rmod__(self, other: Number) -> Node:
        return as_node(other) % self

    def __floordiv__(self, other: Node | Number) -> Node:
        return make("floor", self / other)

    def __rfloordiv__(self, other: Number) -> Node:
        return make("floor", other / self)

    def __divmod__(self, period: Node | Number) -> tuple[Node, Node]:
        return self // period, self % period

    def __floor__(self) -> Node:
        return make("floor", self)

    def __ceil__(self) -> Node:
        return -make("floor", -self)

    def __neg__(self) -> Node:
        return make("neg", self)

    def __pos__(self) -> Node:
        return self

    def __abs__(self) -> Node:
        return make("abs", self)

    def __lt__(self, other: Node | Number) -> Node:
        return make("lt", self, as_node(other))

    def __le__(self, other: Node | Number) -> Node:
        return make("le", self, as_node(other))

    def __gt__(self, other: Node | Number) -> Node:
        return make("lt", as_node(other), self)

    def __ge__(self, other: Node | Number) -> Node:
        return make("le", as_node(other), self)

    def __eq__(self, other: object) -> Any:
        """Return the condition that two constants of a person are equal; outside a model's functions, identity."""
        if self is other or not (is_running() or isinstance(other, numbers.Number)):
            return self is other
        return _equal(self, other)

    def __ne__(self, other: object) -> Any:
        same = self == other
        return make("not", same) if isinstance(same, Node) else not same

    __hash__ = object.__hash__

    def __and__(self, other: Node) -> Node:
        return make("and", self, other)

    def __or__(self, other: Node) -> Node:
        return make("or", self, other)

    def __invert__(self) -> Node:
        return make("not", self)

    def __bool__(self) -> NoReturn:
        raise ModelError(
            "an equation is used as a yes/no value, as in 'if x > 0:', 'a and b', '0 < t < 5' or min(a, b); "
            "write where(condition, value_if_true, value_if_false), & | ~ between conditions, minimum and maximum"
        )

    def __float__(self) -> NoReturn:
        raise ModelError(
            "an equation is turned into a number; use the functions of pkpd (exp, log, ...) not those of math"
        )

    def __int__(self) -> NoReturn:
        raise ModelError("an equation is turned into a whole number; write floor(x), or floor(x + 0.5) to round")

    def __round__(self, digits: int | None = None) -> NoReturn:
        raise ModelError("an equation is rounded; write floor(x + 0.5), or floor(100 * x + 0.5) / 100 for two digits")

    def __call__(self, *_: object) -> NoReturn:
        """Refuse ``x.A(t - 2)``."""
        name = self.name or "an equation"
        raise ModelError(
            f"{name}(...) asks for '{name}' at another time: delays are not supported; write the delay as a chain of "
            "transit states (each d/dt = k * (the one before - itself), k = number / delay), or, if it is a dose that "
            "is late, as 'tlag' in dosing; a product is written with *"
        )

    def __array_ufunc__(self, ufunc: Callable[..., object], method: str, *inputs: object, **options: object) -> Any:
        """Let ``np.exp(x)`` and ``np.float64(2) * x`` trace as well."""
        return numpycalls.ufunc(ufunc, method, [as_node(i) for i in inputs], options, _write)

    def __array_function__(self, function: Callable[..., object], _: object, inputs: Any, options: Any) -> Any:
        """Let ``np.where(condition, a, b)`` trace as well."""
        return numpycalls.function(function, inputs, options, _write)

    def __reduce__(self) -> tuple[Callable[..., Node], tuple[Any, ...]]:
        """Travel as a flat list, since nested sums of hundreds of terms are too deep for pickle."""
        number: dict[Node, int] = {}
        rows = []
        for node in walk([self]):
            number[node] = len(number)
            rows.append((node.op, tuple(number[a] for a in node.args), node.value, node.name, node.kind))
        return _from_rows, (rows,)

    def __copy__(self) -> Node:
        return self

    def __deepcopy__(self, _: object) -> Node:
        return self

    def __repr__(self) -> str:
        return text(self)


def _equal(a: Node, b: object) -> Node:
    """Return the condition a == b.

    Raises
    ------
    ModelError
        If a time or a state is compared, which are equal at an instant only, or b is no number.
    """
    if isinstance(b, str):
        raise ModelError(
            f"an equation is compared with the text {b!r}; covariates are numbers: code the levels in the data, "
            "as 0 and 1, and compare with the number"
        )
    other = as_node(b)
    for s in symbols_of([a, other]):
        if s.kind in ("time", "piece", "state", "dose"):
            what = f"state '{s.name}'" if s.kind == "state" else "time"
            raise ModelError(
                f"{what} is compared with == or !=, but it has a value at an instant only, which no step hits; "
                "write <= or >=, or a window: during(t, start, stop). Something given at a time is a dose"
            )
    return make("and", make("le", a, other), make("le", other, a))


_TABLE: weakref.WeakValueDictionary[tuple[object, ...], Node] = weakref.WeakValueDictionary()


def _intern(op: str, args: tuple[Node, ...], value: float, name: str, kind: str) -> Node:
    key = (op, tuple(id(a) for a in args), value.hex(), name, kind)
    node = _TABLE.get(key)
    if node is None:
        node = object.__new__(Node)
        node.op, node.args, node.value, node.name, node.kind = op, args, value, name, kind
        _TABLE[key] = node
    return node


def _from_rows(rows: Sequence[tuple[str, tuple[int, ...], float, str, str]]) -> Node:
    """Return the last of nodes that are listed one by one, arguments as places in the list."""
    nodes: list[Node] = []
    for op, args, value, name, kind in rows:
        nodes.append(_intern(op, tuple(nodes[k] for k in args), value, name, kind))
    return nodes[-1]


def const(value: Number) -> Node:
    """Return the node of a number."""
    return _intern("const", (), float(value), "", "")


def symbol(name: str, kind: str) -> Node:
    """Return the node of a named quantity."""
    return _intern("symbol", (), 0.0, name, kind)


def as_node(x: object) -> Node:
    """Return x itself or the constant node of a number; raise ModelError for anything else."""
    if isinstance(x, Node):
        return x
    if hasattr(x, "ndim") and getattr(x, "ndim", 0) != 0:
        raise ModelError(
            f"an equation holds an array of shape {getattr(x, 'shape', '?')}; equations are scalar, write one per state"
        )
    try:
        return const(float(x))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ModelError(f"an equation holds {x!r}, which is neither a number nor a quantity of the model") from None


def _write(op: str, *args: object) -> Node:
    """Return the node ``op(*args)`` of nodes and numbers."""
    return make(op, *(as_node(a) for a in args))


_FOLD: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b, "min": min, "max": max, "neg": lambda a: -a, "exp": math.exp, "log": math.log,
    "sqrt": math.sqrt, "tanh": math.tanh, "erf": math.erf, "sin": math.sin, "cos": math.cos, "abs": abs,
    "lgamma": math.lgamma, "floor": lambda a: float(math.floor(a)),
}  # fmt: skip


def make(op: str, *args: Node) -> Node:
    """Return the node ``op(*args)``, with numbers folded and neutral elements removed.

    Raises
    ------
    ModelError
        Where a condition stands in the place of a value or the other way round.
    """
    for i, a in enumerate(args):
        wants_mask = op in ("and", "or", "not") or (op == "where" and i == 0)
        if (a.op in MASKS) != wants_mask:
            what = "a value where a condition is needed" if wants_mask else "a condition where a value is needed"
            raise ModelError(f"{op}: {what}; conditions belong into where(condition, a, b)")
    if op in _FOLD and all(a.op == "const" for a in args):
        try:
            folded = _FOLD[op](*(a.value for a in args))
        except (ArithmeticError, ValueError):
            folded = None
        if isinstance(folded, float):
            return const(folded)
    simpler = _neutral(op, args)
    return _intern(op, args, 0.0, "", "") if simpler is None else simpler


def _neutral(op: str, args: Sequence[Node]) -> Node | None:
    """Return what the operation amounts to when an argument is neutral (0 in a sum, 1 in a product), or None."""
    if op in _NEUTRAL:
        return _NEUTRAL[op](args[0], args[1])
    if op == "neg" and args[0].op == "neg":
        return args[0].args[0]
    if op == "where" and args[1] is args[2]:
        return args[1]
    return None


def _sum(a: Node, b: Node) -> Node | None:
    if _is(a, 0):
        return b
    if _is(b, 0):
        return a
    return a - b.args[0] if b.op == "neg" else None


def _difference(a: Node, b: Node) -> Node | None:
    if _is(b, 0):
        return a
    if _is(a, 0):
        return make("neg", b)
    if a is b:
        return const(0)
    return a + b.args[0] if b.op == "neg" else None


def _product(a: Node, b: Node) -> Node | None:
    if _is(a, 0) or _is(b, 0):
        return const(0)
    for one, other in ((a, b), (b, a)):
        if _is(one, 1):
            return other
        if _is(one, -1):
            return make("neg", other)
    return None


def _quotient(a: Node, b: Node) -> Node | None:
    if _is(b, 1):  # time over a number of hours is no time, over one hour as well
        return None if any(s.kind == "time" for s in symbols_of([a])) else a
    return const(0) if _is(a, 0) and not _is(b, 0) else None


def _power(a: Node, b: Node) -> Node | None:
    if _is(b, 1):
        return a
    if _is(b, 0) or _is(a, 1):
        return const(1)
    return make("sqrt", a) if _is(b, 0.5) else None


_NEUTRAL = {"add": _sum, "sub": _difference, "mul": _product, "div": _quotient, "pow": _power}


def _is(node: Node, value: float) -> bool:
    return node.op == "const" and node.value == value
