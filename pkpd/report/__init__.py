"""Reports that a reader without a modeller at hand can use: of a study, of a model, of exposure."""

from pkpd.lazy import public

__getattr__, __dir__, __all__ = public(__name__, __file__)
