"""Equations of a model as MathML, which browsers typeset without any script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pkpd.report.page import Equations

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["equations_of", "mathml"]


def mathml(latex: str) -> str:
    r"""Return a formula as a ``<math>`` element.

    Examples
    --------
    >>> mathml(r"\frac{a}{b}").startswith("<math")
    True
    """
    from latex2mathml.converter import convert

    return convert(latex, display="block")


def equations_of(model: Model) -> list[Equations]:
    """Return the equations of a model by group: individual parameters, dynamics, outputs."""
    from pkpd.model.typeset import to_markdown

    found = []
    for title, body in re.findall(
        r"^## ([^\n]+)\n\n\$\$\n\\begin\{aligned\}\n(.*?)\n\\end\{aligned\}\n\$\$",
        to_markdown(model),
        re.DOTALL | re.MULTILINE,
    ):
        lines = [line.replace("&=", "=") for line in body.split(" \\\\\n")]
        found.append(Equations(title, [mathml(line) for line in lines]))
    return found
