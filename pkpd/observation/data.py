"""A data set bound to a model: which rows are observations, of which output, known how well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.other_programs import meant
from pkpd.errors import DataError, nearest
from pkpd.observation.binder import Binder
from pkpd.observation.known import Known
from pkpd.observation.levels import Levels
from pkpd.observation.reports import Joined, ReportedRows

if TYPE_CHECKING:
    from pkpd.dosing.events import EventTable
    from pkpd.model.model import Model
    from pkpd.model.residual import ResidualError

__all__ = ["BLOQ", "Channel", "FitData", "bind", "ranges", "starts"]

BLOQ = ("m3", "m4", "m1")


@dataclass(frozen=True)
class Channel:
    """Rows that are observed in one way.

    Attributes
    ----------
    output : str
        Of the model.
    observed : str
        The output whose residual error it has; another one than ``output`` for the hazard of an event.
    error : ResidualError
    known : Known
    rows : int array
        Numbers of its observations.
    continuous : bool
        Whether a constant ``log(2 pi)`` belongs to each datum.
    reported : ReportedRows, optional
        What a report says of its observations, by their numbers; ``rows`` are the first of each factor.
    """

    output: str
    observed: str
    error: ResidualError
    known: Known
    rows: np.ndarray
    continuous: bool
    reported: ReportedRows | None = None

    @property
    def every(self) -> list[np.ndarray]:
        """Numbers of the observations that each datum speaks of, in turn: one, or two of a fact about a pair."""
        return [self.rows] if self.reported is None else list(self.reported.rows)


@dataclass(frozen=True)
class FitData:
    """Observations of a data set, those of one subject side by side in the order of the table.

    Attributes
    ----------
    table : EventTable
        On the model's clock.
    labels : array, (m,)
        Of all subjects of the table.
    row : int array, (N,)
        Row in the table.
    subject : int array, (N,)
    starts : int array, (m + 1,)
        Ranges of observations of each subject.
    time : float array, (N,)
        On the table's clock.
    y : float array, (N,)
        Datum; the limit where it is censored.
    censored : int array, (N,)
        1 below ``y``, -1 above it, 0 measured.
    channels : tuple of Channel
    outputs : tuple of str
        Outputs with residual error that are observed, in the order of the model.
    varying : frozenset of str
        Covariates of the model that change within subjects.
    constant : dict of name to float array, (m,)
        The others, and the first value of those that change.
    occasion : int array, (rows of the table,)
    n_occasions : int
    messages : tuple of str
        What was found and taken care of.
    joined : Joined, optional
        The table with reports that it was made of.
    levels : Levels, optional
        Where estimated typical values differ between subjects.
    own : dict of name to float array, (m,)
        Parameters of the model that are not estimated and known to differ between subjects.
    """

    table: EventTable
    labels: np.ndarray
    row: np.ndarray
    subject: np.ndarray
    starts: np.ndarray
    time: np.ndarray
    y: np.ndarray
    censored: np.ndarray
    channels: tuple[Channel, ...]
    outputs: tuple[str, ...]
    varying: frozenset[str]
    constant: dict[str, np.ndarray]
    occasion: np.ndarray
    n_occasions: int
    messages: tuple[str, ...]
    joined: Joined | None = None
    levels: Levels | None = None
    own: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def n_subjects(self) -> int:
        """Number of subjects of the table."""
        return len(self.labels)

    @property
    def n_observations(self) -> int:
        """Number of observed rows of the table, and of reported facts."""
        facts = {fact for r in self._reported for fact in zip(self.subject[r.rows[0]], r.fact, strict=True)}
        return int(np.unique(self.row[self.measured]).size) + len(facts)

    @property
    def _reported(self) -> list[ReportedRows]:
        return [c.reported for c in self.channels if c.reported is not None]

    @property
    def reported(self) -> list[ReportedRows]:
        """What reports say, by rows of the table."""
        return [replace(r, rows=self.row[r.rows]) for r in self._reported]

    @property
    def measured(self) -> np.ndarray:
        """Which observations are data of their own, (N,): those that no report speaks of."""
        out = np.ones(self.y.size, bool)
        for r in self._reported:
            out[r.rows] = False
        return out

    def without_reports(self) -> FitData:
        """Return the observations of all subjects that no report speaks of."""
        if not self._reported:
            return self
        kept = np.flatnonzero(self.measured)
        place = np.full(self.y.size, -1)
        place[kept] = np.arange(kept.size)
        subject = self.subject[kept]
        channels = tuple(replace(c, rows=place[c.rows]) for c in self.channels if c.reported is None)
        return replace(
            self, row=self.row[kept], subject=subject, time=self.time[kept], y=self.y[kept],
            starts=np.searchsorted(subject, np.arange(self.n_subjects + 1)).astype(np.int64),
            censored=self.censored[kept], channels=channels,
            joined=None, outputs=tuple(n for n in self.outputs if any(c.observed == n for c in channels)),
        )  # fmt: skip

    @property
    def n_continuous(self) -> int:
        """Number of data with a normal density: those that the constant of the objective is left out for."""
        return sum(c.rows.size for c in self.channels if c.continuous)

    @property
    def output(self) -> np.ndarray:
        """Name of the output of each observation, (N,)."""
        names = np.empty(self.y.size, object)
        for c in self.channels:
            for rows in c.every:
                names[rows] = c.observed
        return names.astype(str)

    def of_subjects(self, chosen: np.ndarray) -> FitData:
        """Return the data of some subjects, in this order; one that comes twice is two subjects.

        Parameters
        ----------
        chosen : int array, (k,)
            Numbers of subjects.
        """
        t, k = self.table, chosen.size
        starts = np.asarray(t.starts, np.int64)
        rows, seen = ranges(starts[chosen], starts[chosen + 1]), ranges(self.starts[chosen], self.starts[chosen + 1])
        first, begins = (np.append(0, np.cumsum(np.diff(s)[chosen])).astype(np.int64) for s in (starts, self.starts))
        subject, labels = np.repeat(np.arange(k), np.diff(begins)), np.arange(1, k + 1)
        table = replace(
            t, frame=t.frame.iloc[rows].reset_index(drop=True), starts=first, labels=labels,
            clock=np.asarray(t.clock)[rows], notes=(), rows=None, lines=None,
        )  # fmt: skip
        channels = []
        for channel in self.channels:
            mine = np.zeros(self.y.size, bool)
            mine[channel.rows] = True
            here = np.flatnonzero(mine[seen])
            reported = channel.reported
            if reported is not None:
                order = np.argsort(channel.rows, kind="stable")
                own = order[np.searchsorted(channel.rows[order], seen[here])]
                reported = reported.of(own, here + reported.rows[:, own] - reported.rows[0, own])
            channels.append(replace(channel, rows=here, reported=reported))
        return replace(
            self, table=table, labels=labels, row=self.row[seen] - starts[chosen][subject] + first[subject],
            subject=subject, starts=begins, time=self.time[seen], y=self.y[seen], censored=self.censored[seen],
            channels=tuple(channels), constant={n: v[chosen] for n, v in self.constant.items()},
            occasion=self.occasion[rows], joined=None, own={n: v[chosen] for n, v in self.own.items()},
            levels=None if self.levels is None else self.levels.of(chosen),
        )  # fmt: skip


def starts(sizes: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return where parts of these sizes begin that stand one behind the other, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def ranges(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return the numbers from each first to before each last, one range after the other."""
    sizes = last - first
    ends = np.cumsum(sizes)
    return np.arange(int(ends[-1]) if ends.size else 0) + np.repeat(first - (ends - sizes), sizes)


