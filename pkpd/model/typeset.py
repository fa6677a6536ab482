"""A model as LaTeX, Markdown and HTML."""

from __future__ import annotations

import html
from collections.abc import Iterator

from pkpd.engine.graph.nodes import Node
from pkpd.engine.graph.printing import latex, latex_name
from pkpd.model.tables import ModelEquations, ModelTable, correlations, equations, tables
from pkpd.model.trace import Traced

__all__ = ["to_html", "to_latex", "to_markdown"]


def to_latex(model: Traced) -> str:
    r"""Return all equations as one ``aligned`` environment.

    Examples
    --------
    >>> from pkpd.model.declare import Parameter, State
    >>> from pkpd.model.model import Model
    >>> decay = Model(
    ...     "decay",
    ...     states=[State("A", "mg")],
    ...     parameters=[Parameter("k", 0.1, "1/h")],
    ...     dynamics=lambda t, x, p: {"A": -p.k * x.A},
    ... )
    >>> print(to_latex(decay))
    \begin{aligned}
    \frac{d A}{d t} &= -k \, A
    \end{aligned}
    """
    lines = [f"{left} &= {right}" for _, group in _groups(model) for left, right in group]
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def to_markdown(model: Traced) -> str:
    """Return a Markdown document with tables and equations between ``$$``."""
    blocks = [f"# {model.name}: {model.title}" if model.title else f"# {model.name}"]
    blocks.extend(s for s in (model.description.strip(), model.reference and f"Reference: {model.reference}") if s)
    blocks.append(f"Time is in {model.time_unit}.")
    for table in tables(model):
        rows = [table.columns, tuple("---" for _ in table.columns), *table.rows]
        lines = ["| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in rows]
        blocks.append(f"## {table.title}\n\n" + "\n".join(lines))
        if table.title == "Parameters":
            blocks.extend(f"Correlation of {one} and {two}: {r:.3g}" for one, two, r in correlations(model))
    for title, group in _groups(model):
        body = " \\\\\n".join(f"{left} &= {right}" for left, right in group)
        blocks.append(f"## {title}\n\n$$\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n$$")
    return "\n\n".join(blocks) + "\n"


def to_html(model: Traced) -> str:
    """Return an HTML fragment with tables, and equations that notebooks typeset with MathJax."""
    title = html.escape(f"{model.name}: {model.title}" if model.title else model.name)
    parts = [f"<div><h3>{title}</h3>"]
    parts.extend(f"<p>{html.escape(s.strip())}</p>" for s in (model.description, model.reference) if s.strip())
    parts.extend(f"<h4>{t.title}</h4>{_html_table(t)}" for t in tables(model))
    for name, group in _groups(model):
        body = " \\\\ ".join(f"{left} &= {right}" for left, right in group)
        parts.append(f"<h4>{name}</h4>$$\\begin{{aligned}} {html.escape(body, quote=False)} \\end{{aligned}}$$")
    return "\n".join([*parts, "</div>"])


def _html_table(table: ModelTable) -> str:
    def row(cells: tuple[str, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    body = "".join(row(r, "td") for r in table.rows)
    return f"<table><thead>{row(table.columns, 'th')}</thead><tbody>{body}</tbody></table>"


def _groups(model: Traced) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield titled lists of equations as left and right sides; empty ones are left out."""
    eq = equations(model)
    trace = eq.named

    def write(node: Node) -> str:
        return latex(node, lambda n: _name(n, eq))

    start = zip(trace.states, trace.initial, strict=True)
    slopes = zip(trace.states, trace.derivatives, strict=True)
    groups = [
        ("Individual parameters", [(latex_name(n), write(e)) for n, e in eq.individual.items()]),
        ("Initial state", [(f"{latex_name(n)}(0)", write(e)) for n, e in start if e.op != "const" or e.value != 0]),
        (
            "Dosing",
            [
                (f"{latex_name(k)}_{{\\mathrm{{dose}},{latex_name(trace.states[i])}}}", write(e))
                for i, entry in trace.dosing.items()
                for k, e in entry.items()
            ],
        ),
        ("Dynamics", [(f"\\frac{{d {latex_name(n)}}}{{d t}}", write(e)) for n, e in slopes]),
        ("Outputs", [(latex_name(n), write(e)) for n, e in trace.outputs.items() if e.name != n]),
    ]
    yield from ((title, group) for title, group in groups if group)


def _name(n: Node, eq: ModelEquations) -> str:
    """Return a symbol typeset: typical values as theta with an index, logit parameters by their formula."""
    if n in eq.logit:
        low, high = eq.logit[n].bounds or (0.0, 1.0)
        theta = _indexed("theta", n.name)
        inner = theta if (low, high) == (0, 1) else f"\\frac{{{theta} - {low:g}}}{{{high:g} - {low:g}}}"
        effects = " + ".join(_indexed(kind, n.name) for kind in eq.effects(n.name))
        core = f"\\mathrm{{expit}}\\left(\\mathrm{{logit}}\\left({inner}\\right) + {effects}\\right)"
        return core if (low, high) == (0, 1) else f"\\left[{low:g} + \\left({high:g} - {low:g}\\right) {core}\\right]"
    return _indexed(n.kind, n.name) if n.kind in ("theta", "eta", "kappa") else latex_name(n.name)


def _indexed(letter: str, name: str) -> str:
    return f"\\{letter}_{{{latex_name(name)}}}"
