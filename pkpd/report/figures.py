"""Figures into files and into the page."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figure_of", "save_picture"]

_MOST = 450_000
"""Bytes of a vector image in the page; a larger one becomes a picture of dots."""


def figure_of(drawn: Any) -> Figure:
    """Return the figure of what a plotting function returned: axes, a sequence of axes, or the figure itself."""
    import numpy as np
    from matplotlib.figure import Figure

    if isinstance(drawn, Figure):
        return drawn
    if isinstance(drawn, dict):
        drawn = list(drawn.values())
    first = np.ravel(np.asarray(drawn, dtype=object))[0]
    return first if isinstance(first, Figure) else first.get_figure(root=True)


def save_picture(figure: Figure, folder: Path, name: str) -> str:
    """Write a figure as PNG and SVG, letters drawn as shapes, and return an address that holds the picture itself."""
    import matplotlib as mpl

    from pkpd.plot.style import house_style

    # A salt makes the same figure the same text; a comment with the date would not.
    settings: dict[Any, Any] = {"svg.fonttype": "path", "svg.hashsalt": "pkpd"}
    tight: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.04}
    with house_style(), mpl.rc_context(settings):
        vector, dots = io.BytesIO(), io.BytesIO()
        figure.savefig(vector, format="svg", metadata={"Date": None}, **tight)
        figure.set_layout_engine("none")  # the second file has the places of the first
        figure.savefig(dots, format="png", dpi=220, **tight)
    text = re.sub(rb"<metadata>.*?</metadata>", b"", vector.getvalue(), flags=re.DOTALL)
    (folder / f"{name}.svg").write_bytes(text)
    (folder / f"{name}.png").write_bytes(dots.getvalue())
    if len(text) <= _MOST:
        return "data:image/svg+xml;base64," + base64.b64encode(text).decode()
    return "data:image/png;base64," + base64.b64encode(dots.getvalue()).decode()
