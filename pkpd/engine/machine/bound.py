"""Named tuples of arrays that a loop is called with again and again, written to memory once.

To look at each array of a call costs more than a short solution does. Here they are looked at when they are bound; the
loop then gets one address.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.datamodel.models import PrimitiveModel
from numba.core.datamodel.registry import register_default
from numba.core.pythonapi import NativeValue, unbox
from numba.np.numpy_support import as_dtype

from pkpd.engine.machine.held import ByAddress

__all__ = ["Bound"]

_NUMBERS = np.dtype(np.float64).str
_WHOLE = (int, np.int64)
_BYTES = ir.IntType(8).as_pointer()


class _BoundType(ByAddress):
    """A named tuple that lies at an address which Python knows."""


@register_default(_BoundType)
class _BoundModel(PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _BYTES)


@unbox(_BoundType)
def _address(kind: Any, value: Any, c: Any) -> NativeValue:
    number = c.pyapi.object_getattr_string(value, "address")
    address = c.pyapi.long_as_voidptr(number)
    c.pyapi.decref(number)
    return NativeValue(address)


class Bound:
    """A named tuple of arrays, whole numbers and such tuples, to be handed to a loop as it is.

    It keeps the arrays; one thread at a time may change what it holds.

    Parameters
    ----------
    value : named tuple

    Raises
    ------
    TypeError
        If an array is not contiguous, or a value of another kind.
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        known = _known.setdefault(type(value), [])
        for layout in known:
            words = layout.words(value)
            if words is not None:
                break
        else:
            layout = _Layout(_BoundType(numba.typeof(value)))
            words = layout.words(value)
            if words is None:
                raise TypeError(f"{type(value).__name__} holds what no loop can be bound to: {layout.kind}")
            known.append(layout)
        self._numba_type_ = layout.kind
        self._words = np.array(words, np.int64)
        self._places = layout.places
        self.address = self._words.__array_interface__["data"][0]

    def put(self, path: tuple[str, ...], array: np.ndarray) -> None:
        """Put the numbers of another array in the place of a flat one's; the caller keeps it while it is used."""
        place, words, own = self._places[path], self._words, array.__array_interface__
        if own["typestr"] != _NUMBERS or own["strides"] is not None:
            raise TypeError(f"{'.'.join(path)} must be a contiguous array of numbers")
        words[place + 2] = words[place + 5] = array.size
        words[place + 4] = own["data"][0]


class _Layout:
    """What stands in memory for a value of a type, word by word, and where each array stands."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self.places: dict[tuple[str, ...], int] = {}
        self.size = 0
        self.fields = self._fields(kind, ())

    def _fields(self, kind: Any, path: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """Return for each field a class and its fields, or the dtype and dimensions of an array, or nothing more."""
        out: list[tuple[Any, ...]] = []
        for field, name in zip(kind, kind.fields, strict=True):
            own = (*path, name)
            if isinstance(field, ByAddress):
                out.append((_TUPLE, field.instance_class, self._fields(field, own)))
            elif isinstance(field, types.Array):
                self.places[own] = self.size
                self.size += 5 + 2 * field.ndim
                out.append((_ARRAY, as_dtype(field.dtype), field.ndim, field.mutable))
            elif isinstance(field, types.Integer):
                self.size += 1
                out.append((_INTEGER,))
            else:
                out.append((_NOTHING,))
        return out

    def words(self, value: Any) -> list[int] | None:
        """Return the words for a value, or None if it does not fit."""
        found: list[int] = []
        return found if _lay(self.fields, value, found) else None


_TUPLE, _ARRAY, _INTEGER, _NOTHING = range(4)
_known: dict[type, list[_Layout]] = {}


def _lay(fields: list[tuple[Any, ...]], value: Any, found: list[int]) -> bool:
    """Add the words of a tuple, and tell whether it fits; an array is laid out as numba does it.

    That is: owner (2), size, size of an item, address, shape, strides.
    """
    for field, item in zip(fields, value, strict=True):
        if field[0] == _ARRAY:
            _, dtype, ndim, mutable = field
            if not isinstance(item, np.ndarray) or item.dtype != dtype or item.ndim != ndim:
                return False
            flags = item.flags
            if not flags.c_contiguous or flags.writeable != mutable:
                return False
            found += (0, 0, item.size, item.itemsize, item.__array_interface__["data"][0], *item.shape, *item.strides)
        elif field[0] == _TUPLE:
            if not isinstance(item, field[1]) or not _lay(field[2], item, found):
                return False
        elif field[0] == _INTEGER and type(item) in _WHOLE:
            found.append(int(item))
        else:
            return False
    return True
