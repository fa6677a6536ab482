"""What is asked about: an output over time, or a number that is made of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.errors import DataError, PkpdError, nearest
from pkpd.metrics.dataset import exposure
from pkpd.metrics.labels import clearance_scale
from pkpd.metrics.reading import KINDS, read_off
from pkpd.metrics.register import NUMBERS, REGISTER
from pkpd.simulation.kernels import quantities as known_outputs
from pkpd.units import divide, multiply

if TYPE_CHECKING:
    import xarray as xr

    from pkpd.model.model import Model

__all__ = ["Quantity", "quantities_from"]

_KINDS = {
    "auc": "area under the curve",
    "mean": "mean over time",
    "max": "largest value",
    "min": "smallest value",
    "last": "last value",
    "at": "value",
    "tmax": "time of the largest value",
}
_ABOVE = ("time_above", "time_above_tau")
"""Numbers of the register that need a level."""

_DIGITS = 6
"""Digits of a written time from which on it may be rounded; results show as many."""

_PATTERN = re.compile(r"^(?P<output>.+)\.(?P<kind>[A-Za-z]\w*)(\((?P<times>[^()]*)\))?$")


@dataclass(frozen=True)
class Quantity:
    """One thing that is asked about.

    Attributes
    ----------
    name : str
        As in results.
    kind : str
        ``course`` is the output over time, ``call`` a function of the data set; ``auc mean max min last at tmax``, or a
        number of the register of exposure, such as ``Cmax``.
    output : str
        Output, state or individual parameter; empty for a function.
    unit : str
    meaning : str
    kept : slice
        Times that count, among those observed.
    window : tuple of (float, float) or None
        The first and the last of them; None for all.
    threshold : float or None
        Of the time above it.
    function : callable, optional
    """

    name: str
    kind: str
    output: str = ""
    unit: str = "1"
    meaning: str = ""
    kept: slice = field(default_factory=lambda: slice(None))
    window: tuple[float, float] | None = None
    threshold: float | None = None
    function: Callable[[Any], Any] | None = None

    @staticmethod
    def output_in(asked: str) -> str:
        """Return the output that a quantity such as ``Cc.auc(24, 48)`` is about."""
        found = _PATTERN.match(asked)
        return asked if found is None else found["output"]

    def of(self, sims: xr.Dataset) -> xr.DataArray:
        """Return the quantity of every subject and regimen of a simulation."""
        if self.function is not None:
            return self._called(sims)
        if self.kind in KINDS:
            return read_off(sims[self.output], self.kind, self.window)
        if self.kind in (*NUMBERS, *_ABOVE):
            found = exposure(sims[self.output], window=self.window, threshold=self.threshold)[self.kind]
            return found.drop_vars([n for n in found.coords if n not in found.dims])
        values = sims[self.output].isel(time=self.kept)
        return values if self.kind == "course" else values.isel(time=-1, drop=True).reset_coords(drop=True)

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


def quantities_from(model: Model, of: Any, times: np.ndarray) -> list[Quantity]:
    """Return what is asked about.

    Parameters
    ----------
    of : str, callable, sequence of str, mapping of name to str or callable, or None
        ``"Cc"`` is an output over time; ``"Cc.auc"``, ``.mean``, ``.max``, ``.min``, ``.last``, ``.tmax`` are numbers,
        also between two times, ``"Cc.auc(24, 48)"``; ``"Cc.at(24)"`` the value at a time, ``"Cc.time_above(5)"`` the
        time above a level; ``"Cc.Cmax"``,
        ``"Cc.AUCtau"`` and the other names of `pkpd.metrics.register` those of ``exposure``. A function gets the data
        set and returns one value per subject. None: every declared output over time.

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
    known = (*_KINDS, *NUMBERS, *_ABOVE)
    if asked in everything or found is None or (found["kind"] not in known and found["times"] is None):
        _check_kind(asked, found, everything)
        q = known_outputs(model, [asked])[0]
        return Quantity(name, "course", asked, q.unit or "1", q.meaning or q.name)
    output, kind = found["output"], found["kind"]
    if kind not in known:
        raise PkpdError(_no_kind(asked, kind))
    q = known_outputs(model, [output])[0]
    unit = q.unit or "1"
    label = REGISTER[kind].meaning if kind in REGISTER else _KINDS[kind]
    meaning = f"{label} of {q.meaning or q.name}" if kind not in REGISTER else f"{q.meaning or q.name}: {label}"
    if kind in _ABOVE:
        level = _level(asked, kind, found["times"])
        shown = f"{meaning.replace('the threshold', f'{level:g} {unit}')}"
        return Quantity(name, kind, output, _unit(model, kind, unit), shown, threshold=level)
    kept = _window(asked, kind, found["times"], times, model.time_unit)
    unit = _unit(model, kind, unit)
    if found["times"]:
        shown = [f"{t:g}" for t in times[kept][[0, -1]]]
        meaning += f" at {shown[0]} {model.time_unit}" if kind == "at" else f", {'-'.join(shown)} {model.time_unit}"
    window = (float(times[kept][0]), float(times[kept][-1])) if found["times"] and kind != "at" else None
    return Quantity(name, kind, output, unit, meaning, kept, window)


