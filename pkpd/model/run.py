"""Run a model's functions, parts included, on whatever is given: symbols, names for printing, or floats."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pkpd.engine.graph.nodes import Node, symbol
from pkpd.engine.graph.tree import walk
from pkpd.errors import ModelError
from pkpd.model.definition import Definition
from pkpd.model.names import below, check_name, listed, quoted, unknown
from pkpd.model.namespace import Namespace, namespace

__all__ = ["DOSING_KEYS", "connections", "derivatives", "dosing", "individual", "initial", "outputs"]

DOSING_KEYS = ("F", "tlag", "rate", "duration")

Values = Mapping[str, Any]


def individual(model: Definition, base: Values, cov: Values) -> dict[str, Any]:
    """Return every individual parameter by full name, derived ones included.

    Parameters
    ----------
    model : Definition
    base : mapping of name to value
        Parameters with their variability, before covariates.
    cov : mapping of name to value
        Covariates.
    """
    out: dict[str, Any] = {n: base[n] for n in model.own.parameters}
    for prefix, part in model.parts.items():
        inner = individual(part, below(base, prefix), _constant(model, prefix, part, cov))
        out.update({f"{prefix}.{n}": v for n, v in inner.items()})
    routine = model.routines.get("individual")
    if routine is None:
        return out
    returned = routine.scalars(routine(_p(model, out), _cov(model, cov)))
    if strange := [n for n in returned if "." in n and n not in out]:
        dotted = [n for n in out if "." in n]
        raise ModelError(f"{routine.who}: unknown part parameter {unknown(strange, dotted)}; {listed(dotted)}")
    taken = {**dict.fromkeys(model.own.states, "state"), **dict.fromkeys(model.covariates, "covariate")}
    taken.update(dict.fromkeys(model.parts, "part"))
    for name in returned:
        check_name(name, f"{routine.who}: derived parameter")
        if name in taken:
            raise ModelError(f"{routine.who}: '{name}' is a {taken[name]}; give the derived parameter another name")
    return {**out, **returned}


def initial(model: Definition, p: Values, cov: Values) -> dict[str, Any]:
    """Return the initial value of every state by full name; 0 where none is given."""
    out: dict[str, Any] = dict.fromkeys(model.own.states, 0.0)
    for prefix, part in model.parts.items():
        inner = initial(part, below(p, prefix), _constant(model, prefix, part, cov))
        out.update({f"{prefix}.{n}": v for n, v in inner.items()})
    routine = model.routines.get("initial")
    if routine is not None:
        returned = routine.scalars(routine(_p(model, p), _cov(model, cov)))
        routine.check_keys(list(returned), list(model.states), "state")
        out.update(returned)
    return out


def dosing(model: Definition, p: Values, cov: Values) -> dict[str, dict[str, Any]]:
    """Return bioavailability, lag, rate and duration by full name of the dosed state."""
    out: dict[str, dict[str, Any]] = {}
    for prefix, part in model.parts.items():
        inner = dosing(part, below(p, prefix), _constant(model, prefix, part, cov))
        out.update({f"{prefix}.{n}": dict(v) for n, v in inner.items()})
    routine = model.routines.get("dosing")
    if routine is None:
        return out
    returned = routine(_p(model, p), _cov(model, cov))
    routine.check_keys(list(returned), list(model.states), "state")
    for state, entry in returned.items():
        if not isinstance(entry, Mapping):
            raise ModelError(f"{routine.who}, '{state}': must be a dict such as {{'F': p.F}}, got {entry!r}")
        if strange := [str(k) for k in entry if k not in DOSING_KEYS]:
            raise ModelError(
                f"{routine.who}, '{state}': unknown {unknown(strange, DOSING_KEYS)}; it takes {', '.join(DOSING_KEYS)}"
            )
        values = {k: routine.scalars({f"{state}.{k}": v})[f"{state}.{k}"] for k, v in entry.items()}
        for key, value in values.items():
            _check_dosing(f"{routine.who}, '{state}'", key, value)
        out.setdefault(state, {}).update(values)
    return out


def derivatives(model: Definition, t: Any, x: Values, p: Values, cov: Values) -> dict[str, Any]:
    """Return the time derivative of every state by full name, in the order of ``model.states``.

    What a composed model's function returns for a state of a part is added to the part's own derivative.
    """
    out: dict[str, Any] = dict.fromkeys(model.own.states)
    wired = connections(model, t, x, p, cov)
    for prefix, part in model.parts.items():
        inner = derivatives(part, t, below(x, prefix), below(p, prefix), _inputs(prefix, part, cov, wired))
        out.update({f"{prefix}.{n}": v for n, v in inner.items()})
    routine = model.routines.get("dynamics")
    if routine is not None:
        returned = routine.scalars(routine(t, _x(model, t, x, p, cov), _p(model, p), _cov(model, cov)))
        routine.check_keys(list(returned), list(model.states), "state", required=list(model.own.states))
        for name, value in returned.items():
            out[name] = out[name] + value if "." in name else value
    return out


def outputs(model: Definition, t: Any, x: Values, p: Values, cov: Values) -> dict[str, Any]:
    """Return every output by full name; one that ``calculate`` leaves out is the state of its name."""
    routine = model.routines.get("calculate")
    own: dict[str, Any] = {}
    if routine is not None:
        own = routine.scalars(routine(t, _x(model, t, x, p, cov), _p(model, p), _cov(model, cov)))
        routine.check_keys(list(own), list(model.own.outputs), "output")
    missing = [n for n in model.own.outputs if n not in own and n not in model.own.states]
    if missing:
        who = routine.who if routine else f"model '{model.name}'"
        raise ModelError(f"{who}: nothing calculates output {quoted(missing)}; return it from calculate")
    out = {n: own[n] if n in own else x[n] for n in model.own.outputs}
    return {**out, **_part_outputs(model, t, x, p, cov, connections(model, t, x, p, cov))}


def connections(model: Definition, t: Any, x: Values, p: Values, cov: Values) -> dict[str, Any]:
    """Return what the model puts in the place of its parts' covariates, by full name (``crp.tone``).

    A connection may use outputs of parts that are connected themselves, so they are worked out until nothing changes.

    Raises
    ------
    ModelError
        If the name is no covariate of a part, or connections depend on each other in a circle.
    """
    routine = model.routines.get("connect")
    if routine is None:
        return {}
    known = [f"{prefix}.{n}" for prefix, part in model.parts.items() for n in part.covariates]
    symbolic = isinstance(t, Node)
    open_ends = {n: symbol(n, "connection") if symbolic else math.nan for n in known}
    wired: dict[str, Any] = dict(open_ends)
    returned, settled = wired, False
    for _ in range(len(model.parts) + 1):
        names = _names(model, t, x, p, cov, wired)
        returned = routine.scalars(routine(t, names, _p(model, p), _cov(model, cov)))
        routine.check_keys(list(returned), known, "covariate of a part")
        settled = all(_alike(returned[n], wired[n]) for n in returned)
        wired = {**open_ends, **returned}
        if settled:
            break
    circular = [n for n in returned if _is_open(returned[n], symbolic)]
    if circular and (symbolic or not settled):
        raise ModelError(f"{routine.who}: {quoted(circular)} depend on each other in a circle; put a state between")
    return returned


def _alike(one: Any, other: Any) -> bool:
    return one is other or (not isinstance(one, Node) and (one == other or (one != one and other != other)))


def _is_open(value: Any, symbolic: bool) -> bool:
    if symbolic:
        return isinstance(value, Node) and any(n.kind == "connection" for n in walk([value]) if n.op == "symbol")
    return value != value


def _inputs(prefix: str, part: Definition, cov: Values, wired: Values) -> dict[str, Any]:
    """Return a part's covariates: those connected to the rest of the model, and those of the subject."""
    full = {n: f"{prefix}.{n}" for n in part.covariates}
    return {n: wired[name] if name in wired else cov[n] for n, name in full.items()}


