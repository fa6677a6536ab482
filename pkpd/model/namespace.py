"""Read-only named values (``p.CL``, ``x.tcz.central``) handed to a model's functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from pkpd.errors import ModelError, nearest
from pkpd.model.names import listed

__all__ = ["MissingName", "Namespace", "namespace"]


class MissingName(ModelError, AttributeError):
    """A model's function asks for a name that is not there."""


class Namespace:
    """Values by attribute or key, with the nearest name where one is missing.

    Iteration gives the names, ``in`` asks for one.
    """

    __slots__ = ("_elsewhere", "_noun", "_owner", "_values")

    def __init__(self, owner: str, noun: str, values: Mapping[str, Any], elsewhere: Mapping[str, str]) -> None:
        for slot, content in (("_owner", owner), ("_noun", noun), ("_values", values), ("_elsewhere", elsewhere)):
            object.__setattr__(self, slot, content)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            hint = f"; write {self._elsewhere[name]}" if name in self._elsewhere else nearest(name, self._values)
            raise MissingName(
                f"{self._owner} has no {self._noun} '{name}'; {listed(list(self._values))}{hint}"
            ) from None

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise ModelError(f"{self._owner}: {self._noun} '{name}' is assigned; return values by name instead")

    def __delattr__(self, name: str) -> NoReturn:
        self.__setattr__(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __len__(self) -> int:
        return len(self._values)

    def __dir__(self) -> list[str]:
        return list(self._values)

    def __repr__(self) -> str:
        return f"{self._noun}s of {self._owner}: {', '.join(f'{n}={v!r}' for n, v in self._values.items())}"


def namespace(
    owner: str, noun: str, values: Mapping[str, Any], elsewhere: Mapping[str, str] | None = None
) -> Namespace:
    """Return values as attributes, dotted names nested.

    Parameters
    ----------
    owner : str
        Whose values, for messages: ``model 'anakinra'``.
    noun : str
        ``parameter``, ``state`` or ``covariate``.
    values : mapping of name to value
        Names of parts are dotted: ``tcz.CL``.
    elsewhere : mapping of name to text, optional
        How names of another kind are written (``CL`` -> ``p.CL``), for messages.
    """
    own: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        head, dot, rest = name.partition(".")
        if dot:
            parts.setdefault(head, {})[rest] = value
        else:
            own[name] = value
    nested = {head: namespace(f"part '{head}' of {owner}", noun, below) for head, below in parts.items()}
    return Namespace(owner, noun, {**own, **nested}, elsewhere or {})
