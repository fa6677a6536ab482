"""Result of a comparison: measures by regimen and subject, with tables of them and of their paired contrasts."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pkpd.comparison.statistics import contrast, number, summary
from pkpd.errors import PkpdError, nearest
from pkpd.kinds import Kind

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from pkpd.comparison.measure import Measure
    from pkpd.comparison.placing import Place
    from pkpd.simulation.source import Subjects

__all__ = ["DISCLAIMER", "Comparison"]

DISCLAIMER = "Research software: a simulation, not medical advice."


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Kind):
    """What several regimens do to the same subjects.

    Attributes
    ----------
    dataset : Dataset, dims (regimen, subject)
        One variable a measure, with ``units``, ``long_name``, ``better`` and ``chance``; ``mg_per_day`` and
        ``doses_per_day`` of each regimen; the window as an attribute, in ``time_unit``. NaN where a subject could not
        be solved or the measure does not exist, inf for a day that never comes. Attributes ``axis`` (what a day is),
        ``days`` (the window on that axis), ``day_zero`` and ``start`` (times of day 0 and of the start of schedules
        given as text).
    about : str
        Who the subjects are, and what the spread over them means.
    """

    kind: ClassVar[str] = "Comparison"

    dataset: xr.Dataset
    about: str

    @classmethod
    def of(
        cls,
        who: Subjects,
        place: Place,
        measures: Sequence[Measure],
        values: np.ndarray,
        window: tuple[float, float],
        notes: Sequence[str],
    ) -> Comparison:
        """Return values, shape (measure, regimen, subject), with their labels."""
        import xarray as xr

        plans = place.plans
        burden = np.array([plan.burden() for plan in plans])
        per_day = " or ".join(dict.fromkeys(f"{plan.unit or '1'}/d" for plan in plans))
        data: dict[str, Any] = {
            m.name: (
                ("regimen", "subject"),
                values[k],
                {
                    "units": m.unit,
                    "long_name": m.meaning,
                    "better": m.better,
                    "chance": int(m.chance),
                    "axis": place.axis if m.dated else "",
                },
            )
            for k, m in enumerate(measures)
        }
        coords = {
            "regimen": [plan.name for plan in plans],
            "subject": who.people.labels,
            "mg_per_day": ("regimen", burden[:, 0], {"units": per_day, "long_name": "amount per day of treatment"}),
            "doses_per_day": ("regimen", burden[:, 1], {"units": "1/d", "long_name": "doses per day of treatment"}),
        }
        attrs = {
            "model": who.model.name, "about": who.about, "window": list(window), "time_unit": who.model.time_unit,
            "note": DISCLAIMER, "axis": place.axis, "day_zero": place.day_zero, "start": place.start,
            "notes": "\n".join(notes), "days": [(time - place.day_zero) / place.day for time in window],
            "background": "" if place.background is None else str(place.background),
        }  # fmt: skip
        return cls(xr.Dataset(data, coords, attrs), who.about)

    @property
    def regimens(self) -> tuple[str, ...]:
        """Names of what is compared."""
        return tuple(str(r) for r in self.dataset["regimen"].values)

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the measures."""
        return tuple(str(m) for m in self.dataset.data_vars)

    def table(self, measures: Sequence[str] | None = None, *, coverage: float = 0.9, text: bool = True) -> pd.DataFrame:
        """Return one row per regimen and one column per measure: median and central interval over the subjects.

        Parameters
        ----------
        measures : sequence of str, optional
            All by default.
        coverage : float
            Fraction of the subjects within the interval.
        text : bool
            Cells such as ``"9.1 [6.0-14]"``, probabilities as one number; otherwise numbers, in columns (measure,
            statistic).

        Raises
        ------
        PkpdError
            If a measure is unknown or the coverage is not between 0 and 1.
        """
        import pandas as pd

        names = self._known(measures, coverage)
        columns: dict[Any, list[Any]] = {}
        for name in names:
            values, attrs = self.dataset[name].values, self.dataset[name].attrs
            rows = [
                summary(row, coverage, bool(attrs["chance"]), "never" if attrs["axis"] else "inf") for row in values
            ]
            unit = attrs["axis"] or attrs["units"]
            head = name if unit in ("1", "") else f"{name} [{unit}]"
            if text:
                columns[head] = [str(row) for row in rows]
            else:
                for statistic in rows[0].columns:
                    columns[head, statistic] = [row.columns[statistic] for row in rows]
        return pd.DataFrame(columns, index=pd.Index(self.regimens, name="regimen"))

    def ratios(
        self, to: str | None = None, measures: Sequence[str] | None = None, *, coverage: float = 0.9
    ) -> pd.DataFrame:
        """Return paired contrasts with one regimen: each subject is compared with itself.

        Parameters
        ----------
        to : str, optional
            Regimen to compare with, the first by default.
        measures : sequence of str, optional
        coverage : float
            Fraction of the subjects within the intervals.

        Returns
        -------
        DataFrame
            Rows (regimen, measure). ``ratio`` and ``difference`` are medians over the subjects, with the ends of their
            central intervals ``_low`` and ``_high``; ``P(higher)`` and, where one way is better, ``P(better)`` are
            shares of the subjects, ties (to 0.1%) counted half; ``n`` counts subjects with a value under both regimens.

        Raises
        ------
        PkpdError
            If a name is unknown.
        """
        import pandas as pd

        names = self._known(measures, coverage)
        base = self.regimens[0] if to is None else to
        if base not in self.regimens:
            raise PkpdError(
                f"comparison: no regimen '{base}'{nearest(base, self.regimens)}; it has {', '.join(self.regimens)}"
            )
        rows, keys = [], []
        for regimen in self.regimens:
            if regimen == base:
                continue
            for name in names:
                data = self.dataset[name]
                pair = (data.sel(regimen=regimen).values, data.sel(regimen=base).values)
                better = data.attrs["better"]
                found = contrast(*pair, coverage)
                found["P(better)"] = {"more": found["P(higher)"], "less": 1 - found["P(higher)"]}.get(better, np.nan)
                rows.append({"unit": data.attrs["units"], **found})
                keys.append((regimen, name))
        index = pd.MultiIndex.from_tuples(keys, names=["regimen", "measure"]) if keys else None
        table = pd.DataFrame(rows, index=index)
        table.attrs["to"] = base
        return table

    def samples(self, measure: str, regimen: str, to: str | None = None, ratio: bool = False) -> np.ndarray:
        """Return a measure of the subjects under a regimen, or its paired difference or ratio to another.

        Subjects without a value are left out.
        """
        self._known([measure], 0.9)
        values = self.dataset[measure].sel(regimen=regimen).values
        if to is not None:
            base = self.dataset[measure].sel(regimen=to).values
            with np.errstate(divide="ignore", invalid="ignore"):
                values = values / base if ratio else values - base
        return values[~np.isnan(values)]

    def definitions(self) -> pd.DataFrame:
        """Return the unit and the definition of each measure."""
        import pandas as pd

        rows = [(m, self.dataset[m].attrs["units"], self.dataset[m].attrs["long_name"]) for m in self.measures]
        return pd.DataFrame(rows, columns=["measure", "unit", "definition"]).set_index("measure")

    @property
    def head(self) -> tuple[str, ...]:
        """What a reader of the numbers must know: the axis of days, the window, what is given besides."""
        attrs = self.dataset.attrs
        low, high = (number(day) for day in attrs["days"])
        return (
            f"window: days {low} to {high} {attrs['axis'].removeprefix('day ')}",
            *filter(None, attrs["notes"].split("\n")),
        )

    def _known(self, measures: Sequence[str] | None, coverage: float) -> list[str]:
        if not 0 < coverage < 1:
            raise PkpdError(f"comparison: coverage must be between 0 and 1, got {coverage}")
        names = list(self.measures if measures is None else [measures] if isinstance(measures, str) else measures)
        strange = [n for n in names if n not in self.measures]
        if strange:
            hints = ", ".join(f"'{n}'{nearest(n, self.measures)}" for n in strange)
            raise PkpdError(f"comparison: no measure {hints}; it has {', '.join(self.measures)}")
        return names

    def __repr__(self) -> str:
        import pandas as pd

        lines = [
            f"Comparison of {len(self.regimens)} regimens in {self.about}",
            *self.head,
            "median [5-95% of the subjects]; probabilities are averages",
        ]
        with pd.option_context("display.width", 200, "display.max_columns", None, "display.max_colwidth", 40):
            lines.append(self.table().T.to_string())
        return "\n".join([*lines, DISCLAIMER])

    def _repr_html_(self) -> str:
        head = "<br>".join(html.escape(line) for line in (self.about, *self.head))
        return f"<p>{head}</p>{self.table().T.to_html()}<p><small>{DISCLAIMER}</small></p>"
