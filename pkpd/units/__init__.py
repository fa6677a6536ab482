"""Units of the field (``mg/L``, ``10^9/L``, ``mL/min/1.73m^2``) as vectors of base dimensions."""

from __future__ import annotations

from functools import lru_cache

from pkpd.errors import UnitError
from pkpd.units.grammar import factors, spell
from pkpd.units.names import Dimension, meaning

__all__ = ["Dimension", "canonical", "conversion", "divide", "factors", "multiply", "parse", "spell"]


@lru_cache(maxsize=4096)
def parse(unit: str) -> Dimension:
    """Return the meaning of a unit text.

    Names multiply with ``*``, ``.`` or a space and divide with ``/`` from left to right; exponents are written ``m^2``,
    ``m**2``, ``m2`` or ``h-1``; ``""``, ``1`` and ``-`` are dimensionless. ``U``, ``IU``, ``cells``, ``copies``,
    ``Eq`` and ``degC`` (a reading, no difference of kelvins) are base units of their own, so ``10^9/L`` and
    ``cells/uL`` do not convert. ``mL/min/1.73m^2`` is a clearance per body surface: it converts to ``mL/min/m^2``,
    not to ``mL/min``. Any other number under the line with a unit (``L/h/70kg``) is refused, since the field means the
    value *at* 70 kg by it.

    Parameters
    ----------
    unit : str
        Unit text.

    Raises
    ------
    UnitError
        If the text cannot be read or holds an unknown name.

    Examples
    --------
    >>> parse("mg/L").same(parse("ug/mL")), parse("U/L").convertible(parse("IU/L"))
    (True, False)
    """
    total = Dimension()
    for name, exponent in factors(unit):
        total = total * meaning(name, unit) ** exponent
    return total


def canonical(unit: str) -> str:
    """Return the unit in this library's spelling.

    Examples
    --------
    >>> canonical("L.h-1"), canonical("µg/mL"), canonical("1")
    ('L/h', 'ug/mL', '')
    """
    parse(unit)
    return spell(factors(unit))


def multiply(a: str, b: str) -> str:
    """Return the unit of a product.

    Examples
    --------
    >>> multiply("mg/L", "h")
    'mg*h/L'
    """
    return spell(factors(a) + factors(b))


def divide(a: str, b: str) -> str:
    """Return the unit of a ratio.

    Examples
    --------
    >>> divide("mg", "mg/L")
    'L'
    """
    return spell(factors(a) + tuple((n, -e) for n, e in factors(b)))


def conversion(source: str, target: str) -> float:
    """Return the number by which a value in ``source`` is multiplied to be in ``target``.

    Raises
    ------
    UnitError
        If the units measure different things.

    Examples
    --------
    >>> conversion("g/L", "ug/mL"), conversion("h", "min")
    (1000.0, 60.0)
    """
    a, b = parse(source), parse(target)
    if not a.convertible(b):
        raise UnitError(f"unit '{source}' cannot be converted to '{target}': {_kind(a)} against {_kind(b)}")
    shift = a.log10 - b.log10
    factor = 10.0 ** abs(shift)
    # the logarithm costs the last digits; nearly all factors are whole numbers or their inverses
    if abs(factor - round(factor)) < 1e-13 * factor:
        factor = float(round(factor))
    return factor if shift >= 0 else 1.0 / factor


def _kind(d: Dimension) -> str:
    return spell(d.exponents) or "dimensionless"
