"""What is asked about: an output over time, or a number that is made of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, PkpdError, nearest
from pkpd.simulation.kernels import quantities as known_outputs
from pkpd.units import multiply

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.model.model import Model

__all__ = ["Quantity", "area_weights", "quantities_from"]

_KINDS = {
    "auc": "area under the curve",
    "mean": "mean over time",
    "max": "largest value",
    "min": "smallest value",
    "last": "last value",
    "at": "value",
    "tmax": "time of the largest value",
}
_PATTERN = re.compile(r"^(?P<output>.+)\.(?P<kind>[A-Za-z]+)(\((?P<times>[^()]*)\))?$")


@dataclass(frozen=True)
class Quantity:
    """One thing that is asked about.

    Attributes
    ----------
    name : str
        As in results.
    kind : {"course", "auc", "mean", "max", "min", "last", "at", "tmax", "call"}
        ``course`` is the output over time, ``call`` a function of the data set.
    output : str
        Output, state or individual parameter; empty for a function.
    unit : str
    meaning : str
    kept : slice
        Times that count.
    function : callable, optional
    """

    name: str
    kind: str
    output: str = ""
    unit: str = "1"
    meaning: str = ""
    kept: slice = field(default_factory=lambda: slice(None))
    function: Callable[[Any], Any] | None = None

    def of(self, sims: xr.Dataset) -> xr.DataArray:
        """Return the quantity of every subject and regimen of a simulation."""
        import xarray as xr

        if self.function is not None:
            return self._called(sims)
        values = sims[self.output].isel(time=self.kept)
        if self.kind == "course":
            return values
        time, array = np.asarray(values["time"].values, float), np.asarray(values.values)
        if self.kind in ("max", "min"):
            found = array.max(axis=-1) if self.kind == "max" else array.min(axis=-1)
        elif self.kind == "tmax":
            missing = np.isnan(array).any(axis=-1)
            found = np.where(missing, np.nan, time[np.argmax(np.where(np.isnan(array), -np.inf, array), axis=-1)])
        else:
            found = array @ self.weights(time)
        dims = [d for d in values.dims if d != "time"]
        return xr.DataArray(found, {str(d): values[d] for d in dims if d in values.coords}, dims)

    def weights(self, time: np.ndarray) -> np.ndarray:
        """Return the weights, shape of ``time``, whose sum over the output's values is the quantity."""
        if self.kind in ("auc", "mean"):
            area = area_weights(time)
            return area if self.kind == "auc" else area / (time[-1] - time[0])
        return np.eye(1, time.size, time.size - 1)[0]

    def _called(self, sims: xr.Dataset) -> xr.DataArray:
        import xarray as xr

        assert self.function is not None
        found = self.function(sims)
        if not isinstance(found, xr.DataArray):
            shape = (sims.sizes["subject"],)
            if np.shape(found) != shape:
                raise DataError(
                    f"quantity '{self.name}': the function must return a DataArray with dim subject, or an array of "
                    f"shape (subject,), here {shape}; got {type(found).__name__} of shape {np.shape(found)}"
                )
            return xr.DataArray(np.asarray(found, float), dims="subject")
        if "subject" not in found.dims:
            raise DataError(
                f"quantity '{self.name}': the function must keep the dim subject, since every run is a subject; "
                f"its result has dims {found.dims}"
            )
        return found


def area_weights(time: np.ndarray) -> np.ndarray:
    """Return the weights of the trapezoidal rule on the points ``time``."""
    steps = np.diff(time)
    return 0.5 * (np.append(steps, 0.0) + np.insert(steps, 0, 0.0))


