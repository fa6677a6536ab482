"""Equations of a model as MathML, which browsers typeset without any script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pkpd.report.blocks import mathml
from pkpd.report.document import equation_groups
from pkpd.report.page import Equations

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["equations_of"]


def equations_of(model: Model) -> list[Equations]:
    """Return the equations of a model by group: individual parameters, dynamics, outputs."""
    return [Equations(title, [mathml(found.lines)]) for title, found in equation_groups(model)]
