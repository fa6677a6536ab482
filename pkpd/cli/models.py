"""``pkpd models``: what the library holds, one model read as a methods section, its document."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pkpd.cli.console import Debug, console, guarded, print_table, wrote
from pkpd.cli.files import check_suffix
from pkpd.files import write_whole

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["HELP", "NEEDS_ARGUMENTS", "command"]

NEEDS_ARGUMENTS = False

HELP = """List the models of the library, show one, or write its document.

\b
  pkpd models                                    names and titles
  pkpd models pk1_oral                           states, parameters with sources, equations
  pkpd models my/own.py                          the same of one's own file
  pkpd models pk1_oral --document pk1_oral.html  with typeset equations, to read and print
"""


@guarded
def command(
    name: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="A name of the library, or a path.")] = None,
    document: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the model's document: .html, .md or .tex.")
    ] = None,
    debug: Debug = False,
) -> None:
    """List or show models; see ``pkpd models --help``."""
    from pkpd.library import list_models, load_model

    if name is None:
        if document:
            raise typer.BadParameter("--document needs a model: pkpd models NAME --document FILE")
        print_table("Models of the library", ["name", "title"], ([e.name, e.title] for e in list_models()))
        console().print("pkpd models NAME shows one of them", style="dim")
        return
    if document:
        check_suffix(document, (".html", ".md", ".tex"), "--document")
    model = load_model(name)
    if not document:
        from pkpd.model.describe import describe

        console().print(describe(model), markup=False, soft_wrap=True)
        return
    text = _document(model, document.suffix)
    write_whole(document, text)
    wrote(document)


def _document(model: Model, suffix: str) -> str:
    from pkpd.model.typeset import to_latex
    from pkpd.report.model_document import document

    return to_latex(model) if suffix == ".tex" else document(model, format="html" if suffix == ".html" else "markdown")
