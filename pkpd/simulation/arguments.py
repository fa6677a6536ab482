"""What ``simulate`` was given, checked: every fault is an error that names it and says what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from pkpd.cores import cores
from pkpd.dosing.events import EventTable
from pkpd.dosing.regimen import Regimen
from pkpd.engine.solve.block import Settings
from pkpd.engine.solve.kernel import Kernel
from pkpd.errors import PkpdError, RegimenError
from pkpd.options import check_choice
from pkpd.people.population import Population
from pkpd.simulation.doses import bound, from_text, on_clock

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.model.model import Model

__all__ = [
    "OnFailure", "Regimens", "Solver", "Times", "check_method", "check_on_failure", "named_from", "occasions_from",
    "settings_from", "threads_from", "times_from",
]  # fmt: skip

Each: TypeAlias = Regimen | str | Sequence[Regimen | str]
Regimens: TypeAlias = "Each | Mapping[str, Each | None] | EventTable | pd.DataFrame | None"
Times: TypeAlias = ArrayLike
OnFailure: TypeAlias = Literal["warn", "raise", "ignore"]
Solver: TypeAlias = Literal["auto", "linear", "cascade", "dop853", "tsit5", "rodas5p"]


def check_on_failure(verb: str, given: Any) -> None:
    """Raise PkpdError unless it is said in a known word what to do with who cannot be solved."""
    check_choice(f"{verb}: on_failure", given, get_args(OnFailure))


def settings_from(
    method: str,
    rtol: float,
    atol: float,
    h_max: float,
    max_steps: int | None,
    verb: str = "simulate",
    word: str = "method",
) -> Settings:
    """Return how to solve; without ``max_steps`` the limit grows with the number of events."""
    known = get_args(Solver)
    if method not in known:
        raise PkpdError(f"{verb}: {word} must be one of {', '.join(known)}, got {method!r}")
    for name, value, most in (("rtol", rtol, 1.0), ("atol", atol, np.inf), ("h_max", h_max, np.nan)):
        if isinstance(value, (str, bool)) or not value > 0:
            raise PkpdError(f"{verb}: {name} must be > 0, got {value!r}")
        if value >= most:
            raise PkpdError(f"{verb}: {name} must be {'finite' if most == np.inf else '< 1'}, got {value!r}")
    whole = isinstance(max_steps, (int, np.integer)) and not isinstance(max_steps, bool)
    if max_steps is not None and not (whole and 1 <= max_steps < 2**62):
        raise PkpdError(f"{verb}: max_steps must be a whole number of at least 1, got {max_steps!r}")
    return Settings(method, float(rtol), float(atol), None if max_steps is None else int(max_steps), float(h_max))


def check_method(verb: str, model: Model, kernel: Kernel, method: str) -> None:
    """Raise PkpdError if a model's equations do not have the form that a method needs."""
    if method == "linear" and not kernel.linear:
        raise PkpdError(f"{verb}: model '{model.name}' is not linear with constant coefficients; use method='auto'")
    if method == "cascade" and not kernel.cascade:
        raise PkpdError(
            f"{verb}: model '{model.name}' is not a cascade (linear equations that drive others which are linear in "
            "themselves); use method='auto'"
        )


def threads_from(threads: int | None) -> int:
    """Return the number of threads, all cores by default."""
    if threads is None:
        return cores()
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or threads < 1:
        raise PkpdError(f"simulate: threads must be a whole number, 1 or more, got {threads!r}")
    return int(threads)


def times_from(model: Model, times: Any, verb: str = "simulate") -> np.ndarray:
    """Return the observation times as an array, on the model's clock, see `on_clock`."""
    if times is None:
        raise PkpdError(f"{verb}: times is missing; give the observation times, e.g. times=pkpd.hours(0, 48, 1)")
    grid_times = on_clock(model, times, f"{verb}: times")
    if grid_times.ndim != 1 or grid_times.size == 0:
        raise PkpdError(f"{verb}: times must be a list of numbers, got shape {grid_times.shape}")
    if np.isfinite(grid_times).all() and (grid_times[1:] >= grid_times[:-1]).all():
        return grid_times
    bad = np.flatnonzero(~np.isfinite(grid_times))
    if bad.size:
        raise PkpdError(f"{verb}: times must be finite, got {grid_times[bad[0]]} at position {bad[0]}")
    i = int(np.flatnonzero(np.diff(grid_times) < 0)[0])
    raise PkpdError(
        f"{verb}: times must not decrease, but {grid_times[i]:g} is followed by {grid_times[i + 1]:g} "
        f"(position {i + 1}); sort them"
    )


def occasions_from(model: Model, occasions: Any) -> np.ndarray | None:
    """Return the times at which later occasions begin, on the model's clock, see `on_clock`."""
    if occasions is None:
        return None
    starts = np.atleast_1d(on_clock(model, occasions, "simulate: occasions"))
    if starts.ndim != 1 or not np.all(np.isfinite(starts)) or np.any(np.diff(starts) <= 0):
        raise PkpdError(
            "simulate: occasions must be increasing times at which the second, third, ... occasion begins, "
            f"got {occasions!r}"
        )
    return starts


def named_from(model: Model, regimen: Regimens, population: Population | None) -> tuple[dict[str, list[Regimen]], bool]:
    """Return the regimens by name, each for all or one per subject, and whether names were given.

    All are on the model's clock, with the compartments that routes decide.
    """
    named = isinstance(regimen, Mapping)
    items = regimen if isinstance(regimen, Mapping) else {"": regimen}
    out: dict[str, list[Regimen]] = {}
    for name, value in items.items():
        if value is None:
            value = Regimen(doses=[])
        if isinstance(value, str):
            found = from_text(value, model, population, str(name) or None)
            value = found[0] if len(found) == 1 else found
        each: list[Any] = list(value) if isinstance(value, Sequence) else [value]
        if any(isinstance(r, str) for r in each):
            each = [_own(r, k, model, population, str(name)) for k, r in enumerate(each)]
        wrong = next((r for r in each if not isinstance(r, Regimen)), None)
        if wrong is not None or not each:
            got = "an empty list" if not each else f"{type(wrong).__name__} {wrong!r}"
            raise RegimenError(f"simulate: regimen {name!r} must be a Regimen or one Regimen per subject, got {got}")
        if not isinstance(value, Regimen):
            n = 1 if population is None else population.n
            if len(each) != n:
                raise RegimenError(
                    f"simulate: regimen {name!r} has {len(each)} regimens for {n} subjects; "
                    "give one for all or one per subject"
                )
        if str(name) in out:
            raise RegimenError(f"simulate: two regimens are named {str(name)!r}; name them apart")
        out[str(name)] = [bound(model, r) for r in each]
    if not out:
        raise RegimenError("simulate: the mapping of regimens is empty; give at least one")
    return out, named


def _own(given: Any, k: int, model: Model, population: Population | None, name: str) -> Any:
    """Return the regimen of the k-th subject from its shorthand."""
    if not isinstance(given, str):
        return given
    found = from_text(given, model, population, name or None)
    return found[k if len(found) > 1 else 0]
