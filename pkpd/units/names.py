"""What a unit's name means: a table of the field's usual names, and pint for any other.

Importing pint takes most of a second, so its answers are kept on disk.
"""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pkpd import cache
from pkpd.errors import UnitError, nearest
from pkpd.units.time import HOURS

if TYPE_CHECKING:
    from pint import UnitRegistry

__all__ = ["COMMON", "TOLERANCE", "Dimension", "meaning"]

#: two factors count as equal when their decimal logarithms differ by less
TOLERANCE = 1e-10


@dataclass(frozen=True)
class Dimension:
    """The meaning of a unit: a factor and exponents of base dimensions.

    Attributes
    ----------
    log10 : float
        Decimal logarithm of the factor to the base units g, m, s, mol, K, degC, U, IU, cell, copy, Eq, beat.
    exponents : tuple of (str, float)
        Base dimension and its exponent, sorted by name, exponents of 0 left out.
    """

    log10: float = 0.0
    exponents: tuple[tuple[str, float], ...] = ()

    def __mul__(self, other: Dimension) -> Dimension:
        return self._combine(other, 1)

    def __truediv__(self, other: Dimension) -> Dimension:
        return self._combine(other, -1)

    def __pow__(self, power: float) -> Dimension:
        if power == 0:
            return Dimension()
        return Dimension(self.log10 * power, tuple((k, e * power) for k, e in self.exponents))

    def _combine(self, other: Dimension, sign: int) -> Dimension:
        total = dict(self.exponents)
        for key, e in other.exponents:
            total[key] = total.get(key, 0.0) + sign * e
        kept = tuple(sorted((k, e) for k, e in total.items() if abs(e) > TOLERANCE))
        return Dimension(self.log10 + sign * other.log10, kept)

    def convertible(self, other: Dimension) -> bool:
        """Return whether both measure the same kind of quantity, whatever the factor."""
        return not self._combine(other, -1).exponents

    def same(self, other: Dimension) -> bool:
        """Return whether numbers in both units may be added as they are: same kind, same factor."""
        return self.convertible(other) and abs(self.log10 - other.log10) < TOLERANCE


