"""What is wrong with a seed folder: every fault with its place, and all of them in one report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pkpd.errors import DataError
from pkpd.evidence.words import SUPERSEDED, USES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Report", "SeedFault", "fault_text"]


@dataclass(frozen=True, slots=True)
class SeedFault:
    """One thing that is wrong in a seed folder.

    Attributes
    ----------
    file : str
        File in the folder.
    line : int or None
        Line in the file, from 1; None where the whole file is meant.
    column : str
        Column of a table, or key of the source card; empty where the whole line is meant.
    problem : str
        What is wrong.
    got : str or None
        What stands there.
    remedy : str
        What is allowed, or what to do, with the nearest known word.

    Examples
    --------
    >>> print(SeedFault("facts.csv", 7, "use", "unknown word", "fti", "allowed: fit, check, no (did you mean 'fit'?)"))
    facts.csv, line 7, use: unknown word, got 'fti'; allowed: fit, check, no (did you mean 'fit'?)
    """

    file: str
    line: int | None
    column: str
    problem: str
    got: str | None = None
    remedy: str = ""

    def __str__(self) -> str:
        place = [self.file] + ([f"line {self.line}"] if self.line is not None else [])
        text = ", ".join([*place, self.column] if self.column else place) + f": {self.problem}"
        if self.got is not None:
            text += f", got {self.got!r}"
        return f"{text}; {self.remedy}" if self.remedy else text


@dataclass(frozen=True)
class Report:
    """What `validate_seed` found.

    Attributes
    ----------
    name : str
        Name of the folder.
    path : Path
        The folder.
    faults : tuple of SeedFault
        All that is wrong, by file and line.
    counts : mapping of str to int
        Patients, rows of each table, facts by use.
    """

    name: str
    path: Path
    faults: tuple[SeedFault, ...]
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    @property
    def table(self) -> pd.DataFrame:
        """The faults as a table: file, line, column, problem, got, remedy."""
        import pandas as pd

        names = list(SeedFault.__dataclass_fields__)
        rows = [[getattr(fault, name) for name in names] for fault in self.faults]
        return pd.DataFrame(rows, columns=names).astype({"line": "Int64"})

    def raise_if_any(self) -> None:
        """Raise DataError with the text of this report if anything is wrong."""
        if self.faults:
            raise DataError(str(self))

    def __str__(self) -> str:
        if self.ok:
            rows = ", ".join(f"{what} {n}" for what, n in self.counts.items() if what not in (*USES, SUPERSEDED))
            uses = ", ".join(f"{use} {self.counts[use]}" for use in (*USES, SUPERSEDED) if use in self.counts)
            return f"seed '{self.name}': no faults; {rows}{f' ({uses})' if uses else ''}"
        files = len({fault.file for fault in self.faults})
        where = f" in {files} file{'s' if files > 1 else ''} of {self.path}"
        return fault_text(f"seed '{self.name}'", self.faults, where)

    __repr__ = __str__


def fault_text(who: str, faults: Sequence[SeedFault], where: str = "") -> str:
    """Return how many faults there are, and each in a line of its own.

    Parameters
    ----------
    who : str
        Whose they are.
    where : str
        What follows their number.
    """
    count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
    return "\n".join([f"{who}: {count}{where}", *(f"  {fault}" for fault in faults)])
