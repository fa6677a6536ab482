"""A user's script that names everything public, as type checkers and completion see it."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

import pkpd

SCRIPT = Path(__file__).with_name("user_script.py")
#: module of the functions for equations, which the script calls m
EQUATIONS = "math"


def public_names() -> set[str]:
    """Return every public name of the root and of its modules, functions for equations by their short names."""
    found: set[str] = set()
    for name in pkpd.__all__:
        value = getattr(pkpd, name)
        found |= {f"{name}.{inner}" for inner in value.__all__} if isinstance(value, ModuleType) else {name}
    return found


def named_in(script: Path) -> set[str]:
    """Return what a script names as ``pkpd.fit``, ``pkpd.checks.vpc`` or, of equations, ``m.exp``."""
    found = set()
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            parts = ast.unparse(node).split(".")
            if parts[0] == "m" and len(parts) == 2:
                found.add(f"{EQUATIONS}.{parts[1]}")
            elif parts[0] == "pkpd" and all(part.isidentifier() for part in parts):
                deep = isinstance(getattr(pkpd, parts[1], None), ModuleType)
                found.add(".".join(parts[1 : 3 if deep else 2]))
    return {name for name in found if "." in name or not isinstance(getattr(pkpd, name, None), ModuleType)}


def test_the_script_names_everything_public_and_nothing_else() -> None:
    assert named_in(SCRIPT) == public_names()


@pytest.mark.slow
def test_type_checkers_accept_the_script(checkout: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "pyrightconfig.json").write_text(f'{{"extraPaths": ["{checkout}"]}}', encoding="utf-8")
    mypy = ["mypy", "--strict", "--follow-imports=silent", f"--cache-dir={tmp_path / 'cache'}", str(script)]
    for command in (["pyright", "-p", str(tmp_path)], mypy):
        words, where = [sys.executable, "-m", *command], os.environ | {"MYPYPATH": str(checkout)}
        done = subprocess.run(words, cwd=tmp_path, env=where, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr


def test_completion_shows_the_options_of_methods() -> None:
    known = [getattr(space, name) for space in (pkpd, pkpd.methods) for name in space.__all__]
    bases = (pkpd.extend.Method, pkpd.extend.Analysis)
    methods = [each for each in known if isinstance(each, type) and issubclass(each, bases)]
    assert len(methods) > 15
    for method in methods:
        assert list(inspect.signature(method).parameters) == [field.name for field in fields(method)]


def test_options_of_verbs_have_one_name_and_one_default() -> None:
    """Where verbs share an option, it means the same and has the same default, but for the tolerance of answers."""
    verbs = [pkpd.simulate, pkpd.fit, pkpd.individual, pkpd.compare, pkpd.sensitivity]
    found: dict[str, set[object]] = {}
    for verb in verbs:
        for name, parameter in inspect.signature(verb).parameters.items():
            if name in ("threads", "progress", "on_failure"):
                found.setdefault(name, set()).add(parameter.default)
            assert name not in ("tol", "nthreads", "n_threads", "random_state", "verbose", "alpha", "confidence")
    assert found == {"threads": {None}, "progress": {None}, "on_failure": {"warn"}}
