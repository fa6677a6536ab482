"""Rows of a table of prospects, gathered by design: what texts and figures are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LITTLE", "MIDDLE", "NEW", "DesignGain", "gain_of", "ranked", "rows_about"]

#: what rows of a table are about that are no patient of the study
NEW, MIDDLE = "new patient", "middle of the cohort"
#: share of the width below which a design told next to nothing
LITTLE = 0.05


@dataclass(frozen=True)
class DesignGain:
    """What a design tells on average over some rows.

    Attributes
    ----------
    design, label : str
    rows : int
        How many.
    width_now, width, tells_now, tells : float
        Means; see :class:`pkpd.estimation.checks.prospects.api.Prospects`.
    error : float
        Monte Carlo standard error of ``width``, as if rows were independent.
    """

    design: str
    label: str
    rows: int
    width_now: float
    width: float
    tells_now: float
    tells: float
    error: float

    @property
    def narrower(self) -> float:
        """Share of the width that goes."""
        return 1.0 - self.width / self.width_now

    @property
    def is_sure(self) -> bool:
        """Whether the gain is above twice its Monte Carlo error."""
        return self.width_now - self.width > 2 * self.error

    @property
    def counts(self) -> bool:
        """Whether the gain is sure and more than a little."""
        return self.is_sure and self.narrower >= LITTLE


def rows_about(table: pd.DataFrame, about: str = "") -> list[dict[str, Any]]:
    """Return the rows of a table that are about patients of the study, or about a new one or the middle of a cohort."""
    rows: list[dict[str, Any]] = [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
    return [row for row in rows if (row["patient"] == about if about else row["patient"] not in (NEW, MIDDLE))]


def gain_of(rows: Sequence[Mapping[str, Any]]) -> DesignGain:
    """Return what the rows of one design say together."""
    mean = {n: float(np.mean([r[n] for r in rows])) for n in ("width_now", "width", "tells_now", "tells")}
    error = float(np.sqrt(sum(r["error"] ** 2 for r in rows)) / len(rows))
    return DesignGain(str(rows[0]["design"]), str(rows[0]["label"]), len(rows), error=error, **mean)


def ranked(rows: Sequence[Mapping[str, Any]]) -> list[DesignGain]:
    """Return what each design tells, most first."""
    names = dict.fromkeys(str(r["design"]) for r in rows)
    found = [gain_of([r for r in rows if r["design"] == name]) for name in names]
    return sorted(found, key=lambda g: -g.narrower)
