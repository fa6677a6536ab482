"""A study with other evidence: what it said of patients, cohorts and facts that are gone goes with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pkpd.estimation.study.declared import DeclaredStudy
from pkpd.estimation.study.problem import read_evidence

__all__ = ["without_gone"]

T = TypeVar("T", bound=DeclaredStudy)


def without_gone(before: T, after: T) -> T:
    """Return a study without what it says of the patients, cohorts and reports that another one had and it lacks.

    A parameter that was free for these alone is free no more.

    Parameters
    ----------
    before, after : DeclaredStudy
        The same but for the evidence.
    """
    old, new = (read_evidence(s.evidence, s.folder) for s in (before, after))
    seeds = {e.name for e in old} - {e.name for e in new}
    gone = _known(before, old) - _known(after, new)

    def kept(mapping: Mapping[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in mapping.items() if k not in gone}

    free = []
    for f in after.free:
        if not isinstance(f.location, Mapping):
            free.append(f)
        elif left := kept(f.location):
            free.append(replace(f, location=left))
    fixed = {n: kept(v) if isinstance(v, Mapping) else v for n, v in after.fixed.items()}
    patients = after.patients
    if patients is not None:
        patients = [p for p in patients if p.partition("/")[0] not in seeds]
    return replace(
        after, free=tuple(free), fixed={n: v for n, v in fixed.items() if v != {}}, cohorts=kept(after.cohorts),
        covariates=kept(after.covariates), patients=patients,
        reinterpret={k: v for k, v in after.reinterpret.items() if k[0] not in seeds},
        exclude=[p for p in after.exclude if p.partition("/")[0] not in seeds],
        include=[p for p in after.include if p.partition("/")[0] not in seeds],
    )  # fmt: skip


def _known(study: DeclaredStudy, evidence: tuple[Any, ...]) -> set[str]:
    """Return the patients and cohorts of some evidence."""
    own = {f"{e.name}/{p}": e.cohorts[p] for e in evidence for p in e.patients}
    return {*own, *(study.cohorts.get(p, cohort) for p, cohort in own.items())}
