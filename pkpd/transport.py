"""Values that travel to other processes: functions by value, and without what can be computed again."""

from __future__ import annotations

import contextlib
import copyreg
import io
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar

__all__ = ["frozen", "packed", "without_computed"]

#: modules of files that are loaded by path, which no other process can import by name
BY_PATH = ("pkpd_model_", "pkpd_content_")


K = TypeVar("K")
V = TypeVar("V")


def frozen(mapping: Mapping[K, V]) -> Mapping[K, V]:
    """Return a mapping of the same entries that cannot be changed, but travels.

    Examples
    --------
    >>> frozen({"a": 1})["a"]
    1
    """
    return MappingProxyType(dict(mapping))


def _reduce(mapping: Any) -> tuple[Any, tuple[Any]]:
    return frozen, (dict(mapping),)


copyreg.pickle(MappingProxyType, _reduce)


def without_computed(value: Any) -> dict[str, Any]:
    """Return the attributes of an object that were given, not computed at their first use and kept."""
    kind = type(value)
    return {k: v for k, v in vars(value).items() if not isinstance(getattr(kind, k, None), cached_property)}


def packed(value: Any) -> bytes:
    """Return a value as bytes that ``pickle.loads`` reads in a process that has this package.

    Functions of a notebook, a script or a model file, lambdas too, go by value with all that they use; those of
    installed modules by name.
    """
    import cloudpickle

    target = io.BytesIO()
    with _by_value():
        cloudpickle.CloudPickler(target).dump(value)
    return target.getvalue()


@contextlib.contextmanager
def _by_value() -> Iterator[None]:
    """Let functions of files that were loaded by path travel by value."""
    import cloudpickle

    known = cloudpickle.list_registry_pickle_by_value()
    modules: list[ModuleType] = [m for n, m in list(sys.modules.items()) if n.startswith(BY_PATH) and n not in known]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
