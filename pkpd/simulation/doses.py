"""The door of all verbs: doses, tables and times on the clock of a model, amounts in the units of its states."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pkpd.dosing.amounts import factor
from pkpd.dosing.regimen import Regimen
from pkpd.dosing.routes import routes_of_states
from pkpd.errors import PkpdError, RegimenError, UnitError
from pkpd.timegrid import TimeGrid, read_span
from pkpd.units import conversion
from pkpd.units.time import canonical_time, convert_time

if TYPE_CHECKING:
    from pkpd.dosing.events import EventTable
    from pkpd.model.model import Model
    from pkpd.people.population import Population

__all__ = ["bound", "from_text", "on_clock", "records_of", "regimen_from", "span_on_clock", "table_records"]


def on_clock(model: Model, times: Any, who: str) -> np.ndarray:
    """Return times as an array in a model's unit of time.

    Parameters
    ----------
    model : Model
    times : array
        Bare numbers are in the model's unit already. Grids of `pkpd.hours` and `pkpd.days`, arrays with ``units`` among
        their attributes (the time of a simulation) and arrays of time differences are converted.
    who : str
        The verb and its argument, for errors.

    Raises
    ------
    PkpdError
        If they are no numbers, or have a unit that is none of time.
    """
    unit = times.unit if isinstance(times, TimeGrid) else getattr(times, "attrs", {}).get("units")
    try:
        array = np.asarray(times)
        if array.dtype.kind == "m":
            return convert_time(array / np.timedelta64(1, "s"), "s", model.time_unit)
        if array.dtype.kind in "Mc":
            raise TypeError("dates and complex numbers are no times")
        array = np.array(array, dtype=np.float64)
    except (TypeError, ValueError):
        raise PkpdError(f"{who} must be numbers, in {model.time_unit}, got {times!r}") from None
    if unit is None:
        return array
    try:
        return convert_time(array, str(unit), model.time_unit)
    except UnitError as error:
        raise PkpdError(f"{who}: {error}") from None


def span_on_clock(model: Model, span: Any, who: str) -> float:
    """Return a length of time, such as the spacing of measurements, in a model's unit; a day where it is None.

    Parameters
    ----------
    model : Model
    span : float, time with a unit, or None
        As for `on_clock`; also text such as ``"12 h"``, or one time difference.
    who : str
        The verb and its argument, for errors.

    Raises
    ------
    PkpdError
        Unless it is one time > 0.

    Examples
    --------
    >>> from pkpd.library import load_model
    >>> from pkpd.timegrid import TimeGrid
    >>> model = load_model("pk1_iv")
    >>> [span_on_clock(model, each, "fit: every") for each in (6, None, TimeGrid([2.0], "d"), "12 h")]
    [6.0, 24.0, 48.0, 12.0]
    """
    if span is None:
        return convert_time(1.0, "d", model.time_unit)
    given = read_span(span)
    try:
        found = on_clock(model, given, who) if not isinstance(given, str) else np.empty(0)
    except PkpdError:
        found = np.empty(0)
    if found.size != 1 or not (np.isfinite(found).all() and found.item() > 0):
        raise PkpdError(
            f"{who} must be one time > 0, in {model.time_unit} or with its unit (such as '12 h'), got {span!r}"
        )
    return float(found.item())


def records_of(model: Model, regimen: Regimen) -> np.ndarray:
    """Return a regimen as the engine reads it for a model.

    Returns
    -------
    ndarray of RECORD, shape (records,)
        Times and rates on the model's clock, each amount in the unit of the state that it goes into.

    Raises
    ------
    RegimenError
        If the model lacks a compartment, or an amount does not convert.
    """
    states = tuple((name, state.unit) for name, state in model.states.items())
    return _records(regimen, regimen.mixed, states, model.time_unit).copy()


@functools.lru_cache(maxsize=1024)
def _records(regimen: Regimen, mixed: bool, states: tuple[tuple[str, str], ...], time_unit: str) -> np.ndarray:
    records = regimen.in_time(time_unit).records([name for name, _ in states])
    who = f"regimen {regimen.name!r}" if regimen.name else f"regimen {str(regimen)!r}"
    return _in_units(records, regimen.unit, states, who, mixed)


def bound(model: Model, regimen: Regimen) -> Regimen:
    """Return a regimen on a model's clock, with the compartment named where a route decides it.

    Raises
    ------
    RegimenError
        As for `records_of`.
    """
    return regimen.into(tuple(model.states)).in_time(model.time_unit)


def from_text(
    text: str, model: Model, people: Population | Mapping[str, Any] | None, name: str | None = None
) -> tuple[Regimen, ...]:
    """Read the shorthand of a regimen for a model and its subjects; the one rule of all verbs.

    Parameters
    ----------
    text : str
    model : Model
        Gives the compartments of routes, and the clock. A dose that names neither a route nor a compartment goes into
        ``depot``, else ``central``, else the first state.
    people : Population or mapping of covariate to value, optional
        Give the weights (covariate WT) for amounts per kg; the model's reference person does where they do not.
    name : str, optional
        Of the regimen.

    Returns
    -------
    tuple of Regimen
        One for all, or one per subject where weights differ.

    Raises
    ------
    RegimenError
        If the text is not understood, or says what the model has no place for.
    """
    options: dict[str, Any] = {"time_unit": canonical_time(model.time_unit), "name": name}
    if "/kg" not in text.replace(" ", ""):
        return (_placed(Regimen.parse(text, **options), model),)
    weights = _weights(text, model, people)
    parsed = {kg: _placed(Regimen.parse(text, weight=kg, **options), model) for kg in dict.fromkeys(weights)}
    every = tuple(parsed[kg] for kg in weights)
    return every if len(parsed) > 1 else every[:1]


def regimen_from(
    model: Model, given: Regimen | str | None, who: str, people: Population | Mapping[str, Any] | None = None
) -> Regimen:
    """Return one regimen for all, `bound` to a model, from a regimen, its shorthand or None for no dose.

    Raises
    ------
    RegimenError
        If it is something else, or a text by weight gives each subject another amount.
    """
    if given is None:
        return Regimen(doses=[], time_unit=model.time_unit)
    if isinstance(given, Regimen):
        return bound(model, given)
    if not isinstance(given, str):
        raise RegimenError(f"{who} must be a Regimen or its shorthand, got {given!r}")
    found = from_text(given, model, people)
    first, *others = found
    if others:
        raise RegimenError(f"{who}: {given!r} is by weight, and the subjects' weights differ; give mg")
    return bound(model, first)


def _placed(regimen: Regimen, model: Model) -> Regimen:
    states = tuple(model.states)
    routes = routes_of_states(states)
    default = routes.get("SC", next(iter(routes.values()), None))
    doses = [replace(d, cmt=default) if d.cmt is None and d.route is None else d for d in regimen]
    return regimen.with_doses(doses).into(states)


def _weights(text: str, model: Model, people: Population | Mapping[str, Any] | None) -> list[float]:
    """Return the weight of each subject, kg."""
    covariate = model.covariates.get("WT")
    if people is not None and "WT" in getattr(people, "varying", ()):
        raise RegimenError(f"{text!r} is by weight, but the subjects' WT changes in time; give mg")
    given: Any = {} if people is None else getattr(people, "covariates", people)
    if "WT" in given:
        found = np.atleast_1d(np.asarray(given["WT"], float))
    elif covariate is not None and not hasattr(people, "covariates"):
        found = np.array([covariate.reference])
    else:
        raise RegimenError(f"{text!r} is by weight, but the subjects have no covariate 'WT'; give mg")
    return (found * conversion((covariate.unit if covariate is not None else "") or "kg", "kg")).tolist()


def table_records(model: Model, table: EventTable) -> np.ndarray:
    """Return the rows of a table as the engine reads them for a model, as `records_of`; shape (rows,).

    Raises
    ------
    DataError
        If a dose goes into a compartment that the model lacks.
    RegimenError
        If an amount does not convert.
    """
    states = tuple((name, state.unit) for name, state in model.states.items())
    records = table.in_time(model.time_unit).records([name for name, _ in states])
    return _in_units(records, table.unit, states, table.name)


def _in_units(
    records: np.ndarray, unit: str | None, states: tuple[tuple[str, str], ...], who: str, mixed: bool = False
) -> np.ndarray:
    """Put amounts and rates of records, in place, into the units of the states; mixed amounts must be in them."""
    if unit is None:
        return records
    gives = (records["amt"] > 0) | (records["rate"] > 0)
    for k in np.unique(records["cmt"][gives]):
        name, own = states[int(k)]
        ratio = factor(unit, own)
        if ratio is None:
            raise RegimenError(
                f"{who}: amounts in {unit} cannot be converted to {own or 'a number without unit'}, the unit of state "
                f"'{name}'"
            )
        if mixed and ratio != 1:
            raise RegimenError(
                f"{who}: amounts without a unit, taken to be in {own} as state '{name}' is, were added to amounts in "
                f"{unit}: give each part its unit=..."
            )
        dosed = gives & (records["cmt"] == k)
        for field in ("amt", "rate"):
            positive = dosed & (records[field] > 0)
            # The ratio of usual units or its inverse is a whole number: one rounding.
            records[field][positive] = records[field][positive] * ratio.numerator / ratio.denominator
    return records
