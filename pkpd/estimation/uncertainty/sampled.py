"""Samples of the estimates: what bootstrap and SIR have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.estimation.uncertainty.intervals import between_quantiles
from pkpd.options import check_level

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.record import FitRecord

__all__ = ["Sampled"]


@dataclass(frozen=True, eq=False, repr=False)
class Sampled:
    """Values that the estimates could have had.

    Attributes
    ----------
    fit : Fit
    vectors : float array, (k, n)
        Estimated vectors, on the scale of estimation.
    messages : tuple of str
        What the user should know.
    """

    fit: FitRecord
    vectors: np.ndarray
    messages: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the estimated quantities."""
        return self.fit.layout.labels

    @cached_property
    def quantities(self) -> np.ndarray:
        """Natural values in the order of ``labels``, (k, n)."""
        return np.array([self.fit.layout.quantities(x) for x in self.vectors]).reshape(len(self.vectors), -1)

    @property
    def samples(self) -> pd.DataFrame:
        """Natural values, a column for each estimated quantity."""
        import pandas as pd

        return pd.DataFrame(self.quantities, columns=list(self.labels))

    @property
    def covariance(self) -> pd.DataFrame:
        """Covariance of the natural values, labelled."""
        return self.samples.cov()

    @property
    def correlation(self) -> pd.DataFrame:
        """Correlation of the natural values, labelled."""
        return self.samples.corr()

    @property
    def se(self) -> dict[str, float]:
        """Standard deviation of the natural values by label."""
        return dict(zip(self.labels, self.quantities.std(axis=0, ddof=1).tolist(), strict=True))

    def ci(self, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """Return the interval between two quantiles by label.

        Parameters
        ----------
        level : float
            Between 0 and 1.
        """
        return between_quantiles(self.labels, self.quantities, check_level(self._who, level))

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """Return a row for each quantity: estimate, mean, median, relative bias of the mean, se, rse and interval."""
        import pandas as pd

        rows = {}
        mean, median, se = self.quantities.mean(axis=0), np.median(self.quantities, axis=0), self.se
        for k, (name, (low, high)) in enumerate(self.ci(level).items()):
            value = self.fit.estimates[name]
            relative = [(mean[k] - value) / abs(value), se[name] / abs(value)] if value else [math.nan, math.nan]
            rows[name] = [value, mean[k], median[k], relative[0], se[name], relative[1], low, high]
        columns = ["estimate", "mean", "median", "bias", "se", "rse", "low", "high"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns)

    @property
    def _who(self) -> str:
        return type(self).__name__.lower()

    def _head(self) -> list[str]:
        return []

    def __repr__(self) -> str:
        shown: Any = self.table()
        for column in ("bias", "rse"):
            shown[column] = [f"{100 * v:.1f}%" for v in shown[column]]
        table = shown.to_string(float_format=lambda v: f"{v:.4g}")
        return "\n".join([*self._head(), *(f"  {m}" for m in self.messages), table])
