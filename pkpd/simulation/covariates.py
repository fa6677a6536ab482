"""Which columns of a data set are the covariates of a model, and what is said of those that are not there."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pkpd.dosing.checks import Problems
from pkpd.dosing.columns import RESERVED, numbers
from pkpd.dosing.notices import comma_hint
from pkpd.errors import DataWarning, PopulationError
from pkpd.people.columns import near_column

if TYPE_CHECKING:
    from pkpd.dosing.events import EventTable
    from pkpd.model.declare import Covariate
    from pkpd.model.model import Model
    from pkpd.people.population import Population

__all__ = ["Absent", "in_order", "match_covariates", "problems_of", "table_notes"]


@dataclass(frozen=True)
class Absent:
    """A covariate of the model that the table does not have.

    Attributes
    ----------
    name : str
    near : str or None
        Column that is likely meant.
    text : str
        What is taken instead.
    """

    name: str
    near: str | None
    text: str


def problems_of(table: EventTable) -> Problems:
    """Return an empty collection of what is wrong with the rows of a table."""
    rows = np.arange(1, len(table) + 1) if table.rows is None else table.rows
    frame = {str(name): table.frame[name].to_numpy() for name in table.frame.columns}
    return Problems(table.name, frame, rows, table.lines)


def match_covariates(
    model: Model, table: EventTable, problems: Problems
) -> tuple[dict[str, np.ndarray], tuple[Absent, ...]]:
    """Return the columns of a model's covariates as floats, and the covariates that the table does not have.

    Parameters
    ----------
    model : Model
    table : EventTable
    problems : Problems
        Where to note columns that are named like a covariate but for the case, hold text, miss values or hold values
        that the covariate cannot have.
    """
    values: dict[str, np.ndarray] = {}
    absent: list[Absent] = []
    others = [str(n) for n in table.frame.columns if n not in RESERVED and n not in model.covariates and n != "WHEN"]
    for name, covariate in model.covariates.items():
        if name in table.frame.columns:
            column = table.frame[name].to_numpy()
            if column.dtype.kind in "biuf":
                values[name] = column.astype(np.float64)
                _check(covariate, values[name], problems)
            else:
                problems.found.append(_text(model, name, column))
            continue
        alike = next((other for other in others if other.casefold() == name.casefold()), None)
        if alike is not None:
            problems.found.append(
                f"covariate {name} of model '{model.name}' is not in the data, but {alike!r} is: rename the column, "
                f"read_events(..., columns={{{alike!r}: {name!r}}})"
            )
            continue
        near = near_column(covariate, others)
        hint = f"; is column {near!r} meant? Then rename it: columns={{{near!r}: {name!r}}}" if near else ""
        unit = f" {covariate.unit}" if covariate.unit else ""
        text = f"covariate {name} is not in the data: its reference {covariate.reference:g}{unit} is taken for everyone"
        absent.append(Absent(name, near, text + hint))
    return values, tuple(absent)


def occasions_of(table: EventTable, problems: Problems) -> np.ndarray:
    """Return the occasion of each row of a table with a column OCC, from 0 within its subject; shape (rows,).

    Parameters
    ----------
    table : EventTable
    problems : Problems
        Where to note rows whose occasion is missing.
    """
    raw = table.frame["OCC"]
    problems.add(raw.isna().to_numpy(), "OCC is missing", "say for every row which occasion it belongs to", ["OCC"])
    occasion = np.zeros(len(raw), np.int64)
    for a, b in zip(table.starts[:-1], table.starts[1:], strict=True):
        occasion[a:b] = np.unique(raw[a:b].astype(str) if raw.dtype == object else raw[a:b], return_inverse=True)[1]
    return occasion


def table_notes(model: Model, table: EventTable, people: Population | None) -> list[str]:
    """Return what is to be said of a model's covariates; warn where a column of nearly the name is left aside.

    Parameters
    ----------
    model : Model
    table : EventTable
        Checked already.
    people : Population or None
        That was given beside the table: it says the covariates that the table does not have.
    """
    found, absent = match_covariates(model, table, problems_of(table))
    notes: list[str] = []
    for each in absent:
        reference = model.covariates[each.name].reference
        if people is None or (people.covariates[each.name] == reference).all():
            notes.append(each.text)
            if each.near is not None:
                warnings.warn(DataWarning(f"{table.name}: {each.text}"), stacklevel=5)
    if model.iov_etas and "OCC" not in table.frame.columns:
        notes.append("there is no column OCC: all rows of a subject are one occasion")
    first = table.starts[:-1]
    for name, values in found.items():
        own = None if people is None else people.covariates[name]
        if own is not None and (own != model.covariates[name].reference).any() and (own != values[first]).any():
            notes.append(f"covariate {name} is taken from the data, not from the population")
    return notes


def in_order(people: Population, table: EventTable, notes: list[str]) -> Population:
    """Return the population in the order of a table, by label where both name the same subjects, else by position.

    Raises
    ------
    PopulationError
        If labels of the population's own name some subjects of the table, and others not.
    """
    own, wanted = ([str(label) for label in each.tolist()] for each in (people.labels, table.labels))
    if own == wanted:
        return people
    if sorted(own) == sorted(wanted):
        place = {label: k for k, label in enumerate(own)}
        notes.append("the population is taken in the order of the data, by label")
        return people[[place[label] for label in wanted]]
    counted = [str(k + 1) for k in range(people.n)]
    lost = [label for label in wanted if label not in set(own)]
    if own != counted and len(lost) < len(wanted):
        raise PopulationError(
            f"simulate: the population has no subject {lost[0]!r} of the data ({len(lost)} such), though others; give "
            "it the labels of the data, or labels=None to take them by position"
        )
    return people


def _check(covariate: Covariate, values: np.ndarray, problems: Problems) -> None:
    """Note rows in which a covariate is missing or has a value that it cannot have."""
    name = covariate.name
    problems.add(
        ~np.isfinite(values), f"covariate {name} is missing",
        "fill it, for instance by carrying the last value forward", [name],
    )  # fmt: skip
    problems.add(
        covariate.forbidden(values), f"covariate {name} must be {covariate.allowed}, but is not",
        "mark missing values with missing=[...], or declare Covariate(..., bounds=(lowest, highest)) if it can be so",
        [name],
    )  # fmt: skip


def _text(model: Model, name: str, column: np.ndarray) -> str:
    """Return what is wrong with a covariate that holds text."""
    kinds = sorted({str(value) for value in column.tolist() if value is not None and value == value})
    odd = [kind for kind in kinds if numbers(name, np.array([kind], dtype=object))[1].any()]
    shown = ", ".join(odd[:4]) + (", ..." if len(odd) > 4 else "")
    text = f"covariate {name} of model '{model.name}' holds text ({shown}); give numbers"
    if len(odd) < len(kinds) or len(odd) > 4:
        return text + comma_hint(odd, ".")
    code = ", ".join(f"{kind!r}: {k}" for k, kind in enumerate(odd))
    return f"{text}, for instance frame[{name!r}].map({{{code}}}){comma_hint(odd, '.')}"
