"""How far the chains of a sampler are, with their divergences: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from pkpd.progress import Progress

__all__ = ["ChainProgress"]

LINE_EVERY = 30.0  # seconds between lines where there is no terminal
LOOK_EVERY = 2.0  # seconds between looks at the divergences, which copy the draws so far


class ChainProgress:
    """Show draws and divergences of chains on standard error.

    Parameters
    ----------
    chains, total : int
        Chains, and draws of each, those for tuning included.
    wanted : bool or None
        None: bars on a terminal, a line every half minute elsewhere. False: nothing.
    resumed : sequence of int
        Chains that were finished before.
    """

    def __init__(self, chains: int, total: int, wanted: bool | None, resumed: Sequence[int]) -> None:
        self.total, self.resumed = total, tuple(resumed)
        self.drawn = {k: total if k in resumed else 0 for k in range(chains)}
        self.diverged = dict.fromkeys(range(chains), 0)
        self.bars = Progress(None if wanted else wanted, patience=0.0, detail="{diverged} divergences")
        self.lines = wanted is not False and not self.bars.wanted
        self.looked = self.line = self.bars.begin

    def __enter__(self) -> ChainProgress:
        if self.resumed and (self.lines or self.bars.wanted):
            sys.stderr.write(f"pkpd: {len(self.resumed)} of {len(self.drawn)} chains were finished before\n")
        for k, drawn in self.drawn.items():
            self.bars.start(self.total, f"chain {k + 1}", drawn, diverged=0)
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.close()

    def tick(self, running: Mapping[int, tuple[int, Any]]) -> None:
        """Take note of how far the running chains are: draws so far, and the sampler to ask for divergences."""
        if not self.lines and not self.bars.wanted:
            return
        now = time.monotonic()
        due = self.lines and now - self.line > LINE_EVERY
        look = now - self.looked > LOOK_EVERY and (self.bars.wanted or due)
        if look:
            self.looked = now
        for k, (drawn, sampler) in running.items():
            self.drawn[k] = drawn
            if look:
                self.diverged[k] = _divergences(sampler)
            self.bars.update(k, done=drawn, diverged=self.diverged[k])
        if due:
            self.line = now
            self._write()

    def finished(self, k: int, diverged: int) -> None:
        """Take note of a finished chain."""
        self.drawn[k], self.diverged[k] = self.total, diverged
        self.bars.update(k, done=self.total, diverged=diverged)
        if self.lines:
            self._write()

    def _write(self) -> None:
        each = ", ".join(str(drawn) for drawn in self.drawn.values())
        sys.stderr.write(
            f"pkpd: {self.bars.spent:.0f} s, draws {each} of {self.total}, {sum(self.diverged.values())} divergences\n"
        )
        sys.stderr.flush()


def _divergences(sampler: Any) -> int:
    """Return the divergences so far of a chain at work, after tuning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="More chains")  # there are no draws yet while a chain is tuned
        trace = sampler.inspect()
    stats = getattr(trace, "sample_stats", None)
    return 0 if stats is None or "diverging" not in stats else int(stats["diverging"].sum())
