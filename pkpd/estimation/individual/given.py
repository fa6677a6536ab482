"""What is known of a patient, from whatever it was given as: the rows of a table, or doses, levels and covariates."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.events import EventTable, read_events
from pkpd.dosing.given_rows import rows_from
from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, PkpdError, nearest
from pkpd.evidence.term import Term
from pkpd.observation.binder import Binder
from pkpd.observation.data import FitData, bind
from pkpd.options import is_number
from pkpd.simulation.doses import regimen_from

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["PatientData", "given_of"]

_KINDS = {1: "below", -1: "above", 0: "density"}


@dataclass(frozen=True)
class PatientData:
    """One patient's doses, observations and covariates, on the model's clock.

    Attributes
    ----------
    name : str or None
        As the table calls the patient.
    regimen : Regimen
    rows : FitData or None
        Observations of a table.
    levels : tuple of Term
        The same, as terms.
    terms : tuple of Term
        What else was observed.
    covariates : dict of name to float
        Constant ones, and the first value of those that change.
    varying : dict of name to (float, float)
        Least and largest value of the covariates that change.
    messages : tuple of str
        What was found on the way.
    """

    name: str | None
    regimen: Regimen
    rows: FitData | None
    levels: tuple[Term, ...]
    terms: tuple[Term, ...]
    covariates: dict[str, float]
    varying: dict[str, tuple[float, float]]
    messages: tuple[str, ...]

    def constant(self, why: str) -> PatientData:
        """Return the patient if no covariate changes.

        Raises
        ------
        DataError
            If one does.
        """
        if not self.varying:
            return self
        shown = ", ".join(f"{n} ({low:g} to {high:g})" for n, (low, high) in sorted(self.varying.items()))
        raise DataError(f"individual: covariates change in the patient's table: {shown}; {why}")

    def as_terms(self) -> PatientData:
        """Return the patient with all observations as terms.

        Raises
        ------
        DataError
            If there is something that terms cannot say: a covariate that changes, an event in time, a level after the
            dose of its time.
        """
        own = self.constant("a fit of reports takes constant ones")
        if own.rows is None:
            return own
        if any(c.error.data == "event" for c in own.rows.channels):
            raise DataError("individual: events in time are for a Model or the Fit of a trial, not for a StudyFit")
        if after := _after_dose(own):
            raise DataError(
                f"individual: {', '.join(after)} in '{own.rows.table.name}' is taken at the very time of a dose, after "
                "it; of a fit of reports a level at a dose is one before it. Give the time at which it was drawn"
            )
        return replace(own, rows=None, levels=(), terms=(*own.levels, *own.terms))


def given_of(
    model: Model, data: Any, regimen: Any, covariates: Mapping[str, float] | None, bloq: str = "m3"
) -> PatientData:
    """Return what is known of a patient.

    Parameters
    ----------
    model : Model
    data : EventTable, data frame, path, sequence of Term or of (output, time, value), or None
    regimen : Regimen, str, EventTable, data frame or None
        A table also brings covariates, and observations where it has DV.
    covariates : mapping of name to float, optional
    bloq : {"m3", "m4", "m1"}

    Raises
    ------
    DataError
        If something cannot be understood, or is more than one patient.
    """
    known = _numbers(covariates or {})
    if strange := [n for n in known if n not in model.covariates]:
        raise DataError(
            f"individual: model '{model.name}' has no covariate '{strange[0]}'{nearest(strange[0], model.covariates)}"
        )
    table = _table(data)
    if table is not None:
        if regimen is not None:
            raise PkpdError(
                "individual: data is a table, which has the doses, and regimen is given too; leave one out, or give "
                "the table as regimen= and other levels as data"
            )
        found = _from_table(model, table, (), known, bloq)
        if found.rows is None:
            raise DataError(
                f"individual: '{table.name}' has no observation (EVID=0, MDV=0, with DV); doses alone are given as "
                "regimen="
            )
        return found
    terms = tuple(_terms(data, model.time_unit))
    table = _table(regimen) if not isinstance(regimen, str) else None
    if table is not None:
        return _from_table(model, table, terms, known, bloq)
    if not (regimen is None or isinstance(regimen, (Regimen, str))):
        raise PkpdError(
            "individual: regimen must be a Regimen or its shorthand, one patient's EventTable or None, got "
            f"{type(regimen).__name__}"
        )
    doses = regimen_from(model, regimen, "individual: regimen", known)
    return PatientData(None, doses, None, (), terms, known, {}, ())


def _numbers(covariates: Mapping[str, float]) -> dict[str, float]:
    """Return covariates as numbers; all that are none are named."""
    single = {n: np.asarray(v)[()] for n, v in covariates.items()}
    if wrong := [f"{n} is {v!r}" for n, v in covariates.items() if not is_number(single[n])]:
        raise DataError(
            f"individual: covariates of one patient are finite numbers in the model's units; {', '.join(wrong)}"
        )
    return {n: float(v) for n, v in covariates.items()}


def _table(given: Any) -> EventTable | None:
    """Return a table, also one in a data frame or a file; None for anything else."""
    if isinstance(given, str) and not Path(given).exists():
        raise DataError(
            f"individual: there is no file {given!r} with the patient's rows; a regimen is given as regimen="
        )
    return read_events(given) if isinstance(given, (str, os.PathLike)) else rows_from(given)


def _from_table(
    model: Model, table: EventTable, terms: tuple[Term, ...], known: dict[str, float], bloq: str
) -> PatientData:
    if table.n_subjects != 1:
        shown = ", ".join(str(v) for v in table.labels[:5])
        raise DataError(
            f"individual: '{table.name}' has {table.n_subjects} subjects ({shown}); one is estimated at a time, give "
            "table.subject(label)"
        )
    if twice := sorted(set(known) & set(table.frame.columns)):
        raise DataError(f"individual: covariate {', '.join(twice)} stands in the table and in covariates; drop one")
    if known:
        table = replace(table, frame=table.frame.assign(**known), covariates=(*table.covariates, *known))
    table = table.in_time(model.time_unit)
    frame, rows = table.frame, None
    if {"DV", "MDV"} <= set(frame.columns) and np.any((frame["EVID"] == 0) & (frame["MDV"] == 0)):
        rows = bind(model, table, bloq)
        varying, constant, messages = rows.varying, rows.constant, rows.messages
    else:
        binder = Binder(model, table, bloq)
        varying, constant = binder.covariates()
        binder.problems.raise_if_any()
        messages = tuple(binder.messages)
    levels = () if rows is None else _levels(model, rows)
    values = {n: float(v[0]) for n, v in constant.items()}
    ends = {n: _ends(frame[n].to_numpy(np.float64)) for n in varying}
    regimen = next(iter(table.regimens().values()))
    return PatientData(str(table.labels[0]), regimen, rows, levels, terms, values, ends, messages)


def _ends(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _levels(model: Model, data: FitData) -> tuple[Term, ...]:
    """Return the observations of a table as terms."""
    found = []
    each = (v.tolist() for v in (data.output, data.time, data.y, data.censored))
    for output, time, y, how in zip(*each, strict=True):
        error = model.outputs[output].error
        kind = "grade" if error is not None and error.data == "grade" else _KINDS[int(how)]
        found.append(Term(f"{output} at {time:g} {model.time_unit}", kind, output, float(time), float(y)))
    return tuple(found)


def _after_dose(patient: PatientData) -> list[str]:
    """Return which levels are taken at the very time of a dose and not before it."""
    assert patient.rows is not None
    table, doses = patient.rows.table, patient.regimen.times
    gives, clock = np.isin(table.frame["EVID"].to_numpy(), (1, 4)), np.asarray(table.clock, float)
    out = []
    for level, row in zip(patient.levels, patient.rows.row.tolist(), strict=True):
        if not np.isclose(doses, level.time, rtol=0.0, atol=table.near).any():
            continue
        first = np.flatnonzero(gives & np.isclose(clock, level.time, rtol=0.0, atol=table.near))
        if not (first.size and row < first[0]):
            out.append(level.name)
    return out


def _terms(observations: Any, unit: str) -> list[Term]:
    """Return observations as terms; all that cannot be understood are named."""
    if observations is None:
        return []
    if not isinstance(observations, Sequence):
        raise PkpdError(
            "individual: data must be the rows of one patient (an EventTable, a data frame or a file) or a sequence of "
            f"levels (output, time, value), got {type(observations).__name__}; doses are given as regimen="
        )
    found, wrong = [], []
    for i, one in enumerate(observations):
        if isinstance(one, Term):
            found.append(one)
            continue
        try:
            output, time, value = one
            found.append(_term(str(output), float(time), value, unit))
        except (TypeError, ValueError):
            wrong.append(f"number {i + 1}: {one!r}")
    if wrong:
        raise DataError(
            f"individual: {len(wrong)} of {len(observations)} observations are neither a Term nor (output, time, "
            f"value) with a number or a bound such as '<5': {'; '.join(wrong)}"
        )
    return found


def _term(output: str, time: float, value: Any, unit: str) -> Term:
    text = str(value).strip()
    kind = {"<": "below", ">": "above"}.get(text[:1], "density")
    number = float(text.lstrip("<>"))
    return Term(f"{output} at {time:g} {unit}", kind, output, time, number)