def _constant(model: Definition, prefix: str, part: Definition, cov: Values) -> dict[str, Any]:
    """Return a part's covariates without those connected, which change in time and make no constant of it."""
    return {n: cov[n] for n in part.covariates if f"{prefix}.{n}" not in model.connected}


def _part_outputs(model: Definition, t: Any, x: Values, p: Values, cov: Values, wired: Values) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for prefix, part in model.parts.items():
        inner = outputs(part, t, below(x, prefix), below(p, prefix), _inputs(prefix, part, cov, wired))
        out.update({f"{prefix}.{n}": v for n, v in inner.items()})
    return out


def _check_dosing(who: str, key: str, value: Any) -> None:
    """Raise ModelError where a plain number cannot be meant."""
    if isinstance(value, Node):
        if value.op != "const":
            return
        value = value.value
    if not (value > 0 or (value == 0 and key in ("F", "tlag"))):
        raise ModelError(f"{who}: {key} must be {'>= 0' if key in ('F', 'tlag') else '> 0'}, got {value:g}")


def _owner(model: Definition) -> str:
    return f"model '{model.name}'"


def _elsewhere(model: Definition, but: str) -> dict[str, str]:
    kinds = {"p": model.own.parameters, "x": model.own.states, "cov": model.own.covariates}
    return {n: f"{kind}.{n}" for kind, names in kinds.items() if kind != but for n in names}


def _p(model: Definition, p: Values) -> Namespace:
    return namespace(_owner(model), "parameter", p, _elsewhere(model, "p"))


def _cov(model: Definition, cov: Values) -> Namespace:
    return namespace(_owner(model), "covariate", cov, _elsewhere(model, "cov"))


def _x(model: Definition, t: Any, x: Values, p: Values, cov: Values) -> Namespace:
    """Return the states, and the outputs of the parts, as attributes."""
    return _names(model, t, x, p, cov, connections(model, t, x, p, cov))


def _names(model: Definition, t: Any, x: Values, p: Values, cov: Values, wired: Values) -> Namespace:
    calculated = _part_outputs(model, t, x, p, cov, wired) if model.parts else {}
    for name, value in calculated.items():
        if name in x and not (value is x[name] or (not isinstance(value, Node) and value == x[name])):
            raise ModelError(
                f"model '{model.name}': '{name}' is a state and an output that differ; rename one in the part"
            )
    return namespace(_owner(model), "state", {**x, **calculated}, _elsewhere(model, "x"))
