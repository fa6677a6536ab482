"""Pharmacokinetic and pharmacodynamic models as plain equations: dose them, simulate people, measure exposure.

Every public name stands in ``__init__.pyi`` and is loaded from its module when it is first used, so ``import pkpd``
itself costs next to nothing.
"""

from pkpd.lazy import public
from pkpd.version import __version__ as __version__

__getattr__, __dir__, __all__ = public(__name__, __file__)
