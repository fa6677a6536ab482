"""A study: which model, which evidence, what is free, and what is believed before the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.study.declared import DeclaredStudy
from pkpd.estimation.study.narrowing import without_gone
from pkpd.estimation.study.priors import Free
from pkpd.estimation.study.problem import StudyProblem, build_problem

__all__ = ["Study"]

_MERGED = ("fixed", "errors", "cohorts", "covariates", "reinterpret", "settings")


@dataclass(frozen=True, eq=False, repr=False)
class Study(DeclaredStudy):
    """What is fitted to which reports; parameters are those of :class:`pkpd.estimation.study.declared.DeclaredStudy`.

    Examples
    --------
    >>> study = Study("toy", "pk1_oral", ["my/seed"], [Free("CL", (9.0, 0.3))])
    >>> study.with_(fixed={"V": 60.0}).fixed
    {'V': 60.0}
    """

    def with_(self, *, free: Mapping[str, Free | None] | Sequence[Free] | None = None, **changes: Any) -> Self:
        """Return the study with changed assumptions.

        Parameters
        ----------
        free : mapping of name to Free or None, or sequence of Free, optional
            A mapping replaces or adds single parameters, None makes one the model's own value; a sequence replaces all.
        **changes
            Other fields. Mappings are merged into what the study has (a value of None removes its key), ``exclude`` and
            ``include`` are added to it, anything else is replaced. A parameter that becomes fixed is free no more, and
            the other way round. With other evidence, what was said of patients, cohorts and facts that are gone goes
            too.

        Raises
        ------
        PkpdError
            If a field is unknown, or the changed study contradicts itself.
        """
        known = [f.name for f in fields(self)]
        if strange := [n for n in changes if n not in known]:
            hints = ", ".join(f"'{n}'{nearest(n, known)}" for n in strange)
            raise PkpdError(f"study '{self.name}' has no field {hints}; it has {', '.join(known)}")
        self._check_removed(free, changes)
        for name in _MERGED:
            if name in changes:
                merged = {**getattr(self, name), **changes[name]}
                changes[name] = {k: v for k, v in merged.items() if v is not None}
        for name in ("exclude", "include"):
            if name in changes and not isinstance(changes[name], str):  # a text is refused below
                changes[name] = (*getattr(self, name), *changes[name])
        newly_fixed = set(changes.get("fixed", {})) - set(self.fixed)
        free_now = {f.name: f for f in self.free if f.name not in newly_fixed}
        if isinstance(free, Mapping):
            free_now = {k: v for k, v in {**free_now, **free}.items() if v is not None}
            wrong = [f"'{k}' for '{v.name}'" for k, v in free_now.items() if v.name != k]
            if wrong:
                raise PkpdError(f"study '{self.name}': free names {', '.join(wrong)}; the key is the parameter's name")
        elif free is not None:
            free_now = {f.name: f for f in free}
        freed = [n for n in free_now if n in changes.get("fixed", self.fixed) and n not in newly_fixed]
        if freed:
            changes["fixed"] = {k: v for k, v in changes.get("fixed", self.fixed).items() if k not in freed}
        made = replace(self, free=tuple(free_now.values()), **changes)
        if "evidence" not in changes:
            return made
        return without_gone(self, made)

    def _check_removed(self, free: Any, changes: Mapping[str, Any]) -> None:
        """Raise PkpdError if a value of None is to remove what the study has not."""
        if loose := [
            f"{n} must be a mapping, got {v!r}"
            for n, v in changes.items()
            if n in _MERGED and not isinstance(v, Mapping)
        ]:
            raise PkpdError(f"study '{self.name}': {'; '.join(loose)}")
        has = {name: getattr(self, name) for name in _MERGED} | {"free": [f.name for f in self.free]}
        wrong = [
            f"{name} has no {key!r} to remove{nearest(str(key), [str(k) for k in has[name]])}"
            for name, given in {"free": free, **changes}.items()
            if name in has and isinstance(given, Mapping)
            for key, value in given.items()
            if value is None and key not in has[name]
        ]
        if wrong:
            raise PkpdError(f"study '{self.name}': {'; '.join(wrong)}")

    @cached_property
    def problem(self) -> StudyProblem:
        """Patients, facts and the unconstrained vector, read and checked when first asked for.

        Raises
        ------
        PkpdError
            If the study does not fit its model or evidence; all faults are named at once.
        """
        return build_problem(self)

    @property
    def fingerprint(self) -> str:
        """Hash of everything that the posterior depends on, the same in every process."""
        return self.problem.fingerprint

    def __repr__(self) -> str:
        plain = super().__repr__()
        if "problem" not in vars(self):  # the evidence was not read yet
            return plain
        gone = len(self.problem.superseded)
        return f"{plain[:-1]}, {gone} fact{'s' if gone > 1 else ''} superseded by curves)" if gone else plain
