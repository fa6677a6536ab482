"""Patients of reports as subjects of a data set: rows for their doses, and for the measurements that facts are made of.

A fact is a product of factors, each of one measurement (a value, a bound in every cell of its window) or of two (a
ratio). A measurement is a row of the table; what is known of it stands in `ReportedRows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pkpd.dosing.events import EventTable
from pkpd.dosing.given_rows import rows_from
from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, RegimenError
from pkpd.evidence.doses import is_of_one_drug
from pkpd.evidence.evidence import Evidence
from pkpd.evidence.kinds import kind_named
from pkpd.observation.reported import Reported, fact_terms
from pkpd.observation.rules import Log
from pkpd.observation.subject import Subject, check, doses_of, faults_of
from pkpd.simulation.covariates import match_covariates, problems_of
from pkpd.units.time import convert_time

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.evidence.term import Term
    from pkpd.model.model import Model

__all__ = ["MOST_CELLS", "Data", "Joined", "ReportedRows", "joined_subjects", "with_reports"]

#: what a population is fitted to: a data set, reports, or both
Data: TypeAlias = "EventTable | pd.DataFrame | Evidence | Sequence[EventTable | pd.DataFrame | Evidence]"
#: measurements that one factor of a fact may speak of in a data set
MOST_CELLS = 2


@dataclass(frozen=True)
class ReportedRows:
    """Factors of facts of one form on one output.

    Attributes
    ----------
    log : callable of (cells, Stated)
        Logarithm of a factor.
    output : str
    rows : int array, (k, n)
        Rows of the measurements that each factor speaks of, k = 1 or 2.
    value, value_to, reading : float array, (n,)
        What is stated: ends of the range, relative standard deviation of reading.
    fact : str array, (n,)
        ``"seed/fact"``.
    """

    log: Log
    output: str
    rows: np.ndarray
    value: np.ndarray
    value_to: np.ndarray
    reading: np.ndarray
    fact: np.ndarray

    def of(self, chosen: np.ndarray, rows: np.ndarray) -> ReportedRows:
        """Return some of the factors, in this order, at other rows (k, n)."""
        each = {name: getattr(self, name)[chosen] for name in ("value", "value_to", "reading", "fact")}
        return replace(self, rows=rows, **each)


class ReportedTable(EventTable):
    """A table with patients of reports, whose rows alone do not say what is known of them."""


@dataclass(frozen=True)
class Joined:
    """A data set and reports as one table.

    Attributes
    ----------
    table : EventTable
    reported : list of ReportedRows
        By rows of the table.
    patients : tuple of Subject
        Of the reports, as the likelihood of reports alone has them.
    facts : tuple of Reported
        Of these patients, in order.
    messages : list of str
        What is to be said of it.
    """

    table: EventTable
    reported: Sequence[ReportedRows] = ()
    patients: tuple[Subject, ...] = ()
    facts: tuple[Reported, ...] = ()
    messages: Sequence[str] = ()


def with_reports(model: Model, data: Data) -> Joined:
    """Return a data set and reports as one table.

    Parameters
    ----------
    model : Model
    data : EventTable, data frame, Evidence or sequence of these
        At most one table.

    Raises
    ------
    DataError
        If there is something else among them, or a report does not fit the model; all faults are named at once.
    """
    if isinstance(data, ReportedTable):
        raise DataError(
            f"fit: the table '{data.name}' holds patients of reports, but not what is said of them; give the list that "
            "was fitted, [table, evidence], or fit.data"
        )
    if (table := rows_from(data)) is not None:
        return Joined(table.in_time(model.time_unit))
    tables, reports = _sorted(data)
    trial = tables[0].in_time(model.time_unit) if tables else None
    built = _Reports(model, trial)
    if trial is not None:
        # what a table lacks stands in the joined one: it is looked for before
        problems = problems_of(trial)
        _, absent = match_covariates(model, trial, problems)
        problems.raise_if_any()
        built.messages += [
            f"covariate {each.name} is not in '{trial.name}': its reference {model.covariates[each.name].reference:g} "
            "is taken for everyone there; patients of reports have their own"
            for each in absent
        ]
    for evidence in reports:
        built.add(evidence)
    return built.joined()


def joined_subjects(model: Model, subjects: Sequence[Subject], name: str, every: float) -> Joined:
    """Return patients, those of whom nothing is said among them, as one table.

    Parameters
    ----------
    model : Model
    subjects : sequence of Subject
    name : str
        Of the table.
    every : float
        Time between the measurements of a window, on the model's clock.

    Raises
    ------
    DataError
        With all that is wrong with what is said of them.
    """
    built = _Reports(model, None)
    built.names.append(name)
    for subject in subjects:
        built.patient(subject, every)
    return built.joined()


def _sorted(data: Any) -> tuple[list[EventTable], list[Evidence]]:
    """Return tables and reports apart."""
    given: list[Any] = [data]
    if isinstance(data, list | tuple):
        given = list(data)
    given = [each if (table := rows_from(each)) is None else table for each in given]
    tables = [each for each in given if isinstance(each, EventTable)]
    reports = [each for each in given if isinstance(each, Evidence)]
    strange = [each for each in given if not isinstance(each, EventTable | Evidence)]
    wants = "an EventTable (read_events(path)) or data frame, evidence (pkpd.seeds[name]), or a list of both"
    if strange:
        more = ""
        if getattr(strange[0], "kind", "") == "Study":
            more = "; of a study give its evidence, or fit(study) alone"
        elif isinstance(strange[0], str):
            more = f"; write read_events({strange[0]!r}) or pkpd.seeds[{strange[0]!r}]"
        raise DataError(f"fit: data must be {wants}, got {type(strange[0]).__name__}{more}")
    if not given:
        raise DataError(f"fit: data must be {wants}, got an empty list")
    if len(tables) > 1:
        raise DataError(f"fit: data hold {len(tables)} tables; put their rows into one before reading it")
    names = [e.name for e in reports]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise DataError(f"fit: evidence '{twice[0]}' is given twice")
    return tables, reports


class _Reports:
    """Collects the rows of patients of reports, and faults."""

    def __init__(self, model: Model, trial: EventTable | None) -> None:
        self.model, self.trial = model, trial
        self.errors = {n: o.error for n, o in model.outputs.items()}
        self.names: list[str] = []
        self.tables: list[EventTable] = []
        self.patients: list[Subject] = []
        self.facts: list[Reported] = []
        self.messages: list[str] = []
        self.faults: list[tuple[str, str]] = []
        self._rows = 0 if trial is None else len(trial)
        self._found: dict[tuple[Log, int, str], list[tuple[list[int], Term]]] = {}

    def add(self, evidence: Evidence) -> None:
        """Take in the patients of a report of whom there are facts to fit."""
        self.names.append(evidence.name)
        everyone = [f"{evidence.name}/{p}" for p in evidence.patients]
        reported, wrong = fact_terms(evidence, self.model, (), {}, everyone)
        self.faults += [(f"evidence '{evidence.name}'", each) for each in wrong]
        if not reported and not wrong:
            self.faults.append((f"evidence '{evidence.name}'", "has no fact to fit"))
        terms: dict[str, list[Reported]] = {}
        for each in reported:
            terms.setdefault(each.patient, []).append(each)
        self._note_references(evidence, list(terms))
        people = evidence.population(self.model)
        drugs, prefix, lost = _drugs(evidence, self.model)
        if lost:
            self.messages.append(
                f"evidence '{evidence.name}': model '{self.model.name}' has no compartments of {', '.join(lost)}, so "
                "doses of these are left out"
            )
        undosed = [n for n in terms if not any(row.patient == n.partition("/")[2] for row in evidence.doses)]
        if undosed and len(undosed) < len(terms):
            self.messages.append(f"no dose is reported of {', '.join(undosed)}")
        day = convert_time(1.0, "d", self.model.time_unit)
        for at, patient in enumerate(evidence.patients):
            name = f"{evidence.name}/{patient}"
            if name in terms:
                regimen = evidence.regimen(patient, drugs, prefix=prefix)
                own = {c: float(people.covariates[c][at]) for c in self.model.covariates}
                self.patient(Subject(name, regimen, own, tuple(each.term for each in terms[name])), day)
                self.facts += terms[name]

    def _note_references(self, evidence: Evidence, patients: Sequence[str]) -> None:
        """Tell of covariates of the model that a report does not give of some patients."""
        known = {p: evidence.covariates(p.partition("/")[2]) for p in patients}
        for name, covariate in self.model.covariates.items():
            without = [p for p, own in known.items() if name not in own]
            if without:
                who = ", ".join(without[:5]) + (", ..." if len(without) > 5 else "")
                self.messages.append(
                    f"covariate {name} is not reported of {who}: its reference {covariate.reference:g}"
                )

    def patient(self, subject: Subject, every: float) -> None:
        """Add the rows of one patient, of whom windows are measured so far apart."""
        model, terms, name = self.model, subject.terms, subject.name
        try:
            regimen, records = doses_of(model, subject)
        except RegimenError as error:
            self.faults.append((f"patient '{name}'", str(error)))
            return
        start = min(0.0, float(records["time"].min())) if records.size else 0.0
        found = ((t, fault) for t in terms for fault in faults_of(t, self.errors, start, every))
        wrong = [(f"patient '{name}', fact '{term.name}'", fault) for term, fault in found]
        self.faults += wrong
        if wrong:
            return
        kinds = [kind_named(t.kind) for t in terms]
        times = [kind.times(t, every) for kind, t in zip(kinds, terms, strict=True)]
        grid = np.unique(np.concatenate([*times, [start]]))
        table = EventTable.from_regimen(
            {name: _on_table(model, regimen, self.trial)}, convert_time(grid, model.time_unit, regimen.time_unit),
            covariates=dict(subject.covariates),
        ).in_time(model.time_unit)  # fmt: skip
        seen = self._rows + np.flatnonzero(table.frame["EVID"].to_numpy() == 0)
        for kind, term, cells in zip(kinds, terms, times, strict=True):
            at = seen[np.searchsorted(grid, cells)]
            for rule in kind.rules(cells.size):
                key = (rule.log, len(rule.cells), term.output)
                self._found.setdefault(key, []).append(([int(at[c]) for c in rule.cells], term))
        self.patients.append(subject)
        self.tables.append(table)
        self._rows += len(table)

    def joined(self) -> Joined:
        """Return all as one table."""
        if message := check(self.faults, "fit"):
            raise DataError(message)
        reported = [
            ReportedRows(
                log, output, np.array([rows for rows, _ in own], np.int64).T, np.array([t.value for _, t in own]),
                np.array([t.value if t.value_to is None else t.value_to for _, t in own]),
                np.array([t.reading_sd for _, t in own]), np.array([t.name for _, t in own]),
            )
            for (log, _, output), own in self._found.items()
        ]  # fmt: skip
        tables = [*([] if self.trial is None else [self.trial]), *self.tables]
        name = " and ".join([*([] if self.trial is None else [self.trial.name]), *self.names])
        table = _joined(tables, name, self.model, self.trial is not None)
        return Joined(table, reported, tuple(self.patients), tuple(self.facts), self.messages)


def _drugs(evidence: Evidence, model: Model) -> tuple[list[str], bool, list[str]]:
    """Return the drugs of a report that a model knows, whether its compartments carry their names, and the others."""
    states = tuple(model.states)
    named = [d for d in evidence.drugs if any(s.startswith(f"{d}.") for s in states)]
    if named or not evidence.drugs:
        return named, True, [d for d in evidence.drugs if d not in named]
    alone = evidence.studied in evidence.drugs and is_of_one_drug(states, evidence.drugs)
    own = [evidence.studied] if alone else []
    return own, False, [d for d in evidence.drugs if d not in own]


def _on_table(model: Model, regimen: Regimen, trial: EventTable | None) -> Regimen:
    """Return a regimen in the unit of a table: that of the states dosed, unless the table says another."""
    if regimen.unit is None or not regimen.doses:
        return regimen
    into = {d.cmt for d in regimen.into(tuple(model.states))}
    units = {model.states[c].unit for c in into if isinstance(c, str) and c in model.states}
    wanted = trial.unit if trial is not None and trial.unit is not None else next(iter(units), regimen.unit)
    return regimen.to(wanted)


def _joined(tables: Sequence[EventTable], name: str, model: Model, with_trial: bool) -> EventTable:
    """Return tables below each other; a row of a report is no observation by itself."""
    import pandas as pd

    first = tables[0]
    labels = np.concatenate([t.labels.astype(str) for t in tables])
    if len(set(labels.tolist())) < labels.size:
        twice = next(x for x in labels.tolist() if labels.tolist().count(x) > 1)
        raise DataError(f"fit: '{twice}' is a subject of the data set and a patient of a report; name them apart")
    text = with_trial and first.frame["CMT"].dtype.kind not in "iuf"
    parts = [t.frame if with_trial and t is first else _report_frame(t, model, text) for t in tables]
    columns = {c for part in parts for c in part.columns} | ({"OCC"} if model.iov_etas and not with_trial else set())
    fillings = {n: v for n, v in _fillings(model).items() if n in columns}
    parts = [part.assign(**{n: v for n, v in fillings.items() if n not in part}) for part in parts]
    frame = pd.concat(parts, ignore_index=True)
    if "DV" not in frame:
        frame["DV"] = np.nan
    frame["ID"] = np.repeat(labels, np.concatenate([np.diff(t.starts) for t in tables]))
    ends = np.cumsum([0, *(len(t) for t in tables)])
    starts = np.concatenate([[0], *(t.starts[1:] + e for t, e in zip(tables, ends, strict=False))]).astype(np.int64)
    return ReportedTable(
        frame=frame, starts=starts, labels=labels, clock=np.concatenate([t.clock for t in tables]), name=name,
        covariates=tuple(dict.fromkeys(c for t in tables for c in t.covariates)), unit=first.unit,
        time_unit=first.time_unit, rules=first.rules, notes=first.notes if with_trial else (),
    )  # fmt: skip


def _report_frame(table: EventTable, model: Model, text: bool) -> pd.DataFrame:
    """Return the rows of a report's patient, compartments by name or by number."""
    frame = table.frame.copy()
    frame["MDV"] = 1
    names = list(model.states)
    number = {n: k for k, n in enumerate(names, start=1)}
    cmt = [number.get(c, c if isinstance(c, int) else 0) for c in frame["CMT"].tolist()]
    frame["CMT"] = [names[c - 1] if c else None for c in cmt] if text else cmt
    return frame


def _fillings(model: Model) -> dict[str, Any]:
    """Return what stands in columns that a report, or the data set beside it, does not have."""
    return {"CENS": 0, "BLQ": 0, "OCC": 1, **{n: c.reference for n, c in model.covariates.items()}}
