"""Pharmacokinetic and pharmacodynamic models as plain equations: dose them, simulate people, measure exposure.

Every public name stands in ``__init__.pyi`` and is loaded from its module when it is first used, so ``import pkpd``
itself costs next to nothing.
"""

from __future__ import annotations

from typing import Any

import lazy_loader

from pkpd.version import __version__ as __version__

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name in __all__ or name.startswith("_"):
        return _load(name)
    from pkpd.errors import nearest

    raise AttributeError(f"module 'pkpd' has no attribute '{name}'{nearest(name, __all__)}")
