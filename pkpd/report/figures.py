"""Figures into files and into the page."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["data_address", "figure_of", "save_figure"]

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


def save_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as PNG and SVG and return the files."""
    from pkpd.plot.style import house_style

    paths = [folder / f"{name}{suffix}" for suffix in (".png", ".svg")]
    with house_style():
        for path in paths:
            figure.savefig(path, bbox_inches="tight", pad_inches=0.04)
    return paths


def data_address(figure: Figure) -> str:
    """Return a figure as an address that holds the picture itself, letters drawn as shapes."""
    import matplotlib as mpl

    from pkpd.plot.style import house_style

    # A salt makes the same figure the same text; a comment with the date would not.
    settings: dict[Any, Any] = {"svg.fonttype": "path", "svg.hashsalt": "pkpd"}
    with house_style(), mpl.rc_context(settings):
        vector = io.BytesIO()
        figure.savefig(vector, format="svg", bbox_inches="tight", pad_inches=0.04, metadata={"Date": None})
        text = re.sub(rb"<metadata>.*?</metadata>", b"", vector.getvalue(), flags=re.DOTALL)
        if len(text) <= _MOST:
            return "data:image/svg+xml;base64," + base64.b64encode(text).decode()
        dots = io.BytesIO()
        figure.savefig(dots, format="png", dpi=200, bbox_inches="tight", pad_inches=0.04)
        return "data:image/png;base64," + base64.b64encode(dots.getvalue()).decode()
