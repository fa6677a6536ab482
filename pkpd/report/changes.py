"""What ``report.toml`` declares of checks: what a response is, and studies under other assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.study.priors import Free

if TYPE_CHECKING:
    from pkpd.estimation.checks.held_out import Response
    from pkpd.estimation.study.study import Study

__all__ = ["read_response", "read_variant"]

_KEYS = ("fixed", "reinterpret", "exclude", "include", "free")


def read_response(given: Mapping[str, Any]) -> Response:
    """Return what counts as a response, from the table ``response`` of ``report.toml``.

    Raises
    ------
    PkpdError
        If it lacks output or days, or a key is unknown.
    """
    from pkpd.estimation.checks.held_out import Response

    known = [each.name for each in fields(Response)]
    strange = [f"there is no '{key}'{nearest(key, known)}" for key in given if key not in known]
    if faults := strange + [f"{key} is missing" for key in ("output", "days") if key not in given]:
        raise PkpdError(f"response of report.toml: {'; '.join(faults)}; it may have {', '.join(known)}")
    return Response(**given)


def read_variant(study: Study, label: str, changes: Mapping[str, Any]) -> Study:
    """Return the study with the changes that ``report.toml`` writes down.

    Parameters
    ----------
    study : Study
    label : str
    changes : mapping
        ``fixed`` (parameter to number), ``reinterpret`` ("seed/marker" to factor), ``exclude`` and ``include`` (lists
        of facts), ``free`` (parameter to a table with location, spread, ... that differ from the study's, or with all
        that `Free` needs where the study knows the parameter's value).

    Raises
    ------
    PkpdError
        If a key is unknown, or the changed study contradicts itself.
    """
    if strange := [key for key in changes if key not in _KEYS]:
        hints = ", ".join(f"'{key}'{nearest(key, _KEYS)}" for key in strange)
        raise PkpdError(f"variant '{label}': there is no {hints}; there is {', '.join(_KEYS)}")
    known = {free.name: free for free in study.free}
    given: dict[str, Any] = {key: changes[key] for key in ("fixed", "exclude", "include") if key in changes}
    if "reinterpret" in changes:
        given["reinterpret"] = {tuple(key.rsplit("/", 1)): factor for key, factor in changes["reinterpret"].items()}
    if "free" in changes:
        given["free"] = {name: _freed(name, own, known, label) for name, own in changes["free"].items()}
    return study.with_(**given)


def _freed(name: str, own: Mapping[str, Any], known: Mapping[str, Free], label: str) -> Free:
    """Return what a variant believes of a parameter."""
    words = {key: _pairs(value) for key, value in own.items()}
    fields_ = [each.name for each in fields(Free) if each.name != "name"]
    if strange := [key for key in words if key not in fields_]:
        raise PkpdError(f"variant '{label}': free '{name}' has no '{strange[0]}'{nearest(strange[0], fields_)}")
    if name in known:
        return replace(known[name], **words)
    if "location" not in words:
        raise PkpdError(
            f"variant '{label}': '{name}' is not free in the study{nearest(name, known)}; one that is new needs "
            "location = [value, sd]"
        )
    return Free(name, **words)


def _pairs(value: Any) -> Any:
    """Return lists of TOML as pairs, those of a table by patient or cohort too."""
    if isinstance(value, Mapping):
        return {key: _pairs(each) for key, each in value.items()}
    return tuple(value) if isinstance(value, list) else value
