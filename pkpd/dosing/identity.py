"""Who a row belongs to: identifiers are texts, and numbers only where no text is lost by it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from pkpd.errors import DataError

__all__ = ["identifiers", "label_text", "label_texts", "plain_text", "rounded"]

_INT64 = 2**63
_EXACT = {2: 2**11, 4: 2**24}
"""Bytes of a float -> from where whole numbers have no float of their own."""


def label_text(value: Any) -> str:
    """Return the text of one identifier.

    Raises
    ------
    DataError
        If it is a float so large that its neighbours have no float of their own.

    Examples
    --------
    >>> label_text(7), label_text(7.0), label_text("007"), label_text(3.25)
    ('7', '7', '007', '3.25')
    """
    if isinstance(value, bytes):
        return plain_text(value)
    if not isinstance(value, (float, np.floating)):
        return str(value.item()) if isinstance(value, np.generic) else str(value)
    if not float(value).is_integer():
        return str(value)
    size = value.itemsize if isinstance(value, np.floating) else 8
    if abs(value) >= _EXACT.get(size, 2**53):
        raise DataError(
            f"ID {value:.0f} is a float, in which numbers of this size run together; read the column as text "
            "(pandas: dtype={'ID': str})"
        )
    return str(int(value))


def plain_text(value: Any) -> str:
    """Return the text of a cell; bytes, as pandas reads them from SAS, are UTF-8 or Latin-1.

    Examples
    --------
    >>> plain_text(b"M"), plain_text(7)
    ('M', '7')
    """
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def label_texts(values: Iterable[Any]) -> np.ndarray:
    """Return the texts of identifiers as an object array.

    Examples
    --------
    >>> label_texts([1, 2.0, "3.10"]).tolist()
    ['1', '2', '3.10']
    """
    texts = [value if type(value) is str else label_text(value) for value in values]
    out = np.empty(len(texts), dtype=object)
    out[:] = texts
    return out


def identifiers(values: np.ndarray, *, exponents: bool = False) -> np.ndarray:
    """Return identifiers as int64 where every one reads back as the same text, else as the texts that they are.

    Parameters
    ----------
    values : ndarray of int64 or of str
        As written, none missing.
    exponents : bool
        Whether ``1.2000E+01`` is a way to write 12, as in the tables that NONMEM writes. It stays text where two
        different texts would be one number.

    Examples
    --------
    >>> [identifiers(label_texts(texts)).tolist() for texts in (["1", "12"], ["1", "012"])]
    [[1, 12], ['1', '012']]
    """
    if values.dtype != object:
        return values.astype(np.int64)
    distinct = dict.fromkeys(values.tolist())
    numbers = {text: _whole(text, exponents) for text in distinct}
    if any(number is None for number in numbers.values()) or len(set(numbers.values())) < len(distinct):
        return values
    return np.array([numbers[text] for text in values.tolist()], dtype=np.int64)


def _whole(text: str, exponents: bool) -> int | None:
    """Return the number that a text writes, or None where it is not written back alike."""
    try:
        number = int(text) if not exponents else int(float(text)) if float(text).is_integer() else None
    except (ValueError, OverflowError):
        return None
    if number is None or not -_INT64 <= number < _INT64:
        return None
    return number if exponents or str(number) == text else None


def rounded(texts: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return which identifiers were written with fewer digits than their numbers have, as 1.2346E+05.

    Examples
    --------
    >>> rounded(label_texts(["1.2346E+05", "1.2000E+01"]), np.array([123460, 12])).tolist()
    [True, False]
    """
    digits = [sum(c.isdigit() for c in text.lower().partition("e")[0]) if "e" in text.lower() else 99 for text in texts]
    return np.abs(numbers) >= 10.0 ** np.array(digits)
