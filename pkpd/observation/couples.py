"""Data whose density is of two predictions together, as arrays for compiled loops."""

from __future__ import annotations

from collections import namedtuple

__all__ = ["Couples"]

#: data whose density is of two predictions together, c of them: their numbers (2, c), sorted; the derivatives of l by
#: both predictions, and of this by the first and by the second (3, c); and by the residual parameters (s, c)
Couples = namedtuple("Couples", "rows values sigma")
