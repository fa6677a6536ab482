"""Curves of single subjects under a fit, on times between their observations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.estimation.checks.fitted import Fitted
from pkpd.kinds import needs
from pkpd.observation.data import Channel, FitData
from pkpd.observation.known import Known
from pkpd.options import checked

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.dosing.events import EventTable
    from pkpd.estimation.result import Fit

__all__ = ["curves", "dense"]

_NOTHING = ("AMT", "RATE", "II", "ADDL", "SS")


@checked
def curves(
    fit: Fit, points: int = 200, outputs: Sequence[str] | None = None, *, end: float | None = None
) -> xr.Dataset:
    """Return the population and the individual prediction of each subject from its first to its last row.

    Parameters
    ----------
    fit : Fit
    points : int
        Times of each subject, beside those around its doses.
    outputs : sequence of str, optional
        Among the observed ones; all by default.
    end : float, optional
        Time to end at for all, in the model's time unit; a subject's last observation by default.

    Returns
    -------
    xarray.Dataset
        PRED and IPRED over output, subject and point; ``time`` over subject and point, NaN behind a subject's last.

    Raises
    ------
    DataError
        If an output is not observed, or points are fewer than 2.

    Notes
    -----
    Between rows of the data set covariates are carried as the model declares it; the occasion is the one of the row
    before.
    """
    needs("curves", fit, ("Fit",), "pkpd.fit makes one")
    import xarray as xr

    known = [o for o in fit.model.outputs if o in fit.problem.outputs]
    chosen = list(known) if outputs is None else [outputs] if isinstance(outputs, str) else list(outputs)
    if strange := [o for o in chosen if o not in known]:
        hints = ", ".join(f"'{o}'{nearest(o, known)}" for o in strange)
        raise DataError(f"curves: {hints} is not observed; observed outputs are {', '.join(known)}")
    _check(fit, points, end)
    data = dense(fit, points, end)
    sizes = np.diff(data.starts)
    shape = (len(chosen), fit.data.n_subjects, int(sizes.max(initial=1)))
    time = np.full(shape[1:], np.nan)
    pred, ipred = np.full(shape, np.nan), np.full(shape, np.nan)
    at = np.arange(data.y.size) - data.starts[data.subject]
    time[data.subject, at] = data.time
    for k, name in enumerate(chosen):
        fitted = Fitted(fit, _observing(fit, data, name))
        pred[k, data.subject, at] = fitted.predict()
        ipred[k, data.subject, at] = fitted.predict(fitted.effects)
    model = fit.model
    units = {model.outputs[o].unit or "1" for o in chosen}
    unit = units.pop() if len(units) == 1 else "see coordinate unit"
    dims = ("output", "subject", "point")
    coords: dict[str, Any] = {
        "output": chosen, "subject": ("subject", np.asarray(fit.data.labels)),
        "unit": ("output", [model.outputs[o].unit or "1" for o in chosen]),
        "meaning": ("output", [model.outputs[o].meaning or o for o in chosen]),
        "time": (("subject", "point"), time, {"long_name": "time", "units": model.time_unit}),
    }  # fmt: skip
    variables: dict[str, Any] = {
        "PRED": (dims, pred, {"long_name": "population prediction", "units": unit}),
        "IPRED": (dims, ipred, {"long_name": "individual prediction", "units": unit}),
    }
    return xr.Dataset(variables, coords, {"model": model.name, "method": fit.method})


def _observing(fit: Fit, data: FitData, output: str) -> FitData:
    """Return the rows as observations of one output."""
    like = next(c for c in fit.data.channels if c.output == output)
    own = Channel(output, like.observed, like.error, Known.MEASURED, np.arange(data.y.size), False)
    return replace(data, channels=(own,))


def _check(fit: Fit, points: Any, end: Any) -> None:
    if isinstance(points, bool) or not isinstance(points, (int, np.integer)) or points < 2:
        raise DataError(f"curves: points must be 2 or more, a whole number, got {points!r}")
    if end is None:
        return
    table = fit.events
    begin = float(np.asarray(table.clock, np.float64)[table.starts[:-1]].max())
    if isinstance(end, bool) or not isinstance(end, (int, float, np.number)) or not begin < float(end) < np.inf:
        raise DataError(
            f"curves: end must be a time after every subject's first row, the last of which is at {begin:g} "
            f"{table.time_unit}, got {end!r}"
        )


def dense(fit: Fit, points: int, end: float | None = None) -> FitData:
    """Return the data of a fit with observations on a grid of times instead of those made, and more rows for them."""
    table, data = fit.events, fit.data
    clock = np.asarray(table.clock, np.float64)
    source, time, place, new = [], [], [], []
    for i, (a, b) in enumerate(zip(table.starts[:-1], table.starts[1:], strict=True)):
        seen = data.time[data.starts[i] : data.starts[i + 1]]
        last = float(seen.max()) if seen.size else float(clock[a:b].max())
        grid, after = _grid(table, clock, int(a), int(b), points, last if end is None else float(end))
        # behind all rows of its time, or before them
        at = np.searchsorted(clock[a:b], grid, side="right")
        at[~after] = np.searchsorted(clock[a:b], grid[~after], side="left")
        source += [np.arange(a, b), a + np.clip(at - 1, 0, b - a - 1)]
        time += [clock[a:b], grid]
        place += [np.arange(b - a, dtype=np.float64), at - 0.5]
        new += [np.zeros(b - a, bool), np.ones(grid.size, bool)]
    owner = np.repeat(np.arange(data.n_subjects), [t.size + s.size for t, s in zip(time[::2], time[1::2], strict=True)])
    order = np.lexsort((np.concatenate(time), np.concatenate(place), owner))
    return _assembled(
        fit, np.concatenate(source)[order], np.concatenate(time)[order], np.concatenate(new)[order], owner[order]
    )


def _grid(
    table: EventTable, clock: np.ndarray, a: int, b: int, points: int, end: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return times of a subject and which lie behind the rows of the same time: both sides of each dose."""
    evid, ii, addl = (table.frame[n].to_numpy()[a:b] for n in ("EVID", "II", "ADDL"))
    begin = float(clock[a])
    grid = np.linspace(begin, max(end, begin + 1e-9), points)
    given = np.flatnonzero(np.isin(evid, (1, 3, 4)))
    exact = np.unique(clock[a:b][given])
    exact = exact[exact <= end]
    more = [clock[a + r] + np.arange(1, int(addl[r]) + 1) * float(ii[r]) for r in given if ii[r] > 0 and addl[r] > 0]
    later = np.concatenate(more) if more else np.empty(0)
    later = later[later < end]
    near = 1e-6 * max(end - begin, 1e-9)
    grid = np.setdiff1d(grid, exact)
    times = np.concatenate([grid, exact, exact, later - near, later + near])
    after = np.ones(times.size, bool)
    after[grid.size : grid.size + exact.size] = False
    order = np.lexsort((after, times))
    return times[order], after[order]


