"""Models, seeds and studies found by name or by path; their files executed without being importable packages."""

from __future__ import annotations

import ast
import contextvars
import hashlib
import inspect
import linecache
import os
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pkpd.errors import LibraryError, nearest, shortened

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = [
    "Catalogue", "Content", "Entry", "content_in", "content_names", "content_of", "content_root", "find_content",
    "is_dir_at", "is_file_at", "list_models", "load_file", "load_model", "models", "models_with", "path_of",
]  # fmt: skip

# What one piece of content is called, and whether it is a file (a model) or a folder (a report, a study).
_KINDS = {"models": ("model", True), "seeds": ("seed", False), "calibration": ("study", False)}

T = TypeVar("T")

_loading: contextvars.ContextVar[tuple[Path, ...]] = contextvars.ContextVar("_loading", default=())


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
    >>> "pk1_oral" in models, models["pk1_oral"].name
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


def list_models() -> Catalogue:
    """Return name, title and file of every model in the library, without running any of them.

    Returns
    -------
    Catalogue
        A tuple of entries `(name, title, path)` that prints as a table; the title is the first line of the file.

    Examples
    --------
    >>> list_models().names
    (...'pk2_oral_irm1'...)
    """
    paths = (find_content("models", name) for name in content_names("models"))
    return Catalogue(Entry(path.stem, _title(path), path) for path in paths)


def is_file_at(path: Path) -> bool:
    """Return whether there is a file at a path; there is none where no file could be, as at too long a name.

    Examples
    --------
    >>> is_file_at(Path("x" * 5000))
    False
    """
    try:
        return path.is_file()
    except OSError:
        return False


def is_dir_at(path: Path) -> bool:
    """Return whether there is a folder at a path; there is none where no folder could be."""
    try:
        return path.is_dir()
    except OSError:
        return False


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


def load_model(name_or_path: str | os.PathLike[str] | Entry) -> Model:
    """Return a model of the library by its name, or the model that one's own file defines.

    A text that ends in ``.py`` or contains a folder separator is a path, and so is a `Path`; anything else is a name.
    The file is executed anew at each call, under a module name of its own that no other import can collide with.

    Parameters
    ----------
    name_or_path : str or path
        For example ``"pk2_oral_irm1"`` or ``"my/own.py"``; or an entry of `list_models`.

    Returns
    -------
    Model
        The global `model` of the file, or the only `Model` in it. The docstring of the file gives its title (the
        first line) and description where it has none of its own.

    Raises
    ------
    LibraryError
        If the name or file does not exist, or the file does not define exactly one model.

    Examples
    --------
    >>> load_model("pk2_oral_irm1").name
    'pk2_oral_irm1'
    """
    path, module_name = _locate(path_of(name_or_path, "model"))
    with _guarded(path):
        module = _execute(path, module_name)
    return _model_of(module, path)


def load_file(path: str | os.PathLike[str]) -> types.ModuleType:
    """Return a Python file of content as a module under a name of its own; it is executed anew at each call.

    Raises
    ------
    LibraryError
        If there is no such file.
    """
    file = Path(path).expanduser().resolve()
    if not is_file_at(file):
        raise LibraryError(f"file '{shortened(path)}' {_absence(file)}")
    digest = hashlib.sha256(str(file).encode()).hexdigest()[:8]
    with _guarded(file):
        return _execute(file, f"pkpd_content_{file.stem}_{digest}")


def content_in(folder: str | os.PathLike[str], name: str) -> Any:
    """Return what the file of a name in a folder of content assigns to that name; None where there is no such file.

    Parameters
    ----------
    folder : path
        Of a study, or beside a model.
    name : str
        ``schedules``, ``questions`` or ``published``, for example.

    Raises
    ------
    LibraryError
        If the file assigns nothing to its name.
    """
    path = Path(folder) / f"{name}.py"
    if not is_file_at(path):
        return None
    found = vars(load_file(path))
    if name not in found:
        raise LibraryError(f"file {path} must assign to the global name '{name}'; it has none")
    return found[name]


def content_of(model: Model, name: str) -> dict[str, Any]:
    """Return what the files of a model and of its parts declare under a name beside the model itself.

    That is a global of the model's own file, or of the file of that name in the folder beside it that is called as
    the model's file: ``schedules`` in ``models/mine.py`` or in ``models/mine/schedules.py``.

    Returns
    -------
    dict of str to object
        By part; the model's own under an empty text, and first. Those that declare nothing are left out.

    Examples
    --------
    >>> list(content_of(load_model("anakinra_inflammation"), "schedules"))
    ['anakinra']
    """
    found = {"": _beside(model.file, name) if model.file else None}
    for prefix, part in model.parts.items():
        inner = content_of(part, name)
        found |= {f"{prefix}.{key}".removesuffix("."): value for key, value in inner.items()}
    return {part: value for part, value in found.items() if value is not None}


