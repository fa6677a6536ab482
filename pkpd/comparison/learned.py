"""Markers of patients: which of them something is known about, and whether they move while they are compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pkpd.comparison.statistics import share
from pkpd.errors import PkpdError

if TYPE_CHECKING:
    import numpy as np

    from pkpd.comparison.measure import Measure
    from pkpd.comparison.placing import Place
    from pkpd.model.model import Model
    from pkpd.simulation.source import Subjects

__all__ = ["asked_of", "check_ill", "markers_of"]

_ALL, _SOME = 0.95, 0.05
"""Shares of the subjects without illness from which on there is nothing to compare, and from which on it is told."""


def markers_of(model: Model, drug: str | None = None) -> frozenset[str]:
    """Return outputs that are observed and no concentration of a drug.

    Parameters
    ----------
    model : Model
    drug : str, optional
        Another output that is the concentration.
    """
    return frozenset(
        name
        for name, output in model.outputs.items()
        if output.error is not None and name != drug and not name.rpartition(".")[2].startswith("Cc")
    )


def asked_of(
    who: Subjects, measures: Sequence[Measure], markers: Iterable[str]
) -> tuple[list[Measure], tuple[str, ...]]:
    """Return the measures that are shown unasked: those of markers that something was observed of.

    Returns
    -------
    list of Measure
        All where nothing else is left.
    tuple of str
        A note about the others.
    """
    known = who.history.learned
    if known is None:
        return list(measures), ()
    unknown = set(markers) - known
    shown = [m for m in measures if not unknown.intersection(m.outputs)]
    names = [m.name for m in measures if m not in shown]
    if not shown or not names:
        return list(measures), ()
    return shown, (f"nothing was observed of {', '.join(names)} here; measures=[...] shows them, or --measure NAME",)


def check_ill(
    still: np.ndarray,
    who: Subjects,
    place: Place,
    window: tuple[float, float],
    markers: Iterable[str],
    *,
    given: Sequence[str],
    exposure: Sequence[str],
) -> tuple[str, ...]:
    """Return a note if some of the patients are not ill in the window.

    Parameters
    ----------
    still : array of bool, shape (subject,)
        For whom no marker moves in the window under any regimen.
    given : sequence of str
        Options among window and start that the caller gave.
    exposure : sequence of str
        Measures that are of no marker.

    Raises
    ------
    PkpdError
        If nearly none of them is.
    """
    part, names = float(still.mean()), ", ".join(sorted(markers))
    if not who.history.ill or not names or part < _SOME:
        return ()
    if part < _ALL:
        return (f"{share(part)} of them are not ill in the window: {names} does not move",)
    seen = who.history.seen
    observed = "" if seen is None else f", and observations are of {place.dated(*seen)}"
    if "window" in given:
        remedy = f"leave out {' and '.join(f'{name}=...' for name in given)}"
    else:
        remedy = "give window=(start, end) of days on which it does"
    if exposure:
        remedy += f", or ask for measures of exposure alone: measures=[{', '.join(map(repr, exposure))}]"
    raise PkpdError(
        f"compare: there is no disease in the window, {place.dated(*window)}: "
        f"{names} does not move in {who.about}; schedules begin on {place.dated(place.start)}{observed}; "
        f"{remedy}"
    )