def _assembled(fit: Fit, source: np.ndarray, time: np.ndarray, new: np.ndarray, owner: np.ndarray) -> FitData:
    """Return data whose observations are the new rows."""
    table, data = fit.events, fit.data
    frame = table.frame.iloc[source].reset_index(drop=True)
    frame.loc[new, "EVID"] = 2
    for name in _NOTHING:
        frame.loc[new, name] = 0
    starts = np.searchsorted(owner, np.arange(data.n_subjects + 1)).astype(np.int64)
    for name in data.varying:
        frame[name] = _carried(fit, name, time, new, owner)
    rows = np.flatnonzero(new)
    bigger = replace(table, frame=frame, starts=starts, clock=time, rows=None, lines=None)
    n = rows.size
    return replace(
        data, table=bigger, row=rows, subject=owner[rows],
        starts=np.searchsorted(owner[rows], np.arange(data.n_subjects + 1)).astype(np.int64), time=time[rows],
        y=np.full(n, np.nan), censored=np.zeros(n, np.int64), occasion=data.occasion[source],
    )  # fmt: skip


def _carried(fit: Fit, name: str, time: np.ndarray, new: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Return a covariate on old and new rows, such that what holds between the old ones stays."""
    old = np.flatnonzero(~new)
    values = fit.events.frame[name].to_numpy(np.float64)
    before = np.maximum(np.searchsorted(old, np.arange(new.size), side="right") - 1, 0)
    after = np.minimum(before + 1, old.size - 1)
    first = owner[old[before]] != owner
    before = np.where(first, after, before)
    after = np.where(owner[old[after]] == owner, after, before)
    carry = fit.model.covariates[name].carry
    if carry == "forward":
        filled = values[before]
    elif carry == "backward":
        filled = values[after]
    else:
        t0, t1 = time[old[before]], time[old[after]]
        share = np.where(t1 > t0, (time - t0) / np.where(t1 > t0, t1 - t0, 1.0), 0.0)
        filled = values[before] + np.clip(share, 0.0, 1.0) * (values[after] - values[before])
    out = np.empty(new.size)
    out[~new], out[new] = values, filled[new]
    return out
