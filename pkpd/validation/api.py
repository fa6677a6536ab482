"""The verb: set a model beside what was published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pkpd.errors import DataError, nearest
from pkpd.kinds import needs
from pkpd.library import load_model
from pkpd.model.model import Model
from pkpd.validation.effects import EFFECT_MODEL, run_effects
from pkpd.validation.measures import MEASURES, SettingCourse, run_setting
from pkpd.validation.published import PUBLISHED, SETTINGS, rows_for
from pkpd.validation.report import Agreement, ValidationReport

if TYPE_CHECKING:
    from pkpd.validation.records import Published

__all__ = ["has_published", "validate_model"]


def validate_model(model: str | Model, *, n: int = 500, seed: int = 0) -> ValidationReport:
    """Compare a model with published pharmacokinetics, and a composed one with published effects on CRP as well.

    A published number was either ``used`` to choose a parameter of the model, so that agreement shows consistency only,
    or is ``external``. Published effects on CRP are all external: none of them informs a prior of any calibration here.

    Parameters
    ----------
    model : str or Model
        Name in the library, or a model of that name with other values. Rows of its parts are included.
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
            "load one, pkpd.load_model(name); a fit's and a calibration's is its .model",
        )
    if n < 2:
        raise DataError(f"validate_model: n must be at least 2, got {n}")
    given = load_model(model) if isinstance(model, str) else model
    models = {given.name: given, **{part.name: _with_values(given, prefix) for prefix, part in given.parts.items()}}
    rows = rows_for(tuple(models))
    with_effects = given.name == EFFECT_MODEL
    if not rows and not with_effects:
        known = sorted({row.model for row in PUBLISHED} | {EFFECT_MODEL})
        raise DataError(
            f"validate_model: nothing published is stored for model '{given.name}'{nearest(given.name, known)}; there "
            f"is {', '.join(known)}"
        )
    runs = _Runs(n, seed)
    compared = tuple(_compare(row, models[row.model], runs) for row in rows)
    return ValidationReport(given.name, compared, run_effects(given) if with_effects else (), n, seed)


def _with_values(model: Model, prefix: str) -> Model:
    """Return a part with the values that it has in the composed model."""
    part = model.parts[prefix]
    return part.replace(values={n: model.parameters[f"{prefix}.{n}"].value for n in part.parameters})


def has_published(model: Model) -> bool:
    """Tell whether published numbers are stored for a model or its parts."""
    return model.name == EFFECT_MODEL or bool(rows_for((model.name, *(part.name for part in model.parts.values()))))


class _Runs:
    """Simulated settings, each made once."""

    def __init__(self, n: int, seed: int) -> None:
        self.n, self.seed = n, seed
        self.made: dict[tuple[str, str], tuple[SettingCourse, SettingCourse]] = {}

    def of(self, model: Model, setting: str) -> tuple[SettingCourse, SettingCourse]:
        if (model.name, setting) not in self.made:
            self.made[model.name, setting] = run_setting(model, SETTINGS[setting], self.n, self.seed)
        return self.made[model.name, setting]


def _compare(row: Published, model: Model, runs: _Runs) -> Agreement:
    one, many = _measured(row, model, runs)
    p5, p95 = np.quantile(many, [0.05, 0.95])
    variants = {name: float(_measured(row, load_model(name), runs)[0][0]) for name in row.variants}
    setting = SETTINGS[row.setting]
    return Agreement(row, setting.text, setting.assumed, float(one[0]), float(p5), float(p95), variants)


def _measured(row: Published, model: Model, runs: _Runs) -> tuple[np.ndarray, np.ndarray]:
    """Return the measure in the typical person and in each subject, divided by that of another setting if asked."""
    measure = MEASURES[row.measure]
    one, many = (measure(course) for course in runs.of(model, row.setting))
    if row.against:
        below_one, below_many = (measure(course) for course in runs.of(model, row.against))
        one, many = one / below_one, many / below_many
    return one, many
