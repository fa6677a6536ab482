"""What is free in a study and what is believed of it before the data: priors on a parameter's own scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, TypeVar

from pkpd.errors import PkpdError, nearest
from pkpd.estimation.spreads import HalfNormal
from pkpd.model.scales import Pair, to_scale
from pkpd.options import is_number

__all__ = ["Free", "declared_for"]

T = TypeVar("T")

_SCALES = ("log", "logit", "identity")
_LEVELS = ("shared", "patient")
_POOLS = ("all", "cohort", None)
_KNOWN = ("read", "derived", "assumed")


def declared_for(values: Mapping[str, T], *keys: str) -> T | None:
    """Return what a mapping declares under the first key that it has, or for all others (``"*"``); None for nothing."""
    return next((values[k] for k in (*keys, "*") if k in values), None)


@dataclass(frozen=True, eq=False)
class Free:
    """A parameter that a study estimates, and its prior.

    The prior is normal on the scaled axis (logarithm, logit between bounds, or the value itself). A shared parameter is
    one number; one at level ``patient`` is a number per patient, either with a prior of its own (``pooling=None``) or
    ``location + spread * z`` with a location that all patients, or those of a cohort, have in common.

    Parameters
    ----------
    name : str
        Parameter of the model.
    location : (value, sd) or mapping of (value, sd)
        Median in the parameter's unit, and standard deviation **on the scaled axis**. A mapping gives one by cohort or,
        without pooling, by patient (``"seed/patient"``); ``"*"`` holds for those not named. At level ``patient`` an
        ``sd`` of 0 means that the number is known: a patient's value or, with pooling, the location.
    scale : {"log", "logit", "identity"}
        Axis of the prior.
    bounds : (float, float), optional
        Limits on the logit axis, (0, 1) by default.
    level : {"shared", "patient"}
    pooling : {"all", "cohort", None}
        Who has the location in common; for level ``patient`` only.
    spread : float or HalfNormal, optional
        Standard deviation between patients on the scaled axis, known or with a prior; needed with pooling.
    source : str
        Where the prior comes from.
    known : {"read", "derived", "assumed"}

    Raises
    ------
    PkpdError
        If the declaration contradicts itself; all faults are named.

    Examples
    --------
    >>> Free("phi", (0.5, 1.0), scale="logit", level="patient", pooling="cohort", spread=HalfNormal(1.0)).level
    'patient'
    """

    name: str
    location: Pair | Mapping[str, Pair]
    _: KW_ONLY
    scale: Literal["log", "logit", "identity"] = "log"
    bounds: Pair | None = None
    level: Literal["shared", "patient"] = "shared"
    pooling: Literal["all", "cohort"] | None = None
    spread: float | HalfNormal | None = None
    source: str = ""
    known: Literal["read", "derived", "assumed"] = "assumed"

    def __post_init__(self) -> None:
        faults = self._words()
        if not faults:
            faults = [*self._shape(), *self._numbers()]
        if faults:
            raise PkpdError(f"Free('{self.name}'): {'; '.join(faults)}")

    def _words(self) -> list[str]:
        given = {"scale": (self.scale, _SCALES), "level": (self.level, _LEVELS), "known": (self.known, _KNOWN)}
        given["pooling"] = (self.pooling, _POOLS)
        out = [] if isinstance(self.name, str) and self.name else [f"name must be text, got {self.name!r}"]
        for field, (value, allowed) in given.items():
            if value not in allowed:
                words = [str(a) for a in allowed]
                out.append(f"{field} must be {', '.join(words)}, got {value!r}{nearest(str(value), words)}")
        return out

    def _shape(self) -> list[str]:
        out = []
        mapping = isinstance(self.location, Mapping)
        if self.level == "shared" and (self.pooling or self.spread is not None or mapping):
            out.append("a shared parameter is one number: it has no pooling, no spread and one location")
        if self.level == "patient" and self.pooling and self.spread is None:
            out.append("pooling needs spread, a number or HalfNormal(scale)")
        if self.level == "patient" and not self.pooling and self.spread is not None:
            out.append("spread is for pooling='all' or 'cohort'; without pooling the sd of the location is the spread")
        if self.pooling == "all" and mapping:
            out.append("pooling='all' has one location, not a mapping")
        if self.bounds is not None and self.scale != "logit":
            out.append(f"bounds are for the logit scale, got scale '{self.scale}'")
        if isinstance(self.spread, HalfNormal) or self.spread is None:
            return out
        if not is_number(self.spread) or self.spread <= 0:
            out.append(f"spread must be a number > 0 or HalfNormal(scale), got {self.spread!r}")
        return out

    def _numbers(self) -> list[str]:
        low, high = self.limits
        if not (is_number(low) and is_number(high) and low < high):
            return [f"bounds must be finite and rise, got ({low!r}, {high!r})"]
        return [fault for key, pair in self.pairs.items() if (fault := self._pair(key, pair))]

    def _pair(self, key: str, pair: object) -> str:
        where = f"location of '{key}'" if key else "location"
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(is_number(v) for v in pair):
            return f"{where} must be (value, sd on the {self.scale} axis), got {pair!r}"
        value, sd = pair
        low, high = self.limits
        if self.scale == "log" and value <= 0:
            return f"{where}: the log scale needs a value > 0, got {value:g}"
        if self.scale == "logit" and not low < value < high:
            return f"{where}: the logit scale needs a value inside ({low:g}, {high:g}), got {value:g}"
        may_be_zero = self.level == "patient"
        if sd < 0 or (sd == 0 and not may_be_zero):
            return f"{where}: sd must be > 0, got {sd:g}; a value that is known belongs to the study's fixed"
        return ""

    @property
    def pairs(self) -> Mapping[str, Pair]:
        """Locations by key; a single one has the key ``""``."""
        return self.location if isinstance(self.location, Mapping) else {"": self.location}

    @property
    def limits(self) -> Pair:
        """Bounds on the logit axis; (0, 1) where none are given."""
        return (0.0, 1.0) if self.bounds is None else (self.bounds[0], self.bounds[1])

    @property
    def is_known(self) -> bool:
        """Whether no prior leaves anything to learn: every sd is 0, and nobody differs from a location."""
        return self.spread is None and all(sd == 0 for _, sd in self.pairs.values())

    def keys_of(self, patient: str, cohort: str) -> tuple[str, ...]:
        """Return under which keys the location of a patient is looked up, but for ``"*"``."""
        return (cohort,) if self.pooling == "cohort" else (patient, cohort)

    def value_of(self, *keys: str) -> Pair | None:
        """Return (location in the parameter's unit, sd on the scaled axis) under the first key with one, or None."""
        if not isinstance(self.location, Mapping):
            return self.location
        return declared_for(self.location, *keys)

    def location_of(self, *keys: str) -> Pair:
        """Return (location on the scaled axis, sd) under the first key that has one.

        A study that was put together has one for each of its patients and cohorts.
        """
        pair = self.value_of(*keys)
        assert pair is not None
        return to_scale(pair[0], self.scale, self.limits), float(pair[1])

    def describe(self) -> dict[str, Any]:
        """Return the declaration as plain values, for fingerprints and tables."""
        spread = {"half_normal": self.spread.scale} if isinstance(self.spread, HalfNormal) else self.spread
        pairs = dict(self.location) if isinstance(self.location, Mapping) else self.location
        return {
            "name": self.name, "location": pairs, "scale": self.scale, "bounds": self.limits, "level": self.level,
            "pooling": self.pooling, "spread": spread, "source": self.source, "known": self.known,
        }  # fmt: skip
