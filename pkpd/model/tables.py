"""What a model's description says, as rows of text and lists of equations, before it is laid out."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

from pkpd.engine.graph.derivative import substitute
from pkpd.engine.graph.nodes import Node, make, symbol
from pkpd.model.declare import Bounds, Parameter
from pkpd.model.residual import ResidualError
from pkpd.model.trace import Trace, Traced, base_value, trace_names
from pkpd.model.variability import spread

__all__ = ["ModelEquations", "ModelTable", "correlations", "equations", "error_text", "tables"]


@dataclass(frozen=True, slots=True)
class ModelTable:
    """Rows of text under a title.

    Attributes
    ----------
    title : str
    columns : tuple of str
    rows : list of tuple of str
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def without_empty_columns(self) -> ModelTable:
        """Return the table without columns that are empty in all rows."""
        keep = [i for i in range(len(self.columns)) if any(row[i] for row in self.rows)]
        return ModelTable(
            self.title, tuple(self.columns[i] for i in keep), [tuple(r[i] for i in keep) for r in self.rows]
        )


@dataclass(frozen=True, slots=True)
class ModelEquations:
    """Equations with individual parameters as plain symbols; relations of the individual parameters apart.

    Attributes
    ----------
    individual : dict of name to Node
        Only what is more than its own typical value; symbols of kind ``theta`` are typical values.
    named : Trace
        All the rest, in terms of symbols of kind ``parameter``.
    logit : dict of Node to Parameter
        Stand-ins for the individual values of parameters on the logit scale.
    """

    individual: dict[str, Node]
    named: Trace
    logit: dict[Node, Parameter]

    def effects(self, name: str) -> list[str]:
        """Return ``eta`` and ``kappa``, those of them that a parameter has."""
        return [k for k, names in (("eta", self.named.etas), ("kappa", self.named.kappas)) if name in names]


def equations(model: Traced) -> ModelEquations:
    """Return a model's equations for printing."""
    trace = model.trace
    varying = {*model.etas, *model.iov_etas}
    bases = {n: base_value(model, n) for n, q in model.parameters.items() if q.scale == "logit" and n in varying}
    marks = {node: symbol(n, "logit") for n, node in bases.items()}
    first: dict[Node, str] = {}
    for name, node in trace.individual.items():
        if node.op != "const":
            first.setdefault(node, name)
    known = {**marks, **{node: symbol(n, "parameter") for node, n in first.items()}}
    relations: dict[str, Node] = {}
    for name, node in trace.individual.items():
        if node in marks:
            relations[name] = marks[node]
        elif first.get(node, name) != name:
            relations[name] = known[node]
        elif node is not symbol(name, "theta"):
            relations[name] = make(node.op, *substitute(node.args, known)) if node.args else node
    logit = {mark: model.parameters[mark.name] for mark in marks.values()}
    return ModelEquations(relations, _with_outputs_named(trace_names(model, dict(trace.individual))), logit)


def _with_outputs_named(trace: Trace) -> Trace:
    """Return the trace with outputs by name where they occur in derivatives and in other outputs."""
    names: dict[Node, Node] = {}
    for name, node in trace.outputs.items():
        if node.args:
            names.setdefault(node, symbol(name, "output"))
    outputs = {n: make(e.op, *substitute(e.args, names)) if e.args else e for n, e in trace.outputs.items()}
    return replace(trace, derivatives=tuple(substitute(trace.derivatives, names)), outputs=outputs)


def tables(model: Traced) -> list[ModelTable]:
    """Return the tables of states, parameters, covariates and outputs."""
    states = [(s.name, s.unit, s.meaning) for s in model.states.values()]
    covariates = [
        (c.name, f"{c.reference:g}", c.unit, c.meaning, _bounds(c.bounds), CARRIED[c.carry])
        for c in model.covariates.values()
    ]
    outputs = [(o.name, o.unit, o.meaning, error_text(o.error)) for o in model.outputs.values()]
    out = [
        ModelTable("States", ("name", "unit", "meaning"), states),
        ModelTable("Parameters", PARAMETER_COLUMNS, [_parameter_row(model, q) for q in model.parameters.values()]),
        ModelTable("Covariates", ("name", "reference", "unit", "meaning", "range", "between records"), covariates),
        ModelTable("Outputs", ("name", "unit", "meaning", "residual error"), outputs),
    ]
    return [t.without_empty_columns() for t in out if t.rows]


CARRIED = {"forward": "carried forward", "backward": "carried backward", "linear": "interpolated"}
PARAMETER_COLUMNS = ("name", "value", "unit", "IIV", "IOV", "bounds", "meaning", "known", "source")


def _parameter_row(model: Traced, q: Parameter) -> tuple[str, ...]:
    between = dict(zip(model.etas, model.omega.diagonal(), strict=True)).get(q.name, 0.0)
    within = dict(zip(model.iov_etas, model.omega_iov.diagonal(), strict=True)).get(q.name, 0.0)
    known = f"{q.known}, fixed" if q.fixed else q.known
    iiv, iov = spread(q, between), spread(q, within)
    return (q.name, f"{q.value:.6g}", q.unit, iiv, iov, _bounds(q.bounds), q.meaning, known, q.source)


def _bounds(bounds: Bounds | None) -> str:
    return "" if bounds is None else f"({bounds[0]:g}, {bounds[1]:g})"


def error_text(error: ResidualError | None) -> str:
    """Return a residual error as it was written, without the defaults.

    Examples
    --------
    >>> from pkpd.model.residual import Combined
    >>> error_text(Combined(add=0.072, prop=0.2))
    'Combined(add=0.072, prop=0.2)'
    """
    if error is None:
        return ""
    given = [(f.name, getattr(error, f.name), f.default) for f in fields(error)]  # type: ignore[arg-type]
    return f"{type(error).__name__}({', '.join(f'{n}={v!r}' for n, v, default in given if v != default)})"


def correlations(model: Traced) -> list[tuple[str, str, float]]:
    """Return the pairs of parameters whose etas correlate, with the correlation."""
    out = []
    for i, one in enumerate(model.etas):
        for j in range(i):
            if model.omega[i, j] != 0:
                r = model.omega[i, j] / math.sqrt(model.omega[i, i] * model.omega[j, j])
                out.append((model.etas[j], one, float(r)))
    return out
