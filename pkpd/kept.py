"""What was made last is kept, by a key that says what it was made of."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Kept"]

T = TypeVar("T")


class Kept(Generic[T]):
    """Keeps so many values, those used last.

    Examples
    --------
    >>> kept = Kept[str](2)
    >>> [kept(n, lambda n=n: f"made of {n}") for n in (1, 2, 1, 3)][-1], list(kept.values)
    ('made of 3', [1, 3])
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.values: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = Lock()

    def __call__(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key, made if it is not kept; of two made at once by two threads the first stays."""
        with self._lock:
            if key in self.values:
                self.values.move_to_end(key)
                return self.values[key]
        made = make()
        with self._lock:
            value = self.values.setdefault(key, made)
            while len(self.values) > self.most:
                self.values.popitem(last=False)
        return value
