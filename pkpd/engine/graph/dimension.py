"""Unit checking of a traced model: every node of its graph gets a unit, or the model is refused.

A unit is a product of the declared names (mg, L, h) with exponents; an exponent may be an expression, so that the sides
of ``C**gamma / (EC50**gamma + C**gamma)`` cancel. Names are reduced to base dimensions only where two spellings differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any, NamedTuple

from pkpd.engine.graph.derivative import substitute
from pkpd.engine.graph.nodes import MASKS, Node, make, symbol
from pkpd.engine.graph.printing import text
from pkpd.engine.graph.tree import symbols_of, walk
from pkpd.errors import UnitError
from pkpd.units import factors, parse, spell
from pkpd.units.names import TOLERANCE, meaning

__all__ = ["check"]

#: unit name and symbolic exponent (None where it is a number) -> numeric exponent
Vector = dict[tuple[str, Node | None], float]

# What an expression is made of: numbers only (takes any unit), time as well, covariates as well, or anything.
NUMBER, TIME, GIVEN, MODEL = range(4)
PLAIN = frozenset({"exp", "log", "tanh", "erf", "sin", "cos", "lgamma", "floor"})
VERBS = {
    "add": "adds {} and {}",
    "sub": "subtracts {1} from {0}",
    "min": "takes the smaller of {} and {}",
    "max": "takes the larger of {} and {}",
    "lt": "compares {} with {}",
    "le": "compares {} with {}",
    "where": "chooses between {} and {}",
}


class _Unit(NamedTuple):
    vector: Vector
    made_of: int


class _Root(NamedTuple):
    label: str
    node: Node
    want: Vector | None
    declared: str


def check(model: Any) -> None:
    """Verify the units of every equation of a model.

    A derivative has the state's unit per time unit, an initial value the state's, an output the declared one; F is
    dimensionless, lag and duration are times, a rate is state unit per time. Sums, comparisons, ``minimum``,
    ``maximum`` and the branches of ``where`` need equal units, factor included (mg/L and ug/L do not add). Functions
    and exponents need dimensionless arguments. A number (or an expression of numbers and of time divided by a number,
    as an interpolated forcing is) takes the unit of what it is added to or compared with, and is dimensionless
    elsewhere; so is time since a parameter (``t - p.onset``) divided by a number. An expression of covariates divided
    by a number is dimensionless, as in ``(cov.WT / 70)``.

    Parameters
    ----------
    model : Model
        With ``trace``, ``time_unit`` and the declarations of states, parameters, covariates and outputs.

    Raises
    ------
    UnitError
        With all faults: the equation, the expressions that clash and their units.
    """
    faults = _Checker(model).faults()
    if not faults:
        return
    if len(faults) == 1:
        raise UnitError(f"model '{model.name}', {faults[0]}")
    listing = "".join(f"\n  {fault}" for fault in faults)
    raise UnitError(f"model '{model.name}' has {len(faults)} unit faults:{listing}")


class _Checker:
    def __init__(self, model: Any) -> None:
        self.model = model
        self.trace = model.trace
        self.found: list[str] = []
        self.units: dict[Node, _Unit | None] = {}
        self.label = ""
        self.covariates: dict[str, Vector] = {}
        self.names: dict[Node, Node] = {}

    def faults(self) -> list[str]:
        """Return the faults of declarations, then of equations, each once."""
        self._declare()
        for name, node in self.trace.individual.items():
            if node.op not in ("const", "symbol"):
                self.names[node] = symbol(name, "theta")
        for root in self._roots():
            self.label = root.label
            self._visit(root)
        return self.found

    def _declared(self, what: str, unit: str) -> Vector | None:
        try:
            parse(unit)
        except UnitError as error:
            self.found.append(f"{what}: {error}")
            return None
        return {(name, None): e for name, e in factors(unit)}

    def _declare(self) -> None:
        """Give symbols their declared units."""
        model = self.model
        self.time = self._declared("time", model.time_unit)
        self._assign(symbol("t", "time"), self.time, TIME)
        self.states = {n: self._declared(f"state {n}", s.unit) for n, s in model.states.items()}
        self.outputs = {n: self._declared(f"output {n}", o.unit) for n, o in model.outputs.items()}
        self.parameters: dict[str, Vector | None] = {}
        for name, vector in self.states.items():
            self._assign(symbol(name, "state"), vector, MODEL)
        for name, covariate in model.covariates.items():
            vector = self._declared(f"covariate {name}", covariate.unit)
            self._assign(symbol(name, "covariate"), vector, GIVEN)
            self.covariates[name] = vector or {}
        for name, parameter in model.parameters.items():
            vector = self._declared(f"parameter {name}", parameter.unit)
            self.parameters[name] = vector
            random = vector if parameter.scale == "additive" else {}
            for kind, unit in (("theta", vector), ("eta", random), ("kappa", random)):
                self._assign(symbol(name, kind), unit, MODEL)

    def _assign(self, node: Node, vector: Vector | None, made_of: int) -> None:
        self.units[node] = None if vector is None else _Unit(vector, made_of)

    def _roots(self) -> Iterator[_Root]:
        trace, model = self.trace, self.model
        for name, node in trace.individual.items():
            declared = model.parameters[name].unit if name in model.parameters else ""
            yield _Root(f"individual {name}", node, self.parameters.get(name), declared)
        for name, node in zip(trace.states, trace.initial, strict=True):
            yield _Root(f"initial {name}", node, self.states[name], model.states[name].unit)
        for name, node in trace.connections.items():
            prefix, _, inner = name.partition(".")
            declared = model.parts[prefix].covariates[inner].unit
            yield _Root(f"connect {name}", node, self._declared(f"covariate {name}", declared), declared)
        for name, node in zip(trace.states, trace.derivatives, strict=True):
            yield self._per_time(f"d/dt {name}", name, node)
        for name, node in trace.outputs.items():
            yield _Root(f"output {name}", node, self.outputs[name], model.outputs[name].unit)
        for index, entries in trace.dosing.items():
            state = trace.states[index]
            for key, node in entries.items():
                label = f"dosing {state} {key}"
                if key == "rate":
                    yield self._per_time(label, state, node)
                elif key == "F":
                    yield _Root(label, node, {}, "")
                else:
                    yield _Root(label, node, self.time, model.time_unit)

    def _per_time(self, label: str, state: str, node: Node) -> _Root:
        unit = self.states[state]
        want = None if unit is None or self.time is None else _product(unit, self.time, -1)
        return _Root(label, node, want, "" if want is None else _spell(want))

    def _visit(self, root: _Root) -> None:
        for node in walk([root.node]):
            if node not in self.units:
                self.units[node] = self._unit(node)
        unit = self.units[root.node]
        if unit is None or root.want is None or unit.made_of == NUMBER or _same(unit.vector, root.want):
            return
        hint = self._hint(unit.vector, root.want)
        got = f"{_spell(unit.vector) or 'dimensionless'} ({self._write(root.node)})"
        self._fault(f"is {got}, it must be {root.declared or 'dimensionless'}{hint}")
        if root.label.startswith("individual"):
            # what follows is judged by the declared unit, so that one mistake is told once
            self._assign(root.node, root.want, MODEL)

    def _fault(self, why: str) -> None:
        self.found.append(f"{self.label}: {why}")

    def _unit(self, node: Node) -> _Unit | None:
        """Return the unit of a node whose arguments have theirs; None after a fault, which is then already told."""
        if node.op == "const":
            return _Unit({}, NUMBER)
        if node.op == "symbol":
            if node.kind == "time":
                return None if self.time is None else _Unit(self.time, TIME)
            if node.kind == "dose":
                return self._dose(node)
            self._fault(f"the unit of {node.kind} '{node.name}' is not known; declare it in the model")
            return None
        args = node.args[1:] if node.op == "where" else node.args
        units = [self.units[a] for a in args]
        if node.op in MASKS and node.op not in ("lt", "le"):
            return _Unit({}, NUMBER)
        if any(u is None for u in units):
            return None
        known = [u for u in units if u is not None]
        if node.op in VERBS:
            return self._alike(node, args, known)
        if node.op in PLAIN:
            return self._plain(node, known[0])
        if node.op in ("mul", "div", "pow"):
            return getattr(self, f"_{node.op}")(node, *known)
        if node.op == "sqrt":
            return _Unit({k: e / 2 for k, e in known[0].vector.items()}, known[0].made_of)
        if node.op in ("neg", "abs"):
            return known[0]
        self._fault(f"the unit of {node.op}() is not known: {self._write(node)}")
        return None

    def _dose(self, node: Node) -> _Unit | None:
        """Return the unit of the last dose's time or amount."""
        what, _, state = node.name.partition(">")
        if what == "time":
            return None if self.time is None else _Unit(self.time, MODEL)
        units = [self.states[n] for n in ([state] if state else self.states)]
        if any(u is None for u in units):
            return None
        known = [u for u in units if u is not None]
        if all(_same(known[0], u) for u in known):
            return _Unit(known[0], MODEL)
        self._fault("last_dose() has no one unit, as states have several; name the dosed state: last_dose(x.depot)")
        return None

    def _alike(self, node: Node, args: tuple[Node, ...], units: list[_Unit]) -> _Unit | None:
        a, b = units
        made_of = max(a.made_of, b.made_of)
        if a.made_of == NUMBER or b.made_of == NUMBER or _same(a.vector, b.vector):
            return _Unit(b.vector if a.made_of == NUMBER else a.vector, made_of)
        what = VERBS[node.op].format(self._show(args[0]), self._show(args[1]))
        self._fault(what + self._hint(a.vector, b.vector))
        return None

    def _plain(self, node: Node, unit: _Unit) -> _Unit | None:
        if _dimensionless(unit.vector):
            return _Unit({}, unit.made_of)
        self._fault(f"{node.op} of {self._show(node.args[0])}; divide it by a quantity of its unit first")
        return None

    def _mul(self, node: Node, a: _Unit, b: _Unit) -> _Unit:
        return _Unit(_product(a.vector, b.vector, 1), max(a.made_of, b.made_of))

    def _div(self, node: Node, a: _Unit, b: _Unit) -> _Unit:
        if b.made_of == NUMBER and a.made_of in (TIME, GIVEN):
            return _Unit({}, NUMBER if a.made_of == TIME else GIVEN)
        if b.made_of == NUMBER and self.time is not None and _same(a.vector, self.time) and _timed(node.args[0]):
            return _Unit({}, NUMBER)
        return _Unit(_product(a.vector, b.vector, -1), max(a.made_of, b.made_of))

    def _pow(self, node: Node, base: _Unit, exponent: _Unit) -> _Unit | None:
        if not _dimensionless(exponent.vector):
            self._fault(
                f"the exponent {self._show(node.args[1])} must be dimensionless; divide it by a quantity of its unit"
            )
            return None
        made_of = max(base.made_of, exponent.made_of)
        if not base.vector:
            return _Unit({}, made_of)
        out: Vector = {}
        for (name, outer), e in base.vector.items():
            for inner, coefficient in _linear(node.args[1]).items():
                key = (name, _joint(outer, inner))
                out[key] = out.get(key, 0.0) + e * coefficient
        return _Unit(_clean(out), made_of)

    def _write(self, node: Node, limit: int = 72) -> str:
        """Return the expression with p.CL written as CL, cut to a readable length."""
        names = {n: s for n, s in self.names.items() if n is not node}
        line = text(substitute([node], names)[0])
        return line if len(line) <= limit else line[: limit - 4] + " ..."

    def _show(self, node: Node) -> str:
        unit = self.units[node]
        written = self._write(self.names.get(node, node))
        return f"{_spell(unit.vector) or 'dimensionless'} ({written})" if unit else f"({written})"

    def _hint(self, got: Vector, want: Vector) -> str:
        """Return what the difference between two units suggests: a factor, or a covariate without its reference."""
        rest = _base(_product(got, want, -1))
        scale = rest.get(("10", None), 0.0)
        if set(rest) == {("10", None)}:
            factor = f"the factor {10 ** abs(scale):.6g}"
            return (
                f"; they differ by {factor}: declare one unit, or a parameter with the unit of the factor, or check "
                "nothing with Model(check_units=False)"
            )
        for name, vector in self.covariates.items():
            unit = _base(vector)
            ratios = [rest.get(k, 0.0) / e for k, e in unit.items()]
            if unit and set(unit) == set(rest) and max(ratios) - min(ratios) < TOLERANCE:
                return f"; a covariate relative to its reference is written (cov.{name} / number), in brackets"
        return ""


