"""Published effects on a marker beside a model's: the share that would reproduce each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pkpd.dosing.dose import Dose
from pkpd.dosing.regimen import Regimen
from pkpd.people.population import Population
from pkpd.simulation.api import simulate
from pkpd.timegrid import TimeGrid
from pkpd.units.time import convert_time
from pkpd.validation.records import Effect, EffectReading
from pkpd.validation.report import EffectResult, Inversion

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["SHARES", "invert", "run_effects"]

Floats = NDArray[np.float64]
SHARES = tuple(round(0.1 * i, 1) for i in range(11))
_HALF = (0.5,)


def run_effects(model: Model, reading: EffectReading) -> tuple[EffectResult, ...]:
    """Simulate every published effect for shares from 0 to 1 and invert it.

    Parameters
    ----------
    model : Model
    reading : EffectReading
        What its files say of such effects.
    """
    runs = _Runs(model.without_variability(), reading)
    return tuple(_shares(runs, e) if e.of_share else _level(runs, e) for e in reading.trials)


@dataclass(frozen=True)
class _Runs:
    """The typical person under trials' regimens."""

    model: Model
    reading: EffectReading

    @property
    def unit(self) -> str:
        """Unit of the marker."""
        return self.model.outputs[self.reading.output].unit

    @property
    def health(self) -> float:
        """The marker in health."""
        return self.model.parameters[self.reading.baseline].value

    def above(
        self,
        effect: Effect,
        name: str | None,
        shares: tuple[float, ...],
        changed: Mapping[str, float | Floats],
        hours: Floats,
    ) -> Floats:
        """Return the marker above health per unit of slope, shape (shares, hours), at hours after the first dose.

        Without a name of a regimen nothing is given.
        """
        reading, unit = self.reading, self.model.time_unit
        run_in = float(convert_time(reading.run_in, "h", unit))
        clocked = {n: v + run_in if n in reading.clocked else v for n, v in changed.items()}
        fixed = {**reading.plateau, **clocked, reading.baseline: 0.0, reading.slope: 1.0, "WT": effect.weight,
                 "CRCL": effect.crcl}  # fmt: skip
        columns = {reading.share: np.array(shares), **{n: np.full(len(shares), v) for n, v in fixed.items()}}
        people = Population.from_table(self.model, columns)
        regimen = None if name is None else _regimen(effect, name, reading.run_in)
        times = TimeGrid(reading.run_in + hours, "h")
        sims = simulate(
            self.model, regimen, people, times, outputs=[reading.output], on_failure="raise", progress=False
        )
        return sims[reading.output].values

    def rise(self, effect: Effect, name: str, drive: Mapping[str, float]) -> tuple[Floats, Floats]:
        """Return the marker above health at each share, with and without the drug: means or end values."""
        hours = np.linspace(0.0, effect.window[1], 337)
        both = (self.above(effect, given, SHARES, drive, hours) for given in (name, None))
        if effect.measure == "ratio":
            treated, untreated = (y[:, -1] for y in both)
        else:
            treated, untreated = (np.asarray(np.trapezoid(y, hours), float) / np.ptp(hours) for y in both)
        return treated, untreated


def _shares(runs: _Runs, effect: Effect) -> EffectResult:
    names = list(runs.reading.assumptions)
    curves, readings = {}, {}
    for name in effect.doses:
        level = runs.rise(effect, name, effect.drive)
        curve = _ratio(effect, *level, runs.health)
        found = dict(zip(names, (curve, _ratio(effect, *level, 0.0)), strict=False))
        if effect.acute:
            onset = runs.rise(effect, name, runs.reading.onset)
            found[names[2]] = _ratio(effect, *onset, runs.health)
        curves[name] = tuple(curve.tolist())
        symbol = runs.reading.symbol
        readings[name] = {assumed: invert(effect, SHARES, c, symbol) for assumed, c in found.items()}
    return EffectResult(effect, SHARES, curves, readings, runs.unit)


