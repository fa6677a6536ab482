"""Names that a reader knows in place of names that the study's files use: of patients, groups, markers, quantities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pkpd.estimation.study.study import Study
    from pkpd.evidence.evidence import Evidence

__all__ = ["Names", "report_labels"]

_PARTS = (("_location", "middle of {}"), ("_spread", "spread between patients"))


class Names:
    """Words for what a report speaks of.

    ``report.toml`` may give its own: ``[cohorts]`` and ``[reports]`` by their names, ``[names]`` for parameters and
    markers. Otherwise a report is called after its first author, a marker as its words say, and a parameter by what its
    model says that it means.

    Parameters
    ----------
    study : Study
    words : mapping
        Of ``report.toml``.
    """

    def __init__(self, study: Study, words: Mapping[str, Any]) -> None:
        self.study, self.words = study, words

    @cached_property
    def reports(self) -> dict[str, str]:
        """What each report is called."""
        return report_labels(self.study.problem.evidence, self.words.get("reports", {}))

    def report(self, name: str) -> str:
        """Return what a report is called."""
        return self.reports.get(name, name)

    def patient(self, full: str) -> str:
        """Return a patient of ``"report/patient"`` in words; other texts as they are."""
        report, slash, who = str(full).partition("/")
        if not slash:
            return str(full)
        return f"patient {who}" if len(self.reports) == 1 else f"{self.report(report)} {who}"

    def patients(self, full: Sequence[str]) -> list[str]:
        """Return patients in words."""
        return [self.patient(each) for each in full]

    def cohort(self, name: str) -> str:
        """Return a group of patients in words."""
        return str(self.words.get("cohorts", {}).get(name, name.replace("_", " ")))

    def marker(self, name: str) -> str:
        """Return a marker in words."""
        given = self.words.get("names", {}).get(name)
        if given is not None:
            return str(given)
        for evidence in self.study.problem.evidence:
            if (label := evidence.words.label(name)) != name:
                return label
        return name.replace("_", " ")

    def quantity(self, name: str) -> str:
        """Return what an estimated number means: a parameter, the middle or the spread of one, a residual error.

        Parameters
        ----------
        name : str
            Such as ``"phi"``, ``"phi_location[group]"``, ``"phi[report/patient]"`` or ``"error_CRP"``.
        """
        base, _, of = str(name).removesuffix("]").partition("[")
        if base == "log_likelihood":
            return "probability of all facts"
        if base.startswith("error_"):
            return f"scatter of {self.marker(base.removeprefix('error_'))} beyond what was assumed"
        for ending, form in _PARTS:
            if base.endswith(ending) and base not in self.study.problem.model.parameters:
                who = self.cohort(of) if of else "the patients"
                return f"{form.format(who)}: {self._declared(base.removesuffix(ending))}"
        text = self._declared(base)
        return f"{text}, {self.patient(of) if '/' in of else self.cohort(of)}" if of else text

    def _declared(self, name: str) -> str:
        given = self.words.get("names", {}).get(name)
        if given is None and name == self.words.get("focus"):
            given = self.words.get("focus_name")
        parameter = self.study.problem.model.parameters.get(name)
        if given is not None:
            return str(given)
        return (parameter.meaning if parameter is not None else "") or name.rpartition(".")[2]

    def keys(self, key: str) -> str:
        """Return in words whom a declared value holds for: ``"*"``, a cohort, or a patient."""
        if key == "*":
            return "all others"
        return self.patient(key) if "/" in key else self.cohort(key)


def report_labels(evidence: Sequence[Evidence], given: Mapping[str, str]) -> dict[str, str]:
    """Return what each report is called: as it was given, or after its first author where no other shares the name."""
    first = {each.name: each.source.citation.split(",")[0].strip() for each in evidence}
    authors = {name: text.rpartition(" ")[0] or text for name, text in first.items()}
    count = Counter(authors.values())
    labels = {name: author if author and count[author] == 1 else name for name, author in authors.items()}
    return labels | {name: str(label) for name, label in given.items() if name in labels}
