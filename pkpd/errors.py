"""Exceptions that say who is wrong, what was given and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "DataError",
    "DataWarning",
    "LibraryError",
    "ModelError",
    "PkpdError",
    "PopulationError",
    "RegimenError",
    "SolverError",
    "UnitError",
]


class PkpdError(Exception):
    """Base of all errors that this library raises on purpose."""


class ModelError(PkpdError):
    """A model is declared or used wrongly."""


class UnitError(ModelError):
    """An equation or a declaration mixes units that cannot go together."""


class RegimenError(PkpdError):
    """A dose or a regimen cannot be given as written."""


class DataError(PkpdError):
    """A data set has rows or columns that cannot be understood."""


class DataWarning(UserWarning):
    """A data set is likely meant otherwise than it is taken."""


class PopulationError(PkpdError):
    """A population cannot be drawn or read as asked."""


class SolverError(PkpdError):
    """The equations of a subject could not be integrated."""


class LibraryError(PkpdError):
    """A model, seed or study cannot be found by name or path."""


def shortened(text: object, most: int = 80) -> str:
    """Return a text for a message, its middle left out where it is long.

    Examples
    --------
    >>> shortened("pk1_iv"), len(shortened("x" * 5000))
    ('pk1_iv', 80)
    """
    whole = str(text)
    if len(whole) <= most:
        return whole
    return f"{whole[: most - 24]}...{whole[-21:]}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'CL'?)"`` for the nearest of the known names, or an empty text.

    Examples
    --------
    >>> nearest("Cl", ["CL", "V"])
    " (did you mean 'CL'?)"
    """
    if len(name) > 200:  # no name is so long, and the comparison would take its time
        return ""
    names = list(known)
    folded = {str(n).lower(): str(n) for n in names}
    if name.lower() in folded:
        return f" (did you mean '{folded[name.lower()]}'?)"
    close = difflib.get_close_matches(name, [str(n) for n in names], n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""
