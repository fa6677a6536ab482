"""Schedules that a model's files know by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pkpd.dosing.regimen import Regimen
from pkpd.errors import LibraryError, RegimenError, nearest
from pkpd.library import content_of
from pkpd.simulation.doses import from_text

if TYPE_CHECKING:
    from pkpd.model.model import Model
    from pkpd.people.population import Population

__all__ = ["KnownSchedule", "named_schedules", "schedules"]


@dataclass(frozen=True)
class KnownSchedule:
    """A regimen that is known by a name.

    Attributes
    ----------
    text : str
        In the shorthand of regimens; it begins where a treatment does.
    source : str
        Where it comes from, and how that is known.
    part : str
        Part of a composed model whose compartments it goes into; empty for the model's own.
    """

    text: str
    source: str = ""
    part: str = ""

    def __str__(self) -> str:
        return self.text

    def regimens(self, model: Model, people: Population, name: str) -> tuple[Regimen, ...]:
        """Return the regimen for all subjects, or one for each where weights differ."""
        of = model
        for part in filter(None, self.part.split(".")):
            of = of.parts[part]
        found = from_text(self.text, of, people, name)
        if not self.part:
            return found
        return tuple(r.with_doses([replace(d, cmt=f"{self.part}.{d.cmt}") for d in r.doses]) for r in found)


def schedules(model: Model) -> dict[str, KnownSchedule]:
    """Return the schedules that a model's files, or those of its parts, know by name.

    A file declares them as ``schedules = {"100 mg daily": ("100 mg SC daily x14", "US label; read")}``: text and
    source, or the text alone.

    Raises
    ------
    LibraryError
        If what is declared is something else.

    Examples
    --------
    >>> from pkpd.library import load_model
    >>> schedules(load_model("anakinra"))["100 mg daily"].text
    '100 mg SC daily x14'
    """
    found: dict[str, KnownSchedule] = {}
    for part, given in content_of(model, "schedules").items():
        wrong = None if isinstance(given, Mapping) else given
        for name, value in given.items() if isinstance(given, Mapping) else ():
            pair = (value,) if isinstance(value, str) else value
            if not (isinstance(pair, tuple) and 1 <= len(pair) <= 2 and all(isinstance(v, str) for v in pair)):
                wrong = value
                break
            found.setdefault(str(name), KnownSchedule(*pair, part=part))
        if wrong is not None:
            raise LibraryError(
                f"schedules of model '{model.name}'{f', part {part}' if part else ''}: write {{name: (text, source)}}, "
                f"got {wrong!r}"
            )
    return found


def named_schedules(model: Model, names: Any) -> dict[str, KnownSchedule]:
    """Return some of a model's schedules; all of them for None.

    Raises
    ------
    RegimenError
        If names are unknown, all of which are named, or the model knows no schedule.
    """
    known = schedules(model)
    chosen = list(known) if names is None else list(names)
    strange = [n for n in chosen if n not in known]
    if strange or not chosen:
        hints = ", ".join(f"{n!r}{nearest(str(n), known)}" for n in strange)
        which = f"{len(strange)} of {len(chosen)} names are none of its schedules: {hints}; " if strange else ""
        listed = ", ".join(known) or "none"
        raise RegimenError(
            f"compare: model '{model.name}': {which}it has {listed}; give others as a mapping of name to regimen"
        )
    return {name: known[name] for name in chosen}