def _timed(node: Node) -> bool:
    return any(s.kind == "time" for s in symbols_of([node]))


def _product(a: Vector, b: Vector, sign: int) -> Vector:
    if not b:
        return a
    out = dict(a)
    for key, e in b.items():
        out[key] = out.get(key, 0.0) + sign * e
    return _clean(out)


def _clean(vector: Vector) -> Vector:
    return {k: e for k, e in vector.items() if abs(e) > TOLERANCE}


def _base(vector: Vector) -> Vector:
    """Return the unit in base dimensions, the decimal logarithm of its factor under the name ``10``."""
    out: Vector = {}
    for (name, exponent), e in vector.items():
        dimension = meaning(name, name)
        for key, x in (("10", dimension.log10), *dimension.exponents):
            out[key, exponent] = out.get((key, exponent), 0.0) + e * x
    return _clean(out)


def _same(a: Vector, b: Vector) -> bool:
    return a == b or not _base(_product(a, b, -1))


def _dimensionless(vector: Vector) -> bool:
    return not vector or not _base(vector)


def _linear(exponent: Node) -> dict[Node | None, float]:
    """Return an exponent as a sum of numbers times expressions; the pure number stands under None."""
    out: dict[Node | None, float] = {}
    stack = [(exponent, 1.0)]
    while stack:
        n, c = stack.pop()
        op, args = n.op, n.args
        if op in ("add", "sub"):
            stack += [(args[1], c if op == "add" else -c), (args[0], c)]
        elif op == "neg":
            stack.append((args[0], -c))
        elif op == "mul" and args[0].op == "const":
            stack.append((args[1], c * args[0].value))
        elif op in ("mul", "div") and args[1].op == "const" and args[1].value != 0:
            stack.append((args[0], c * args[1].value if op == "mul" else c / args[1].value))
        else:
            key = None if op == "const" else _joint(n, None)
            out[key] = out.get(key, 0.0) + (c * n.value if op == "const" else c)
    return out


