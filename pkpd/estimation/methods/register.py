"""The methods of estimation by name."""

from __future__ import annotations

import os
from typing import Any, Literal, TypeAlias

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.method import Method
from pkpd.estimation.methods.focei import Fo, Foce, Focei, Laplace, Nlme
from pkpd.estimation.methods.importance import Importance
from pkpd.estimation.methods.mode import Mode
from pkpd.estimation.methods.nuts import Nuts
from pkpd.estimation.methods.pooled import Map, NaivePooled, TwoStage
from pkpd.estimation.methods.saem import Saem

__all__ = ["METHODS", "MethodName", "method_of", "study_method"]

_QUICK: dict[str, Any] = {"chains": 2, "tune": 250, "draws": 250, "target_accept": 0.85}

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


def study_method(
    engine: str, *, quick: bool = False, seed: int = 0, predictive: int = 400,
    out: str | os.PathLike[str] | None = None, chains: int | None = None, draws: int | None = None,
    tune: int | None = None,
) -> Mode | Nuts:  # fmt: skip
    """Return the method that a study is fitted by: ``mode`` or ``nuts``, with fewer starts or draws where quick.

    Raises
    ------
    PkpdError
        If the engine is neither.
    """
    if engine == "mode":
        number = draws if draws is not None else 400 if quick else 1000
        return Mode(draws=number, starts=2 if quick else 4, seed=seed, predictive=predictive, out=out)
    if engine != "nuts":
        raise PkpdError(f"engine must be mode or nuts, got {engine!r}{nearest(engine, ('mode', 'nuts'))}")
    given: dict[str, Any] = {"chains": chains, "draws": draws, "tune": tune}
    known = {**(_QUICK if quick else {}), **{n: v for n, v in given.items() if v is not None}}
    return Nuts(seed=seed, predictive=predictive, out=out, **known)
