"""Methods beside those of the root: other estimators, and other analyses of sensitivity."""

from pkpd.lazy import public

__getattr__, __dir__, __all__ = public(__name__, __file__)
