"""What is known of a new patient, from whatever it was given as: doses and levels apart, or the rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.events import EventTable, read_events
from pkpd.dosing.regimen import Regimen
from pkpd.errors import DataError, PkpdError
from pkpd.evidence.term import Term
from pkpd.observation.binder import Binder
from pkpd.observation.data import FitData, bind
from pkpd.simulation.doses import regimen_from

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["PatientData", "given_of"]


@dataclass(frozen=True)
class PatientData:
    """One patient's doses, observations and covariates, on the model's clock.

    Attributes
    ----------
    regimen : Regimen
    terms : tuple of Term
    covariates : dict of name to float
    messages : tuple of str
        What was found on the way.
    """

    regimen: Regimen
    terms: tuple[Term, ...]
    covariates: dict[str, float]
    messages: tuple[str, ...]


def given_of(
    model: Model, regimen: Any, observations: Sequence[Any], covariates: Mapping[str, float] | None
) -> PatientData:
    """Return what is known of a patient.

    Parameters
    ----------
    model : Model
    regimen : Regimen, EventTable, data frame or None
        A table also brings covariates, and observations where it has DV.
    observations : sequence of Term or of (output, time, value)
    covariates : mapping of name to float, optional

    Raises
    ------
    DataError
        If something cannot be understood, or is more than one patient with constant covariates.
    """
    import pandas as pd

    terms = tuple(_terms(observations, model.time_unit))
    known = dict(covariates or {})
    if regimen is None or isinstance(regimen, Regimen):
        return PatientData(regimen_from(model, regimen, "individual: regimen"), terms, known, ())
    if isinstance(regimen, str):
        return PatientData(regimen_from(model, regimen, "individual: regimen", known), terms, known, ())
    if isinstance(regimen, pd.DataFrame):
        regimen = read_events(regimen)
    if not isinstance(regimen, EventTable):
        raise PkpdError(
            "individual: regimen must be a Regimen or its shorthand, one patient's EventTable or None, got "
            f"{type(regimen).__name__}"
        )
    return _from_table(model, regimen, terms, known)


def _from_table(model: Model, table: EventTable, terms: tuple[Term, ...], known: dict[str, float]) -> PatientData:
    if table.n_subjects != 1:
        raise DataError(f"individual: '{table.name}' has {table.n_subjects} subjects; give table.subject(label)")
    table = table.in_time(model.time_unit)
    frame = table.frame
    seen = bool(((frame["EVID"] == 0) & (frame["MDV"] == 0)).any()) if {"DV", "MDV"} <= set(frame.columns) else False
    messages: tuple[str, ...] = ()
    if seen:
        data = bind(model, table)
        varying, constant, messages = data.varying, data.constant, data.messages
        terms = (*_levels(model, data), *terms)
    else:
        binder = Binder(model, table, "m3")
        varying, constant = binder.covariates()
        binder.problems.raise_if_any()
        messages = tuple(binder.messages)
    if varying:
        shown = ", ".join(f"{n} ({frame[n].min():g} to {frame[n].max():g})" for n in sorted(varying))
        raise DataError(
            f"individual: covariates change in '{table.name}': {shown}; a new patient's are constant here. "
            "estimate_individual(model or fit, table) follows them"
        )
    own = {n: float(v[0]) for n, v in constant.items() if n in frame.columns}
    if twice := sorted(set(own) & set(known)):
        raise DataError(f"individual: covariate {', '.join(twice)} stands in the table and in covariates; drop one")
    kept = tuple(m for m in messages if not any(m.startswith(f"covariate {n} ") for n in known))
    return PatientData(next(iter(table.regimens().values())), terms, {**own, **known}, kept)


def _levels(model: Model, data: FitData) -> list[Term]:
    """Return the observations of a table as terms."""
    doses = next(iter(data.table.regimens().values())).times
    found, at_dose = [], []
    for output, time, y, how in zip(
        data.output.tolist(), data.time.tolist(), data.y.tolist(), data.censored.tolist(), strict=True
    ):
        kind = {1: "below", -1: "above", 0: "density"}[int(how)]
        error = model.outputs[output].error
        if error is not None and error.data == "grade":
            kind = "grade"
        name = f"{output} at {time:g} {model.time_unit}"
        found.append(Term(name, kind, output, float(time), float(y)))
        if np.isclose(doses, time, rtol=0.0, atol=1e-9).any() and not _before(data.table, time):
            at_dose.append(name)
    if at_dose:
        raise DataError(
            f"individual: {', '.join(at_dose)} in '{data.table.name}' is taken at the very time of a dose, after it; "
            "here a level at a dose is taken before it. Give the time at which it was drawn, or use "
            "estimate_individual(model or fit, table)"
        )
    return found


def _before(table: EventTable, time: float) -> bool:
    """Return whether the rows observed at a time stand before all doses of that time."""
    frame = table.frame
    gives = np.isin(frame["EVID"].to_numpy(), (1, 4))
    here = np.isclose(np.asarray(table.clock, float), time, rtol=0.0, atol=1e-9)
    first_dose = np.flatnonzero(gives & here)
    observed = np.flatnonzero(~gives & here)
    return bool(first_dose.size and observed.size and observed.max() < first_dose.min())


def _terms(observations: Sequence[Any], unit: str) -> list[Term]:
    """Return observations as terms; all that cannot be understood are named."""
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
