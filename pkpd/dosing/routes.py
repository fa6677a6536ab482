"""Routes of administration: which compartment of a model a dose given by a route goes into. One rule for all verbs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pkpd.dosing.dose import Dose
from pkpd.dosing.record import Compartment, compartment_index, missing_compartment
from pkpd.errors import RegimenError

__all__ = ["place_of", "places_of", "routes_of_states"]

_PLACES = {"SC": ("depot",), "IM": ("depot",), "PO": ("depot", "gut"), "IV": ("central",)}
_ABSORBING = ("depot", "gut")


def routes_of_states(states: Iterable[str]) -> dict[str, str]:
    """Return the compartment by route, where a model has one.

    SC and IM go into ``depot``, PO into ``depot`` or else ``gut``, IV into ``central`` or else the only state that
    there is. Of a composed model they are those of its first part that has one of these.

    Examples
    --------
    >>> routes_of_states(["depot", "central"])
    {'SC': 'depot', 'IM': 'depot', 'PO': 'depot', 'IV': 'central'}
    >>> routes_of_states(["a.central", "b.depot", "b.central"]), routes_of_states(["gut", "A"]), routes_of_states(["A"])
    ({'IV': 'a.central'}, {'PO': 'gut'}, {'IV': 'A'})
    """
    known = list(states)
    prefix = next((name[: -len(last)] for name in known if (last := _last(name)) in (*_ABSORBING, "central")), None)
    if prefix is None:
        return {"IV": known[0]} if len(known) == 1 else {}
    found = {
        route: [prefix + place for place in places if prefix + place in known] for route, places in _PLACES.items()
    }
    return {route: places[0] for route, places in found.items() if places}


def place_of(cmt: Compartment, route: str | None, states: Sequence[str]) -> int:
    """Return the 0-based index of the state that a dose goes into.

    A compartment that is named is obeyed, unless the route says another: an intravenous dose does not go into a
    ``depot`` or ``gut``, nor one by another route into ``central`` where there is one of these for it. Without a
    compartment the route decides, and without both it is the first state.

    Raises
    ------
    RegimenError
        If the model has no such compartment, none for the route, or the two contradict each other.

    Examples
    --------
    >>> place_of(None, "IV", ["depot", "central"]), place_of("central", None, ["depot", "central"])
    (1, 1)
    """
    unsaid = cmt is None or cmt == 0
    if unsaid and route is not None:
        places = routes_of_states(states)
        if route not in places:
            usual = " or ".join(_PLACES.get(route, ("none is known",)))
            raise RegimenError(
                f"it is given {route}, but the model has no compartment for that ({usual}); it has "
                f"{', '.join(states)}; name one: 'into ...' or cmt=..."
            )
        return list(states).index(places[route])
    index = compartment_index(cmt, states)
    if index is None:
        raise RegimenError(missing_compartment(cmt, states))
    if route is None:
        return index
    name = states[index]
    prefix, last = name[: -len(_last(name))], _last(name)
    other = ["central"] if route == "IV" else [p for p in _PLACES.get(route, ()) if prefix + p in states]
    wrong = last in _ABSORBING if route == "IV" else last == "central" and bool(other)
    if not unsaid and wrong:
        raise RegimenError(
            f"it is given {route}, but into '{name}'; drop the route or the compartment ({route} goes into "
            f"'{prefix}{other[0]}')"
        )
    return index


def places_of(doses: Iterable[Dose], states: Sequence[str], who: str) -> list[int]:
    """Return the index of the state that each dose goes into; all that have none are counted.

    Doses of one drug that carry its name, ``drug.depot``, are those of a model of one drug without it, ``depot``.

    Raises
    ------
    RegimenError
        As for `place_of`, with who and which dose.
    """
    doses = list(doses)
    places, wrong, drug = [], [], _only_drug(doses, states)
    for k, dose in enumerate(doses, start=1):
        try:
            cmt = dose.cmt.removeprefix(drug) if isinstance(dose.cmt, str) else dose.cmt
            places.append(place_of(cmt, dose.route, states))
        except RegimenError as error:
            wrong.append(f"dose {k}: {error}")
    if wrong:
        total = len(places) + len(wrong)
        more = f" ({len(wrong)} of {total} doses go into compartments that it lacks)" if len(wrong) > 1 else ""
        raise RegimenError(f"{who}, {wrong[0]}{more}")
    return places


def _only_drug(doses: Iterable[Dose], states: Sequence[str]) -> str:
    """Return ``drug.`` where all doses carry the name of one drug, and no state that of any; else an empty text."""
    named = {dose.cmt for dose in doses if isinstance(dose.cmt, str) and not dose.cmt.isdecimal()}
    drugs = {name[: -len(_last(name))] for name in named}
    return drugs.pop() if len(drugs) == 1 and not any("." in state for state in states) else ""


def _last(name: str) -> str:
    return name.rpartition(".")[2]
