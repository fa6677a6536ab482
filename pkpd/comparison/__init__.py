"""Schedules compared in the same subjects, the authors' questions answered, and a schedule for a new patient."""

from pkpd.comparison.answer import Answer
from pkpd.comparison.arms import Arm
from pkpd.comparison.compare import compare
from pkpd.comparison.contrasts import by_covariate, starts
from pkpd.comparison.measure import Measure, day_below
from pkpd.comparison.questions import OpenQuestion, questions
from pkpd.comparison.recommend import Recommendation, recommend
from pkpd.comparison.result import Comparison
from pkpd.comparison.schedules import KnownSchedule, schedules
from pkpd.comparison.target import Target
from pkpd.estimation.individual.api import Individual, individual

__all__ = [
    "Answer",
    "Arm",
    "Comparison",
    "Individual",
    "KnownSchedule",
    "Measure",
    "OpenQuestion",
    "Recommendation",
    "Target",
    "by_covariate",
    "compare",
    "day_below",
    "individual",
    "questions",
    "recommend",
    "schedules",
    "starts",
]
