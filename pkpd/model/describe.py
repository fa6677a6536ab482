"""A model as plain text, read like the methods section of a paper."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from pkpd.engine.graph.nodes import Node
from pkpd.engine.graph.printing import text
from pkpd.model.tables import ModelEquations, ModelTable, correlations, equations, tables
from pkpd.model.trace import Traced

__all__ = ["WIDTH", "describe"]

WIDTH = 110
#: narrowest entry of the columns that hold prose and are cut first where a table is too wide
PROSE = {"source": 16, "meaning": 24}


def describe(model: Traced) -> str:
    """Return title, tables and equations of a model, at most ``WIDTH`` columns wide where names allow.

    Parameters
    ----------
    model : Model
    """
    sections = [_heading(model)]
    for table in tables(model):
        title = f"{table.title} (time in {model.time_unit})" if table.title == "States" else table.title
        body = _layout(table)
        if table.title == "Parameters":
            body.extend(_wrapped(f"correlation of {one} and {two}: {r:.3g}" for one, two, r in correlations(model)))
        sections.append("\n".join([title, *body]))
    for title, lines in _equations(model):
        if body := list(_wrapped(lines)):
            sections.append("\n".join([title, *body]))
    return "\n\n".join(sections)


def _heading(model: Traced) -> str:
    lines = textwrap.wrap(f"{model.name}: {model.title}" if model.title else model.name, WIDTH)
    for paragraph in model.description.strip().split("\n\n"):
        lines.extend(textwrap.wrap(" ".join(paragraph.split()), WIDTH))
    if model.reference:
        lines.extend(textwrap.wrap(f"Reference: {model.reference}", WIDTH, subsequent_indent="  "))
    return "\n".join(lines)


def _layout(table: ModelTable) -> list[str]:
    """Return aligned lines, numbers to the right, long prose cut with dots."""
    header = tuple("" if c == "name" else c for c in table.columns)
    rows = [header, *table.rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    for column, least in PROSE.items():
        if column in table.columns:
            i = table.columns.index(column)
            excess = sum(widths) + 2 * len(widths) - WIDTH
            widths[i] = min(widths[i], max(least, widths[i] - excess))
    lines = []
    for row in rows:
        cells = [
            cell.rjust(w) if column in ("value", "reference", "IIV", "IOV") else _short(cell, w).ljust(w)
            for column, cell, w in zip(table.columns, row, widths, strict=True)
        ]
        lines.append(_short(f"  {'  '.join(cells)}".rstrip(), WIDTH))
    return lines


def _short(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 3].rstrip()}..."


def _wrapped(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield from textwrap.wrap(
            line, WIDTH, initial_indent="  ", subsequent_indent="      ", break_long_words=False, break_on_hyphens=False
        )


def _equations(model: Traced) -> Iterator[tuple[str, list[str]]]:
    """Yield titled lists of equations."""
    eq = equations(model)
    trace = eq.named

    def write(node: Node) -> str:
        return text(node, lambda n: _name(n, eq))

    yield "Individual parameters", [f"{n} = {write(e)}" for n, e in eq.individual.items()]
    started = [
        (n, e) for n, e in zip(trace.states, trace.initial, strict=True) if not (e.op == "const" and e.value == 0)
    ]
    yield "Initial state", [f"{n}(0) = {write(e)}" for n, e in started]
    given = [(trace.states[i], entry) for i, entry in trace.dosing.items()]
    yield "Dosing", [f"{n}: {', '.join(f'{k} = {write(e)}' for k, e in entry.items())}" for n, entry in given]
    slopes = zip(trace.states, trace.derivatives, strict=True)
    yield "Dynamics", [f"d/dt {n} = {write(e)}" for n, e in slopes]
    calculated = [(n, write(e)) for n, e in trace.outputs.items()]
    yield "Outputs calculated", [f"{n} = {e}" for n, e in calculated if e != n]


def _name(n: Node, eq: ModelEquations) -> str:
    """Return a symbol's name: typical values as theta_CL, logit parameters by their formula."""
    if n in eq.logit:
        parameter = eq.logit[n]
        low, high = parameter.bounds or (0.0, 1.0)
        span = "" if (low, high) == (0, 1) else f", {low:g}, {high:g}"
        effects = " + ".join(f"{kind}_{n.name}" for kind in eq.effects(n.name))
        return f"expit(logit(theta_{n.name}{span}) + {effects}{span})"
    prefix = {"theta": "theta_", "eta": "eta_", "kappa": "kappa_"}.get(n.kind, "")
    return f"{prefix}{n.name}"
