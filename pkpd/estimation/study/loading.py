"""Studies of the library, or of one's own, found by name or by path."""

from __future__ import annotations

import os
from pathlib import Path

from pkpd.catalogue import Catalogue, Content, Entry, content_names, find_content, path_of
from pkpd.errors import LibraryError, shortened
from pkpd.estimation.study.study import Study
from pkpd.files import is_dir_at, is_file_at
from pkpd.library import load_file

__all__ = ["as_study", "list_studies", "load_study", "studies", "study_folder"]


def study_folder(given_as: str | os.PathLike[str] | Entry) -> Path:
    """Return the folder of a study of the library, or of the one at a path (its file or its folder).

    Raises
    ------
    LibraryError
        If there is no such study.
    """
    name_or_path = path_of(given_as, "study")
    given = os.fspath(name_or_path)
    is_path = not isinstance(name_or_path, str) or given.endswith(".py") or os.sep in given or "/" in given
    if not is_path:
        return find_content("calibration", given)
    path = Path(given).expanduser()
    if is_file_at(path):
        return path.resolve().parent
    if is_dir_at(path):
        return path.resolve()
    raise LibraryError(
        f"study '{shortened(given)}' does not exist; give a name of the library, a folder with study.py, or a file"
    )


def list_studies() -> Catalogue:
    """Return name, title and file of every study in the library, without running any of them.

    Examples
    --------
    >>> isinstance(list_studies().names, tuple)
    True
    """
    import ast

    found = []
    for name in content_names("calibration"):
        path = find_content("calibration", name) / "study.py"
        if path.is_file():
            text = ast.get_docstring(ast.parse(path.read_bytes(), filename=str(path))) or ""
            found.append(Entry(name, text.partition("\n")[0].rstrip(), path))
    return Catalogue(found)


def load_study(name_or_path: str | os.PathLike[str] | Entry) -> Study:
    """Return a study of the library by its name, or the one that a file of one's own defines.

    A text that ends in ``.py`` or holds a folder separator is a path, to the file or to a folder with ``study.py``;
    anything else is a name. The file is executed anew at each call, and may import modules (``.py``) of its own folder.
    Paths of its model and evidence are meant from that folder.

    Parameters
    ----------
    name_or_path : str or path

    Raises
    ------
    LibraryError
        If it does not exist, or does not assign one Study to the global name ``study``.

    Examples
    --------
    >>> load_study("anakinra_reports").name
    'anakinra_reports'
    """
    given = Path(os.fspath(path_of(name_or_path, "study"))).expanduser()
    path = given if given.suffix == ".py" else study_folder(name_or_path) / "study.py"
    if not is_file_at(path):
        raise LibraryError(f"study file {shortened(path)} does not exist")
    path = path.resolve()
    module = load_file(path)
    study = vars(module).get("study")
    if not isinstance(study, Study):
        have = f"it is a {type(study).__name__}" if study is not None else "it does not"
        raise LibraryError(f"study file {path} must assign one Study to the global name 'study'; {have}")
    return study if study.folder is not None else study.with_(folder=path.parent)


def as_study(given: Study | str | os.PathLike[str] | Entry) -> Study:
    """Return the study itself, or load it by its name or path."""
    return given if isinstance(given, Study) else load_study(given)


#: studies of the library
studies: Content[Study] = Content("calibration", load_study, list_studies)
