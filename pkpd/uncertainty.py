"""How well estimates are known: covariance, bootstrap, profiles, sampling importance resampling."""

from pkpd.lazy import public

__getattr__, __dir__, __all__ = public(__name__, __file__)
