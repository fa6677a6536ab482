"""Estimation: from observations of people to what is known of a model's parameters, and of each person."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=["checks", "search", "uncertainty"])