def _joint(outer: Node | None, inner: Node | None) -> Node | None:
    """Return the product of two exponents, the same node in whatever order its factors were written."""
    found: list[Node] = []
    stack = [n for n in (outer, inner) if n is not None]
    while stack:
        node = stack.pop()
        if node.op == "mul":
            stack.extend(node.args)
        else:
            found.append(node)
    return reduce(lambda a, b: make("mul", a, b), sorted(found, key=id)) if found else None


def _rank(name: str) -> int:
    """Return the place of a name as the field writes products: amounts, then lengths and volumes, then times."""
    kinds = {kind for kind, _ in meaning(name, name).exponents}
    return 1 if kinds == {"length"} else 2 if kinds == {"time"} else 0


def _spell(vector: Vector) -> str:
    """Return the unit as text, symbolic exponents in brackets behind their part."""
    parts: dict[Node | None, list[tuple[str, float]]] = {}
    for (name, exponent), e in sorted(vector.items(), key=lambda item: _rank(item[0][0])):
        parts.setdefault(exponent, []).append((name, e))
    plain = spell(tuple(parts.pop(None, ())))
    symbolic = [f"({spell(tuple(p))})^({text(n)})" for n, p in parts.items() if n is not None]
    return "*".join([plain, *symbolic] if plain else symbolic)