def quantities_from(model: Model, of: Any, times: np.ndarray) -> list[Quantity]:
    """Return what is asked about.

    Parameters
    ----------
    of : str, callable, sequence of str, mapping of name to str or callable, or None
        ``"Cc"`` is an output over time; ``"Cc.auc"``, ``.mean``, ``.max``, ``.min``, ``.last``, ``.tmax`` are numbers,
        also between two times, ``"Cc.auc(24, 48)"``; ``"Cc.at(24)"`` the value at a time. A function gets the data set
        and returns one value per subject. None: every declared output over time.

    Raises
    ------
    PkpdError
        If a quantity cannot be understood.
    """
    if of is None:
        of = list(model.outputs) or list(model.states)
    if isinstance(of, str):
        of = [of]
    if callable(of):
        name = getattr(of, "__name__", "quantity")
        of = {"quantity" if name == "<lambda>" else name: of}
    if not isinstance(of, Mapping):
        if not isinstance(of, Sequence) or not all(isinstance(q, str) for q in of):
            raise PkpdError(f"sensitivity: of must be names, a function, or a mapping of name to these, got {of!r}")
        of = {q: q for q in of}
    if not of:
        raise PkpdError("sensitivity: of is empty; name an output or a quantity, e.g. of='Cc.auc'")
    return [_quantity(model, str(name), asked, times) for name, asked in of.items()]


def _quantity(model: Model, name: str, asked: Any, times: np.ndarray) -> Quantity:
    if callable(asked):
        return Quantity(name, "call", function=asked, meaning=name)
    if not isinstance(asked, str):
        raise PkpdError(f"quantity '{name}' must be a name such as 'Cc.auc' or a function, got {asked!r}")
    everything = {*model.outputs, *model.states, *model.trace.individual}
    found = _PATTERN.match(asked)
    if asked in everything or found is None or (found["kind"] not in _KINDS and found["times"] is None):
        q = known_outputs(model, [asked])[0]
        return Quantity(name, "course", asked, q.unit or "1", q.meaning or q.name)
    output, kind = found["output"], found["kind"]
    if kind not in _KINDS:
        raise PkpdError(
            f"quantity '{asked}': there is no '{kind}'; there is {', '.join(_KINDS)}{nearest(kind, _KINDS)}; "
            "for anything else give a function of the data set"
        )
    q = known_outputs(model, [output])[0]
    kept = _window(asked, kind, found["times"], times)
    unit = q.unit or "1"
    unit = multiply(unit, model.time_unit) if kind == "auc" else model.time_unit if kind == "tmax" else unit
    meaning = f"{_KINDS[kind]} of {q.meaning or q.name}"
    if found["times"]:
        shown = [f"{t:g}" for t in times[kept][[0, -1]]]
        meaning += f" at {shown[0]} {model.time_unit}" if kind == "at" else f", {'-'.join(shown)} {model.time_unit}"
    return Quantity(name, kind, output, unit, meaning, kept)


def _window(asked: str, kind: str, text: str | None, times: np.ndarray) -> slice:
    """Return which times a quantity takes, from ``"24, 48"`` or ``"24"``."""
    wanted = 1 if kind == "at" else 2
    if text is None and kind != "at":
        if times.size < 2 and kind in ("auc", "mean"):
            raise PkpdError(f"quantity '{asked}' needs at least two times, got {times.size}")
        return slice(None)
    try:
        ends = [float(t) for t in (text or "").split(",")]
    except ValueError:
        ends = []
    if len(ends) != wanted or (wanted == 2 and not ends[0] < ends[1]):
        example = "Cc.at(24)" if wanted == 1 else f"Cc.{kind}(24, 48)"
        raise PkpdError(f"quantity '{asked}': write it as '{example}', with {wanted} time{'s'[: wanted - 1]}")
    places = []
    for end in ends:
        near = int(np.argmin(np.abs(times - end)))
        if not np.isclose(times[near], end, rtol=1e-9, atol=1e-9):
            raise PkpdError(f"quantity '{asked}': {end:g} is not among the times (nearest: {times[near]:g}); add it")
        places.append(near)
    return slice(places[0], places[-1] + 1)
