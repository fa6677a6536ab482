"""The document of a model: what it is, its numbers and equations, and how it stands beside published data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pkpd.engine.graph.derivative import substitute
from pkpd.engine.graph.nodes import symbol
from pkpd.engine.graph.printing import latex, latex_name
from pkpd.errors import DataError, nearest
from pkpd.files import write_whole
from pkpd.library import load_model
from pkpd.model.model import Model
from pkpd.model.tables import ModelTable, correlations, tables
from pkpd.model.trace import trace_names
from pkpd.model.typeset import to_markdown
from pkpd.report.blocks import Block, Formulas, Heading, Picture, Table, Text
from pkpd.report.chapters import validation_chapter
from pkpd.report.writing import to_html, to_markdown_text
from pkpd.validation.api import has_published, validate_model

if TYPE_CHECKING:
    from pkpd.validation.report import ValidationReport

__all__ = ["document", "document_blocks", "equation_groups", "write_document"]

_FORMATS = {"html": ".html", "markdown": ".md"}
_EQUATIONS = re.compile(
    r"^## ([^\n]+)\n\n\$\$\n\\begin\{aligned\}\n(.*?)\n\\end\{aligned\}\n\$\$", re.DOTALL | re.MULTILINE
)
_HEADERS = {"IIV": "between subjects", "IOV": "between occasions"}


def document(model: str | Model, *, format: str = "html", report: ValidationReport | None = None) -> str:
    """Return the document of a model as text.

    Parameters
    ----------
    model : str or Model
        Name in the library, path of a file, or a model.
    format : {"html", "markdown"}
        A page that needs no other file and no network, with equations in MathML; or Markdown with equations in LaTeX,
        whose figures `write_document` puts beside it.
    report : ValidationReport, optional
        Result of `validate_model`; computed if the library has published numbers for the model.

    Raises
    ------
    DataError
        If the format is unknown.

    Examples
    --------
    >>> "<math" in document("pk1_oral")
    True
    """
    if format not in _FORMATS:
        raise DataError(f"document: format '{format}' is unknown; there is html, markdown{nearest(format, _FORMATS)}")
    blocks = document_blocks(model, report)
    return to_html(blocks) if format == "html" else to_markdown_text(blocks)


def write_document(
    model: str | Model, target: str | Path, *, report: ValidationReport | None = None
) -> tuple[Path, ...]:
    """Write the document of a model and return the files.

    Parameters
    ----------
    model : str or Model
        As for `document`.
    target : str or path
        A file that ends in ``.html`` or ``.md``, or a folder, which gets both under the model's name. Figures of
        Markdown go to ``figures`` beside it. Folders are made; files are replaced whole.
    report : ValidationReport, optional
        As for `document`.

    Raises
    ------
    DataError
        If the file ends otherwise.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_document("pk1_oral", folder)]
    ['pk1_oral.html', 'pk1_oral.md']
    """
    given = load_model(model) if not isinstance(model, Model) else model
    target = Path(target)
    if target.suffix not in ("", *_FORMATS.values()):
        raise DataError(f"write_document: '{target.name}' must end in .html or .md, or be a folder")
    paths = [target] if target.suffix else [target / f"{given.name}{end}" for end in _FORMATS.values()]
    blocks = document_blocks(given, report)
    files: dict[Path, str] = {}
    for path in paths:
        files[path] = to_html(blocks) if path.suffix == ".html" else to_markdown_text(blocks)
        if path.suffix == ".md":
            drawn = [b for b in blocks if isinstance(b, Picture)]
            files |= {path.parent / "figures" / f"{figure.name}.svg": figure.svg for figure in drawn}
    for path, text in files.items():
        write_whole(path, text)
    return tuple(files)


def document_blocks(model: str | Model, report: ValidationReport | None = None) -> list[Block]:
    """Return the document of a model as blocks, to put into a larger page.

    Examples
    --------
    >>> document_blocks("pk1_oral")[0].level
    1
    """
    given = load_model(model) if not isinstance(model, Model) else model
    if report is None and has_published(given):
        report = validate_model(given)
    blocks: list[Block] = [
        Heading(1, given.title or given.name),
        Text(f"Model `{given.name}`. Time is in {given.time_unit}."),
    ]
    blocks += _about(given)
    blocks += _composed(given) if given.parts else _whole(given)
    if report is not None:
        blocks += validation_chapter(report)
    return blocks


def _titled(model: Model) -> str:
    return (model.title or model.name).removesuffix(".")


def _about(model: Model) -> list[Block]:
    """Return the description without its equations in plain text, which stand typeset elsewhere, and the reference."""
    said = [" ".join(part.split()) for part in model.description.strip().split("\n\n") if part.strip()]
    blocks: list[Block] = [Text(part) for part in said if not re.match(r"Equations?:", part)]
    if model.reference:
        blocks.append(Text(f"Reference: {model.reference}."))
    return blocks


def _whole(model: Model) -> list[Block]:
    """Return tables and equations of a model without parts."""
    blocks: list[Block] = [Heading(2, "Numbers")]
    for table in tables(model):
        blocks += [Heading(3, table.title), _listing(table)]
    blocks += _correlated(model, "")
    return [*blocks, Heading(2, "Equations"), *_equations(model, 3)]


def _composed(model: Model) -> list[Block]:
    """Return a chapter on what holds the parts together, and one on each part."""
    own = [_only(table, "") for table in tables(model)]
    blocks: list[Block] = [Heading(2, "How the parts act on each other")]
    if wires := _connections(model):
        blocks += [Text("What stands in the place of the parts' covariates; names of parts are indices."), wires]
    for table in own:
        if table.rows:
            blocks += [Heading(3, table.title), _listing(table)]
    for prefix, part in model.parts.items():
        blocks += [Heading(2, f"Part `{prefix}`: {_titled(part)}")]
        blocks += [Text(f"Model `{part.name}`; in the whole, `{prefix}.` stands before its names."), *_about(part)]
        for table in tables(model):
            mine = _only(table, f"{prefix}.")
            if mine.rows and table.title in ("States", "Parameters"):
                blocks += [Heading(3, table.title), _listing(mine)]
        blocks += _correlated(model, f"{prefix}.")
        blocks += [Heading(3, "Equations"), *_equations(part, 4)]
    return blocks


def _only(table: ModelTable, prefix: str) -> ModelTable:
    """Return the rows of one part, or those of the model itself."""
    rows = [row for row in table.rows if (row[0].startswith(prefix) if prefix else "." not in row[0])]
    return (
        ModelTable(table.title, table.columns, rows).without_empty_columns()
        if rows
        else ModelTable(table.title, (), [])
    )


def _listing(table: ModelTable) -> Table:
    named = tuple(_HEADERS.get(column, column) for column in table.columns)
    return Table("", named, tuple((f"`{row[0]}`", *row[1:]) for row in table.rows))


def _correlated(model: Model, prefix: str) -> list[Block]:
    found = [
        f"Correlation of `{one}` and `{two}`: {r:.3g}."
        for one, two, r in correlations(model)
        if (one.startswith(prefix) if prefix else "." not in one)
    ]
    return [Text(text) for text in found]


def equation_groups(model: Model) -> list[Formulas]:
    """Return titled equations: individual parameters, initial state, dosing, dynamics, outputs."""
    groups = []
    for title, body in _EQUATIONS.findall(to_markdown(model)):
        sides = [line.split(" &= ", 1) for line in body.split(" \\\\\n")]
        groups.append(Formulas(title, tuple((left, right) for left, right in sides)))
    return groups


def _equations(model: Model, level: int) -> list[Block]:
    found = ((Heading(level, group.title), Formulas("", group.lines)) for group in equation_groups(model))
    return [block for pair in found for block in pair]


def _connections(model: Model) -> Formulas | None:
    """Return what drives the parts' covariates, with outputs by their names."""
    trace = trace_names(model, dict(model.trace.individual))
    if not trace.connections:
        return None
    known = {node: symbol(name, "output") for name, node in reversed(trace.outputs.items()) if node.args}
    # an output that is another's name only, such as a state, stays as it is
    rights = substitute(tuple(trace.connections.values()), known)
    lines = zip(trace.connections, rights, strict=True)
    return Formulas("", tuple((latex_name(n), latex(e, lambda node: latex_name(node.name))) for n, e in lines))
