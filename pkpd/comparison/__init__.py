"""Schedules compared in the same subjects: arms, targets, measures, a model's own schedules and questions."""

from pkpd.lazy import public

__getattr__, __dir__, __all__ = public(__name__, __file__)
