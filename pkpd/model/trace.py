"""The traced model: every equation as an expression of time, states, thetas, etas, kappas and covariates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pkpd.engine.graph.fingerprint import fingerprint
from pkpd.engine.graph.nodes import Node, as_node, symbol
from pkpd.errors import ModelError
from pkpd.model import run
from pkpd.model.definition import Definition
from pkpd.model.variability import individual_value

__all__ = ["TIME", "Trace", "Traced", "base_value", "trace_model", "trace_names"]

TIME = symbol("t", "time")


@dataclass(frozen=True)
class Trace:
    """A model's equations as graphs.

    Attributes
    ----------
    states : tuple of str
        Full names; those of a part are prefixed, ``tcz.central``.
    thetas : tuple of str
        Parameters; symbols of kind ``theta``, in the parameter's unit.
    etas, kappas : tuple of str
        Parameters that vary between subjects, between occasions; symbols of kind ``eta`` and ``kappa``, on their scale.
    covariates : tuple of str
        Symbols of kind ``covariate``.
    derivatives, initial : tuple of Node
        One per state.
    outputs : dict of name to Node
        In the order declared.
    individual : dict of name to Node
        Every ``p.<name>``, parameters and derived ones.
    dosing : dict of state index to dict of name to Node
        ``F``, ``tlag`` (h), ``rate`` (amount per h), ``duration`` (h).
    connections : dict of name to Node
        What stands in the place of parts' covariates; the equations above hold it already.
    """

    states: tuple[str, ...]
    thetas: tuple[str, ...]
    etas: tuple[str, ...]
    kappas: tuple[str, ...]
    covariates: tuple[str, ...]
    derivatives: tuple[Node, ...]
    initial: tuple[Node, ...]
    outputs: dict[str, Node]
    individual: dict[str, Node]
    dosing: dict[int, dict[str, Node]]
    connections: dict[str, Node]

    def named(self) -> Iterator[tuple[str, Node]]:
        """Yield every equation with a name that says what it is."""
        yield from ((f"individual {n}", e) for n, e in self.individual.items())
        yield from ((f"initial {n}", e) for n, e in zip(self.states, self.initial, strict=True))
        for i, entry in self.dosing.items():
            yield from ((f"dosing {self.states[i]} {key}", e) for key, e in entry.items())
        yield from ((f"connect {n}", e) for n, e in self.connections.items())
        yield from ((f"dynamics {n}", e) for n, e in zip(self.states, self.derivatives, strict=True))
        yield from ((f"output {n}", e) for n, e in self.outputs.items())

    @cached_property
    def fingerprint(self) -> str:
        """Hash of names, order and equations, the same in every process; values of parameters do not enter."""
        labels, roots = zip(*self.named(), strict=True)
        names = (self.states, self.thetas, self.etas, self.kappas, self.covariates, labels)
        return hashlib.sha256(f"{names!r}{fingerprint(roots)}".encode()).hexdigest()


def trace_model(model: Definition) -> Trace:
    """Return the equations of a model, running each of its functions once with symbols.

    Raises
    ------
    ModelError
        If a function fails, asks for what is not there, or returns the wrong names or shapes.
    """
    base = {n: base_value(model, n) for n in model.parameters}
    cov = {n: symbol(n, "covariate") for n in model.covariates}
    individual = run.individual(model, base, cov)
    return _collect(model, individual, individual, cov)


class Traced(Definition):
    """A definition whose equations are known as graphs."""

    @cached_property
    def trace(self) -> Trace:
        """Equations as expression graphs."""
        return trace_model(self)

    @property
    def fingerprint(self) -> str:
        """Hash of the equations, the same in every process; parameter values do not enter."""
        return self.trace.fingerprint


def base_value(model: Definition, name: str) -> Any:
    """Return the expression of a parameter with its variability, before ``individual``."""
    there = (("eta", name in model.etas), ("kappa", name in model.iov_etas))
    deviations = [symbol(name, kind) for kind, varies in there if varies]
    total = None if not deviations else deviations[0] if len(deviations) == 1 else deviations[0] + deviations[1]
    return individual_value(model.parameters[name], symbol(name, "theta"), total)


def trace_names(model: Definition, individual: dict[str, Any]) -> Trace:
    """Return the equations with individual parameters as plain symbols (kind ``parameter``), for printing."""
    plain = {n: symbol(n, "parameter") for n in individual}
    cov = {n: symbol(n, "covariate") for n in model.covariates}
    return _collect(model, individual, plain, cov)


def _collect(model: Definition, individual: dict[str, Any], p: dict[str, Any], cov: dict[str, Any]) -> Trace:
    """Return the trace of all functions after ``individual``."""
    states = tuple(model.states)
    x = {n: symbol(n, "state") for n in states}
    index = {n: i for i, n in enumerate(states)}
    slopes = run.derivatives(model, TIME, x, p, cov)
    start = run.initial(model, p, cov)
    given = run.dosing(model, p, cov)
    trace = Trace(
        states=states,
        thetas=tuple(model.parameters),
        etas=model.etas,
        kappas=model.iov_etas,
        covariates=tuple(model.covariates),
        derivatives=tuple(as_node(slopes[n]) for n in states),
        initial=tuple(as_node(start[n]) for n in states),
        outputs={n: as_node(v) for n, v in run.outputs(model, TIME, x, p, cov).items()},
        individual={n: as_node(v) for n, v in individual.items()},
        dosing={index[n]: {k: as_node(v) for k, v in given[n].items()} for n in sorted(given, key=index.__getitem__)},
        connections={n: as_node(v) for n, v in run.connections(model, TIME, x, p, cov).items()},
    )
    for name, node in trace.named():
        if node.op == "const" and node.value != node.value:
            raise ModelError(f"model '{model.name}', {name}: is not a number (NaN)")
    return trace
