"""Schedules that a model's files know by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pkpd.dosing.regimen import Regimen
from pkpd.errors import LibraryError, PkpdError, RegimenError, nearest
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


def named_schedules(model: Model, given: Iterable[Any] | None) -> dict[str, Any]:
    """Return what a list names, by name; all schedules of the model for None.

    A text is the name of a schedule of the model, else shorthand, which is its own name; a regimen is called by its
    name, else as it reads in shorthand.

    Raises
    ------
    RegimenError
        If texts are neither, all of which are named, or two regimens have one name, or there is nothing.
    """
    known = schedules(model)
    found: dict[str, Any] = {}
    strange, twice, chosen = [], [], list(known) if given is None else list(given)
    for each in chosen:
        name = (each.name or str(each)) if isinstance(each, Regimen) else each
        if not isinstance(name, str) or not (name in known or isinstance(each, Regimen) or _is_shorthand(name)):
            strange.append(each)
        elif name in found:
            twice.append(name)
        else:
            found[name] = each if isinstance(each, Regimen) else known.get(name, name)
    if strange or not chosen:
        hints = ", ".join(f"{n!r}{nearest(str(n), known)}" for n in strange)
        which = f"{len(strange)} of {len(chosen)} are neither its schedules nor shorthand: {hints}; " if strange else ""
        raise RegimenError(
            f"compare: model '{model.name}': {which}its schedules are {', '.join(known) or 'none'}; give others as "
            "shorthand ('100 mg q24h x7') or as a mapping of name to regimen"
        )
    if twice:
        raise RegimenError(
            f"compare: {', '.join(map(repr, dict.fromkeys(twice)))} is given more than once; give a mapping of name to "
            "regimen"
        )
    return found


def _is_shorthand(text: str) -> bool:
    """Tell whether a text is read as doses, whoever gets them and wherever they go."""
    try:
        Regimen.parse(text, weight=1.0)
    except PkpdError:
        return False
    return True