def models_with(name: str) -> tuple[str, ...]:
    """Return the models of the library that declare something in a file of their own beside them."""
    found = (content_root() / "models").glob(f"*/{name}.py")
    return tuple(sorted(path.parent.name for path in found))


def _beside(file: str, name: str) -> Any:
    path = Path(file)
    loaded = (m for n, m in list(sys.modules.items()) if n.startswith("pkpd_model_") and m.__file__ == file)
    module = next(loaded, None)
    if module is None:  # in another process than the one that loaded the model
        if not is_file_at(path):
            return None
        path, module_name = _locate(path)
        with _guarded(path):
            module = _execute(path, module_name)
    return vars(module)[name] if name in vars(module) else content_in(path.with_suffix(""), name)


def _kind(kind: str) -> tuple[str, bool]:
    if kind not in _KINDS:
        raise LibraryError(f"no content of kind '{kind}'{nearest(kind, _KINDS)}; there are {', '.join(_KINDS)}")
    return _KINDS[kind]


def _title(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_bytes(), filename=str(path))) or ""
    return text.partition("\n")[0].rstrip()


def _locate(name_or_path: str | os.PathLike[str]) -> tuple[Path, str]:
    """Return the file and the name of the module that it becomes, the same in every process."""
    given = os.fspath(name_or_path)
    separators = [os.sep] + ([os.altsep] if os.altsep else [])
    is_path = not isinstance(name_or_path, str) or given.endswith(".py") or any(sep in given for sep in separators)
    if not is_path:
        return find_content("models", given), f"pkpd_model_{given}"
    path = Path(given).expanduser()
    if not is_file_at(path):
        raise LibraryError(f"model file '{shortened(given)}' {_absence(path)}")
    path = path.resolve()
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    return path, f"pkpd_model_{path.stem}_{digest}"


def _absence(path: Path) -> str:
    try:
        path = path.resolve()
        folder = path.is_dir()
    except OSError as error:
        return f"cannot be a file: {error.strerror}"
    if folder:
        return "is a folder; give the file in it"
    if not path.parent.is_dir():
        return f"does not exist, nor does the folder {shortened(path.parent)}"
    beside = [other.name for other in path.parent.glob("*.py")]
    hint = nearest(path.name, beside)
    if not hint and path.stem in content_names("models"):
        hint = f" (the library has a model of this name: pkpd.models['{path.stem}'])"
    return f"does not exist in {path.parent}{hint}"


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """Refuse files that load each other, and say in any error which file was being loaded."""
    open_files = _loading.get()
    if path in open_files:
        chain = " -> ".join(file.name for file in (*open_files, path))
        raise LibraryError(f"model files load each other: {chain}")
    token = _loading.set((*open_files, path))
    try:
        yield
    except Exception as error:
        error.add_note(f"while loading the model file {path}")
        raise
    finally:
        _loading.reset(token)


def _execute(path: Path, module_name: str) -> types.ModuleType:
    """Run a file as a module that tracebacks, `inspect` and `pickle` find, leaving no compiled file beside it."""
    module = types.ModuleType(module_name)
    module.__file__ = str(path)
    linecache.checkcache(str(path))
    before = sys.modules.get(module_name)
    sys.modules[module_name] = module
    try:
        exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), module.__dict__)
    except BaseException:
        if before is None:
            del sys.modules[module_name]
        else:
            sys.modules[module_name] = before
        raise
    return module


def _model_of(module: types.ModuleType, path: Path) -> Model:
    from pkpd.model.model import Model

    found = {name: value for name, value in vars(module).items() if isinstance(value, Model)}
    model = found.get("model")
    if model is None and len({id(value) for value in found.values()}) == 1:
        model = next(iter(found.values()))
    if model is None:
        if "model" in vars(module):
            have = f"its global 'model' is a {type(vars(module)['model']).__name__}"
        else:
            have = f"it defines {', '.join(found)}" if found else "it defines no Model"
        raise LibraryError(f"model file {path} must assign one Model to the global name 'model'; {have}")
    model = type(model).from_fields({**vars(model), "file": str(path)})
    if not (model.title or model.description) and module.__doc__:
        title, _, rest = inspect.cleandoc(module.__doc__).partition("\n")
        return model.replace(title=title, description=rest.strip())
    return model


#: models of the library
models: Content[Model] = Content("models", load_model, list_models)