def _unit(model: Model, kind: str, unit: str) -> str:
    """Return the unit of a number that is read off an output."""
    area = multiply(unit, model.time_unit)
    dosed = next(iter(model.states.values())).unit
    units = {
        "area": area, "time": model.time_unit, "rate": divide("1", model.time_unit), "1": "1",
        "clearance": clearance_scale(dosed, area)[0] if dosed else divide("1", area),
    }  # fmt: skip
    of = {"auc": "area", "tmax": "time"}.get(kind, REGISTER[kind].kind if kind in REGISTER else "")
    return units.get(of, unit)


def _check_kind(asked: str, found: re.Match[str] | None, everything: set[str]) -> None:
    """Raise PkpdError for a number that an output does not have, such as ``Cc.cmax``."""
    if found is not None and asked not in everything and found["output"] in everything:
        raise PkpdError(_no_kind(asked, found["kind"]))


def _level(asked: str, kind: str, text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise PkpdError(f"quantity '{asked}': write it as 'Cc.{kind}(5)', with a level in the output's unit") from None


def _no_kind(asked: str, kind: str) -> str:
    known = (*_KINDS, *NUMBERS, *_ABOVE)
    hint = nearest(kind, known)
    return (
        f"quantity '{asked}': there is no '{kind}'; there is {', '.join(known)}{hint}; "
        "for anything else give a function of the data set"
    )


def _window(asked: str, kind: str, text: str | None, times: np.ndarray, unit: str) -> slice:
    """Return which times, in a unit, a quantity takes, from ``"24, 48"`` or ``"24"``.

    A time that is written with six digits or more, as results show it, is the one that rounds to it.
    """
    wanted = 1 if kind == "at" else 2
    if text is None and kind != "at":
        if times.size < 2 and kind in ("auc", "mean", *NUMBERS):
            raise PkpdError(f"quantity '{asked}' needs at least two times, got {times.size}")
        return slice(None)
    written = (text or "").split(",")
    try:
        ends = [float(t) for t in written]
    except ValueError:
        ends = []
    if len(ends) != wanted or (wanted == 2 and not ends[0] < ends[1]):
        example = "Cc.at(24)" if wanted == 1 else f"Cc.{kind}(24, 48)"
        raise PkpdError(f"quantity '{asked}': write it as '{example}', with {wanted} time{'s'[: wanted - 1]}")
    places = []
    for end, text in zip(ends, written, strict=True):
        near = int(np.argmin(np.abs(times - end)))
        digits = len(re.sub(r"\D", "", text.lower().partition("e")[0]).lstrip("0"))
        rounded = digits >= _DIGITS and float(f"{times[near]:.{digits}g}") == end
        if not (rounded or np.isclose(times[near], end, rtol=1e-9, atol=1e-9)):
            shown = f"{text.strip()} is not among the times (nearest: {float(times[near])!r})"
            raise PkpdError(f"quantity '{asked}': {shown}; add it to times, in {unit}")
        places.append(near)
    return slice(places[0], places[-1] + 1)
