"""The verb: set a model beside what was published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import DataError, LibraryError, nearest
from pkpd.kinds import needs
from pkpd.library import content_of, load_model, models_with
from pkpd.model.model import Model
from pkpd.validation.effects import run_effects
from pkpd.validation.measures import SettingCourse, outputs_of, run_setting
from pkpd.validation.records import EffectReading, Published
from pkpd.validation.report import Agreement, ValidationReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pkpd.validation.records import Setting

__all__ = ["effects_of", "has_published", "published_of", "validate_model"]


def validate_model(model: str | Model, *, n: int = 500, seed: int = 0) -> ValidationReport:
    """Compare a model with published pharmacokinetics, and with published effects on a marker.

    A published number was either ``used`` to choose a parameter of the model, so that agreement shows consistency only,
    or is ``external``. Published effects are external. The numbers stand beside the model's file, as ``published`` and
    ``effects``.

    Parameters
    ----------
    model : str or Model
        Name in the library, or a model, perhaps with other values. Numbers on its parts are included.
    n : int
        Subjects of the virtual population, for the central 90% beside the typical value.
    seed : int
        Of that population.

    Returns
    -------
    ValidationReport
        Prints as a table; `table()` and `effect_table()` give data frames.

    Raises
    ------
    DataError
        If nothing published is stored for the model, or `n` is below 2.

    Examples
    --------
    >>> report = validate_model("tocilizumab_moes2022", n=20)
    >>> report.rows[0].within
    True
    """
    if not isinstance(model, str):
        needs(
            "validate_model",
            model,
            ("Model",),
            "load one, pkpd.models[name]; a fit's and a calibration's is its .model",
        )
    if n < 2:
        raise DataError(f"validate_model: n must be at least 2, got {n}")
    given = load_model(model) if isinstance(model, str) else model
    rows, reading = published_of(given), effects_of(given)
    if not rows and reading is None:
        known = sorted({*models_with("published"), *models_with("effects")})
        raise DataError(
            f"validate_model: nothing published is stored for model '{given.name}'{nearest(given.name, known)}; there "
            f"is {', '.join(known)}"
        )
    compared: list[Agreement] = []
    for part, numbers in rows.items():
        of = given if not part else _with_values(given, part)
        runs = _Runs(n, seed, numbers)
        compared += [_compare(row, of, runs) for row in numbers]
    results = () if reading is None else run_effects(given, reading)
    return ValidationReport(given.name, tuple(compared), results, n, seed, reading)


def published_of(model: Model) -> dict[str, tuple[Published, ...]]:
    """Return the published numbers on a model and on its parts, by part; the model's own under an empty text.

    Raises
    ------
    LibraryError
        If its files declare something else.
    """
    found: dict[str, tuple[Published, ...]] = {}
    for part, rows in content_of(model, "published").items():
        if not isinstance(rows, (tuple, list)) or not all(isinstance(row, Published) for row in rows):
            raise LibraryError(f"published numbers of model '{model.name}': write (Published(...), ...), got {rows!r}")
        found[part] = tuple(rows)
    return found


def effects_of(model: Model) -> EffectReading | None:
    """Return how published effects on a marker are read with a model; None where its own files have none.

    Raises
    ------
    LibraryError
        If its files declare something else.
    """
    found = content_of(model, "effects").get("")
    if found is not None and not isinstance(found, EffectReading):
        raise LibraryError(f"effects of model '{model.name}': write EffectReading(...), got {found!r}")
    return found


def has_published(model: Model) -> bool:
    """Tell whether published numbers are stored for a model or its parts."""
    return bool(published_of(model)) or effects_of(model) is not None


def _with_values(model: Model, prefix: str) -> Model:
    """Return a part with the values that it has in the composed model."""
    part = model
    for name in prefix.split("."):
        part = part.parts[name]
    return part.replace(values={n: model.parameters[f"{prefix}.{n}"].value for n in part.parameters})


class _Runs:
    """Simulated settings of some published numbers, each made once."""

    def __init__(self, n: int, seed: int, rows: Sequence[Published]) -> None:
        self.n, self.seed = n, seed
        self.asked: dict[Setting, list[str]] = {}
        for row in rows:
            for setting in filter(None, (row.setting, row.against)):
                self.asked.setdefault(setting, []).append(row.measure)
        self.made: dict[tuple[str, Setting], tuple[SettingCourse, SettingCourse]] = {}

    def of(self, model: Model, setting: Setting) -> tuple[SettingCourse, SettingCourse]:
        key = (model.name, setting)
        if key not in self.made:
            outputs = outputs_of(model, self.asked[setting])
            self.made[key] = run_setting(model, setting, outputs, self.n, self.seed)
        return self.made[key]


def _compare(row: Published, model: Model, runs: _Runs) -> Agreement:
    one, many = _measured(row, model, runs)
    p5, p95 = np.quantile(many, [0.05, 0.95])
    variants = {name: float(_measured(row, load_model(name), runs)[0][0]) for name in row.variants}
    return Agreement(row, model.name, float(one[0]), float(p5), float(p95), variants)


def _measured(row: Published, model: Model, runs: _Runs) -> tuple[np.ndarray, np.ndarray]:
    """Return the measure in the typical person and in each subject, divided by that of another setting if asked."""
    one, many = (course.measure(row.measure, "" if row.against else row.unit) for course in runs.of(model, row.setting))
    if row.against:
        below_one, below_many = (course.measure(row.measure) for course in runs.of(model, row.against))
        one, many = one / below_one, many / below_many
    return one, many
