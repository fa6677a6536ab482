"""A diagram of boxes and arrows, as the words of a study lay it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError, nearest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["diagram"]

_FILL = {"drug": "#DCEAF4", "disease": "#F8E3D5", "marker": "#E2F1EA", "plain": "#F2F2F2"}
_LINE = {"drug": "#0072B2", "disease": "#D55E00", "marker": "#009E73", "plain": "#595959"}
_HEIGHT = 7.5


def diagram(boxes: Sequence[Mapping[str, Any]], arrows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw a model.

    Parameters
    ----------
    boxes : sequence of mappings
        ``name``; ``text`` (lines); ``x, y`` of the centre and ``width``, ``height`` in mm; ``kind``: drug, disease,
        marker or plain.
    arrows : sequence of mappings
        ``start`` and ``end``, names of boxes; ``kind``: drives (an arrow) or blocks (a bar); ``text``; ``bend``.

    Raises
    ------
    PkpdError
        If an arrow names a box that does not exist.
    """
    import matplotlib.pyplot as plt

    from pkpd.plot.style import MM, house_style

    known = {box["name"]: box for box in boxes}
    ends = [arrow[end] for arrow in arrows for end in ("start", "end")]
    if strange := sorted({end for end in ends if end not in known}):
        hints = ", ".join(f"'{name}'{nearest(name, known)}" for name in strange)
        raise PkpdError(f"diagram: there is no box {hints}; there is {', '.join(known)}")
    right = max(box["x"] + box["width"] / 2 for box in boxes) + 1
    top = max(box["y"] + box.get("height", _HEIGHT) / 2 for box in boxes) + 1
    with house_style():
        figure, ax = plt.subplots(figsize=(right * MM, top * MM))
        figure.subplots_adjust(0, 0, 1, 1)
        ax.set(xlim=(0, right), ylim=(0, top), aspect="equal")
        ax.axis("off")
        for box in boxes:
            _draw_box(ax, box)
        for arrow in arrows:
            _draw_arrow(ax, arrow, known)
    return figure


def _draw_box(ax: Axes, box: Mapping[str, Any]) -> None:
    from matplotlib.patches import FancyBboxPatch

    width, height, kind = box["width"], box.get("height", _HEIGHT), box.get("kind", "plain")
    corner = (box["x"] - width / 2, box["y"] - height / 2)
    style = "round,pad=0,rounding_size=1.4"
    patch = FancyBboxPatch(corner, width, height, boxstyle=style, facecolor=_FILL[kind], edgecolor=_LINE[kind], lw=0.9)
    patch.set_gid(f"box-{box['name']}")
    ax.add_patch(patch)
    ax.text(box["x"], box["y"], box["text"], ha="center", va="center", fontsize=7, linespacing=1.25, zorder=3)


def _draw_arrow(ax: Axes, arrow: Mapping[str, Any], boxes: Mapping[str, Mapping[str, Any]]) -> None:
    from matplotlib.patches import FancyArrowPatch

    start, end = boxes[arrow["start"]], boxes[arrow["end"]]
    blocks = arrow.get("kind", "drives") == "blocks"
    tip = "|-|,widthA=0,widthB=2.4" if blocks else "-|>,head_length=3.2,head_width=1.6"
    colour = "#8C1C13" if blocks else "#333333"
    one, two = _edge(start, end, arrow), _edge(end, start, arrow)
    line = FancyArrowPatch(
        one, two, arrowstyle=tip, color=colour, lw=1.1, shrinkA=1.0, shrinkB=2.0, zorder=2,
        connectionstyle=f"arc3,rad={arrow.get('bend', 0.0)}",
    )  # fmt: skip
    ax.add_patch(line)
    if arrow.get("text"):
        x, y = (one[0] + two[0]) / 2 + arrow.get("dx", 0.0), (one[1] + two[1]) / 2 + arrow.get("dy", 0.0)
        ax.text(
            x, y, arrow["text"], ha="center", va="center", fontsize=6.5, color=colour, linespacing=1.2, zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip


def _edge(box: Mapping[str, Any], other: Mapping[str, Any], arrow: Mapping[str, Any]) -> tuple[float, float]:
    """Return where the straight line between two centres leaves a box."""
    dx, dy = other["x"] - box["x"], other["y"] - box["y"]
    half_width, half_height = box["width"] / 2, box.get("height", _HEIGHT) / 2
    if arrow.get("square"):  # leaves the nearer side at a right angle, where the boxes overlap in x or y
        if abs(dx) < half_width:
            return (
                other["x"] if other["width"] < box["width"] else box["x"],
                box["y"] + half_height * (1 if dy > 0 else -1),
            )
        return box["x"] + half_width * (1 if dx > 0 else -1), box["y"]
    reach = min(half_width / abs(dx) if dx else 9e9, half_height / abs(dy) if dy else 9e9)
    return box["x"] + dx * reach, box["y"] + dy * reach
