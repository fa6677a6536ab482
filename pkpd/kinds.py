"""What things are, said by their class: verbs ask for a kind, and say what to do where they get another."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import ClassVar

from pkpd.errors import PkpdError, shortened

__all__ = ["Kind", "kind_of", "listed", "needs"]


class Kind:
    """Base of what verbs take and return.

    Attributes
    ----------
    kind : str
        Its name in messages.
    advice : str
        What to do where a verb has no use for it.
    """

    kind: ClassVar[str] = ""
    advice: ClassVar[str] = ""


def kind_of(given: object) -> str:
    """Return what something is; empty if it is nothing of this library.

    Examples
    --------
    >>> kind_of("pk1_iv")
    ''
    """
    return given.kind if isinstance(given, Kind) else ""


def listed(kinds: Collection[str]) -> str:
    """Return kinds as a reader would list them.

    Examples
    --------
    >>> listed(["Model", "Fit", "Individual"])
    'a Model, a Fit or an Individual'
    """
    names = [f"{_article(name)} {name}" for name in kinds]
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def needs(
    verb: str, given: object, kinds: Collection[str], make: str = "", instead: Mapping[str, str] | None = None
) -> None:
    """Raise PkpdError unless something is of one of some kinds.

    Parameters
    ----------
    verb : str
        Who asks.
    given : object
    kinds : collection of str
        Kinds that the verb takes.
    make : str
        What to do to get one.
    instead : mapping of kind to str, optional
        What to do with one that is not taken.

    Examples
    --------
    >>> needs("plot.tornado", 3, ["SensitivityResult"], "pkpd.sensitivity makes one")
    Traceback (most recent call last):
    pkpd.errors.PkpdError: plot.tornado takes a SensitivityResult, got int; pkpd.sensitivity makes one
    """
    kind = kind_of(given)
    if kind and kind in kinds:
        return
    if isinstance(given, str):
        got = f"the text {shortened(given, 60)!r}"
        advice = f"load it first: pkpd.models[{shortened(given, 60)!r}]" if "Model" in kinds else make
    else:
        got = f"{_article(kind)} {kind}" if kind else type(given).__name__
        advice = (instead or {}).get(kind) or make or (given.advice if isinstance(given, Kind) else "")
    raise PkpdError(f"{verb} takes {listed(kinds)}, got {got}{'; ' if advice else ''}{advice}")


def _article(name: str) -> str:
    return "an" if name[:1].lower() in ("a", "e", "i", "o", "u") else "a"
