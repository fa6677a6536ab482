"""The stages of a run, in their order; each does one thing, writes its files and adds to the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pkpd.report.stages.assumptions import held_out, other_assumptions
from pkpd.report.stages.close import limits, reproduce, write
from pkpd.report.stages.driving import drivers
from pkpd.report.stages.evidence import asked, reported
from pkpd.report.stages.fitting import calibrate, predicted_facts, taught
from pkpd.report.stages.modelling import assumed, model
from pkpd.report.stages.people import patients, share
from pkpd.report.stages.schedules import answered, exposures, other_courses
from pkpd.report.stages.validation import published

if TYPE_CHECKING:
    from pkpd.report.job import ReportJob

__all__ = ["STAGES", "Stage"]


@dataclass(frozen=True)
class Stage:
    """One step of a run.

    Attributes
    ----------
    title : str
        What it does, as progress shows it.
    work : tuple of functions of ReportJob
    full : bool
        Whether it is for the setting of record only.
    """

    title: str
    work: tuple[Callable[[ReportJob], None], ...]
    full: bool = False


STAGES = (
    Stage("validate and draw the evidence", (asked, reported)),
    Stage("describe the model", (model, assumed)),
    Stage("calibrate", (calibrate,)),
    Stage("check the calibration", (predicted_facts, taught)),
    Stage("leave out each patient in turn", (held_out,), full=True),
    Stage("change the assumptions", (other_assumptions,), full=True),
    Stage("draw the patients", (share, patients)),
    Stage("compare schedules", (exposures, other_courses, answered)),
    Stage("find what drives the answer", (drivers,)),
    Stage("compare with what is published", (published,)),
    Stage("write the report", (limits, reproduce, write)),
)
