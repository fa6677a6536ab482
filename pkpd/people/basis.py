"""What the numbers of people mean: the clock and the units of the model that they were made for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pkpd.units import parse
from pkpd.units.time import canonical_time

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["Basis"]


@dataclass(frozen=True)
class Basis:
    """The clock and the units that people's numbers are in.

    Attributes
    ----------
    time_unit : str
        Of the times at which covariates change.
    units : mapping of name to str
        Of the model's parameters and covariates.
    scales : mapping of name to str
        On which parameters vary, of those that do.
    """

    time_unit: str
    units: Mapping[str, str]
    scales: Mapping[str, str]

    @classmethod
    def of(cls, model: Model) -> Basis:
        """Return that of a model."""
        named = {**model.parameters, **model.covariates}
        varying = (*model.etas, *model.iov_etas)
        units = {name: each.unit for name, each in named.items()}
        return cls(model.time_unit, units, {name: model.parameters[name].scale for name in varying})

    def others(self, own: Basis, names: Iterable[str], timed: bool = True) -> list[str]:
        """Return in words what some names, and times where they matter, are in other units here than there."""
        out = [
            f"{n} in {self.units[n] or '1'} ({own.units[n] or '1'})"
            for n in names
            if self.units[n] != own.units[n] and not parse(self.units[n]).same(parse(own.units[n]))
        ]
        if timed and canonical_time(self.time_unit) != canonical_time(own.time_unit):
            out.append(f"times in {self.time_unit} ({own.time_unit})")
        return out