def bind(model: Model, data: EventTable | Joined, bloq: str = "m3") -> FitData:
    """Return the observations of a data set, and how each depends on the model.

    A row with EVID 0 and MDV 0 is an observation. What it observes is said by DVID, which numbers the outputs with a
    residual error in the order of the model, or names them; without DVID it is the only such output, or that of the
    name of the row's compartment. ``CENS`` (1 below, -1 above; or ``BLQ``) marks data known to be beyond DV, or beyond
    ``LLOQ`` where there is such a column; with ``LLOQ`` alone, what is less is censored.

    Parameters
    ----------
    model : Model
    data : EventTable or Joined
    bloq : {"m3", "m4", "m1"}
        Likelihood of what is below the limit (M3 of Beal 2001), given that it is positive (M4), or no datum (M1).

    Raises
    ------
    DataError
        With all that is wrong, with rows.
    """
    if bloq not in BLOQ:
        raise DataError(f"fit: bloq must be {', '.join(BLOQ)}, got {bloq!r}{nearest(str(bloq), BLOQ)}")
    joined = data if isinstance(data, Joined) else Joined(data)
    table = joined.table
    if "DV" not in table.frame.columns:
        likely = meant("DV", table.frame.columns) or "..."
        raise DataError(
            f"{table.name}: column DV is missing; name the column of data with columns={{{likely!r}: 'DV'}}"
        )
    table = table.in_time(model.time_unit)
    b = Binder(model, table, bloq, joined.reported)
    observed = (b.frame["EVID"] == 0) & (b.frame["MDV"] == 0)
    y, censored, observed = b.censoring(observed)
    output = b.outputs(observed)
    varying, constant = b.covariates()
    occasion, n_occasions = b.occasions()
    b.look(observed, y, censored, output)
    b.problems.raise_if_any()
    rows, channels = _channels(b, np.flatnonzero(observed), output, censored)
    names = list(b.errors)
    y, censored = y[rows], censored[rows]
    for r in (c.reported for c in channels if c.reported is not None):
        y[r.rows] = r.value
    seen = {c.observed for c in channels}
    return FitData(
        table=table, labels=table.labels, row=rows, subject=b.owner[rows],
        starts=np.searchsorted(b.owner[rows], np.arange(table.n_subjects + 1)).astype(np.int64),
        time=np.asarray(table.clock, np.float64)[rows], y=y, censored=censored, channels=channels,
        outputs=tuple(n for n in names if n in seen), varying=varying, constant=constant,
        occasion=occasion, n_occasions=n_occasions, messages=tuple(b.messages), joined=joined,
    )  # fmt: skip