def _ratio(effect: Effect, treated: Floats, untreated: Floats, health: float) -> Floats:
    """Return the marker with over that without the drug, the disease as large as the untreated marker says."""
    slope = (effect.untreated - health) / untreated
    return (health + slope * treated) / effect.untreated


def _level(runs: _Runs, effect: Effect) -> EffectResult:
    """Return the course of the marker after one dose, level before it."""
    (name,) = effect.doses
    hours = np.linspace(0.0, 72.0, 73)
    course = runs.health + (effect.untreated - runs.health) * runs.above(effect, name, _HALF, {}, hours)[0]
    late, early = (float(np.interp(at, hours, course)) for at in (effect.window[1], effect.window[0]))
    span = f"{early:.0f} {runs.unit} after {effect.window[0]:g} h, {late:.0f} after {effect.window[1]:g} h"
    verdict = "between" if late <= effect.value <= early else "below both" if effect.value < late else "above both"
    text = f"{span}; published {effect.value:g}, {verdict}"
    if verdict != "between":
        loss = runs.reading.loss.rpartition(".")[2]
        text += f"; that at {effect.window[1]:g} h needs {loss} {_needed_loss(runs, effect, name):.3f}/h"
    found = {name: {"plateau": Inversion(None, None, None, text)}}
    return EffectResult(effect, tuple(hours.tolist()), {name: tuple(course.tolist())}, found, runs.unit)


def _needed_loss(runs: _Runs, effect: Effect, name: str) -> float:
    """Return the rate constant, 1/h, with which the marker is as published at the end of the window."""
    losses = np.geomspace(0.005, 0.5, 101)
    per_hour = losses / float(convert_time(1.0, "h", runs.model.time_unit))
    hours = np.array([0.0, effect.window[1]])
    rise = runs.above(effect, name, _HALF * len(losses), {runs.reading.loss: per_hour}, hours)[:, -1]
    course = runs.health + (effect.untreated - runs.health) * rise
    return float(np.interp(effect.value, course[::-1], losses[::-1]))


def _regimen(effect: Effect, name: str, start: float) -> Regimen:
    amt, cmt, ii, addl, tinf = effect.doses[name]
    more: dict[str, Any] = {"ii": ii, "addl": addl} if ii else {}
    if tinf:
        more["tinf"] = tinf
    return Regimen.of(Dose(amt, cmt, start, **more))


def invert(effect: Effect, shares: tuple[float, ...], curve: Floats, symbol: str) -> Inversion:
    """Return the share at which a falling curve meets the published value and the ends of its interval.

    Examples
    --------
    >>> trial = Effect("a", "A", "ratio", (0, 1), {}, 10.0, 0.6, "none", low=0.1, high=0.8, spread="95% CI")
    >>> invert(trial, (0.0, 1.0), np.array([1.0, 0.2]), "phi").text
    'phi 0.50 (0.25 to above 1)'
    """
    point = _meet(shares, curve, effect.value)
    low, high = (None if v is None else _meet(shares, curve, v) for v in (effect.high, effect.low))
    if point is not None:
        text = f"{symbol} {point:.2f}"
    else:
        end = 1 if effect.value < curve[-1] else 0
        text = f"no {symbol}: {end} gives {curve[-end]:.2f}, published {effect.value:g}"
    if effect.low is not None and effect.high is not None:
        text += f" ({_end(low, curve, effect.high)} to {_end(high, curve, effect.low)})"
    return Inversion(point, low, high, text)


def _meet(shares: tuple[float, ...], curve: Floats, value: float) -> float | None:
    if not curve.min() - 1e-9 <= value <= curve.max() + 1e-9:
        return None
    return float(np.interp(value, curve[::-1], np.array(shares)[::-1]))


def _end(found: float | None, curve: Floats, value: float) -> str:
    return f"{found:.2f}" if found is not None else "above 1" if value < curve[-1] else "below 0"
