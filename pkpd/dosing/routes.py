"""Routes of administration: which compartment of a model a dose given by a route goes into. One rule for all verbs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pkpd.dosing.record import Compartment, compartment_index, missing_compartment
from pkpd.dosing.words import ROUTES
from pkpd.errors import RegimenError

if TYPE_CHECKING:
    from pkpd.dosing.dose import Dose

__all__ = ["canonical_route", "place_of", "places_of", "routes_of_states"]

_PLACES = {"SC": "depot", "IM": "depot", "PO": "depot", "IV": "central"}


def canonical_route(route: Any) -> str | None:
    """Return the one spelling of a route, or None for none; an unknown one stays, in upper case.

    Examples
    --------
    >>> canonical_route("intravenous"), canonical_route("icv")
    ('IV', 'ICV')
    """
    if route is None:
        return None
    if not isinstance(route, str) or not route.strip():
        raise RegimenError(f"route must be a text such as 'IV' or 'SC', got {route!r}")
    text = route.strip().replace(".", "")
    return ROUTES.get(text.lower(), text.upper())


def routes_of_states(states: Iterable[str]) -> dict[str, str]:
    """Return the compartment by route: SC, IM and PO go into ``depot``, IV into ``central``, where there are these.

    Of a composed model they are those of its first part that has one of them.

    Examples
    --------
    >>> routes_of_states(["depot", "central"])
    {'SC': 'depot', 'IM': 'depot', 'PO': 'depot', 'IV': 'central'}
    >>> routes_of_states(["a.central", "b.depot", "b.central"])
    {'IV': 'a.central'}
    """
    known = list(states)
    prefix = next((name[: -len(last)] for name in known if (last := _last(name)) in ("depot", "central")), None)
    if prefix is None:
        return {}
    return {route: prefix + place for route, place in _PLACES.items() if prefix + place in known}


def place_of(cmt: Compartment, route: str | None, states: Sequence[str]) -> int:
    """Return the 0-based index of the state that a dose goes into.

    A compartment that is named is obeyed, unless the route says another: an intravenous dose does not go into a
    ``depot``, nor one by another route into ``central`` where there is a ``depot`` for it. Without a compartment the
    route decides, and without both it is the first state.

    Raises
    ------
    RegimenError
        If the model has no such compartment, none for the route, or the two contradict each other.

    Examples
    --------
    >>> place_of(None, "IV", ["depot", "central"]), place_of("central", None, ["depot", "central"])
    (1, 1)
    """
    places = routes_of_states(states)
    if cmt in (None, 0) and route is not None:
        if route not in places:
            raise RegimenError(
                f"it is given {route}, but the model has no compartment for that "
                f"({_PLACES.get(route, 'none is known')}); it has {', '.join(states)}; name one: 'into ...' or cmt=..."
            )
        return list(states).index(places[route])
    index = compartment_index(cmt, states)
    if index is None:
        raise RegimenError(missing_compartment(cmt, states))
    name = states[index]
    prefix, last = name[: -len(_last(name))], _last(name)
    absorbed = route in _PLACES and route != "IV"
    if cmt not in (None, 0) and (
        (route == "IV" and last == "depot") or (absorbed and last == "central" and f"{prefix}depot" in states)
    ):
        other = "central" if route == "IV" else "depot"
        raise RegimenError(
            f"it is given {route}, but into '{name}'; drop the route or the compartment ({route} goes into "
            f"'{prefix}{other}')"
        )
    return index


def places_of(doses: Iterable[Dose], states: Sequence[str], who: str) -> list[int]:
    """Return the index of the state that each dose goes into; all that have none are counted.

    Raises
    ------
    RegimenError
        As for `place_of`, with who and which dose.
    """
    places, wrong = [], []
    for k, dose in enumerate(doses, start=1):
        try:
            places.append(place_of(dose.cmt, dose.route, states))
        except RegimenError as error:
            wrong.append(f"dose {k}: {error}")
    if wrong:
        total = len(places) + len(wrong)
        more = f" ({len(wrong)} of {total} doses go into compartments that it lacks)" if len(wrong) > 1 else ""
        raise RegimenError(f"{who}, {wrong[0]}{more}")
    return places


def _last(name: str) -> str:
    return name.rpartition(".")[2]
