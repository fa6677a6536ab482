"""An answer to a question about schedules: a sentence made of numbers, a small table, all numbers, and its caveats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from pkpd.comparison.result import DISCLAIMER
from pkpd.kinds import Kind

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.comparison.result import Comparison

__all__ = ["Answer"]


@dataclass(frozen=True, eq=False, repr=False)
class Answer(Kind):
    """A question and what the model says to it.

    Attributes
    ----------
    name : str
        Short name, for files.
    question : str
    answer : str
        One sentence made from the numbers, which can be read aloud.
    brief : DataFrame or None
        The few numbers that a reader wants beside it, as text under headings in words.
    table : DataFrame or None
        All numbers behind it.
    caveats : tuple of str
        What the answer rests on and what would change it; where it mostly reflects the prior, that comes first.
    comparisons : dict of str to Comparison
        Behind it, by patient or by scenario.
    shown : tuple of str
        Measures of the figure.
    ratios_to : str or None
        Regimen that the figure compares with.
    log : sequence of str
        Measures on a logarithmic axis.
    thresholds : mapping of measure to float
        Values that the figure marks.
    """

    kind: ClassVar[str] = "Answer"
    advice: ClassVar[str] = "its comparisons are in .comparisons"

    name: str
    question: str
    answer: str
    table: pd.DataFrame | None = None
    brief: pd.DataFrame | None = field(default=None, kw_only=True)
    caveats: tuple[str, ...] = ()
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    shown: Sequence[str] = ()
    ratios_to: str | None = None
    log: Sequence[str] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)

    @property
    def answered(self) -> bool:
        """Whether there is an answer; without one, ``answer`` says why."""
        return bool(self.comparisons)

    def __repr__(self) -> str:
        lines = [self.question, f"  {self.answer}"]
        if self.brief is not None:
            lines += [f"  {line}" for line in self.brief.to_string(index=False).splitlines()]
        lines += [f"  - {caveat}" for caveat in self.caveats]
        return "\n".join([*lines, DISCLAIMER])
