"""Models loaded by name or by path, and what lies beside them; files are executed without being importable.

A file may import the modules (``.py``) of its own folder by their names. Each is executed once for all files that are
loaded together, under a module name of its own, so that modules of one name in two folders stay apart.
"""

from __future__ import annotations

import ast
import builtins
import contextvars
import hashlib
import importlib.util
import inspect
import linecache
import os
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pkpd.catalogue import Catalogue, Content, Entry, content_names, content_root, find_content, path_of
from pkpd.errors import LibraryError, nearest, shortened
from pkpd.files import is_file_at

if TYPE_CHECKING:
    from pkpd.model.model import Model

__all__ = ["content_in", "content_of", "list_models", "load_file", "load_model", "models", "models_with"]

_loading: contextvars.ContextVar[tuple[Path, ...]] = contextvars.ContextVar("_loading", default=())
#: modules that files loaded together have imported from their own folders
_imported: contextvars.ContextVar[dict[Path, types.ModuleType] | None] = contextvars.ContextVar(
    "_imported", default=None
)


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


def load_model(name_or_path: str | os.PathLike[str] | Entry) -> Model:
    """Return a model of the library by its name, or the model that one's own file defines.

    A text that ends in ``.py`` or contains a folder separator is a path, and so is a `Path`; anything else is a name.
    The file is executed anew at each call, under a module name of its own that no other import can collide with. It may
    import modules (``.py``) of its own folder.

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
        If there is no such file, or it imports a module of its own folder that another one of the same name hides.
    """
    file = Path(path).expanduser().resolve()
    if not is_file_at(file):
        raise LibraryError(f"file '{shortened(path)}' {_absence(file)}")
    with _guarded(file):
        return _execute(file, _module_name("content", file))


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
    return path, _module_name("model", path)


def _module_name(kind: str, path: Path) -> str:
    return f"pkpd_{kind}_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


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
        raise LibraryError(f"files load each other: {chain}")
    token = _loading.set((*open_files, path))
    try:
        yield
    except Exception as error:
        error.add_note(f"while loading the file {path}")
        raise
    finally:
        _loading.reset(token)


def _execute(path: Path, module_name: str) -> types.ModuleType:
    """Run a file as a module that tracebacks, `inspect` and `pickle` find, leaving no compiled file beside it."""
    imported = _imported.get()
    imported = {} if imported is None else imported
    module = types.ModuleType(module_name)
    module.__file__ = str(path)
    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _importer(path.parent, imported)}
    linecache.checkcache(str(path))
    before = sys.modules.get(module_name)
    sys.modules[module_name] = module
    token = _imported.set(imported)
    try:
        exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), module.__dict__)
    except BaseException:
        if before is None:
            del sys.modules[module_name]
        else:
            sys.modules[module_name] = before
        raise
    finally:
        _imported.reset(token)
    return module


def _importer(folder: Path, imported: dict[Path, types.ModuleType]) -> Callable[..., Any]:
    """Return ``__import__`` for a file of a folder: modules that lie there are loaded, all others imported as ever.

    Parameters
    ----------
    folder : Path
    imported : dict of Path to module
        Modules that were loaded so before, and are not executed again.
    """

    def import_(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        file = folder / f"{name}.py"
        if level or not name.isidentifier() or not is_file_at(file) or _imports(name, file):
            return builtins.__import__(name, globals, locals, fromlist, level)
        if file not in imported:
            token = _imported.set(imported)
            try:
                with _guarded(file):
                    imported[file] = _execute(file, _module_name("content", file))
            finally:
                _imported.reset(token)
        return imported[file]

    return import_


def _imports(name: str, file: Path) -> bool:
    """Tell whether an ordinary import of a name finds a file; refuse a name by which it finds something else.

    Raises
    ------
    LibraryError
        If two modules have the name.
    """
    known = sys.modules.get(name)
    spec = importlib.util.find_spec(name) if known is None else known.__spec__
    origin = getattr(known, "__file__", None) or (spec.origin if spec is not None else None)
    if (known is None and spec is None) or (spec is not None and spec.origin is None):  # nothing, or a mere folder
        return False
    if origin is not None and Path(origin).resolve() == file:
        return True
    raise LibraryError(
        f"two modules are called '{name}': {file}, and {origin or 'one that is loaded'}; rename the file and its import"
    )


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
