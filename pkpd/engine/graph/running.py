"""Whether a function of a model runs, and the time that it was given."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["clock", "clock_unit", "is_running", "running"]


class _Running(threading.local):
    """Whether a function of a model runs, and the time that it was given."""

    now: bool = False
    clock: Any = None
    unit: str | None = None


_running = _Running()


@contextlib.contextmanager
def running(time: Any = None, unit: str | None = None) -> Iterator[None]:
    """Run a function of a model: ``==`` between equations is a condition, elsewhere whether they are one object.

    Parameters
    ----------
    time : Node or float, optional
        The function's time, where it has one.
    unit : str, optional
        The unit of that time.
    """
    before = _running.now, _running.clock, _running.unit
    _running.now, _running.clock, _running.unit = True, time, unit
    try:
        yield
    finally:
        _running.now, _running.clock, _running.unit = before


def clock() -> Any:
    """Return the time that the running function of a model was given, None where there is none."""
    return _running.clock


def clock_unit() -> str | None:
    """Return the unit of time of the model whose function runs, None where none runs."""
    return _running.unit


def is_running() -> bool:
    """Tell whether a function of a model runs."""
    return _running.now
