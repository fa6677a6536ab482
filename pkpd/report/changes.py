"""What ``report.toml`` declares of checks: what a response is, and studies under other assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError, nearest

if TYPE_CHECKING:
    from pkpd.estimation.checks.held_out import Response
    from pkpd.estimation.study.study import Study

__all__ = ["read_response", "read_variant"]

_KEYS = ("fixed", "reinterpret", "exclude", "free")


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
        ``fixed`` (parameter to number), ``reinterpret`` ("seed/marker" to factor), ``exclude`` (list of facts),
        ``free`` (parameter to a table with location, spread, ...).

    Raises
    ------
    PkpdError
        If a key or a parameter is unknown.
    """
    if strange := [key for key in changes if key not in _KEYS]:
        hints = ", ".join(f"'{key}'{nearest(key, _KEYS)}" for key in strange)
        raise PkpdError(f"variant '{label}': there is no {hints}; there is {', '.join(_KEYS)}")
    known = {free.name: free for free in study.free}
    given: dict[str, Any] = {key: changes[key] for key in ("fixed", "exclude") if key in changes}
    if "reinterpret" in changes:
        given["reinterpret"] = {tuple(key.rsplit("/", 1)): factor for key, factor in changes["reinterpret"].items()}
    if "free" in changes:
        if strange := [name for name in changes["free"] if name not in known]:
            hints = ", ".join(f"'{name}'{nearest(name, known)}" for name in strange)
            raise PkpdError(f"variant '{label}': {hints} is not free in the study")
        given["free"] = {
            name: replace(known[name], **{k: tuple(v) if isinstance(v, list) else v for k, v in own.items()})
            for name, own in changes["free"].items()
        }
    return study.with_(**given)
