"""Checks that take refits: patients predicted from the others, and the answer under other assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError, nearest
from pkpd.report.blocks import Table, Text
from pkpd.report.words import number, percent, plural, records

if TYPE_CHECKING:
    from pkpd.estimation.checks.held_out import Response
    from pkpd.estimation.method import Method
    from pkpd.estimation.study.study import Study
    from pkpd.report.job import ReportJob

__all__ = ["held_out", "other_assumptions", "read_response", "read_variant"]

_KEYS = ("fixed", "reinterpret", "exclude", "free")


def _refits(job: ReportJob) -> Method:
    """Return how a study is fitted many times: by short chains, or by the mode where that was asked for."""
    from pkpd.estimation.methods.register import study_method

    engine = "mode" if job.engine == "mode" else "nuts"
    return study_method(engine, quick=engine == "nuts", seed=job.seed, predictive=1)


def held_out(job: ReportJob) -> None:
    """Predict who responded from the other patients alone, where the study says what a response is."""
    from pkpd.estimation.checks.held_out import leave_one_patient_out

    given = job.words.get("response")
    if given is None:
        return
    try:
        found = leave_one_patient_out(job.study, response=read_response(given), seed=job.seed, method=_refits(job))
    except PkpdError as error:
        if "no event" in str(error):  # the evidence names no responders
            return
        raise
    job.keep_table("left_out_patients", found.patients.rename_axis("patient").reset_index())
    job.keep_table("left_out_scores", found.scores.rename_axis("by").reset_index())
    rows = [
        [str(row["patient"]), "yes" if row["responded"] else "no"]
        + [percent(row[name]) for name in ("predicted", "base", "cohort_base")]
        for row in records(found.patients.rename_axis("patient").reset_index())
    ]
    scores = found.scores
    model, base, mates = (float(scores.loc[name, "brier"]) for name in ("model", "base rate", "cohort base rate"))
    gain, error = (float(scores.loc["cohort base rate", name]) for name in ("gain", "gain_se"))
    verdict = "more than chance would give" if gain > 2 * error else "no more than chance can give"
    job.section("uncertain").add(
        Text(
            "**Could it have been known beforehand?** Each patient was left out in turn (but for what was known up to "
            "the first dose), and the others predicted whether this one responds. The mean squared error of the model "
            f"is {number(model)}, that of the plain share of responders {number(base)} among all others and "
            f"{number(mates)} among those of the same report. The gain over the latter, {number(gain)} (standard error "
            f"{number(error)}, {plural(len(rows), 'patient')}), is {verdict}."
        ),
        Table(
            "Response predicted from the other patients",
            [
                "patient",
                "responded",
                "by the model",
                "share of responders among all others",
                "among those of the report",
            ],
            rows,
        ),
    )


def other_assumptions(job: ReportJob) -> None:
    """Refit under the study's other assumptions and tabulate what becomes of the focus parameter."""
    from pkpd.estimation.checks.changed_assumptions import BASE, assumptions

    given = job.words.get("variants", {})
    if not given:
        return
    variants = {label: read_variant(job.study, label, changes) for label, changes in given.items()}
    found = assumptions(job.study, variants, job.focus, method=_refits(job))
    job.keep_table("assumptions", found)
    patients = [p for p in found["patient"].unique() if p]
    wide = found.pivot(index="patient", columns="variant", values="50%").loc[patients]
    columns = [BASE, *variants]
    rows = [[str(p), *(float(v) for v in row)] for p, row in zip(wide.index, wide[columns].to_numpy(), strict=True)]
    most = max((r for r in records(found) if r["variant"] != BASE), key=lambda r: abs(r["shift"]))
    job.section("uncertain").add(
        Text(
            "**Other assumptions.** The study was calibrated again with other assumptions; the table shows the middle "
            f"of the {job.focus_name} under each. The largest change is that of {most['patient']} with "
            f"'{most['variant']}': by {number(abs(float(most['shift'])))} standard deviations of what is known of it."
        ),
        Table(f"{job.focus_name} under other assumptions (middle)", ["patient", *columns], rows),
    )


def read_response(given: Mapping[str, Any]) -> Response:
    """Return what counts as a response, from the table ``response`` of ``report.toml``.

    Raises
    ------
    PkpdError
        If it lacks output or days, or a key is unknown.
    """
    from pkpd.estimation.checks.held_out import Response

    known = [each.name for each in fields(Response)]
    strange = [f"there is no '{key}'{nearest(key, known)}" for key in given if key not in known]
    if faults := strange + [f"{key} is missing" for key in ("output", "days") if key not in given]:
        raise PkpdError(f"response of report.toml: {'; '.join(faults)}; it may have {', '.join(known)}")
    return Response(**given)


def read_variant(study: Study, label: str, changes: Mapping[str, Any]) -> Study:
    """Return the study with the changes that ``report.toml`` writes down.

    Parameters
    ----------
    study : Study
    label : str
    changes : mapping
        ``fixed`` (parameter to number), ``reinterpret`` ("seed/marker" to factor), ``exclude`` (list of facts),
        ``free`` (parameter to a table with location, spread, ...).

    Raises
    ------
    PkpdError
        If a key or a parameter is unknown.
    """
    if strange := [key for key in changes if key not in _KEYS]:
        hints = ", ".join(f"'{key}'{nearest(key, _KEYS)}" for key in strange)
        raise PkpdError(f"variant '{label}': there is no {hints}; there is {', '.join(_KEYS)}")
    known = {free.name: free for free in study.free}
    given: dict[str, Any] = {key: changes[key] for key in ("fixed", "exclude") if key in changes}
    if "reinterpret" in changes:
        given["reinterpret"] = {tuple(key.rsplit("/", 1)): factor for key, factor in changes["reinterpret"].items()}
    if "free" in changes:
        if strange := [name for name in changes["free"] if name not in known]:
            hints = ", ".join(f"'{name}'{nearest(name, known)}" for name in strange)
            raise PkpdError(f"variant '{label}': {hints} is not free in the study")
        given["free"] = {
            name: replace(known[name], **{k: tuple(v) if isinstance(v, list) else v for k, v in own.items()})
            for name, own in changes["free"].items()
        }
    return study.with_(**given)
