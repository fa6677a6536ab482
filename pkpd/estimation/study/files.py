"""Fits of reports, read from their files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pkpd.catalogue import Entry, content_names, find_content, path_of
from pkpd.errors import LibraryError, PkpdError, shortened
from pkpd.estimation.convergence import arviz
from pkpd.estimation.study.loading import as_study, study_folder
from pkpd.estimation.study.result import StudyFit
from pkpd.estimation.study.study import Study
from pkpd.files import is_file_at

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["load_study_fit", "result_in"]

#: what a result is called in the folder of its study, and in the folder of results of `pkpd run`
_FILES = ("fit.nc", "calibration.nc")


def result_in(name_or_path: str | os.PathLike[str] | Entry) -> Path | None:
    """Return the file of a fit of reports that a path, or a name of the library, means; None if there is none.

    Parameters
    ----------
    name_or_path : str or path
        A NetCDF file, the folder of a study or of results with one, a file in such a folder, or a study of the library.
    """
    given = Path(os.fspath(path_of(name_or_path, "calibration"))).expanduser()
    if given.suffix == ".nc":
        return given if is_file_at(given) else None
    named = str(name_or_path) in content_names("calibration")
    beside = given.parent if is_file_at(given) else given
    folder = find_content("calibration", str(name_or_path)) if named else beside
    return next((folder / name for name in _FILES if is_file_at(folder / name)), None)


def load_study_fit(
    name_or_path: str | os.PathLike[str] | Entry, *, study: Study | str | os.PathLike[str] | None = None
) -> StudyFit:
    """Return a fit of reports of the library by the name of its study, or from a file of one's own.

    The Python file ``study.py`` beside a result is executed: open results of people whom you trust only, or give
    ``study`` yourself.

    Parameters
    ----------
    name_or_path : str or path
        A name of the library, a folder with ``study.py`` and ``fit.nc``, a folder of results, or a NetCDF file.
    study : Study, str or path, optional
        The study that was fitted; the one in the same folder by default.

    Raises
    ------
    LibraryError
        If there is no result.
    PkpdError
        If the result belongs to another state of the study: its model, evidence, priors or settings have changed.
    """
    path = result_in(name_or_path)
    if path is None:
        given = Path(os.fspath(path_of(name_or_path, "calibration"))).expanduser()
        missing = given if given.suffix == ".nc" else study_folder(name_or_path) / _FILES[0]
        of = "study" if missing is given else shortened(os.fspath(given))
        raise LibraryError(
            f"there is no result {shortened(missing)}; make one of study '{of}': "
            f"fit(study, method=Nuts()).save('{missing.name}')"
        )
    if study is None and not is_file_at(path.parent / "study.py"):
        raise LibraryError(f"{shortened(path)} has no study.py beside it; say which study it is of: study=...")
    fitted = as_study(study if study is not None else path.parent.resolve() / "study.py")
    found = _read(path)
    attrs = found["posterior"].attrs
    if (of := attrs.get("study", fitted.name)) != fitted.name:
        raise PkpdError(
            f"{path.name} is a result of study '{of}', not of '{fitted.name}'; give the right one: study=..."
        )
    if attrs.get("fingerprint") != fitted.fingerprint:
        was, now = str(attrs.get("fingerprint", ""))[:12], fitted.fingerprint[:12]
        raise PkpdError(
            f"{path.name} was fitted to another state of study '{fitted.name}' (fingerprint {was}, now {now}): "
            "its model, evidence, priors or tolerances have changed; fit again"
        )
    return StudyFit(fitted, arviz().InferenceData(**found))


def _read(path: Path) -> dict[str, xr.Dataset]:
    import h5netcdf
    import xarray as xr

    with h5netcdf.File(path, "r") as file:
        names = list(file.groups)
    if "posterior" not in names:
        raise LibraryError(f"{path} holds no posterior: it is no fit of reports")
    out = {}
    for name in names:
        with xr.open_dataset(path, group=name, engine="h5netcdf") as data:
            out[name] = data.load()
    return out
