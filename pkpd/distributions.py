"""Distributions: of covariates, of what is varied, of what is unknown."""

from pkpd.lazy import public

__getattr__, __dir__, __all__ = public(__name__, __file__)
