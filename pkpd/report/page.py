"""A report as a value: sections of paragraphs, figures and tables; rendered to one self-contained HTML file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["Answer", "Equations", "Items", "Note", "Page", "Picture", "Section", "Table", "Text", "cell", "render"]

_BOLD = re.compile(r"\*\*(.+?)\*\*")


@dataclass(frozen=True)
class Text:
    """A paragraph; ``**word**`` is bold."""

    text: str
    kind: str = field(default="text", init=False)


@dataclass(frozen=True)
class Note:
    """A paragraph that must not be overlooked."""

    text: str
    title: str = ""
    kind: str = field(default="note", init=False)


@dataclass(frozen=True)
class Items:
    """A list of short texts."""

    items: Sequence[str]
    kind: str = field(default="items", init=False)


@dataclass(frozen=True)
class Answer:
    """A question, its answer, and what the answer rests on."""

    question: str
    answer: str
    caveats: Sequence[str] = ()
    kind: str = field(default="answer", init=False)


@dataclass(frozen=True)
class Picture:
    """A figure inside the page.

    Attributes
    ----------
    source : str
        A ``data:`` address.
    alt : str
        What is seen, for readers who do not see it.
    caption : str
    wide : bool
        Whether it takes the whole width of the page.
    """

    source: str
    alt: str
    caption: str
    wide: bool = True
    kind: str = field(default="picture", init=False)


@dataclass(frozen=True)
class Table:
    """A table; texts to the left, numbers to the right.

    Attributes
    ----------
    caption : str
    columns : sequence of str
    rows : sequence of sequences
        The first cell of each row is its heading.
    note : str
        Below the table.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""
    kind: str = field(default="table", init=False)

    def numeric(self, k: int) -> bool:
        """Tell whether a column holds numbers."""
        values = [row[k] for row in self.rows if row[k] is not None and row[k] != ""]
        return bool(values) and all(isinstance(v, (int, float)) or _NUMBERLIKE.match(str(v)) for v in values)


_NUMBERLIKE = re.compile(r"^(?:[<>≤≥]|less than |more than )?\s*[-−]?[\d.,]+(e[-+]?\d+)?\s*%?(\s*[\[(].*[\])])?$")


@dataclass(frozen=True)
class Equations:
    """Typeset equations of one group.

    Attributes
    ----------
    title : str
    lines : sequence of str
        MathML each.
    """

    title: str
    lines: Sequence[str]
    kind: str = field(default="equations", init=False)


@dataclass
class Section:
    """A section or, at level 3, a part of one.

    Attributes
    ----------
    key : str
        Anchor.
    title : str
    blocks : list
    level : {2, 3}
    """

    key: str
    title: str
    blocks: list[Any] = field(default_factory=list)
    level: int = 2

    def add(self, *blocks: Any) -> Section:
        """Add blocks and return the section."""
        self.blocks.extend(blocks)
        return self


@dataclass
class Page:
    """All that a report says.

    Attributes
    ----------
    title, subtitle : str
    summary : list of str
        The answer in a few sentences.
    sections : list of Section
    footer : str
    """

    title: str
    subtitle: str = ""
    summary: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    footer: str = "Research software. Nothing in this report is medical advice."
    made: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))


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


def render(page: Page, template: str = "report.html.j2") -> str:
    """Return the HTML of a page, complete in itself: no file and no address is asked for when it is opened.

    Examples
    --------
    >>> page = Page("A report", sections=[Section("one", "One").add(Text("It is **so** & so."))])
    >>> "It is <strong>so</strong> &amp; so." in render(page)
    True
    """
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"inline": _inline, "cell": cell}
    return environment.get_template(template).render(page=page)


def _inline(text: str) -> Markup:
    from markupsafe import Markup, escape

    return Markup(_BOLD.sub(r"<strong>\1</strong>", str(escape(text))))
