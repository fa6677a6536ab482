"""Outcomes that are no measured amount: grades, counts, times to an event."""

from pkpd.lazy import public

__getattr__, __dir__, __all__ = public(__name__, __file__)
