"""Event tables: NONMEM data sets, read as they are found and kept as they were."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.amounts import shortest
from pkpd.dosing.assemble import Parts, assemble
from pkpd.dosing.checks import Problems
from pkpd.dosing.columns import CORE
from pkpd.dosing.engine_rows import doses_by_subject, engine_records
from pkpd.dosing.record import NEAR
from pkpd.dosing.regimen import Regimen
from pkpd.dosing.rows import amount_units, event_rows
from pkpd.dosing.rules import NAMED, RecordRules, rules_from
from pkpd.dosing.source import from_file, from_frame, needs_quotes
from pkpd.dosing.table_doses import TableDoses, at_additional, given_doses, kept_additional, notes_on_rules, restarts
from pkpd.errors import DataError, nearest
from pkpd.files import write_whole
from pkpd.units.time import canonical_time, convert_time

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EventTable", "read_events"]

_MISSING = (".", "NA", "NaN", "")
_READ = ("TIME", "EVID", "CMT", "AMT", "RATE", "II", "ADDL", "SS")


@dataclass(frozen=True, eq=False, repr=False)
class EventTable:
    """Doses, observations and covariates of many subjects, one event a row, in the order of the source.

    Make one with `read_events` or `EventTable.from_regimen`. Two tables are equal if their frames are,
    on one clock.

    Attributes
    ----------
    frame : pandas.DataFrame
        ``ID TIME EVID CMT AMT RATE II ADDL SS``, ``DV`` where given, ``MDV``, then the other columns as named in the
        source. TIME and II in ``time_unit``, RATE per ``time_unit``. CMT holds numbers from 1 (0: not said) or names of
        states.
    starts : ndarray of int, shape (subjects + 1,)
        Offset of each subject's first row, and the number of rows.
    labels : ndarray, shape (subjects,)
        ID of each subject; text with ``.1``, ``.2`` ... where an ID comes again later, which is a new subject.
    covariates : tuple of str
        Other columns that hold numbers.
    clock : ndarray, shape (rows,)
        Time of each row, in ``time_unit``, as the engine counts it: TIME, but where TIME restarts at a reset (EVID 3 or
        4) the clock runs on from the row before, so that it never goes back within a subject.
    name : str
        What errors call the table.
    notes : tuple of str
        What was done to read it: rows left out, columns derived.
    rows, lines : ndarray of int, shape (rows,)
        Number of each row in its source, from 1, and its line in the file (None for a data frame).
    unit : str or None
        Of the amounts; None: that of the state dosed. A file does not say it, so it is lost on the way through one.
    rules : RecordRules
        What its records mean where programs differ; NONMEM's rules unless `read_events` was told otherwise. A table
        made by `from_regimen` has those of regimens: what is given at a time comes after the observation there, and
        doses go on after a reset.
    time_unit : str
        Of TIME, II, RATE and the clock: h as read, whatever the source's; see `in_time`. Verbs put a table on the clock
        of the model.
    """

    frame: pd.DataFrame
    starts: np.ndarray
    labels: np.ndarray
    covariates: tuple[str, ...]
    clock: np.ndarray
    name: str = "events"
    notes: tuple[str, ...] = ()
    rows: np.ndarray | None = None
    lines: np.ndarray | None = None
    unit: str | None = None
    time_unit: str = "h"
    rules: RecordRules = NAMED["nonmem"]

    @classmethod
    def from_regimen(
        cls,
        regimen: Regimen | Sequence[Regimen] | Mapping[Any, Regimen],
        times: Iterable[float],
        *,
        covariates: Mapping[str, Any] | pd.DataFrame | None = None,
    ) -> EventTable:
        """Return the table of one regimen, or of one a subject, observed at some times.

        Parameters
        ----------
        regimen : Regimen, sequence of Regimen or mapping of ID to Regimen
            Subjects are numbered from 1 unless the mapping names them.
        times : iterable of float
            Times of observation, ascending; one at the time of a dose comes before it (a trough). Bare numbers are in
            the time unit of the regimens, which must then be one; grids as of `hours` know their own.
        covariates : mapping or data frame, optional
            Value, or one value a subject, by name; rows with an ``ID`` are matched by it.

        Raises
        ------
        DataError
            If times are not finite and ascending, a covariate has another number of values than there are subjects, or
            bare times are given to regimens in different units of time.

        Examples
        --------
        >>> table = EventTable.from_regimen(Regimen(amt=100, ii=24, addl=1), [0, 12, 24], covariates={"WT": 70})
        >>> table.frame["EVID"].tolist(), table.frame["TIME"].tolist()
        ([0, 1, 0, 0, 1], [0.0, 0.0, 12.0, 24.0, 24.0])
        """
        units = amount_units(regimen)
        if len(units) > 1:
            raise DataError(
                f"event table: regimens are in different units ({', '.join(map(str, units))}); use Regimen.to"
            )
        raw = from_frame(event_rows(regimen, times, covariates), (), comments=False)
        return replace(_table(assemble(raw, None, "h"), raw.name, raw.row, None, NAMED["mrgsolve"]), unit=units[0])

    def in_time(self, unit: str) -> EventTable:
        """Return the same rows on another clock: TIME, II and RATE in another unit of time.

        Raises
        ------
        UnitError
            If it is no unit of time.

        Examples
        --------
        >>> EventTable.from_regimen(Regimen(amt=100), [12, 48]).in_time("d").frame["TIME"].tolist()
        [0.0, 0.5, 2.0]
        """
        unit = canonical_time(unit)
        if unit == self.time_unit:
            return self
        frame = self.frame.copy()
        for name in ("TIME", "II"):
            frame[name] = convert_time(frame[name].to_numpy(np.float64), self.time_unit, unit)
        rate = frame["RATE"].to_numpy(np.float64)
        frame["RATE"] = np.where(rate > 0, convert_time(rate, unit, self.time_unit), rate)
        return replace(self, frame=frame, clock=convert_time(self.clock, self.time_unit, unit), time_unit=unit)

    # -- what is in it

    def __len__(self) -> int:
        return len(self.frame)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EventTable):
            return NotImplemented
        return self.time_unit == other.time_unit and self.frame.equals(other.frame)

    __hash__ = None  # type: ignore[assignment]

    @property
    def n_subjects(self) -> int:
        """Number of subjects."""
        return len(self.labels)

    def __repr__(self) -> str:
        evid, time = self.frame["EVID"].to_numpy(), self.frame["TIME"].to_numpy()
        span = f"{shortest(time.min())} to {shortest(time.max())} {self.time_unit}"
        doses, observed = int(np.isin(evid, (1, 4)).sum()), int((evid == 0).sum())
        lines = [
            f"EventTable {self.name!r}: {_count(self.n_subjects, 'subject')}, {_count(doses, 'dose row')}, "
            f"{_count(observed, 'observation')}, {span}"
        ]
        others = [name for name in self.frame if name not in CORE and name not in self.covariates]
        lines += [f"  covariates: {', '.join(self.covariates)}"] if self.covariates else []
        lines += [f"  other columns: {', '.join(map(str, others))}"] if others else []
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)

    def subject(self, label: Any) -> EventTable:
        """Return the table of one subject.

        Raises
        ------
        DataError
            If there is no subject of that label.
        """
        texts = [str(known) for known in self.labels.tolist()]
        if str(label) not in texts:
            hint = nearest(str(label), texts)
            shown = ", ".join(texts[:8]) + (", ..." if len(texts) > 8 else "")
            raise DataError(f"{self.name}: there is no subject {label!r}; it has {shown}{hint}")
        k = texts.index(str(label))
        part = slice(self.starts[k], self.starts[k + 1])
        return replace(
            self,
            frame=self.frame.iloc[part].reset_index(drop=True),
            starts=np.array([0, part.stop - part.start]),
            labels=self.labels[k : k + 1],
            clock=self.clock[part],
            notes=(),
            rows=None if self.rows is None else self.rows[part],
            lines=None if self.lines is None else self.lines[part],
        )

    # -- what others need of it

    def records(self, states: Sequence[str]) -> np.ndarray:
        """Return all rows as the engine reads them, in the order of the table.

        Parameters
        ----------
        states : sequence of str
            The model's states, in order. Only dosed compartments must be among them: CMT of an observation may number
            an output.

        Returns
        -------
        ndarray of RECORD, shape (rows,)
            ``time`` is the table's clock; dose items of rows that give nothing are 0.

        Raises
        ------
        DataError
            If a dose goes into a compartment that the model lacks.
        """
        rows = np.arange(1, len(self) + 1) if self.rows is None else self.rows
        quoted = {name: self.frame[name].to_numpy() for name in ("ID", "TIME", "CMT")}
        return engine_records(Problems(self.name, quoted, rows, self.lines), self._columns(), self.clock, states)

    def ends_doses(self) -> np.ndarray:
        """Return which rows are resets that end doses still to come: by the rules, or as the clock starts again."""
        again = restarts(self.frame["TIME"].to_numpy(), self.starts, self.near)
        return self.frame["EVID"].isin((3, 4)).to_numpy() & (again | (self.rules.pending == "dropped"))

    def at_additional(self) -> np.ndarray:
        """Return which observations have the very time of an additional dose (without lag), which side `rules` say."""
        return at_additional(self._columns(), self.clock, self.starts, self.rules, self.near)

    def kept_additional(self) -> np.ndarray:
        """Return how many additional doses each row gives up to its subject's last row; see `rules`."""
        doses = self.given()
        return np.bincount(doses.row[doses.number > 0], minlength=len(self))

    def given(self) -> TableDoses:
        """Return all doses that are given up to each subject's last row, one by one, without lag; see `rules`."""
        return given_doses(self._columns(), self.clock, self.starts, self.rules, self.near)

    @property
    def near(self) -> float:
        """Times no further apart than this are one time, in ``time_unit``."""
        return convert_time(NEAR, "h", self.time_unit)

    def _columns(self) -> dict[str, np.ndarray]:
        return {name: self.frame[name].to_numpy() for name in _READ}

    def regimens(self) -> dict[Any, Regimen]:
        """Return each subject's doses and resets as a regimen, by label, in the units and on the clock of the table.

        The regimens give the same doses at the same times: additional doses that a later row ends by the table's rules
        are left out. What they do not say is the side of an observation at the very time of a dose: on a grid it comes
        before the dose, in a table as `rules` say. A lagged dose that is on its way at a reset goes on in a regimen.

        Raises
        ------
        DataError
            If a compartment is switched off, which no regimen can say.
        """
        values = self._columns()
        values["ADDL"], _ = kept_additional(values, self.clock, self.starts, self.rules, self.near)
        doses = doses_by_subject(self.name, values, self.clock, self.starts)
        return {
            label: Regimen(doses=own, unit=self.unit, time_unit=self.time_unit, name=str(label))
            for label, own in zip(self.labels.tolist(), doses, strict=True)
        }

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table, in h, so that `read_events` returns it; missing values are written as a full stop."""
        frame = self.in_time("h").frame
        texts = {name: {t for t in frame[name].tolist() if isinstance(t, str)} for name in frame}
        # Without quotes these would come back as something else; the writer of csv does not see it.
        quoted = any(needs_quotes(label, _MISSING) for label in texts["ID"])
        quoted |= any("\r" in text for column in texts.values() for text in column)
        how = csv.QUOTE_NONNUMERIC if quoted else csv.QUOTE_MINIMAL
        write_whole(Path(path), frame.to_csv(index=False, na_rep=".", quoting=how))


def read_events(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    columns: Mapping[str, str] | None = None,
    time_unit: str = "h",
    missing: Sequence[str] = _MISSING,
    names: Sequence[str] | None = None,
    decimal: str = ".",
    rules: str | Mapping[str, str] | RecordRules = "nonmem",
) -> EventTable:
    """Read a NONMEM data set from a text file or a data frame.

    Reserved columns (``ID TIME DATE DAT1 DAT2 DAT3 EVID CMT AMT RATE TINF II ADDL SS DV MDV DVID OCC BLQ LLOQ CENS
    LIMIT L2 PCMT CALL CONT``) may be written in any case; other columns are kept as named, those of numbers as
    covariates. IDs are texts (``007`` and ``7`` are two persons), and whole numbers only where every one reads back as
    it is written. Comment rows (a first field that starts with ``#``, ``@`` or, beside numeric IDs, ``C``), what stands
    above the row that names the columns, and a first column without a name that counts rows are left out.
    Missing dose items are 0. Without EVID a row with an amount is a dose. ``DATE``, ``DAT1``, ``DAT2`` or ``DAT3`` with
    TIME, times of day such as ``10:30`` and date-times become hours since the subject's first record; the date and time
    are kept as text in a column ``WHEN``. ``TINF``, the duration of an infusion, becomes ``RATE`` (0: a bolus). ``ADM``
    and ``YTYPE`` of Monolix, ``INPUT`` and ``OUTEQ`` of Pmetrics are read as CMT and DVID where these are not there.
    ``notes`` say what was done, and what is likely not meant.

    A covariate may change from row to row. A model carries it forward, from its row to the next, unless it declares
    ``Covariate(..., carry="backward")``, which is NONMEM's rule, or ``"linear"``.

    Parameters
    ----------
    source : path or pandas.DataFrame
        Text with a header line, separated by commas, semicolons, tabs or blanks; or a data frame.
    columns : mapping, optional
        Names to change: ``{"Subject": "ID", "conc": "DV"}``.
    time_unit : str
        Unit of TIME, II, TINF and of time in RATE: ``s min h d w``. The table is in h whatever it is.
    missing : sequence of str
        What marks a missing value.
    names : sequence of str, optional
        Names of the columns, for a file that does not name them.
    decimal : {".", ","}
        What stands before decimals in text.
    rules : str, mapping or RecordRules
        What records mean where programs differ: ``"nonmem"``, ``"mrgsolve"``, or NONMEM's with some changed, such as
        ``{"pending": "kept", "lagged": "after", "additional": "after"}``: additional doses that are still to come at
        a reset (EVID 3 or 4), a lagged dose that enters at the very time of a row, an additional dose at the very time
        of a row. NONMEM drops the first and counts a row at the time of such a dose as after it (a peak, not a
        trough); ``notes`` say where that matters.

    Returns
    -------
    EventTable

    Raises
    ------
    DataError
        With all kinds of rows that are wrong, how many there are and the first of each; or columns that are missing,
        given twice or hold text instead of numbers; or what the file is, if it is no text.

    Examples
    --------
    >>> import pandas as pd
    >>> table = read_events(pd.DataFrame({"id": 1, "time": [0, 2], "amt": [100, "."], "dv": [".", 4.2], "WT": 70}))
    >>> table
    EventTable 'events': 1 subject, 1 dose row, 1 observation, 0 to 2 h
      covariates: WT
      note: EVID is derived: 1 where AMT is not 0, 2 where MDV is 1, 0 elsewhere
    """
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        if names is not None:
            raise DataError("read_events: names are for a file without a header; set the columns of the data frame")
        raw = from_frame(source, missing, rename=columns)
    elif isinstance(source, str | os.PathLike):
        raw = from_file(Path(source), missing, names=names, rename=columns)
    else:
        remedy = "; give .to_pandas()" if hasattr(source, "to_pandas") else ""
        raise DataError(f"read_events takes a path or a data frame of pandas, got {type(source).__name__}{remedy}")
    chosen = rules_from(rules)
    parts = assemble(raw, columns, time_unit, decimal)
    return _table(parts, raw.name, raw.row, raw.line, chosen)


def _table(parts: Parts, name: str, rows: np.ndarray, lines: np.ndarray | None, rules: RecordRules) -> EventTable:
    """Put the parts into a table."""
    import pandas as pd

    problems = Problems(name, parts.columns, rows, lines)
    more = notes_on_rules(problems, parts.columns, parts.clock, parts.starts, rules)
    return EventTable(
        frame=pd.DataFrame(parts.columns),
        starts=parts.starts,
        labels=parts.labels,
        covariates=parts.covariates,
        clock=parts.clock,
        name=name,
        notes=(*parts.notes, *more),
        rows=rows,
        lines=lines,
        rules=rules,
    )


def _count(n: int, what: str) -> str:
    """Write a number of things."""
    return f"{n} {what}{'' if n == 1 else 's'}"
