"""Which of several models: covariates, likelihood ratios."""

from pkpd.lazy import public

__getattr__, __dir__, __all__ = public(__name__, __file__)
