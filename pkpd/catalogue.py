"""Catalogues: what content there is by name, and where it lies, in a checkout or in an installed wheel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from pkpd.errors import LibraryError, nearest, shortened
from pkpd.files import is_file_at

__all__ = ["Catalogue", "Content", "Entry", "content_names", "content_root", "find_content", "path_of"]

# What one piece of content is called, and whether it is a file (a model) or a folder (a report, a study).
_KINDS = {"models": ("model", True), "seeds": ("seed", False), "calibration": ("study", False)}

T = TypeVar("T")


class Entry(NamedTuple):
    """One piece of content: its name, the first line of its docstring, its file."""

    name: str
    title: str
    path: Path


class Catalogue(tuple[Entry, ...]):
    """Entries in the order of their names, printed as a table."""

    __slots__ = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names that `load_model` takes."""
        return tuple(entry.name for entry in self)

    def __repr__(self) -> str:
        width = max((len(entry.name) for entry in self), default=0)
        return "\n".join(f"{entry.name:<{width}}  {entry.title}".rstrip() for entry in self)


class Content(Mapping[str, T]):
    """Content of one kind, by the names that the library has or by paths of one's own; printed as a table.

    Parameters
    ----------
    kind : {'models', 'seeds', 'calibration'}
    load : callable
        What makes one of a name or path.
    entries : callable
        What lists name, title and file of each without loading any.

    Examples
    --------
    >>> import pkpd
    >>> "pk1_oral" in pkpd.models, pkpd.models["pk1_oral"].name
    (True, 'pk1_oral')
    """

    def __init__(self, kind: str, load: Callable[..., T], entries: Callable[[], Catalogue]) -> None:
        self.kind, self.load, self.entries = kind, load, entries

    def __getitem__(self, name_or_path: str | os.PathLike[str] | Entry) -> T:
        return self.load(name_or_path)

    def __iter__(self) -> Iterator[str]:
        return iter(content_names(self.kind))

    def __len__(self) -> int:
        return len(content_names(self.kind))

    def __contains__(self, name: object) -> bool:
        return name in content_names(self.kind)

    def __repr__(self) -> str:
        return repr(self.entries())


def content_root() -> Path:
    """Return the folder that holds `models`, `seeds` and `calibration`, in a checkout or in an installed wheel.

    Raises
    ------
    LibraryError
        If the installation carries no content.
    """
    package = Path(__file__).resolve().parent
    installed = package / "_content"
    if installed.is_dir():
        return installed
    # A folder `models` beside the package in site-packages belongs to somebody else; a checkout has its project file.
    if (package.parent / "pyproject.toml").is_file() and (package.parent / "models").is_dir():
        return package.parent
    raise LibraryError(f"no content folders beside {package}: reinstall pkpd, or load files by their path")


def content_names(kind: str) -> tuple[str, ...]:
    """Return the sorted names in a content folder.

    Parameters
    ----------
    kind : {'models', 'seeds', 'calibration'}
        Folder to look in.

    Examples
    --------
    >>> "pk2_oral_irm1" in content_names("models")
    True
    """
    _, is_file = _kind(kind)
    folder = content_root() / kind
    found = (path for path in folder.glob("*") if not path.name.startswith(("_", ".")))
    if is_file:
        return tuple(sorted(path.stem for path in found if path.suffix == ".py" and path.is_file()))
    return tuple(sorted(path.name for path in found if path.is_dir()))


def find_content(kind: str, name: str) -> Path:
    """Return the file of a model, or the folder of a seed or study, that the library holds under a name.

    Parameters
    ----------
    kind : {'models', 'seeds', 'calibration'}
        Folder to look in.
    name : str
        Name without suffix.

    Raises
    ------
    LibraryError
        If there is no such name; the message lists the names that exist.
    """
    noun, is_file = _kind(kind)
    known = content_names(kind)
    if name not in known:
        here = Path(f"{name}.py")
        hint = nearest(name, known)
        if is_file and is_file_at(here):
            hint = f"; the file '{here}' in this folder is loaded by its path: '{here}'"
        listed = ", ".join(known) or f"no {noun} yet"
        raise LibraryError(f"the library has no {noun} '{shortened(name)}'{hint}; it has {listed}")
    return content_root() / kind / (f"{name}.py" if is_file else name)


def path_of(given: str | os.PathLike[str] | Entry, what: str) -> str | os.PathLike[str]:
    """Return the name or path that was given, of an entry of a catalogue its path.

    Raises
    ------
    LibraryError
        If it is neither.
    """
    if isinstance(given, Entry):
        return given.path
    if not isinstance(given, (str, os.PathLike)):
        raise LibraryError(f"a {what} is loaded by its name or path, got {type(given).__name__}")
    return given


def _kind(kind: str) -> tuple[str, bool]:
    if kind not in _KINDS:
        raise LibraryError(f"no content of kind '{kind}'{nearest(kind, _KINDS)}; there are {', '.join(_KINDS)}")
    return _KINDS[kind]
