"""The methods of estimation by name."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.method import Method
from pkpd.estimation.methods.focei import Fo, Foce, Focei, Laplace, Nlme
from pkpd.estimation.methods.importance import Importance
from pkpd.estimation.methods.mode import Mode
from pkpd.estimation.methods.nuts import Nuts
from pkpd.estimation.methods.pooled import Map, NaivePooled, TwoStage
from pkpd.estimation.methods.saem import Saem

__all__ = ["METHODS", "MethodName", "method_of"]

MethodName: TypeAlias = Literal[
    "fo",
    "foce",
    "focei",
    "laplace",
    "nlme",
    "saem",
    "importance",
    "nuts",
    "map",
    "naive_pooled",
    "two_stage",
    "mode",
]
_KNOWN: tuple[type[Method], ...] = (
    Fo, Foce, Focei, Laplace, Nlme, Saem, Importance, Nuts, Map, NaivePooled, TwoStage, Mode,
)  # fmt: skip
METHODS: dict[str, type[Method]] = {each.name: each for each in _KNOWN}


def method_of(given: Method | str, verb: str = "fit", **options: Any) -> Method:
    """Return a method as it is, or the one of a name with some options.

    Raises
    ------
    PkpdError
        If there is none of this name.

    Examples
    --------
    >>> method_of("saem", burn_in=50).name
    'saem'
    """
    if isinstance(given, Method):
        return given
    known = METHODS.get(given) if isinstance(given, str) else None
    if known is None:
        hint = nearest(str(given), METHODS)
        raise PkpdError(
            f"{verb}: method must be a Method such as Focei(), or {', '.join(METHODS)}, got {given!r}{hint}"
        )
    return known(**options)
