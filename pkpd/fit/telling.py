"""How far a search is: one line on a terminal, written over as it goes on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pkpd.fit.optimise import Step

__all__ = ["SEARCHES", "Line", "watcher"]

#: methods that tell of each step of a search
SEARCHES = ("fo", "foce", "focei", "laplace", "nlme", "saem", "map", "naive_pooled")
QUIET, EVERY = 1.0, 0.2  # seconds before the first line, and between two


class Line:
    """Writes iteration and objective of a search to standard error.

    Parameters
    ----------
    method : str
    """

    def __init__(self, method: str) -> None:
        self.method, self.begun, self.last, self.shown = method, time.monotonic(), 0.0, False

    def __call__(self, step: Step) -> None:
        """Take note of a step."""
        now = time.monotonic()
        if now - self.begun < QUIET or now - self.last < EVERY:
            return
        self.last, self.shown = now, True
        ofv = f", OFV {step.ofv:.3f}" if step.ofv == step.ofv else ""
        sys.stderr.write(f"\r{self.method}: iteration {step.iteration}{ofv}, {now - self.begun:.0f} s \x1b[K")
        sys.stderr.flush()

    def close(self) -> None:
        """End the line."""
        if self.shown:
            sys.stderr.write("\r\x1b[K")
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
    wanted = sys.stderr.isatty() if progress is None else progress
    return Line(method.upper()) if wanted and method in SEARCHES else None
