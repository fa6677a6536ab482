"""A word about the one-time compilation of the solvers."""

from __future__ import annotations

import sys
import threading

from pkpd.cache import cache_directory
from pkpd.engine.machine.jit import watchers

__all__ = ["Announcement"]

PATIENCE = 2.0  # seconds of silence


class Announcement:
    """Says on standard error that a loop is being compiled, once, if that takes longer than a moment."""

    def __init__(self) -> None:
        self.said = False
        self.timer: threading.Timer | None = None

    def begin(self, loop: str) -> None:
        """Wait for a moment, then say it."""
        if not self.said:
            self.timer = threading.Timer(PATIENCE, self._say)
            self.timer.daemon = True
            self.timer.start()

    def end(self, loop: str) -> None:
        """Say nothing of a loop that is done already."""
        if self.timer is not None:
            self.timer.cancel()

    def _say(self) -> None:
        self.said = True
        kept = "once for this machine" if cache_directory() else "which no folder can keep for the next time"
        sys.stderr.write(f"pkpd: compiling its solvers, {kept} (about ten seconds) ...\n")


_announcement = Announcement()
watchers.append((_announcement.begin, _announcement.end))
