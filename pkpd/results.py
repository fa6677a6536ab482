"""What the verbs return and the catalogues hold, for annotations."""

from pkpd.lazy import public

__getattr__, __dir__, __all__ = public(__name__, __file__)
