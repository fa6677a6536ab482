"""Designs: what further would be measured, in whom, and under which changed doses; as values, and as rows of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np

from pkpd.errors import PkpdError, nearest
from pkpd.options import is_number
from pkpd.timegrid import TimeGrid, read_span

__all__ = ["Design", "LeftOut", "Schedule", "designs_from"]

_KEYS = ("every", "days", "from_day", "to_day", "reading_sd")


@dataclass(frozen=True)
class Schedule:
    """When one marker is measured.

    Parameters
    ----------
    days : tuple of float
        Days from the first dose of the studied drug; empty: one each `every` days.
    every : float
        Days.
    from_day, to_day : float or None
        First and last day; those of the design where None.
    reading_sd : float or None
        Relative standard deviation of reading; that of the design where None.
    """

    days: tuple[float, ...] = ()
    every: float = 1.0
    from_day: float | None = None
    to_day: float | None = None
    reading_sd: float | None = None

    @classmethod
    def of(cls, given: Any) -> Self:
        """Return a schedule from ``"daily"``, ``"12 h"``, days, or a table of arguments.

        Raises
        ------
        PkpdError
            If it is none of these.

        Examples
        --------
        >>> Schedule.of("12 h").every, Schedule.of([-1, 2]).days
        (0.5, (-1.0, 2.0))
        """
        if isinstance(given, cls):
            return given
        if isinstance(given, Mapping):
            if strange := [k for k in given if k not in _KEYS]:
                raise PkpdError(f"it has no '{strange[0]}'{nearest(strange[0], _KEYS)}; it has {', '.join(_KEYS)}")
            when = cls.of(given["days"]).days if "days" in given else ()
            every = cls.of(given["every"]).every if "every" in given else 1.0
            rest = {k: _number(k, given[k]) for k in _KEYS[2:] if k in given}
            return cls(when, every, **rest)
        if given == "daily":
            return cls()
        span = read_span(given)
        if isinstance(span, TimeGrid) and span[0] > 0:
            return cls(every=float(span.in_time("d")[0]))
        if isinstance(given, Sequence) and not isinstance(given, str) and given and all(is_number(d) for d in given):
            return cls(tuple(float(d) for d in given))
        raise PkpdError(f"must be 'daily', a time such as '12 h', days such as [-1, 2] or a table, got {given!r}")

    def on(self, first: float, last: float) -> np.ndarray:
        """Return the days of measurements, where the design lasts from the first day to the last."""
        if self.days:
            return np.array(self.days)
        low = first if self.from_day is None else self.from_day
        high = last if self.to_day is None else self.to_day
        return low + self.every * np.arange(int(np.floor((high - low) / self.every + 1e-9)) + 1)


@dataclass(frozen=True)
class LeftOut:
    """Doses that are not given: those of some drugs from one day on, to before another; infusions are cut.

    Parameters
    ----------
    drugs : tuple of str
    from_day : float
    to_day : float
        Never again by default.
    """

    drugs: tuple[str, ...]
    from_day: float
    to_day: float = np.inf

    @classmethod
    def of(cls, given: Any) -> Self:
        """Return it from a table of its arguments.

        Raises
        ------
        PkpdError
            If a drug or a day is missing, or the days are in the wrong order.
        """
        if isinstance(given, cls):
            return given
        known = ("drugs", "from_day", "to_day")
        if not isinstance(given, Mapping) or not {"drugs", "from_day"} <= set(given) <= set(known):
            raise PkpdError(f"must be a table with drugs, from_day and perhaps to_day, got {given!r}")
        drugs = given["drugs"]
        if isinstance(drugs, str) or not (isinstance(drugs, Sequence) and drugs):
            raise PkpdError(f"drugs must be a list of names, got {drugs!r}")
        low = _number("from_day", given["from_day"])
        high = _number("to_day", given["to_day"]) if "to_day" in given else np.inf
        if not low < high:
            raise PkpdError(f"from_day must be before to_day, got {low:g} and {high:g}")
        return cls(tuple(map(str, drugs)), low, high)


@dataclass(frozen=True)
class Design:
    """What further would be measured, and which doses would be other ones.

    Days count from the patient's first dose of the studied drug as it was given, also where doses are shifted.

    Parameters
    ----------
    name : str
        As the subject of a sentence: ``"a daily CRP over the first week"``.
    measure : mapping of output to Schedule, or to what it is read from
        ``"daily"``, ``"12 h"``, days ``[-1, 2]``, or a table with any of ``every``, ``days``, ``from_day``, ``to_day``
        and ``reading_sd``.
    label : str
        Two to four words for figures; the name by default.
    from_day, to_day : float
        First and last day of regular measurements.
    over : {"", "report"}
        ``report``: from the first day to the last that a fact of the patient speaks of, instead.
    reading_sd : float
        Relative standard deviation of reading a figure, added to the residual error of each measurement.
    patients : sequence of str, optional
        Whom it is about, ``"seed/patient"`` with wildcards; all by default.
    drug : str
        The studied drug; that of the patient's report by default.
    without : LeftOut or mapping, optional
        Doses that are not given: ``{"drugs": ["anakinra"], "from_day": 3}``.
    shift : mapping of drug to float
        Days by which all its doses are given later; earlier where negative.
    more : int
        Further patients like those of the cohort, with doses, covariates and facts like theirs, and with the
        measurements, if any.

    Raises
    ------
    PkpdError
        With all that is wrong.

    Examples
    --------
    >>> Design("a daily CRP over the first week", {"CRP": "daily"}, label="daily CRP").measure["CRP"].every
    1.0
    """

    name: str
    measure: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    from_day: float = 0.0
    to_day: float = 7.0
    over: str = ""
    reading_sd: float = 0.0
    patients: Sequence[str] | None = None
    drug: str = ""
    without: Any = None
    shift: Mapping[str, float] = field(default_factory=dict)
    more: int = 0

    def __post_init__(self) -> None:
        faults = [f"{n} must be a text, got {v!r}" for n, v in self._texts() if not isinstance(v, str)]
        if not self.name:
            faults.append("name is empty; it is the subject of a sentence in reports")
        made: dict[str, Schedule] = {}
        for marker, given in self.measure.items() if isinstance(self.measure, Mapping) else ():
            try:
                made[marker] = Schedule.of(given)
            except PkpdError as error:
                faults.append(f"measure of '{marker}': {error}")
        if not isinstance(self.measure, Mapping):
            faults.append(f"measure must be a table of markers, got {self.measure!r}")
        elif not self.measure and not self.more:
            faults.append("nothing is measured; give measure, or more patients")
        faults += [*self._days(made), *self._numbers()]
        left: LeftOut | None = None
        if self.without is not None:
            try:
                left = LeftOut.of(self.without)
            except PkpdError as error:
                faults.append(f"without: {error}")
        if faults:
            raise PkpdError(f"design '{self.name}': {'; '.join(faults)}")
        object.__setattr__(self, "measure", made)
        object.__setattr__(self, "without", left)
        object.__setattr__(self, "label", self.label or self.name)

    def _texts(self) -> list[tuple[str, Any]]:
        return [(n, getattr(self, n)) for n in ("name", "label", "over", "drug")]

    def _days(self, measure: Mapping[str, Schedule]) -> list[str]:
        """Return what is wrong with days."""
        out = [f"{n} must be a number, got {getattr(self, n)!r}" for n in ("from_day", "to_day")
               if not is_number(getattr(self, n))]  # fmt: skip
        if self.over not in ("", "report"):
            out.append(f"over must be 'report' or left out, got {self.over!r}")
        if not out:
            out += [
                f"measure of '{m}': there is no day from {self.from_day:g} to {self.to_day:g}"
                for m, s in measure.items()
                if not self.over and not s.on(self.from_day, self.to_day).size
            ]
        return out

    def _numbers(self) -> list[str]:
        """Return what is wrong with other numbers and names."""
        out = []
        if not (is_number(self.reading_sd) and self.reading_sd >= 0):
            out.append(f"reading_sd must be a number >= 0, got {self.reading_sd!r}")
        if isinstance(self.more, bool) or not isinstance(self.more, int) or self.more < 0:
            out.append(f"more must be a whole number >= 0, got {self.more!r}")
        if not (isinstance(self.shift, Mapping) and all(is_number(v) for v in self.shift.values())):
            out.append(f"shift must be a table of days by drug, got {self.shift!r}")
        if self.patients is not None and (isinstance(self.patients, str) or not self.patients):
            out.append(f"patients must be a list of names, got {self.patients!r}")
        return out


def designs_from(rows: Any, where: str = "designs") -> tuple[Design, ...]:
    """Return designs from tables, as they stand under ``[[design]]`` of a TOML file.

    Parameters
    ----------
    rows : sequence of mappings or Designs
    where : str
        Where they stand, for errors.

    Raises
    ------
    PkpdError
        With everything that is wrong in all of them.

    Examples
    --------
    >>> [d.label for d in designs_from([{"name": "a CRP on day 2", "measure": {"CRP": [2]}, "label": "CRP, day 2"}])]
    ['CRP, day 2']
    """
    known = [f.name for f in fields(Design)]
    if isinstance(rows, (str, Mapping)) or not isinstance(rows, Sequence):
        raise PkpdError(f"{where}: designs are a list of tables, [[design]], got {rows!r}")
    made: list[Design] = []
    faults: list[str] = []
    for number, row in enumerate(rows, start=1):
        if isinstance(row, Design):
            made.append(row)
            continue
        who = f"design {number}"
        if not isinstance(row, Mapping):
            faults.append(f"{who} must be a table, got {row!r}")
        elif strange := [k for k in row if k not in known]:
            hints = ", ".join(f"'{k}'{nearest(k, known)}" for k in strange)
            faults.append(f"{who} has no {hints}; it has {', '.join(known)}")
        elif "name" not in row:
            faults.append(f"{who} has no name")
        else:
            try:
                made.append(Design(**row))
            except PkpdError as error:
                faults.append(str(error))
    names = [d.name for d in made]
    faults += [f"two designs are called '{n}'" for n in dict.fromkeys(names) if names.count(n) > 1]
    if faults:
        raise PkpdError(f"{where}: {'; '.join(faults)}")
    if not made:
        raise PkpdError(f"{where}: there is no design")
    return tuple(made)


def _number(name: str, value: Any) -> float:
    if not is_number(value):
        raise PkpdError(f"{name} must be a number, got {value!r}")
    return float(value)
