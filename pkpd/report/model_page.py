"""The document of one model: tables and typeset equations in one self-contained page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pkpd.model.tables import correlations, tables
from pkpd.report.mathml import equations_of
from pkpd.report.page import Items, Page, Section, Table, Text, render

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["model_page"]


def model_page(model: Model) -> str:
    """Return the document of a model as HTML.

    Examples
    --------
    >>> from pkpd.library import load_model
    >>> "<math" in model_page(load_model("pk1_oral"))
    True
    """
    page = Page(f"Model {model.name}", model.title)
    about = Section("about", "What it is")
    about.add(*(Text(" ".join(part.split())) for part in model.description.strip().split("\n\n") if part.strip()))
    if model.reference:
        about.add(Text(f"**Reference:** {model.reference}"))
    about.add(Text(f"Time is in {model.time_unit}."))
    content = Section("tables", "States, parameters, outputs")
    for table in tables(model):
        content.add(Table(table.title, table.columns, table.rows))
        if table.title == "Parameters" and (pairs := correlations(model)):
            content.add(Items([f"correlation of {one} and {two}: {r:.3g}" for one, two, r in pairs]))
    page.sections = [about, content, Section("equations", "Equations").add(*equations_of(model))]
    return render(page)
