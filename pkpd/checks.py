"""Whether a fit or a model agrees with data: residuals, predictive checks, patients held out, published numbers."""

from pkpd.lazy import public

__getattr__, __dir__, __all__ = public(__name__, __file__)
