"""The calibration, its tables, and how far it can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pkpd.estimation.convergence import ESS, PARETO, R_HAT
from pkpd.evidence.kinds import kind_named
from pkpd.report.blocks import Items, Note, Table, Text
from pkpd.report.words import learned, number, percent, plural, records

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.report.blocks import Section
    from pkpd.report.job import ReportJob

__all__ = ["calibrate", "predicted_facts", "taught"]

_FEW = 5
#: settings of methods without ``full``: of the sampler, chains that are just long enough for a result of record
_SHORT: dict[str, dict[str, Any]] = {"nuts": {"chains": 4, "tune": 400, "draws": 1050}, "mode": {"quick": True}}


def calibrate(job: ReportJob) -> None:
    """Calibrate the study and write the result as NetCDF and CSV."""
    from pkpd.estimation.api import fit as run
    from pkpd.estimation.methods.register import study_method

    if job.engine == "shipped":
        from pkpd.estimation.study.files import load_study_fit

        fit = load_study_fit(job.given, study=job.study)
    else:
        short = {} if job.full else _SHORT[job.engine]
        how = study_method(job.engine, seed=job.seed, out=job.chains, **short)
        fit = run(job.study, method=how, progress=job.progress)
    job.calibration = fit
    fit.save(job.folder / "calibration.nc")
    job.found["summary"] = summary = fit.summary()
    job.keep_table("summary", summary.rename_axis("name").reset_index())
    _quality(job, summary)


def _quality(job: ReportJob, summary: pd.DataFrame) -> None:
    """Say whether the computation itself can be relied upon."""
    section = job.section("checks")
    if job.fit.method != "mode":
        table = records(summary)
        worst = max(row["rhat"] for row in table)
        least = min(min(row["ess_bulk"], row["ess_tail"]) for row in table)
        diverged, good = int(summary.attrs["divergences"]), not job.fit.trouble()
        sizes = job.fit.posterior.sizes
        section.add(
            Text(
                f"**The computation.** The posterior was sampled with {plural(sizes['chain'], 'chain')} of "
                f"{sizes['draw']} draws ({job.fit.method.upper()}). The largest R-hat is {worst:.3f} (up to {R_HAT} is "
                f"required), the smallest effective sample size {least:.0f} ({ESS} or more), and there were "
                f"{plural(diverged, 'divergence')} (none)."
            )
        )
        if not good:
            section.add(
                Note(
                    "These do not all meet what a result of record needs, so the last digits of the intervals here may "
                    "change with another seed. `pkpd run --full` runs the setting of record.".replace("`", ""),
                    "Quick setting.",
                )
            )
        return
    attrs = job.fit.attrs
    k = float(attrs.get("pareto_k", float("nan")))
    section.add(
        Text(
            "**The computation.** For speed the posterior was approximated by a normal distribution around its highest "
            f"point (MAP and Laplace). How well that fits is measured by Pareto's k: {k:.2f} here, where up to "
            f"{PARETO} is good."
        )
    )
    if not k <= PARETO:
        section.add(
            Note(
                "The approximation is rough in the tails: read the intervals of this report as a first look. "
                "The option --full samples the posterior itself.",
                "Quick setting.",
            )
        )


def predicted_facts(job: ReportJob) -> None:
    """Compare every fact with what the calibrated model predicts, and name those outside."""
    from pkpd.plot.diagnosis import predicted as draw

    facts = job.fit.facts()
    job.found["facts"] = facts
    job.keep_table("facts_predicted", facts)
    table, held = ([row for row in records(facts) if row["use"] == use] for use in ("fit", "check"))
    inside = sum(row["inside"] for row in table)
    section = job.section("checks")
    numbers = len(job.fit.summary())
    section.add(
        Text(
            f"**The facts.** Each for itself, {inside} of the {len(table)} facts lie inside the 95% interval of what "
            f"the calibrated model predicts for them. {_weight_of(numbers, len(table))}"
        )
    )
    _name_outside(section, table)
    _together(job, section)
    if held:
        right = sum(row["inside"] for row in held)
        section.add(
            Text(
                f"**Facts held back.** {plural(len(held), 'fact')} had no part in the calibration and were kept to "
                f"check it; {right} of them {'lies' if right == 1 else 'lie'} inside the interval of their prediction."
            )
        )
        _name_outside(section, held)
    if len(table) > _FEW:
        section.add(
            job.picture(
                "facts_predicted",
                draw(job.fit),
                "Left: sorted probabilities of less than was reported, along a diagonal. Right: probabilities of "
                "reported bounds and grades. The table of Appendix A holds the numbers.",
                "**How probable the reported facts are in the calibrated model.** Left: values; right: bounds and "
                "grades.",
            )
        )
    _appendix(job, facts)


def _weight_of(numbers: int, facts: int) -> str:
    """Say what it is worth that a model with so many numbers describes so many facts."""
    if numbers >= facts:
        return (
            f"It has {numbers} numbers to describe {facts} facts with, so that this says that it can bend to them, not "
            "that it is true."
        )
    return "It was calibrated to them, so that this says that it can describe them, not that it is true."


def _together(job: ReportJob, section: Section) -> None:
    """Say how many of each patient's qualitative facts are reproduced together, and name who is an exception."""
    found = job.fit.reproduced()
    if found.empty:
        return
    job.keep_table("facts_together", found.reset_index())
    together = records(found.reset_index())
    share = sum(row["reproduced"] for row in together) / sum(row["facts"] for row in together)
    said = (
        "**Together.** A bound, a direction or a grade is easily met alone. New data drawn from the calibrated model "
        f"show {percent(share)} of a patient's qualitative facts on average; the table says how many at once, and how "
        "many in their order before the first that is missed."
    )
    rows = []
    for row in together:
        shown = [number(row["reproduced"]), number(row["in_order"]), percent(row["all"])]
        weakest = f"{row['weakest']}: {percent(row['weakest_share'])}"
        rows.append([row["patient"], int(row["facts"]), *shown, weakest, not row["exception"]])
        if row["exception"]:
            said += (
                f" **{row['patient']}** is an exception: of the facts about {row['weakest']} new data show "
                f"{percent(row['weakest_share'])}, so that the model does not tell what happened to this patient."
            )
    heads = ["patient", "qualitative facts", "reproduced", "in order", "all at once", "least of", "told"]
    section.add(Text(said), Table("Qualitative facts that new data reproduce", heads, rows))


