"""How far a search is: one line on a terminal, written over as it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError
from pkpd.progress import Progress

if TYPE_CHECKING:
    from pkpd.estimation.methods.optimise import Step

__all__ = ["Line", "watcher"]

QUIET = 1.0  # seconds before the line appears


class Line:
    """Shows what a fit is doing, and for how long, also while it is told nothing.

    Parameters
    ----------
    method : str
    """

    def __init__(self, method: str) -> None:
        self.method = method
        self._shown = Progress(True, patience=QUIET, bars=False).watch()
        self._shown.start(None, f"{method}: first evaluation at the start values")

    def __call__(self, step: Step) -> None:
        """Take note of a step."""
        ofv = f", OFV {step.ofv:.3f}" if step.ofv == step.ofv else ""
        self.phase(f"iteration {step.iteration}{ofv}")

    def phase(self, text: str) -> None:
        """Take note of what is being done."""
        self._shown.update(text=f"{self.method}: {text}")

    def close(self) -> None:
        """End the line."""
        self._shown.close()


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
    return Line(method.upper()) if Progress(progress).wanted else None
