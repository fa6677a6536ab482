"""A document as a list of blocks, written as Markdown or as one self-contained HTML page."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

__all__ = ["Block", "Equations", "Figure", "Heading", "Listing", "Text", "to_html_page", "to_markdown_text"]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 (the title) to 4."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; words between backquotes are names."""

    text: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A table of text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Equations:
    """Equations in LaTeX as left and right sides."""

    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing: file name, words below it, SVG."""

    name: str
    caption: str
    svg: str


Block = Heading | Text | Listing | Equations | Figure


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
        case Listing(columns, rows):
            lines = [columns, tuple("---" for _ in columns), *rows]
            return "\n".join("| " + " | ".join(_cell(c) for c in row) + " |" for row in lines)
        case Equations(lines):
            body = " \\\\\n".join(f"{left} &= {right}" for left, right in lines)
            return f"$$\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n$$"
        case Figure(name, caption, _):
            return f"![{caption}]({PurePosixPath(figures) / name}.svg)\n\n*{caption}*"


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Escape what would start emphasis or an HTML tag outside backquotes."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"(\*|<(?=[A-Za-z/]))", r"\\\1", p) for p in parts)


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 Arial, Helvetica, "Liberation Sans", sans-serif; color: #1a1a1a; max-width: 70rem;
  margin: 2rem auto; padding: 0 1.5rem; }}
h1 {{ font-size: 1.6rem; line-height: 1.25; }}
h2 {{ font-size: 1.25rem; margin-top: 2.4rem; border-bottom: 1px solid #bbb; padding-bottom: .2rem; }}
h3 {{ font-size: 1.05rem; margin-top: 1.8rem; }}
h4 {{ font-size: .95rem; margin-bottom: .3rem; }}
p {{ max-width: 46rem; }}
code {{ font: 13px "DejaVu Sans Mono", Menlo, Consolas, monospace; background: #f2f2f2; padding: 0 .2em; }}
.wide {{ overflow-x: auto; margin: .6rem 0 1.2rem; }}
table {{ border-collapse: collapse; font-size: 13px; }}
th {{ text-align: left; border-bottom: 1.5px solid #333; padding: .25rem .6rem .25rem 0; vertical-align: bottom; }}
td {{ border-bottom: 1px solid #e2e2e2; padding: .25rem .6rem .25rem 0; vertical-align: top; }}
math {{ font: 1.1rem "STIX Two Math", "Latin Modern Math", "Cambria Math", math; }}
math mtd {{ padding: .3rem .2rem; border: 0; }}
figure {{ margin: 1rem 0 1.6rem; }}
figure img {{ max-width: 100%; }}
figcaption {{ font-size: 13px; color: #444; max-width: 46rem; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def to_html_page(blocks: Sequence[Block]) -> str:
    """Write blocks as one HTML page that needs no other file and no network; equations are MathML.

    Examples
    --------
    >>> "<h1>A</h1>" in to_html_page([Heading(1, "A")])
    True
    """
    title = next((b.text for b in blocks if isinstance(b, Heading)), "model")
    return _PAGE.format(title=html.escape(title), body="\n".join(_html(block) for block in blocks))


def _html(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level}>{_inline(text)}</h{level}>"
        case Text(text):
            return f"<p>{_inline(text)}</p>"
        case Listing(columns, rows):
            head = "".join(f"<th>{html.escape(c)}</th>" for c in columns)
            body = "".join("<tr>" + "".join(f"<td>{_inline(c)}</td>" for c in row) + "</tr>" for row in rows)
            return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        case Equations(lines):
            return f'<div class="wide">{mathml(lines)}</div>'
        case Figure(_, caption, svg):
            data = base64.b64encode(svg.encode()).decode()
            text = html.escape(caption)
            return (
                f'<figure><img alt="{text}" src="data:image/svg+xml;base64,{data}">'
                f"<figcaption>{text}</figcaption></figure>"
            )


def _inline(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text, quote=False))


def mathml(lines: Sequence[tuple[str, str]]) -> str:
    """Return equations in LaTeX as one MathML table, aligned at the equals signs.

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
