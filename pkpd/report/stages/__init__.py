"""The stages of a run, in their order; each does one thing, writes its files and adds to the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pkpd.report.stages.close import limits, reproduce, write
from pkpd.report.stages.driving import drivers
from pkpd.report.stages.evidence import asked, reported
from pkpd.report.stages.facts import predicted_facts
from pkpd.report.stages.fitting import calibrate
from pkpd.report.stages.held_out import held_out, what_is_kept
from pkpd.report.stages.learned import taught
from pkpd.report.stages.modelling import assumed, model
from pkpd.report.stages.people import patients
from pkpd.report.stages.ranks import ranks
from pkpd.report.stages.rivals import as_good_as_nothing, rival_models
from pkpd.report.stages.schedules import answered, exposures, other_courses
from pkpd.report.stages.sensitivity import ledger, other_assumptions
from pkpd.report.stages.share import share
from pkpd.report.stages.summary import in_short
from pkpd.report.stages.telling import telling
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
    """

    title: str
    work: tuple[Callable[[ReportJob], None], ...]


STAGES = (
    Stage("validate and draw the evidence", (asked, reported)),
    Stage("describe the model", (model, assumed)),
    Stage("calibrate", (what_is_kept, calibrate)),
    Stage("say what is told of each patient", (share, taught)),
    Stage("check the calibration", (predicted_facts,)),
    Stage("leave out each patient in turn", (held_out,)),
    Stage("calibrate to made-up reports", (ranks,)),
    Stage("leave out each group of facts", (ledger,)),
    Stage("compare rival explanations", (rival_models, as_good_as_nothing)),
    Stage("change the assumptions", (other_assumptions,)),
    Stage("ask what would tell", (telling,)),
    Stage("draw the patients", (patients,)),
    Stage("compare schedules", (exposures, other_courses, answered)),
    Stage("find what drives the answer", (drivers,)),
    Stage("compare with what is published", (published,)),
    Stage("write the report", (limits, reproduce, in_short, write)),
)
"""Tables of the checks that take many refits are computed by a full run; other runs read those beside the study."""
