"""What is varied: parameters, random effects and covariates, each with a distribution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import PkpdError, nearest
from pkpd.people.distributions import Distribution, normal, uniform

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["Factor", "Ranges", "factor_kind", "factors_from", "function_factors", "names_from"]

Ranges = Mapping[str, Any] | Sequence[str] | str | None

_LIMIT = 2.0**-53  # quantiles at 0 and 1 may be infinite


@dataclass(frozen=True)
class Factor:
    """One thing that is varied.

    Attributes
    ----------
    name : str
        ``CL`` for a parameter, ``eta_CL`` for its random effect, ``WT`` for a covariate.
    kind : {"parameter", "effect", "covariate", "input"}
        An input is that of a plain function.
    distribution : Distribution
    reference : float
        Value where nothing is varied, in ``unit``.
    unit : str
    """

    name: str
    kind: str
    distribution: Distribution
    reference: float
    unit: str = "1"

    def at(self, u: np.ndarray) -> np.ndarray:
        """Return the values below which the shares ``u`` of the distribution lie."""
        return np.asarray(self.distribution.quantile(np.clip(u, _LIMIT, 1 - _LIMIT)), float)

    @property
    def edges(self) -> tuple[float, float]:
        """Shares between which the levels of a screening lie.

        0 and 1 for a uniform distribution; 2.5 and 97.5% for others, whose ends may be infinitely far.
        """
        line = self.at(np.linspace(0, 1, 5))
        even = np.allclose(np.diff(line), (line[-1] - line[0]) / 4, rtol=1e-9, atol=0)
        return (0.0, 1.0) if even else (0.025, 0.975)


def factor_kind(model: Model, name: str) -> str | None:
    """Return what a name is in a model, or None if it is nothing of it."""
    if name in model.parameters:
        return "parameter"
    if name.startswith("eta_") and name[4:] in model.etas:
        return "effect"
    return "covariate" if name in model.covariates else None


def names_from(model: Model, given: Iterable[str]) -> list[str]:
    """Return names of parameters, effects and covariates, checked.

    Raises
    ------
    PkpdError
        If a name is nothing of the model; all of them are named.
    """
    names = list(dict.fromkeys(given))
    known = [*model.parameters, *(f"eta_{n}" for n in model.etas), *model.covariates]
    strange = [n for n in names if factor_kind(model, str(n)) is None]
    if strange:
        raise PkpdError(
            f"sensitivity: model '{model.name}' has no parameter, random effect or covariate {_listed(strange)}"
            f"{nearest(str(strange[0]), known)}; it has {', '.join(known)}"
        )
    if not names:
        raise PkpdError(f"sensitivity: parameters is empty; name some of {', '.join(known)}")
    return names


def factors_from(model: Model, given: Ranges, spread: float) -> list[Factor]:
    """Return the factors of a model.

    Parameters
    ----------
    given : mapping of name to Distribution or (low, high); names; or None
        Names alone take the value -+ ``spread``, or for random effects the model's omega; None is every parameter that
        is not fixed.
    spread : float
        Fraction of the value, between 0 and 1.

    Raises
    ------
    PkpdError
        If a name or a range cannot be understood; all offenders are named.
    """
    if not 0 < spread < 1:
        raise PkpdError(f"sensitivity: spread is a fraction of each value, between 0 and 1, got {spread!r}")
    if given is None:
        given = [n for n, p in model.parameters.items() if not p.fixed]
    given = [given] if isinstance(given, str) else given
    ranges: dict[str, Any] = dict(given) if isinstance(given, Mapping) else dict.fromkeys(given)
    names = names_from(model, ranges)
    empty = [n for n in names if ranges[n] is None and _reference(model, n) == 0 and not n.startswith("eta_")]
    if empty:
        raise PkpdError(
            f"sensitivity: {_listed(empty)} {'is' if len(empty) == 1 else 'are'} 0 in model '{model.name}', so "
            f"-+{100 * spread:g}% of the value is no range; give one, as in parameters={{'{empty[0]}': (-0.1, 0.1)}}"
        )
    wrong = [f"'{n}': {ranges[n]!r}" for n in names if ranges[n] is not None and not _understood(ranges[n])]
    if wrong:
        raise _not_understood(wrong)
    return [_factor(model, n, ranges[n], spread) for n in names]


def function_factors(given: Ranges) -> list[Factor]:
    """Return the factors of a plain function, which need a range each.

    Raises
    ------
    PkpdError
        Unless every one has a distribution or (low, high).
    """
    if not isinstance(given, Mapping) or not given:
        raise PkpdError(
            "sensitivity: for a plain function parameters must name its inputs in order with a range each, "
            f"as in parameters={{'x1': (0, 1), 'x2': pkpd.distributions.normal(0, 1)}}, got {given!r}"
        )
    wrong = [f"'{n}': {r!r}" for n, r in given.items() if not _understood(r)]
    if wrong:
        raise _not_understood(wrong)
    laws = {str(n): _law(r) for n, r in given.items()}
    return [Factor(n, "input", law, float(law.quantile(np.array(0.5)))) for n, law in laws.items()]


def _understood(given: Any) -> bool:
    if isinstance(given, Distribution):
        return True
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != 2:
        return False
    return all(isinstance(x, (int, float, np.number)) for x in given)


def _not_understood(wrong: Sequence[str]) -> PkpdError:
    return PkpdError(
        f"sensitivity: {len(wrong)} of the ranges in parameters cannot be understood ({'; '.join(wrong)}); give "
        "(low, high) or a distribution of pkpd.distributions: lognormal, normal, uniform, categorical"
    )


def _law(given: Any) -> Distribution:
    return given if isinstance(given, Distribution) else uniform(*given)


def _reference(model: Model, name: str) -> float:
    kind = factor_kind(model, name)
    if kind == "effect":
        return 0.0
    return model.parameters[name].value if kind == "parameter" else model.covariates[name].reference


def _factor(model: Model, name: str, given: Any, spread: float) -> Factor:
    kind, value = str(factor_kind(model, name)), _reference(model, name)
    if kind == "effect":
        at = model.etas.index(name[4:])
        law = normal(0.0, float(np.sqrt(model.omega[at, at]))) if given is None else _law(given)
        parameter = model.parameters[name[4:]]
        return Factor(name, kind, law, value, parameter.unit or "1" if parameter.scale == "additive" else "1")
    declared = model.parameters[name] if kind == "parameter" else model.covariates[name]
    if given is None:
        ends = sorted((value * (1 - spread), value * (1 + spread)))
        low, high = declared.bounds or (-np.inf, np.inf)
        given = (max(ends[0], low), min(ends[1], high))
    return Factor(name, kind, _law(given), value, declared.unit or "1")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{n}'" for n in names)