def _scaled(base: str, prefixes: str, factor: float, **exponents: float) -> dict[str, Dimension]:
    """Return the base unit and its prefixed forms; factor is that of the base unit."""
    powers = {"k": 3, "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "M": 6}
    kept = tuple(sorted(exponents.items()))
    out = {base: Dimension(math.log10(factor), kept)}
    return out | {p + base: Dimension(math.log10(factor) + powers[p], kept) for p in prefixes}


#: the field's usual names; a test compares each with pint
COMMON: dict[str, Dimension] = {
    **_scaled("g", "kmunpf", 1.0, mass=1.0),
    **_scaled("L", "dcmunpf", 1e-3, length=3.0),
    **_scaled("m", "cmun", 1.0, length=1.0),
    **_scaled("mol", "kmunpf", 1.0, substance=1.0),
    **_scaled("M", "munpf", 1e3, substance=1.0, length=-3.0),
    **_scaled("Da", "k", 1.66053906892e-24, mass=1.0),
    **_scaled("U", "kmu", 1.0, enzyme_activity=1.0),
    **_scaled("IU", "kmuM", 1.0, international_unit=1.0),
    **_scaled("Eq", "mu", 1.0, equivalent=1.0),
    **_scaled("J", "k", 1e3, mass=1.0, length=2.0, time=-2.0),
    **_scaled("cal", "k", 4184.0, mass=1.0, length=2.0, time=-2.0),
    **_scaled("W", "mk", 1e3, mass=1.0, length=2.0, time=-3.0),
    "ms": Dimension(-3.0, (("time", 1.0),)),
    **{name: Dimension(math.log10(3600 * hours), (("time", 1.0),)) for name, hours in HOURS.items()},
    "l": Dimension(-3.0, (("length", 3.0),)),
    "ml": Dimension(-6.0, (("length", 3.0),)),
    "mcg": Dimension(-6.0, (("mass", 1.0),)),
    "mmHg": Dimension(math.log10(133322.387415), (("length", -1.0), ("mass", 1.0), ("time", -2.0))),
    "K": Dimension(0.0, (("temperature", 1.0),)),
    "degC": Dimension(0.0, (("temperature_reading", 1.0),)),
    "cell": Dimension(0.0, (("cell", 1.0),)),
    "cells": Dimension(0.0, (("cell", 1.0),)),
    "copies": Dimension(0.0, (("copy", 1.0),)),
    "beats": Dimension(0.0, (("beat", 1.0),)),
    "bpm": Dimension(-math.log10(60), (("beat", 1.0), ("time", -1.0))),
    "%": Dimension(-2.0),
    "percent": Dimension(-2.0),
    "1.73m^2": Dimension(math.log10(1.73), (("length", 2.0),)),
}

#: own base units, which pint lacks or takes for something else (its U is umol/min; its degC has an offset)
DEFINITIONS = (
    "U = [enzyme_activity]",
    "IU = [international_unit]",
    "cell = [cell]",
    "copy = [copy] = _ = copies",
    "Eq = [equivalent]",
    "beat = [beat]",
    "bpm = beat / minute",
    "temperature_reading = [temperature_reading]",
)


def meaning(name: str, unit: str) -> Dimension:
    """Return what one name or number of a unit text means.

    Raises
    ------
    UnitError
        If pint does not know the name either; the text names the whole unit.
    """
    if name in COMMON:
        return COMMON[name]
    if name[0].isdigit():
        value = float(name)
        if value <= 0:
            raise UnitError(f"unit '{unit}': a factor must be > 0, got {name}")
        return Dimension(math.log10(value))
    known = _stored()
    if name not in known:
        known[name] = _ask_pint(name, unit)
        _store(known)
    return known[name]


def _ask_pint(name: str, unit: str) -> Dimension:
    """Return pint's meaning of one name."""
    import pint

    registry = _registry()
    try:
        zero, one = (float(registry.Quantity(x, name).to_root_units().magnitude) for x in (0.0, 1.0))
        dimensions = registry.get_dimensionality(name)
    except (pint.errors.PintError, AssertionError, AttributeError, LookupError, TypeError, ValueError):
        raise UnitError(f"unit '{unit}': '{name}' is not a known unit{nearest(name, COMMON)}") from None
    if zero != 0 or one <= 0:
        raise UnitError(f"unit '{unit}': '{name}' has an offset or is logarithmic; use degC for a temperature")
    exponents = sorted((str(k).strip("[]"), float(str(e))) for k, e in dimensions.items())
    return Dimension(math.log10(one), tuple(exponents))


@lru_cache(maxsize=1)
def _registry() -> UnitRegistry:
    import pint

    registry = pint.UnitRegistry(on_redefinition="ignore")
    for line in DEFINITIONS:
        registry.define(line)
    return registry


@lru_cache(maxsize=1)
def _cache_name() -> str:
    """Return under what name pint's answers are kept; it changes with pint and with the definitions here."""
    from importlib.metadata import version

    return f"units-{version('pint')}-{zlib.crc32(repr(DEFINITIONS).encode()):08x}.json"


_KNOWN: dict[Path | None, dict[str, Dimension]] = {}


def _stored() -> dict[str, Dimension]:
    folder = cache.cache_directory()
    if folder not in _KNOWN:
        _KNOWN[folder] = _read()
    return _KNOWN[folder]


def _read() -> dict[str, Dimension]:
    """Return the answers on disk; what cannot be read counts as empty, since pint can answer again."""
    try:
        raw = json.loads(cache.kept(_cache_name()) or b"{}")
        return {n: Dimension(float(v[0]), tuple((str(k), float(e)) for k, e in v[1])) for n, v in raw.items()}
    except (ValueError, TypeError, LookupError, AttributeError):
        return {}


def _store(known: dict[str, Dimension]) -> None:
    """Keep the answers beside what other processes kept meanwhile."""
    known |= {k: v for k, v in _read().items() if k not in known}
    raw = {n: [d.log10, d.exponents] for n, d in sorted(known.items())}
    cache.keep(_cache_name(), json.dumps(raw).encode())