def _name_outside(section: Section, table: list[dict[str, Any]]) -> None:
    """Name the facts that lie outside of what is predicted."""
    items = [
        f"**{row['patient']}, {row['marker']}**: {row['text']}; {_against(row)}" for row in table if not row["inside"]
    ]
    if items:
        section.add(Text(f"Outside {'lies' if len(items) == 1 else 'lie'}:"), Items(items))


def _against(row: dict[str, Any]) -> str:
    """Return what is predicted of a fact that lies outside."""
    if kind_named(row["kind"]).counts:
        return f"its probability is {percent(row['probability'])}"
    return f"reported {number(row['observed'])}, predicted {_between(row)}"


def _between(row: dict[str, Any]) -> str:
    return f"{number(row['50%'])} ({number(row['2.5%'])} to {number(row['97.5%'])})"


def _appendix(job: ReportJob, facts: pd.DataFrame) -> None:
    rows = [
        [
            row["patient"],
            row["marker"],
            row["text"],
            "informs" if row["use"] == "fit" else "checks",
            "" if kind_named(row["kind"]).counts else _between(row),
            percent(row["probability"]) if row["probability"] == row["probability"] else "",
            bool(row["inside"]),
        ]
        for row in records(facts)
    ]
    job.section("facts").add(
        Text(
            "Facts that inform the model, and those that had no part in its calibration and check it. For a bound, a "
            "direction or a grade, the probability is the one that the calibrated model gives to what was reported."
        ),
        Table(
            "Reported facts and their prediction",
            ["patient", "marker", "reported", "use", "predicted: middle (95%)", "probability", "inside"],
            rows,
        ),
    )


def taught(job: ReportJob) -> None:
    """Say in words what the reports narrowed, and what they left as it was."""
    from pkpd.plot.calibration import densities

    table = job.fit.contraction()
    job.found["contraction"] = table
    job.keep_table("contraction", table.rename_axis("name").reset_index())
    section = job.section("uncertain")
    shared = [row for row in records(table.rename_axis("name").reset_index()) if "/" not in str(row["name"])]
    words: dict[str, list[str]] = {}
    for row in shared:
        words.setdefault(str(row["verdict"]), []).append(_meaning(job, str(row["name"])))
    section.add(
        Text(
            "A belief that was already narrow before the reports, or that stays as wide as it was, has learned nothing "
            "from them. The table compares both widths for quantities that all patients or all patients of a report "
            "share. Where nothing was learned, the answers of this report rest on what was assumed (Appendix B)."
        )
    )
    for verdict in ("taught", "taught a little", "moved, not narrowed", "not taught"):
        if words.get(verdict):
            heading = learned(verdict)
            section.add(Text(f"**{heading[:1].upper()}{heading[1:]}:** {'; '.join(words[verdict])}."))
    rows = [
        [
            str(row["name"]),
            _meaning(job, str(row["name"])),
            percent(max(row["contraction"], 0.0)),
            round(row["shift"], 2),
            learned(row["verdict"]),
        ]
        for row in shared
    ]
    wanted = [v.name for v in job.fit.variables if v.kind != "patient"]
    if wanted:
        section.add(
            job.picture(
                "taught",
                densities(job.fit, wanted),
                "One panel for each quantity: the density before the reports in grey, after them as a line.",
                "**Before and after.** Grey: what was believed before the reports; lines: after them.",
            )
        )
    section.add(
        Table(
            "What the reports taught about quantities in common",
            ["quantity", "meaning", "variance removed", "shift", "in words"],
            rows,
            "Variance removed: how much of the prior's variance is gone (on the scale of the prior). Shift: of the "
            "middle, in standard deviations of the prior. Patients' own values: tables/contraction.csv.",
        )
    )


def _meaning(job: ReportJob, name: str) -> str:
    base, _, group = name.removesuffix("]").partition("[")
    of = f" of {group}" if group else ""
    for suffix, text in (("_location", f"middle of the patients{of}: "), ("_spread", "spread between patients: ")):
        if base.endswith(suffix):
            return text + _declared(job, base.removesuffix(suffix))
    return _declared(job, base)


def _declared(job: ReportJob, name: str) -> str:
    model = job.study.problem.model
    if name in model.parameters:
        return model.parameters[name].meaning
    return f"residual error of {name.removeprefix('error_')}"
