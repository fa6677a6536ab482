"""Columns as Monolix, Pmetrics or plain words name them, where NONMEM's own are not there."""

from __future__ import annotations

from collections.abc import Iterable, Set

import numpy as np

__all__ = ["meant", "other_programs"]

_COMPARTMENT = {"ADM": "Monolix", "INPUT": "Pmetrics"}
_OUTPUT = {"YTYPE": "Monolix", "OUTEQ": "Pmetrics"}
_WORDS = {
    "AMT": ("DOSE", "AMOUNT", "DOSAGE"),
    "DV": ("CONC", "CONCENTRATION", "CP", "Y", "OUT", "OBS", "LIDV"),
    "TINF": ("DUR", "DURATION"),
    "CMT": ("ADMID", "ROUTE", "CMPT", "COMPARTMENT"),
    "DVID": ("OBSID", "DVTYPE"),
    "LLOQ": ("LOQ", "LLQ", "LOD"),
    "BLQ": ("BQL", "BLOQ", "BDL", "BLD"),
}
"""Column -> names in upper case that often mean it, but may mean something else."""
_INSTEAD = {"TINF": "RATE", "BLQ": "CENS"}


def other_programs(columns: dict[str, np.ndarray], asked: Set[str], notes: list[str]) -> None:
    """Read the columns of other programs that have one meaning; note those that may be meant.

    Parameters
    ----------
    columns : dict of str to ndarray
        Typed columns by name; changed in place.
    asked : set of str
        Names that the caller gave himself: they stay what they are.
    notes : list of str
        What was done is added.
    """
    own = {name.upper(): name for name in columns if name not in asked}
    for known, target in ((_COMPARTMENT, "CMT"), (_OUTPUT, "DVID")):
        found = next((word for word in known if word in own), None)
        if found is None or target in columns:
            continue
        name, read = own[found], _whole(columns[own[found]])
        keep = f"to keep it as it is, give it a name: columns={{{name!r}: 'arm'}}"
        if not read:
            notes.append(
                f"{name} ({known[found]}) is not read as {target}: it must hold whole numbers from 1; name it with "
                f"columns={{{name!r}: {target!r}}} if it is meant"
            )
            continue
        values = columns.pop(name)
        columns[target] = _dosed(columns, values) if target == "CMT" else values
        what = "the number of the state that a dose goes into" if target == "CMT" else "the number of the output"
        notes.append(f"{name} ({known[found]}) is read as {target}, {what}; {keep}")
    for target in _WORDS:
        name = meant(target, [name for name in columns if name not in asked])
        if name is None or target in columns or _INSTEAD.get(target) in columns:
            continue
        notes.append(f"there is no column {target}; if {name} is meant, name it: columns={{{name!r}: {target!r}}}")


def meant(target: str, columns: Iterable[str]) -> str | None:
    """Return a column that may be meant by AMT, DV, TINF, CMT, DVID, LLOQ or BLQ, which is not there.

    Examples
    --------
    >>> meant("DV", ["ID", "Conc"])
    'Conc'
    """
    own = {name.upper(): name for name in columns}
    return next((own[word] for word in _WORDS[target] if word in own), None)


def _whole(values: np.ndarray) -> bool:
    """Whether a column holds whole numbers from 0 on, some of them above 0; missing ones may be among them."""
    if values.dtype == object:
        return False
    known = values[~np.isnan(values)]
    return bool(known.size and (known == np.rint(known)).all() and (known >= 0).all() and (known > 0).any())


def _dosed(columns: dict[str, np.ndarray], values: np.ndarray) -> np.ndarray:
    """Return the numbers on rows that give something; missing elsewhere, and where they are 0."""
    gives = np.zeros(len(values), bool)
    for name, words in (("AMT", None), ("EVID", (1, 4, 8))):
        if name in columns and columns[name].dtype != object:
            given = np.nan_to_num(columns[name])
            gives |= given != 0 if words is None else np.isin(given, words)
    return np.where(gives & (values > 0), values.astype(float), np.nan)
