"""Columns of a user's table, and subjects drawn from its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pkpd.errors import PopulationError
from pkpd.people.columns import ColumnSource, check_finite, numbers, unknown
from pkpd.randomness import RESAMPLING, uniforms_at

__all__ = ["columns_of", "resampled"]

Floats = NDArray[np.float64]


def columns_of(table: Any) -> dict[str, Any]:
    """Return the columns of a data frame or of a mapping by name.

    Raises
    ------
    PopulationError
        If it is neither, has no rows, a name twice, or columns of different lengths.
    """
    keys = list(table) if isinstance(table, Mapping) else list(getattr(table, "columns", []))
    if not keys:
        raise PopulationError(f"a table is a data frame or a dict, with columns; got {type(table).__name__} {table!r}")
    names = [str(k) for k in keys]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise PopulationError(f"the table has more than one column named {', '.join(twice)}; rename or drop one")
    out = {str(k): np.atleast_1d(np.asarray(table[k])) for k in keys}
    lengths = {n: len(c) for n, c in out.items()}
    if len(set(lengths.values())) > 1:
        raise PopulationError(f"the columns of the table differ in length: {lengths}")
    if not next(iter(lengths.values())):
        raise PopulationError("the table has no rows: an empty population has nobody to simulate")
    return out


def resampled(source: ColumnSource, table: Any, known: Sequence[str]) -> dict[str, Floats]:
    """Return covariates of rows drawn with replacement, so that their joint distribution is that of the table.

    Columns that are not covariates of the model are left aside, unless their name differs only in case.
    """
    columns = columns_of(table)
    used = [n for n in known if n in columns]
    folded = {n.lower(): n for n in known}
    unknown(source.who, "covariate", [c for c in columns if c not in known and c.lower() in folded], known)
    if not used:
        raise PopulationError(
            f"{source.who}: resample: no column is a covariate of the model; the table has {', '.join(columns)}, "
            f"the model {', '.join(known) or 'no covariates'}"
        )
    values = {n: numbers(f"{source.who}: resample: column '{n}'", columns[n]) for n in used}
    for name, v in values.items():
        bad = np.flatnonzero(~np.isfinite(v))[:1]
        check_finite(f"{source.who}: resample: column '{name}'", v, [f"row {i + 1}" for i in bad])
    rows = len(next(iter(values.values())))
    pick = (uniforms_at(source.seed, source.index, 1, RESAMPLING)[:, 0] * rows).astype(np.int64)
    return {n: v[pick] for n, v in values.items()}
