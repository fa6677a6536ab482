"""The key above an overview: what each colour and sign means, in as many lines as it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pkpd.evidence.kinds import Glyph, fact_kinds
from pkpd.evidence.words import SUPERSEDED
from pkpd.plot.glyphs import GRADES, INK, SIZE, UNUSED, draw_limit, glyph_of
from pkpd.plot.lanes import label_width
from pkpd.plot.strips import drug_colour, is_course, is_span

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pkpd.evidence.evidence import Evidence

__all__ = ["draw_key", "flow", "key_entries"]

_Entry = tuple[str, Callable[["Axes", float, float], None]]


def key_entries(evidence: Evidence, patients: Sequence[str]) -> list[_Entry]:
    """Return the entries of the key for what is drawn."""
    drugs = [
        drug
        for drug in evidence.words.order(evidence.drugs)
        if any(r.drug == drug and r.patient in patients for r in evidence.doses)
    ]
    facts = [fact for fact in evidence.facts if fact.patient in patients and fact.time is not None]
    known = {row.known for row in (*evidence.doses, *facts) if row.patient in patients}
    spans = {row.drug for row in evidence.doses if row.patient in patients and is_span(row)}
    tall = {drug: ", height per day" if drug in spans else "" for drug in drugs}
    entries: list[_Entry] = [(evidence.words.key(d) + tall[d], _patch(drug_colour(d, evidence))) for d in drugs]
    if (own := evidence.studied) in drugs:
        entries.append((f"days on {own}", _patch(drug_colour(own, evidence), 0.1)))
    kinds = [kind for word, kind in fact_kinds().items() if any(fact.kind == word for fact in facts)]
    for glyph, draw in _SIGNS.items():
        if labels := dict.fromkeys(kind.label for kind in kinds if kind.glyph == glyph):
            entries.append((", ".join(labels), draw))
    if any(fact.kind == "event" for fact in facts):
        entries.append(("event", _sign("D", 2.4)))
    if any(fact.marker == "death" and fact.value != 0 for fact in facts):
        entries.append(("death", _dagger))
    courses = [drug for drug in drugs if any(is_course(fact, drug) for fact in facts)]
    if courses:
        entries.append(("daily doses, days not printed", _dotted(drug_colour(courses[-1], evidence))))
    if known - {"read"}:
        entries.append(("filled: read; open or dashed: derived or assumed", _open_key))
    if any(fact.is_point for fact in facts):
        entries.append(("read off a figure, with reading error", _reading_key))
    grey = {fact.use for fact in facts if glyph_of(fact) != "none"}
    if words := [text for use, text in (("no", "put aside"), (SUPERSEDED, "superseded by a curve")) if use in grey]:
        entries.append((f"grey: {', '.join(words)}", _patch(UNUSED)))
    return entries


def flow(entries: Sequence[_Entry], total: float) -> list[list[tuple[float, _Entry]]]:
    """Put entries into lines of a width in mm, each with its place."""
    lines: list[list[tuple[float, _Entry]]] = [[]]
    x = 1.0
    for entry in entries:
        need = 5.2 + label_width(entry[0], SIZE)
        if x + need > total and lines[-1]:
            lines.append([])
            x = 1.0
        lines[-1].append((x, entry))
        x += need + 2.6
    return lines


def draw_key(ax: Axes, lines: Sequence[Sequence[tuple[float, _Entry]]], total: float, head: float) -> None:
    """Draw the key on axes of a width and height in mm."""
    ax.set_xlim(0, total)
    ax.set_ylim(head, 0)
    ax.axis("off")
    for k, line in enumerate(lines):
        y = 2.0 + 3.1 * k
        for x, (text, draw) in line:
            draw(ax, x, y)
            ax.text(x + 4.8, y, text, fontsize=SIZE, va="center_baseline", color=INK)


def _patch(colour: str, alpha: float = 1.0) -> Callable[[Axes, float, float], None]:
    def draw(ax: Axes, x: float, y: float) -> None:
        from matplotlib.patches import Rectangle

        ax.add_patch(Rectangle((x + 0.4, y - 0.9), 3.4, 1.8, color=colour, alpha=alpha, linewidth=0))

    return draw


def _sign(sign: str, size: float = 3.6) -> Callable[[Axes, float, float], None]:
    def draw(ax: Axes, x: float, y: float) -> None:
        ax.plot([x + 2.6], [y], sign, color=INK, markersize=size)

    return draw


def _grade_key(ax: Axes, x: float, y: float) -> None:
    from matplotlib.patches import Rectangle

    for k, colour in enumerate(GRADES):
        look: dict[str, Any] = {"facecolor": colour, "edgecolor": INK, "linewidth": 0.3}
        ax.add_patch(Rectangle((x + 0.3 + 0.8 * k, y - 0.9), 0.8, 1.8, **look))


def _bound_key(below: bool) -> Callable[[Axes, float, float], None]:
    def draw(ax: Axes, x: float, y: float) -> None:
        draw_limit(ax, [x + 0.6, x + 3.6], y, below=below, read=True, half=0.0)

    return draw


def _window_key(sign: str) -> Callable[[Axes, float, float], None]:
    def draw(ax: Axes, x: float, y: float) -> None:
        ax.plot([x + 0.2, x + 4.2], [y, y], color="#c4c4c4", linewidth=0.5)
        ax.plot([x + 2.2], [y], sign, color=INK, markersize=3.6)

    return draw


def _change_key(ax: Axes, x: float, y: float) -> None:
    look: dict[str, Any] = {"arrowstyle": "-|>,head_width=0.12,head_length=0.25", "linewidth": 0.9, "color": INK}
    ax.annotate("", (x + 4.0, y + 0.8), (x + 0.4, y - 0.8), arrowprops={**look, "shrinkA": 0, "shrinkB": 0})


def _dagger(ax: Axes, x: float, y: float) -> None:
    ax.text(x + 2.6, y, "†", fontsize=9, fontweight="bold", ha="center", va="center", color=INK)


def _reading_key(ax: Axes, x: float, y: float) -> None:
    ax.plot([x + 0.6, x + 3.8], [y + 0.4, y - 0.4], "-o", color=INK, linewidth=0.6, markersize=1.4)
    for at, middle in ((x + 0.6, y + 0.4), (x + 3.8, y - 0.4)):
        ax.plot([at, at], [middle - 0.7, middle + 0.7], color=INK, linewidth=0.5)


def _dotted(colour: str) -> Callable[[Axes, float, float], None]:
    def draw(ax: Axes, x: float, y: float) -> None:
        ax.plot([x + 0.4, x + 4.0], [y, y], ":", color=colour, linewidth=0.9)

    return draw


def _open_key(ax: Axes, x: float, y: float) -> None:
    ax.plot([x + 1.4], [y], "^", color=INK, markersize=3.6)
    ax.plot([x + 3.4], [y], "^", color="white", markeredgecolor=INK, markeredgewidth=0.7, markersize=3.6)


_SIGNS: dict[Glyph, Callable[[Axes, float, float], None]] = {
    "grade": _grade_key, "peak": _window_key("^"), "nadir": _window_key("v"), "point": _sign("o"),
    "ceiling": _bound_key(below=True), "floor": _bound_key(below=False), "slope": _change_key,
}  # fmt: skip
