"""Units of dose amounts and the exact factors between them."""

from __future__ import annotations

from fractions import Fraction

from pkpd.errors import RegimenError, UnitError
from pkpd.units import conversion

__all__ = ["UNITS", "amount_ratio", "canonical_unit", "factor", "shortest"]

UNITS: dict[str, str] = {
    **dict.fromkeys(("mg", "milligram", "milligrams"), "mg"),
    **dict.fromkeys(("ug", "mcg", "µg", "μg", "microgram", "micrograms"), "ug"),
    **dict.fromkeys(("ng", "nanogram", "nanograms"), "ng"),
    **dict.fromkeys(("g", "gram", "grams"), "g"),
    **dict.fromkeys(("u", "unit", "units"), "U"),
    **dict.fromkeys(("iu",), "IU"),
    **{word: word for word in ("mol", "mmol", "umol", "nmol")},
}
"""Lower-case spellings of amount units -> the unit."""

_SCALE: dict[str, tuple[str, Fraction]] = {
    "g": ("mass", Fraction(1)),
    "mg": ("mass", Fraction(1, 10**3)),
    "ug": ("mass", Fraction(1, 10**6)),
    "ng": ("mass", Fraction(1, 10**9)),
    "mol": ("substance", Fraction(1)),
    "mmol": ("substance", Fraction(1, 10**3)),
    "umol": ("substance", Fraction(1, 10**6)),
    "nmol": ("substance", Fraction(1, 10**9)),
}


def canonical_unit(unit: str) -> str:
    """Return the one spelling used here for an amount unit; an unknown unit stays as it is.

    Examples
    --------
    >>> canonical_unit("mcg"), canonical_unit("mg")
    ('ug', 'mg')
    """
    return UNITS.get(unit.strip().lower(), unit.strip())


def factor(unit: str, to: str) -> Fraction | None:
    """Return what an amount in one unit is multiplied by to be in another, or None if they do not convert.

    Examples
    --------
    >>> factor("g", "mg"), factor("IU", "mg")
    (Fraction(1000, 1), None)
    """
    unit, to = canonical_unit(unit), canonical_unit(to)
    if unit == to:
        return Fraction(1)
    if unit in _SCALE and to in _SCALE:
        (kind, size), (other, other_size) = _SCALE[unit], _SCALE[to]
        return size / other_size if kind == other else None
    try:
        ratio = conversion(unit, to)
    except UnitError:
        return None
    return Fraction(ratio) if ratio >= 1 else 1 / Fraction(conversion(to, unit))


def amount_ratio(who: str, unit: str | None, to: str, mixed: bool) -> Fraction:
    """Return what the amounts of a regimen are multiplied by to be in another unit.

    Parameters
    ----------
    who : str
        The regimen, for messages.
    unit, to : str
    mixed : bool
        Whether amounts without a unit were added to those in ``unit``.

    Raises
    ------
    RegimenError
        If the amounts cannot be converted.
    """
    ratio = None if unit is None else factor(unit, to)
    if mixed and ratio != 1:
        raise RegimenError(
            f"{who}: amounts without a unit were added to amounts in {unit}, which cannot be converted to {to}: give "
            "each part its unit=..."
        )
    if ratio is None:
        have = f"amounts in {unit}" if unit else "amounts without a unit (give unit=...)"
        raise RegimenError(f"{who}: {have} cannot be converted to {to}")
    return ratio


def shortest(value: float) -> str:
    """Write a number with the fewest digits that read back as the same number.

    Examples
    --------
    >>> shortest(24.0), shortest(0.1), shortest(2.5)
    ('24', '0.1', '2.5')
    """
    text = repr(float(value))
    return text.removesuffix(".0")
