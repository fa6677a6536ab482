"""How far a search is: one line on a terminal, written over as it goes on."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError

if TYPE_CHECKING:
    from pkpd.estimation.methods.optimise import Step

__all__ = ["Line", "watcher"]

QUIET, EVERY = 1.0, 0.2  # seconds before the first line, and between two


class Line:
    """Writes to standard error what a fit is doing, and for how long, once a second without being told anything.

    Parameters
    ----------
    method : str
    """

    def __init__(self, method: str) -> None:
        self.method, self.begun, self.last, self.shown = method, time.monotonic(), 0.0, False
        self.text = "first evaluation at the start values"
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._clock = threading.Thread(target=self._tick, name="pkpd-progress", daemon=True)
        self._clock.start()

    def __call__(self, step: Step) -> None:
        """Take note of a step."""
        ofv = f", OFV {step.ofv:.3f}" if step.ofv == step.ofv else ""
        self.phase(f"iteration {step.iteration}{ofv}")

    def phase(self, text: str) -> None:
        """Take note of what is being done."""
        self.text = text
        self._write(EVERY)

    def close(self) -> None:
        """End the line."""
        self._ended.set()
        self._clock.join()
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _tick(self) -> None:
        while not self._ended.wait(max(QUIET, EVERY, 0.05)):
            self._write(0.9 * QUIET)

    def _write(self, pause: float) -> None:
        with self._lock:
            now = time.monotonic()
            if now - self.begun < QUIET or now - self.last < pause:
                return
            self.last, self.shown = now, True
            sys.stderr.write(f"\r{self.method}: {self.text}, {now - self.begun:.0f} s \x1b[K")
            sys.stderr.flush()


def watcher(method: str, progress: bool | Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    """Return what a search tells its steps to: the caller's function, a line on the terminal, or nobody.

    Examples
    --------
    >>> watcher("focei", False) is None
    True
    """
    if callable(progress):
        return progress
    if progress not in (None, True, False):
        raise PkpdError(f"fit: progress must be True, False, None or a function of each step, got {progress!r}")
    wanted = sys.stderr.isatty() if progress is None else progress
    return Line(method.upper()) if wanted else None
