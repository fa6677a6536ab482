"""Fits on disk, read again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from pkpd.errors import PkpdError
from pkpd.estimation.identity import rows_of, units_of
from pkpd.estimation.methods.register import METHODS, method_of
from pkpd.estimation.population_draws import PopulationDraws
from pkpd.estimation.problem import pose
from pkpd.estimation.result import Fit
from pkpd.estimation.saved import FORMAT, MATRICES, held_values
from pkpd.estimation.spreads import belief_of_plain
from pkpd.estimation.study.files import load_study_fit
from pkpd.estimation.uncertainty.covariance import Covariance
from pkpd.files import is_file_at
from pkpd.observation.density import laws_of
from pkpd.options import checked

if TYPE_CHECKING:
    from pkpd.estimation.study.result import StudyFit
    from pkpd.estimation.study.study import Study
    from pkpd.model.model import Model
    from pkpd.observation.reports import Data

__all__ = ["load_fit"]


@overload
def load_fit(path: str | os.PathLike[str], model: Model, data: Data) -> Fit: ...


@overload
def load_fit(path: str | os.PathLike[str], *, study: Study | str | os.PathLike[str] | None = None) -> StudyFit: ...


@checked
def load_fit(path: Any, model: Model | None = None, data: Data | None = None, *, study: Any = None) -> Fit | StudyFit:
    """Read a fit that was saved, with what it was made with: a model and its data, or a study.

    Parameters
    ----------
    path : path or str
        A file of :meth:`Fit.save`; or of a study: a name of the library, a folder with ``study.py`` and ``fit.nc``, a
        folder of results, or a NetCDF file, see :func:`pkpd.estimation.study.files.load_study_fit`.
    model : Model, optional
        With the start values, as given to ``fit``.
    data : EventTable, Evidence or sequence of these, optional
        As given to ``fit``.
    study : Study, str or path, optional
        The study that was fitted; the one in the same folder by default.

    Raises
    ------
    PkpdError
        If the file is no fit, or of other equations, subjects, rows, laws, estimates, priors or reports.
    """
    of_study = _is_of_study(path)
    if of_study is False and (model is None or data is None or study is not None):
        raise PkpdError(
            f"load_fit: {path} is of a data set; give the model and the data: load_fit(path, model, data), "
            "data as given to fit"
        )
    if of_study and (model is not None or data is not None):
        raise PkpdError(
            f"load_fit: {path} is of a study, which brings its model and its reports: load_fit(path, study=...)"
        )
    if model is None and data is None:
        return load_study_fit(path, study=study)
    if model is None or data is None or study is not None:
        raise PkpdError("load_fit: give model and data, for a fit of a data set, or neither, for a fit of a study")
    return _load_population_fit(path, model, data)


def _is_of_study(path: Any) -> bool | None:
    """Return by its first byte whether a file is NetCDF, as fits of studies are, or JSON; None where it is neither."""
    if not isinstance(path, str | os.PathLike) or not is_file_at(file := Path(path).expanduser()):
        return None
    with file.open("rb") as opened:
        return {b"\x89": True, b"{": False}.get(opened.read(1))


def _load_population_fit(path: str | os.PathLike[str], model: Model, data: Data) -> Fit:
    """Read a fit to a data set.

    Parameters
    ----------
    path : path
    model : Model
        With the start values, as given to ``fit``.
    data : EventTable, Evidence or sequence of these

    Raises
    ------
    PkpdError
        If the file is no fit, or of other equations, subjects, rows, laws, estimates or values that were not estimated.
    """
    try:
        held = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PkpdError(f"load_fit: {path} cannot be read: {error}") from None
    if not isinstance(held, dict) or held.get("format") != FORMAT:
        raise PkpdError(f"load_fit: {path} is no fit of format {FORMAT}")
    posed = model.without_variability() if held["settings"]["typical"] else model
    if held["fingerprint"] != posed.fingerprint:
        raise PkpdError(
            f"load_fit: {path} is of model '{held['model']}' with other equations than '{model.name}' has now"
        )
    if held["units"] != units_of(model):
        raise PkpdError(f"load_fit: {path} is of model '{held['model']}' in other units: {held['units']}")
    problem = pose(model, data, **held["settings"], declared=held["declared"])
    for what, own in (("labels", problem.layout.labels), ("subjects", [str(v) for v in problem.data.labels])):
        if held[what] != list(own):
            raise PkpdError(f"load_fit: {path} has other {what} than model and data give: {', '.join(held[what][:8])}")
    own = rows_of(problem.data)
    off = [what for what in own if own[what] != held["rows"][what]]
    if off:
        raise PkpdError(
            f"load_fit: {path} was made with other {' and '.join(off)} than '{problem.table.name}' has; give the "
            "data of the fit"
        )
    laws = laws_of(problem.data)
    if other := [output for output in laws if laws[output] != held["laws"].get(output)]:
        raise PkpdError(
            f"load_fit: {path} was fitted with another law of {', '.join(other)}: a residual error, or a kind of "
            "reported fact, computes something else now; fit again"
        )
    u = held["uncertainty"]
    known = None
    if u is not None:
        matrices = {k: np.array(u[k], np.float64) for k in MATRICES}
        known = Covariance(
            kind=u["kind"], labels=tuple(held["labels"]), condition_number=u["condition_number"], held=tuple(u["held"]),
            **matrices,
        )  # fmt: skip
    found = Fit(
        problem, np.array(held["x"], np.float64), np.array(held["effects"], np.float64), held["ofv"], held["method"],
        held["converged"], held["messages"], held["trace"], held["seconds"], known, held["covariance_message"],
        held["extra"], chains=None if held["chains"] is None else PopulationDraws.of_text(held["chains"]),
    )  # fmt: skip
    if held["options"] is not None and held["method"] in METHODS:
        options = dict(held["options"])
        if options.get("priors"):
            options["priors"] = {name: belief_of_plain(value) for name, value in options["priors"].items()}
        found.estimator = method_of(held["method"], **options)
        found.priors = found.estimator.believed(problem.layout)
    _check_held(path, held["held"], held_values(found))
    return found


def _check_held(path: Any, told: dict[str, float], own: dict[str, float]) -> None:
    """Raise PkpdError if values that the file does not set, since they were fixed, differ in the model."""
    off = [
        f"{name} {told.get(name)!r} in the file, {own.get(name)!r} in the model"
        for name in {**told, **own}
        if not np.isclose(told.get(name, np.nan), own.get(name, np.nan), rtol=1e-9, atol=0.0, equal_nan=True)
    ]
    if off:
        raise PkpdError(f"load_fit: {path} is of a model with other fixed values: {', '.join(off[:4])}")
