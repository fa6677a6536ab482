"""A page as a value: sections of paragraphs, figures, tables and equations, for reports and for documents of models."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pkpd.comparison.answer import Answer

__all__ = ["Block", "Formulas", "Heading", "Items", "Note", "Page", "Picture", "Section", "Table", "Text"]

_NUMBERLIKE = re.compile(r"^(?:[<>≤≥]|less than |more than )?\s*[-−]?[\d.,]+(e[-+]?\d+)?\s*%?(\s*[\[(].*[\])])?$")


@dataclass(frozen=True)
class Heading:
    """A heading within a section, of level 3 or 4; in a document that is a list of blocks also 1 (its title) and 2."""

    kind: ClassVar[str] = "heading"

    level: int
    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph; ``**word**`` is bold, a word between backquotes is a name."""

    kind: ClassVar[str] = "text"

    text: str


@dataclass(frozen=True)
class Note:
    """A paragraph that must not be overlooked."""

    kind: ClassVar[str] = "note"

    text: str
    title: str = ""


@dataclass(frozen=True)
class Items:
    """A list of short texts."""

    kind: ClassVar[str] = "items"

    items: Sequence[str]


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
    name : str
        Of a file that holds it, without suffix.
    """

    kind: ClassVar[str] = "picture"

    source: str
    alt: str
    caption: str
    wide: bool = True
    name: str = ""

    @classmethod
    def of_svg(cls, svg: str, name: str, caption: str) -> Picture:
        """Return a picture of a drawing as SVG, whose caption says what is seen."""
        data = base64.b64encode(svg.encode()).decode()
        return cls(f"data:image/svg+xml;base64,{data}", caption, caption, name=name)

    @property
    def svg(self) -> str:
        """The drawing as SVG."""
        return base64.b64decode(self.source.partition("base64,")[2]).decode()


@dataclass(frozen=True)
class Table:
    """A table; texts to the left, numbers to the right.

    Attributes
    ----------
    caption : str
        Empty for none.
    columns : sequence of str
    rows : sequence of sequences
        The first cell of each row is its heading.
    note : str
        Below the table.
    """

    kind: ClassVar[str] = "table"

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""

    def numeric(self, k: int) -> bool:
        """Tell whether a column holds numbers."""
        values = [row[k] for row in self.rows if row[k] is not None and row[k] != ""]
        return bool(values) and all(isinstance(v, (int, float)) or _NUMBERLIKE.match(str(v)) for v in values)


@dataclass(frozen=True)
class Formulas:
    """Equations of one group.

    Attributes
    ----------
    title : str
        Empty where a heading stands above.
    lines : sequence of (str, str)
        Left and right sides in LaTeX.
    """

    kind: ClassVar[str] = "formulas"

    title: str
    lines: Sequence[tuple[str, str]]


Block = Heading | Text | Note | Items | Answer | Picture | Table | Formulas


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

    def add(self, *blocks: Block) -> Section:
        """Add blocks and return the section."""
        self.blocks.extend(blocks)
        return self


@dataclass
class Page:
    """All that a page says.

    Attributes
    ----------
    title, subtitle : str
    question : list of str
        What was asked, in a few sentences.
    alerts : list of str
        What a reader must know before the answer: in red, on top.
    picture : Picture or None
        The one figure of the answer.
    summary : list of str
        The answer in a few sentences.
    sections : list of Section
    footer : str
    made : str
        When it was made; empty for a page that does not say.
    """

    title: str
    subtitle: str = ""
    question: list[str] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    picture: Picture | None = None
    summary: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    footer: str = "Research software. Nothing in this report is medical advice."
    made: str = ""

    @classmethod
    def of_blocks(cls, blocks: Sequence[Block]) -> Page:
        """Return a list of blocks as a page: a heading of level 1 is its title, each of level 2 begins a section."""
        page = cls("", footer="Research software, not medical advice.")
        section = Section("about", "")
        for block in blocks:
            if isinstance(block, Heading) and block.level == 1:
                page.title = block.text
            elif isinstance(block, Heading) and block.level == 2:
                page.sections.append(section)
                section = Section(f"part-{len(page.sections)}", block.text)
            else:
                section.add(block)
        page.sections = [each for each in (*page.sections, section) if each.blocks]
        return page
