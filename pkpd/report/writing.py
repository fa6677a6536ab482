"""A page written as one HTML file that is complete in itself, or as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pkpd.comparison.answer import Answer
from pkpd.report.blocks import Block, Formulas, Heading, Items, Note, Page, Picture, Table, Text

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["cell", "mathml", "to_html", "to_markdown_text"]

_BOLD = re.compile(r"\*\*(.+?)\*\*")
_NAME = re.compile(r"`([^`]*)`")


def cell(value: Any) -> str:
    """Return a table cell: numbers to three digits, nothing for what is missing.

    Examples
    --------
    >>> cell(0.123456), cell(12345.6), cell(None), cell(True)
    ('0.123', '12300', '', 'yes')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if value != value:
            return ""
        return f"{value:.3g}" if abs(value) < 1000 else f"{float(f'{value:.3g}'):.0f}"
    return str(value)


# -- HTML


def to_html(page: Page | Sequence[Block], template: str = "report.html.j2") -> str:
    """Return the HTML of a page, complete in itself: no file and no address is asked for when it is opened.

    Examples
    --------
    >>> from pkpd.report.blocks import Section
    >>> page = Page("A report", sections=[Section("one", "One").add(Text("It is **so** & so."))])
    >>> "It is <strong>so</strong> &amp; so." in to_html(page)
    True
    >>> "<h1>A</h1>" in to_html([Heading(1, "A")])
    True
    """
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"inline": _inline, "cell": cell, "mathml": mathml, "brief": _brief}
    whole = page if isinstance(page, Page) else Page.of_blocks(page)
    return environment.get_template(template).render(page=whole)


def _brief(answer: Answer) -> Table:
    """Return the small table of an answer."""
    assert answer.brief is not None
    return Table("In numbers", [str(name) for name in answer.brief.columns], answer.brief.to_numpy().tolist())


def _inline(text: str) -> Markup:
    from markupsafe import Markup, escape

    bold = _BOLD.sub(r"<strong>\1</strong>", str(escape(text)))
    return Markup(_NAME.sub(r"<code>\1</code>", bold))


def mathml(lines: Sequence[tuple[str, str]]) -> str:
    """Return equations in LaTeX as one MathML table, aligned at the equals signs, which browsers typeset by themselves.

    Examples
    --------
    >>> mathml([("y", "k_{e} x")]).startswith("<math")
    True
    """
    rows = "".join(
        f'<mtr><mtd style="text-align: right">{_math(left)}</mtd><mtd><mo>=</mo></mtd>'
        f'<mtd style="text-align: left">{_math(right)}</mtd></mtr>'
        for left, right in lines
    )
    return f'<math displaystyle="true"><mtable displaystyle="true">{rows}</mtable></math>'


def _math(text: str) -> str:
    from latex2mathml.converter import convert

    # a word set upright is one identifier, not a row of letters
    inner = re.search(r"<math[^>]*>(.*)</math>", convert(text), re.DOTALL)
    if inner is None:
        raise ValueError(f"no MathML for {text!r}")
    letters = r'(?:<mi mathvariant="normal">[^<]*</mi>){2,}'
    return re.sub(letters, lambda m: f"<mi>{re.sub('<[^>]*>', '', m.group())}</mi>", inner.group(1))


# -- Markdown


def to_markdown_text(blocks: Sequence[Block], figures: str = "figures") -> str:
    """Write blocks as Markdown, equations between ``$$``, figures as links into a folder beside it.

    Examples
    --------
    >>> print(to_markdown_text([Heading(2, "A"), Text("b")]))
    ## A
    <BLANKLINE>
    b
    <BLANKLINE>
    """
    return "\n\n".join(_markdown(block, figures) for block in blocks) + "\n"


def _markdown(block: Block, figures: str) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {text}"
        case Text(text):
            return _escaped(text)
        case Note(text, title):
            return f"> {f'**{title}** ' if title else ''}{_escaped(text)}"
        case Items(items):
            return "\n".join(f"- {_escaped(item)}" for item in items)
        case Answer():
            head = f"**{block.question}** {_escaped(block.answer)}"
            numbers = [] if block.brief is None else [_markdown(_brief(block), figures)]
            return "\n\n".join([head, *numbers, "\n".join(f"- {caveat}" for caveat in block.caveats)]).rstrip()
        case Table(caption, columns, rows, note):
            lines = [columns, ["---" for _ in columns], *rows]
            body = "\n".join("| " + " | ".join(_cell(cell(c)) for c in row) + " |" for row in lines)
            return "\n\n".join(filter(None, (_escaped(caption), body, _escaped(note))))
        case Formulas(title, lines):
            body = " \\\\\n".join(f"{left} &= {right}" for left, right in lines)
            typeset = f"$$\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n$$"
            return f"#### {title}\n\n{typeset}" if title else typeset
        case Picture():
            return f"![{block.alt}]({PurePosixPath(figures) / block.name}.svg)\n\n*{block.caption}*"


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Escape what would start emphasis or an HTML tag outside backquotes; what is bold stays so."""
    parts = re.split(r"(`[^`]*`|\*\*)", text)
    return "".join(p if p.startswith(("`", "**")) else re.sub(r"(\*|<(?=[A-Za-z/]))", r"\\\1", p) for p in parts)
