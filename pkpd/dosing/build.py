"""Dose records made from arguments; all that cannot be given are reported together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pkpd.dosing.dose import Dose, check_fields
from pkpd.errors import RegimenError
from pkpd.timegrid import times_in

__all__ = ["DEFAULTS", "doses_of"]

DEFAULTS: dict[str, Any] = {
    "amt": None,
    "cmt": None,
    "time": 0.0,
    "rate": None,
    "tinf": None,
    "ii": None,
    "addl": 0,
    "ss": 0,
    "evid": 1,
    "route": None,
}
"""Arguments of a dose and what they are if not given; ``amt`` must be."""


def _length(value: Any) -> int | None:
    """Return the length of a sequence, None of a single value."""
    return None if isinstance(value, str) or np.ndim(value) == 0 else len(value)


def rows_of(given: Mapping[str, Any], who: str, time_unit: str) -> list[dict[str, Any]]:
    """Return one mapping of dose arguments a record, grids of times in ``time_unit``; single values hold for all."""
    given = {name: times_in(value, time_unit) for name, value in given.items()}
    lengths = {name: n for name, value in given.items() if (n := _length(value)) is not None}
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise RegimenError(f"{who}: sequences must have the same number of values: {text}")
    n = next(iter(lengths.values()), 1)
    return [{name: value[k] if name in lengths else value for name, value in given.items()} for k in range(n)]


def doses_of(
    given: Mapping[str, Any], doses: Iterable[Dose | Mapping[str, Any]] | None, who: str, time_unit: str
) -> list[Dose]:
    """Return the doses that the arguments of a regimen are, or the records that stand in their place."""
    names = [name for name, value in given.items() if np.ndim(value) or value != DEFAULTS[name]]
    if doses is not None and names:
        raise RegimenError(f"{who}: {', '.join(names)} and doses are both given; put {names[0]} on the doses")
    if doses is not None:
        return make_doses(list(doses), who)
    if given["amt"] is None and names:
        raise RegimenError(f"{who}: amt is missing; {', '.join(names)} alone give nothing")
    return [] if given["amt"] is None else make_doses(rows_of(given, who, time_unit), who)


def make_doses(rows: Sequence[Dose | Mapping[str, Any]], who: str) -> list[Dose]:
    """Make the doses; all that cannot be given are reported together."""
    made: list[Dose] = []
    wrong: dict[int, list[str]] = {}
    for k, row in enumerate(rows, start=1):
        if isinstance(row, Dose):
            made.append(row)
            continue
        if not isinstance(row, Mapping):
            wrong[k] = [f"must be a Dose or a mapping of its arguments, got {row!r}"]
            continue
        unknown = [name for name in row if name not in DEFAULTS]
        if unknown or "amt" not in row:
            known = ", ".join(DEFAULTS)
            wrong[k] = [f"has no argument {name!r}; it has {known}" for name in unknown] or ["amt is missing"]
            continue
        _, found = check_fields({**DEFAULTS, **row})
        if found:
            wrong[k] = found
        else:
            made.append(Dose(**row))
    if wrong:
        first = next(iter(wrong))
        text = f"dose {first}: {'; '.join(wrong[first])}"
        if len(wrong) > 1:
            raise RegimenError(f"{who}: {len(wrong)} of {len(rows)} doses cannot be given; first {text}")
        raise RegimenError(f"{who}, {text}")
    return made
