"""Whether what a study declares agrees with its model and evidence: names, keys, values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pkpd.errors import nearest
from pkpd.estimation.study.bounds import check_fixed, check_free
from pkpd.observation.reported import matches

if TYPE_CHECKING:
    from pkpd.estimation.study.declared import DeclaredStudy
    from pkpd.model.model import Model

__all__ = ["check_names", "check_values"]


def check_names(study: DeclaredStudy, model: Model, evidence: Sequence[Any], patients: Sequence[str]) -> list[str]:
    """Return faults in the names of parameters, outputs, patients, seeds and facts."""
    seeds = [e.name for e in evidence]
    out = [f"the seed '{s}' is given twice" for s in sorted({s for s in seeds if seeds.count(s) > 1})]
    for noun, given, known in (
        ("parameter", [f.name for f in study.free] + list(study.fixed), model.parameters),
        ("output", study.errors, model.outputs),
        ("patient", [*study.cohorts, *study.covariates], patients),
        ("covariate", {c for each in study.covariates.values() for c in each}, model.covariates),
        ("seed", [k[0] for k in study.reinterpret], seeds),
    ):
        out += [
            f"there is no {noun} '{n}'{nearest(str(n), known)}; there {'are' if len(known) != 1 else 'is'} "
            f"{', '.join(known) or 'none'}"
            for n in given
            if n not in known
        ]
    facts = [f"{e.name}/{f.fact}" for e in evidence for f in e.facts]
    held = [f"{e.name}/{f.fact}" for e in evidence for f in e.facts if f.use == "check"]
    for noun, what, patterns, known in (
        ("exclude", "fact", study.exclude, facts),
        ("include", "fact that is held back (use is check)", study.include, held),
        ("patients", "patient", study.patients or (), patients),
    ):
        out += [
            f"{noun} '{p}' fits no {what}{nearest(p, known)}"
            for p in patterns
            if not any(matches(k, [p]) for k in known)
        ]
    return out


def check_values(study: DeclaredStudy, model: Model, everyone: Mapping[str, str], patients: Sequence[str]) -> list[str]:
    """Return patients and cohorts without a location or value, and numbers outside the model's bounds."""
    out: list[str] = []
    known = {*everyone, *everyone.values(), "*"}
    for f in study.free:
        if isinstance(f.location, Mapping):
            keys = dict.fromkeys([*everyone.values(), "*"]) if f.pooling == "cohort" else known
            out += [f"free '{f.name}': {_no_key(k, everyone, keys)}" for k in f.location if k not in keys]
        lacking = [p for p in patients if f.value_of(*f.keys_of(p, everyone[p])) is None]
        if lacking:
            out.append(f"free '{f.name}' has no location for {len(lacking)} patients (first: {lacking[0]}); add '*'")
        out += check_free(f, model)
    for name, value in study.fixed.items():
        out += check_fixed(name, value, model)
        if not isinstance(value, Mapping):
            continue
        out += [f"fixed '{name}': {_no_key(k, everyone, known)}" for k in value if k not in known]
    return out


def _no_key(key: str, everyone: Mapping[str, str], keys: Collection[str]) -> str:
    """Return why a key of a mapping names nobody whom it could be about."""
    if key in everyone:
        cohorts = ", ".join(k for k in keys if k != "*")
        return (
            f"'{key}' is a patient, and with pooling='cohort' locations are of cohorts ({cohorts}); "
            "put the patient into a cohort of its own (cohorts=), or leave out pooling"
        )
    return f"'{key}' is neither a patient nor a cohort{nearest(key, keys)}"
