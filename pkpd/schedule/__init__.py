"""Schedules compared in the same subjects, the authors' questions answered, and a schedule for a new patient."""

from pkpd.schedule.anakinra import ANAKINRA, ANAKINRA_SOURCES
from pkpd.schedule.answer import Answer
from pkpd.schedule.arms import Arm
from pkpd.schedule.compare import compare
from pkpd.schedule.comparison import Comparison
from pkpd.schedule.contrasts import by_covariate, starts
from pkpd.schedule.individual import Individual, individual
from pkpd.schedule.measure import Measure, day_below
from pkpd.schedule.questions import QUESTIONS, questions
from pkpd.schedule.recommend import Recommendation, recommend
from pkpd.schedule.target import Target

__all__ = [
    "ANAKINRA",
    "ANAKINRA_SOURCES",
    "QUESTIONS",
    "Answer",
    "Arm",
    "Comparison",
    "Individual",
    "Measure",
    "Recommendation",
    "Target",
    "by_covariate",
    "compare",
    "day_below",
    "individual",
    "questions",
    "recommend",
    "starts",
]
