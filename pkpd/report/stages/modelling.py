"""The model in words, as a diagram and as equations; what was assumed before the reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pkpd.report.blocks import Formulas, Table, Text
from pkpd.report.words import listing, number, plural

if TYPE_CHECKING:
    from pkpd.estimation.study.priors import Free
    from pkpd.report.job import ReportJob

__all__ = ["assumed", "model"]


def model(job: ReportJob) -> None:
    """Describe the model, draw it where the study says how, and typeset its equations."""
    from pkpd.report.diagram import diagram
    from pkpd.report.model_document import equation_groups

    used = job.study.problem.model
    section = job.section("model")
    words = job.words.get("model") or used.description.strip().split("\n\n")
    if job.words.get("box"):
        figure = diagram(job.words["box"], job.words.get("arrow", []))
        names = ", ".join(" ".join(box["text"].split()) for box in job.words["box"])
        section.add(
            job.picture(
                "model",
                figure,
                f"Boxes and arrows: {names}.",
                "**The model.** Arrows drive, bars hold back. Blue: drugs; orange: the disease; green: what was "
                "measured.",
            )
        )
    section.add(*(Text(" ".join(p.split())) for p in words if p.strip()))
    seen = [job.names.marker(name) for name in dict.fromkeys(r.marker for r in job.study.problem.reported)]
    section.add(
        Text(
            f"In numbers: {plural(len(used.states), 'equation')} of change, "
            f"{plural(len(job.study.free), 'quantity', 'quantities')} estimated with a prior each "
            f"({len(job.study.problem.vector.names)} numbers over all patients), and facts about {listing(seen)}. The "
            "equations stand in Appendix B."
        )
    )
    appendix = job.section("equations")
    appendix.add(
        Text(
            "The model as it was computed; θ are typical values, η a patient's deviations. The command pkpd models "
            f"{used.name} prints all parameters with their sources."
        ),
        *equation_groups(used),
        Formulas("What the symbols of estimated quantities mean", _symbols(job)),
    )


def _symbols(job: ReportJob) -> list[tuple[str, str]]:
    """Return the symbol of each estimated quantity, and what it means as text of a formula."""
    from pkpd.engine.graph.printing import latex_name

    return [(latex_name(f.name), f"\\text{{{_plain(job.names.quantity(f.name))}}}") for f in job.study.free]


def _plain(text: str) -> str:
    """Return a text without what has a meaning in LaTeX."""
    return "".join(" " if c in "\\{}$^_~#&%" else c for c in text)


def assumed(job: ReportJob) -> None:
    """Tabulate the priors with their sources, and what else the study fixes."""
    section = job.section("assumed")
    parameters = job.study.problem.model.parameters
    rows = []
    for free in job.study.free:
        unit = (parameters[free.name].unit or "").replace("*", "·")
        rows.append([job.names.quantity(free.name), _prior(job, free), unit, _level(free), free.known, free.source])
    section.add(
        Text(
            "What was believed of each quantity before any of the reports was used: the middle, and the central 95% of "
            "what was thought possible. 'Read' stands in a source, 'derived' was computed from one, 'assumed' is the "
            "choice of the authors of this study."
        ),
        Table(
            "Prior beliefs",
            ["quantity", "prior: middle (95%)", "unit", "differs by", "known", "source"],
            rows,
        ),
    )
    fixed = [[job.names.quantity(name), _value(job, value)] for name, value in job.study.fixed.items()]
    if fixed:
        section.add(Table("Values that the study fixes", ["quantity", "value"], fixed))
    if job.study.reinterpret:
        changed = [
            [f"{job.names.report(seed)}: {job.names.marker(marker)}", factor]
            for (seed, marker), factor in job.study.reinterpret.items()
        ]
        section.add(Table("Readings of the reports that the study changes", ["marker", "factor"], changed))


def _value(job: ReportJob, value: Any) -> str:
    if not isinstance(value, Mapping):
        return f"{value:g}"
    return "; ".join(f"{job.names.keys(key)}: {each:g}" for key, each in value.items())


def _level(free: Free) -> str:
    if free.level == "shared":
        return "nobody (one value)"
    return {"cohort": "patient, around a report's own middle", "all": "patient, around a common middle"}.get(
        str(free.pooling), "patient"
    )


def _prior(job: ReportJob, free: Free) -> str:
    pairs: Mapping[str, Any] = free.location if isinstance(free.location, Mapping) else {"*": free.location}
    texts = {_range(free, *pair) for pair in pairs.values() if pair[1] > 0}
    if len(texts) == 1:
        return texts.pop()
    return "; ".join(f"{job.names.keys(key)}: {_range(free, *pair)}" for key, pair in pairs.items() if pair[1] > 0)


def _range(free: Free, middle: float, sd: float) -> str:
    from pkpd.model.scales import from_scale, to_scale

    centre = to_scale(middle, free.scale, free.limits)
    low, high = (from_scale(centre + sign * 1.96 * sd, free.scale, free.limits) for sign in (-1, 1))
    return f"{number(middle)} ({number(low)} to {number(high)})"