def _channels(
    b: Binder, rows: np.ndarray, output: np.ndarray, censored: np.ndarray
) -> tuple[np.ndarray, tuple[Channel, ...]]:
    """Return the observations (rows of the table, one twice for an event in time) and their channels."""
    parts: list[tuple[np.ndarray, str, str, ResidualError, Known]] = []
    for k, name in enumerate(b.errors):
        mine = rows[output[rows] == k]
        if not mine.size:
            continue
        error = b.errors[name]
        how = censored[mine]
        if (how != 0).any():
            if not error.has_cdf:
                raise DataError(f"fit: output '{name}' has {type(error).__name__} data, which cannot be censored")
            # other data are never below 0: given that they are not, their density is the same
            positive = b.bloq == "m4" and error.data == "normal" and (how == 1).any()
            below, measured = (Known.BETWEEN, Known.POSITIVE) if positive else (Known.BELOW, Known.MEASURED)
            parts.insert(0, (mine[how == 0], name, name, error, measured))
            parts += [(mine[how == 1], name, name, error, below), (mine[how == -1], name, name, error, Known.ABOVE)]
        else:
            parts[:0] = _split(b, mine, name, error)
    parts = [p for p in parts if p[0].size]
    together = np.concatenate([*(p[0] for p in parts), *(r.rows.ravel() for r in b.reported)])
    order = np.argsort(together, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    ends = np.cumsum([*(p[0].size for p in parts), *(r.rows.size for r in b.reported)])
    channels = [
        Channel(out, seen, error, known, np.sort(place[end - own.size : end]), error.normal and known.is_value)
        for (own, out, seen, error, known), end in zip(parts, ends, strict=False)
    ]
    for r, end in zip(b.reported, ends[len(parts) :], strict=True):
        own = place[end - r.rows.size : end].reshape(r.rows.shape)
        error = b.errors[r.output]
        channels.append(Channel(r.output, r.output, error, Known.REPORTED, own[0], False, replace(r, rows=own)))
    return together[order], tuple(channels)


def _split(b: Binder, rows: np.ndarray, name: str, error: ResidualError) -> list[Any]:
    """Return how the rows of an output are observed."""
    last = np.append(b.owner[rows][1:] != b.owner[rows][:-1], True)
    try:
        found = error.split(b.frame["DV"][rows], last)
    except DataError as fault:
        raise DataError(f"fit: output '{name}' is {fault}") from None
    outputs = b.model.outputs
    if strange := [part.output for part in found if part.output is not None and part.output not in outputs]:
        raise DataError(
            f"fit: {type(error).__name__} of output '{name}': the model has no output '{strange[0]}'"
            f"{nearest(strange[0], outputs)}; it has {', '.join(outputs)}"
        )
    return [(rows[part.rows], part.output or name, name, part.error, Known.MEASURED) for part in found]
