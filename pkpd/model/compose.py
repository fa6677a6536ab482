"""Gather the declarations of a model and of its parts under full names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pkpd.errors import ModelError
from pkpd.model.declare import Covariate, Omega, Output, Parameter, State
from pkpd.model.definition import Declared, Definition
from pkpd.model.names import TAKEN, check_name, duplicates, quoted

__all__ = ["check_parts", "declared", "flat", "merge_covariates", "part_omegas"]

D = TypeVar("D", State, Parameter, Output)


def declared(
    model: str,
    states: Iterable[State],
    parameters: Iterable[Parameter],
    covariates: Iterable[Covariate],
    outputs: Iterable[Output],
) -> Declared:
    """Return the declarations by name.

    Raises
    ------
    ModelError
        If something of another kind stands in a list, a name has a dot, or a name means two things.
    """
    own = Declared(
        _by_name(model, "states", State, states),
        _by_name(model, "parameters", Parameter, parameters),
        _by_name(model, "covariates", Covariate, covariates),
        _by_name(model, "outputs", Output, outputs),
    )
    inputs = [*own.states, *own.parameters, *own.covariates]
    if twice := duplicates(inputs):
        raise ModelError(f"model '{model}': {_uses(own, twice[0])}; rename one ({len(twice)} such: {quoted(twice)})")
    clash = [n for n in own.outputs if n in own.parameters or n in own.covariates]
    if clash:
        raise ModelError(f"model '{model}': {_uses(own, clash[0])}; rename one ({len(clash)} such: {quoted(clash)})")
    _check_results(model, own)
    return own


def _check_results(model: str, own: Declared) -> None:
    """Raise ModelError if a name would stand for two variables of a result."""
    for noun, there in (("state", own.states), ("parameter", own.parameters), ("output", own.outputs)):
        if taken := [n for n in there if n in TAKEN]:
            raise ModelError(
                f"model '{model}': {noun} '{taken[0]}' has a name that results need themselves "
                f"({', '.join(sorted(TAKEN))}); rename it"
            )
    for name, output in own.outputs.items():
        observed = f"{name}_observed"
        if output.error is not None and any(observed in there for there in (own.outputs, own.states, own.parameters)):
            raise ModelError(
                f"model '{model}': '{observed}' is what observations of output '{name}' are called in results; rename "
                "one of them"
            )


def _uses(own: Declared, name: str) -> str:
    kinds = [kind.removesuffix("s") for kind, there in own._asdict().items() if name in there]
    return f"'{name}' is declared as " + " and as ".join(kinds)


def _by_name(model: str, field: str, kind: type[Any], given: Iterable[Any]) -> dict[str, Any]:
    items = list(given)
    for item in items:
        if not isinstance(item, kind):
            raise ModelError(f"model '{model}': {field} must be a list of {kind.__name__}(...), got {item!r}")
        if "." in item.name:
            raise ModelError(
                f"model '{model}': {field}: '{item.name}' has a dot, which stands between a part and its name"
            )
    if twice := duplicates(i.name for i in items):
        raise ModelError(f"model '{model}': {field} declares {quoted(twice)} more than once")
    return {i.name: i for i in items}


def check_parts(model: str, own: Declared, parts: Mapping[str, Definition], time_unit: str) -> None:
    """Raise ModelError if a part cannot stand under its name."""
    taken = {n for names in own for n in names}
    for prefix, part in parts.items():
        check_name(prefix, f"model '{model}', part")
        if "." in prefix or prefix in taken:
            what = "has a dot" if "." in prefix else f"is taken: {_uses(own, prefix)}"
            raise ModelError(f"model '{model}': the name of part '{prefix}' {what}; choose another")
        if not isinstance(part, Definition):
            raise ModelError(f"model '{model}': part '{prefix}' must be a Model, got {part!r}")
        if part.time_unit != time_unit:
            raise ModelError(
                f"model '{model}' counts time in {time_unit} but its part '{prefix}' in {part.time_unit}; use one unit"
            )


def flat(own: Mapping[str, D], parts: Mapping[str, Mapping[str, D]]) -> dict[str, D]:
    """Return the own declarations, then those of each part with the part's name before theirs."""
    out = dict(own)
    for prefix, inner in parts.items():
        out.update({f"{prefix}.{n}": replace(d, name=f"{prefix}.{n}") for n, d in inner.items()})
    return out


def merge_covariates(
    model: str, own: Mapping[str, Covariate], parts: Mapping[str, Definition], connected: Collection[str] = ()
) -> dict[str, Covariate]:
    """Return the covariates, those of one name being one; the composed model's own declaration decides.

    Those of parts that are ``connected`` (``crp.tone``) are left out: the model says itself what they are.

    Raises
    ------
    ModelError
        If units differ, or if two parts differ in reference or carry rule and the model does not say which holds.
    """
    out = dict(own)
    where = dict.fromkeys(own, f"model '{model}'")
    for prefix, part in parts.items():
        for name, covariate in part.covariates.items():
            if f"{prefix}.{name}" in connected:
                continue
            if name not in out:
                out[name], where[name] = covariate, f"part '{prefix}'"
                continue
            first = out[name]
            if not _same_unit(first.unit, covariate.unit):
                raise ModelError(
                    f"model '{model}': covariate '{name}' is in {first.unit} in {where[name]} "
                    f"but in {covariate.unit} in part '{prefix}'; convert one of the models"
                )
            for field in ("reference", "carry"):
                one, two = getattr(first, field), getattr(covariate, field)
                if one != two and name not in own:
                    raise ModelError(
                        f"model '{model}': covariate '{name}' has {field} {one} in {where[name]} but {two} in part "
                        f"'{prefix}'; declare it in '{model}'"
                    )
    return out


def _same_unit(one: str, two: str) -> bool:
    if one == two:
        return True
    from pkpd.units import parse

    return parse(one).same(parse(two))


def part_omegas(parts: Mapping[str, Definition], occasion: bool) -> list[Omega]:
    """Return the covariance of each part as one block under full names."""
    blocks = []
    for prefix, part in parts.items():
        names, matrix = (part.iov_etas, part.omega_iov) if occasion else (part.etas, part.omega)
        if names:
            blocks.append(Omega([f"{prefix}.{n}" for n in names], matrix))
    return blocks
