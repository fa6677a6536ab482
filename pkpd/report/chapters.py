"""The chapter of a model's document that sets it beside published data."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from pkpd.plot.style import house_style
from pkpd.plot.validation import effect_curves, published_ratios
from pkpd.report.blocks import Block, Heading, Picture, Table, Text
from pkpd.validation.report import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

    from pkpd.validation.records import EffectReading
    from pkpd.validation.report import Agreement, EffectResult, ValidationReport

__all__ = ["validation_chapter"]


def validation_chapter(report: ValidationReport) -> list[Block]:
    """Return the comparison with published numbers as blocks of a document."""
    blocks: list[Block] = [Heading(2, "Beside published data")]
    if report.rows:
        blocks += _kinetics(report)
    if report.reading is not None:
        blocks += _effects(report, report.reading)
    return blocks


def _kinetics(report: ValidationReport) -> list[Block]:
    agree = sum(c.within for c in report.rows)
    external = [c for c in report.rows if c.row.use == "external"]
    intro = (
        f"{agree} of {len(report.rows)} published numbers are reproduced, {sum(c.within for c in external)} of "
        f"{len(external)} of those that no parameter was chosen with (external). A row marked used went into the "
        "parameters named, so that agreement there is consistency and no test. A number is reproduced if the typical "
        "person lies within the published spread; where none was published, within 0.8 to 1.25 of it (near, or off, "
        "with the ratio). "
        f"5-95% is of {report.n} virtual persons with the declared variability, weight log-normal (CV 20%) and "
        "creatinine clearance uniform in the group. Values marked assumed were not verified at their source."
    )
    names = {n: short for c in report.rows for n, short in c.row.variants.items()}
    columns = ("quantity", "unit", "published", "spread", "known", "use", "simulated", "5-95%", "result",
               *names.values())  # fmt: skip
    rows = tuple(_row(c, list(names)) for c in report.rows)
    settings = tuple((c.row.what, c.setting, c.assumed, c.row.source) for c in report.rows)
    blocks: list[Block] = [
        Heading(3, "Pharmacokinetics"), Text(intro),
        _figure(published_ratios(report), f"{report.model}_published",
                "Simulated over published: typical person and 5-95% of the population. Bars: published spread."),
        Table("", columns, rows),
    ]  # fmt: skip
    if report.outside:
        blocks += [Heading(3, "Where the model disagrees, and why"),
                   Table("", ("quantity", "published", "simulated", "explanation"), tuple(
                       (c.row.what, f"{number(c.row.centre)} {c.row.unit}", number(c.simulated),
                        c.row.why or "NOT EXPLAINED") for c in report.outside))]  # fmt: skip
    blocks += [Heading(3, "Settings and sources"), Text("Assumed: what of the setting was not published."),
               Table("", ("quantity", "setting", "assumed", "source"), settings)]  # fmt: skip
    return blocks


def _row(c: Agreement, names: list[str]) -> tuple[str, ...]:
    what, _, *rest = c.cells()
    return (what, *rest, *(number(c.variants.get(n)) for n in names))


def _effects(report: ValidationReport, reading: EffectReading) -> list[Block]:
    shares = [r for r in report.effects if r.effect.of_share]
    levels = [r for r in report.effects if not r.effect.of_share]
    marker, symbol = reading.output, reading.symbol
    intro = (
        f"All of these are external checks: none informs a prior of a calibration, so that a share {symbol} estimated "
        f"from patients can be held against them. Each trial's regimen is simulated with the disease as large as "
        f"{marker} was without the drug, for {symbol} from 0 to 1; the reading is the {symbol} at which the model "
        "gives the published effect, with that at the ends of the published interval in brackets. Where no "
        f"{symbol} does, it says so."
    )
    assumptions = reading.assumptions
    legend = "Assumptions of the readings: " + "; ".join(f"{name}: {text}" for name, text in assumptions.items()) + "."
    rows = tuple(_reading(r, name, list(assumptions)) for r in shares for name in r.curves)
    blocks: list[Block] = [
        Heading(3, f"Effects on {marker}"), Text(intro), Text(legend),
        _figure(effect_curves(report), f"{report.model}_effects",
                f"Effects on {marker}. Lines: simulated; dashes and bands: published; bars at the foot: shares that "
                "agree."),
        Table("", ("effect", "regimen", "published", "known", *assumptions), rows),
    ]  # fmt: skip
    if levels:
        fallen = tuple((r.effect.title, f"{r.effect.untreated:g} to {r.effect.value:g} {r.unit}", r.effect.known,
                        next(iter(r.readings.values()))["plateau"].text) for r in levels)  # fmt: skip
        blocks.append(Table("", ("effect", "published", "known", "simulated"), fallen))
    notes = tuple((r.effect.title, r.effect.note, r.effect.source) for r in report.effects)
    blocks += [Heading(3, "What stands against these readings"), Table("", ("effect", "remarks", "source"), notes)]
    return blocks


def _reading(result: EffectResult, name: str, assumptions: list[str]) -> tuple[str, ...]:
    e = result.effect
    interval = f" ({e.low:g}-{e.high:g}, {e.spread})" if e.low is not None and e.high is not None else ""
    found = result.readings[name]
    return (
        e.title,
        name,
        f"{e.value:g}{interval}",
        e.known,
        *(found[k].text if k in found else "" for k in assumptions),
    )


def _figure(drawing: Drawing, name: str, caption: str) -> Picture:
    """Return a drawing as SVG that is the same each time."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    with house_style(), mpl.rc_context({"svg.hashsalt": name}), io.StringIO() as text:
        drawing.savefig(text, format="svg", metadata={"Date": None})
        svg = text.getvalue()
    plt.close(drawing)
    return Picture.of_svg(svg, name, caption)
