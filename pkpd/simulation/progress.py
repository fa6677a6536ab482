"""A progress bar for long work, and a word about the one-time compilation."""

from __future__ import annotations

import functools
import sys
import threading
import time
from typing import Any

from pkpd.solve.warm import load_loop

__all__ = ["Progress", "announce_compilation"]

PATIENCE = 2.0  # seconds of silence before a bar appears


class Progress:
    """Show a bar on standard error once the work has taken two seconds.

    Parameters
    ----------
    wanted : bool or None
        None: only on a terminal.
    """

    def __init__(self, wanted: bool | None) -> None:
        self.wanted = sys.stderr.isatty() if wanted is None else wanted
        self.lock = threading.Lock()
        self.bar: Any = None
        self.task: Any = None
        self.total, self.done, self.text, self.begin = 0, 0, "", 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def start(self, total: int, text: str) -> None:
        """Announce the number of pieces of work."""
        self.total, self.done, self.text, self.begin = total, 0, text, time.monotonic()

    def advance(self, pieces: int) -> None:
        """Count finished pieces; callable from any thread."""
        if not self.wanted:
            return
        with self.lock:
            self.done += pieces
            if self.bar is None and time.monotonic() - self.begin > PATIENCE:
                self._open()
            if self.bar is not None:
                self.bar.update(self.task, completed=self.done)

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import Progress as Bar

        self.bar = Bar(console=Console(stderr=True))
        self.bar.start()
        self.task = self.bar.add_task(self.text, total=self.total)


@functools.cache
def announce_compilation(loop: str) -> None:
    """Load the loop of a method, and say so on standard error if that means compiling it for the first time."""
    text = "pkpd: compiling its solvers, once for this machine (about half a minute) ...\n"
    timer = threading.Timer(PATIENCE, sys.stderr.write, [text])
    timer.daemon = True
    timer.start()
    try:
        load_loop(loop)
    finally:
        timer.cancel()
