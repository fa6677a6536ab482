"""The facts of a study in groups: by where their numbers come from, by what they state, and by when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.checks.first_dose import first_dose, last_time, studied_drug
from pkpd.evidence.kinds import FactKind, kind_named
from pkpd.observation.reported import matches

if TYPE_CHECKING:
    from pkpd.estimation.study.problem import StudyProblem
    from pkpd.estimation.study.study import Study

__all__ = ["DEFAULT", "Group", "StudyFact", "grouped_facts"]


@dataclass(frozen=True)
class StudyFact:
    """A fact that a study fits.

    Attributes
    ----------
    name, patient, cohort : str
        ``"seed/fact"``, ``"seed/patient"``.
    marker : str
    kind : FactKind
        What it states, from the register of kinds.
    known : {"read", "derived", "assumed"}
        Where its number comes from.
    day, day_to : float or None
        As reported.
    under_treatment : bool
        Whether what it speaks of ends after the patient's first dose of the drug that the report is about.
    """

    name: str
    patient: str
    cohort: str
    marker: str
    kind: FactKind
    known: str
    day: float
    day_to: float | None
    under_treatment: bool


#: patterns of names as in ``Study.exclude``, or a condition
Group: TypeAlias = Sequence[str] | Callable[[StudyFact], bool]


def _states(what: str) -> Callable[[StudyFact], bool]:
    return lambda fact: _stated(fact.kind) == what


def _stated(kind: FactKind) -> str:
    """Return what a kind of fact states, by what its class says of itself."""
    if kind.takes == "grade":
        return "grades"
    if kind.shape == "pair":
        return "changes"
    if kind.shape == "extreme":
        return "peaks and nadirs"
    return "bounds" if kind.region else "values"


#: groups that facts fall in by what they know of themselves
DEFAULT: Mapping[str, Group] = {
    "assumed facts": lambda fact: fact.known == "assumed",
    "derived facts": lambda fact: fact.known == "derived",
    "read facts": lambda fact: fact.known == "read",
    **{what: _states(what) for what in ("peaks and nadirs", "bounds", "grades", "changes", "values")},
    "facts after the first dose of the studied drug": lambda fact: fact.under_treatment,
}


def grouped_facts(study: Study, groups: Mapping[str, Group] | None) -> dict[str, dict[str, StudyFact]]:
    """Return the facts of each group by name, groups without any left out.

    Raises
    ------
    PkpdError
        If a group is neither patterns nor a condition, or a pattern fits no fact of the study.
    """
    facts, who = _facts(study.problem), f"evidence_ledger: study '{study.name}'"
    if not facts:
        raise PkpdError(f"{who} has no facts")
    out: dict[str, dict[str, StudyFact]] = {}
    for label, group in (DEFAULT if groups is None else groups).items():
        if callable(group):
            found = {f.name: f for f in facts if group(f)}
        elif isinstance(group, str) or not isinstance(group, Sequence):
            raise PkpdError(
                f"{who}: group '{label}' must be a list of facts, such as ['seed/p1_*'], or a function of one fact "
                f"that returns True or False; got {group!r}"
            )
        else:
            names = [f.name for f in facts]
            if lost := [p for p in group if not any(matches(n, [p]) for n in names)]:
                raise PkpdError(f"{who}: group '{label}': '{lost[0]}' fits no fitted fact{nearest(lost[0], names)}")
            found = {f.name: f for f in facts if matches(f.name, group)}
        if found:
            out[label] = found
    return out


def _facts(problem: StudyProblem) -> list[StudyFact]:
    known: dict[str, Any] = {f"{e.name}/{f.fact}": f for e in problem.evidence for f in e.facts}
    cohorts = dict(zip(problem.patients, problem.cohorts, strict=True))
    starts = {p: first_dose(problem, p, studied_drug(problem, p)) for p in problem.patients}
    out = []
    for r in problem.reported:
        start = starts[r.patient]
        under = start is not None and last_time(r.term) > start
        out.append(
            StudyFact(r.name, r.patient, cohorts[r.patient], r.marker, kind_named(r.kind), known[r.name].known, r.day,
                      r.day_to, under)
        )  # fmt: skip
    return out
