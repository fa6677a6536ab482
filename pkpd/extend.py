"""What is subclassed or declared to extend the library: methods, residual errors, facts, content of a drug."""

from pkpd.lazy import public

__getattr__, __dir__, __all__ = public(__name__, __file__)
