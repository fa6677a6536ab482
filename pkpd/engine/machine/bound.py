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
        self._places: dict[tuple[str, ...], int] = {}
        for kind in known:
            words = _Words(kind, value)
            if words.fit:
                break
        else:
            kind = _BoundType(numba.typeof(value))
            words = _Words(kind, value)
            if not words.fit:
                raise TypeError(f"{type(value).__name__} holds what no loop can be bound to: {kind}")
            known.append(kind)
        self._numba_type_ = kind
        self._words = np.array(words.found, np.int64)
        self._places = words.places
        self.address = self._words.__array_interface__["data"][0]

    def put(self, path: tuple[str, ...], array: np.ndarray) -> None:
        """Put the numbers of another array in the place of a flat one's; the caller keeps it while it is used."""
        place, words, own = self._places[path], self._words, array.__array_interface__
        if own["typestr"] != _NUMBERS or own["strides"] is not None:
            raise TypeError(f"{'.'.join(path)} must be a contiguous array of numbers")
        words[place + 2] = words[place + 5] = array.size
        words[place + 4] = own["data"][0]


_known: dict[type, list[_BoundType]] = {}


class _Words:
    """What stands in memory for a value of a type, word by word, and where each array stands."""

    def __init__(self, kind: Any, value: Any) -> None:
        self.found: list[int] = []
        self.places: dict[tuple[str, ...], int] = {}
        self.fit = True
        self._add(kind, value, ())

    def _add(self, kind: Any, value: Any, path: tuple[str, ...]) -> None:
        for field, name, item, dtype in zip(kind, kind.fields, value, kind.dtypes, strict=True):
            if isinstance(field, ByAddress):
                self._add(field, item, (*path, name)) if isinstance(item, field.instance_class) else self._unfit()
            elif isinstance(field, types.Array):
                self._array(field, dtype, item, (*path, name))
            elif isinstance(field, types.Integer) and type(item) in _WHOLE:
                self.found.append(int(item))
            else:
                self._unfit()

    def _unfit(self) -> None:
        self.fit = False

    def _array(self, kind: types.Array, dtype: Any, array: Any, path: tuple[str, ...]) -> None:
        """Add an array as numba lays it out: owner (2), size, size of an item, address, shape, strides."""
        if (
            not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != kind.ndim
            or not array.flags.c_contiguous or array.flags.writeable != kind.mutable
        ):  # fmt: skip
            self._unfit()
            return
        self.places[path] = len(self.found)
        address = array.__array_interface__["data"][0]
        self.found += [0, 0, array.size, array.itemsize, address, *array.shape, *array.strides]
