"""Rows of a data set, however a verb is given them."""

from __future__ import annotations

from typing import Any

from pkpd.dosing.events import EventTable, read_events

__all__ = ["rows_from"]


def rows_from(given: Any) -> EventTable | None:
    """Return a table as it is, a data frame as `read_events` reads it, and None for anything else.

    Raises
    ------
    DataError
        If the rows of a frame are wrong.

    Examples
    --------
    >>> import pandas as pd
    >>> rows_from(pd.DataFrame({"ID": 1, "TIME": [0, 2], "AMT": [100, 0]})).n_subjects, rows_from("100 mg once")
    (1, None)
    """
    if isinstance(given, EventTable):
        return given
    return read_events(given) if hasattr(given, "columns") and hasattr(given, "dtypes") else None
