from __future__ import annotations

import inspect
import os
import pickle
import sys
import textwrap
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from pkpd.catalogue import Catalogue, Entry, content_names, content_root, find_content
from pkpd.errors import LibraryError, ModelError
from pkpd.library import list_models, load_file, load_model
from pkpd.transport import packed

OWN = '''
"""A drug of one's own.

Second paragraph.
"""
from pkpd import Model, Output, Parameter, State


def dynamics(t, x, p):
    return {"central": -p.CL / p.V * x.central}


def outputs(t, x, p):
    return {"Cc": x.central / p.V}


model = Model(
    "own",
    states=[State("central", "mg", "plasma")],
    parameters=[Parameter("CL", 5.0, "L/h", "clearance"), Parameter("V", 50.0, "L", "volume")],
    outputs=[Output("Cc", "mg/L", "plasma concentration")],
    dynamics=dynamics,
    calculate=outputs,
)
'''.lstrip()


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN, encoding="utf-8")
    return path


def write(path: Path, text: str) -> Path:
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def dynamics_of(path: Path) -> Callable[..., object]:
    return load_model(path).routines["dynamics"].function


def test_every_listed_name_is_a_file_with_a_title():
    catalogue = list_models()
    assert len(catalogue) > 0
    for name, title, path in catalogue:
        assert find_content("models", name) == path
        assert path.is_file()
        assert title, f"{path.name} has no docstring"


def test_listing_runs_no_model(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("builtins.exec", lambda *_: pytest.fail("a model file was executed"))
    before = set(sys.modules)
    list_models()
    assert not [name for name in set(sys.modules) - before if name.startswith("pkpd_model_")]


def test_catalogue_prints_one_aligned_line_per_model():
    catalogue = Catalogue([Entry("a", "First.", Path("a.py")), Entry("long_name", "", Path("b.py"))])
    assert str(catalogue) == "a          First.\nlong_name"
    assert catalogue.names == ("a", "long_name")


def test_library_model_is_loaded_by_name():
    name = list_models().names[0]
    assert load_model(name).name == name


def test_own_file_by_text_path_and_relative_path(own: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(own.parent)
    (own.parent / "sub").mkdir()
    assert {load_model(given).name for given in (str(own), own, "own.py", Path("own.py"), "sub/../own.py")} == {"own"}


def test_docstring_of_the_file_describes_the_model(own: Path):
    model = load_model(own)
    assert (model.title, model.description) == ("A drug of one's own.", "Second paragraph.")


def test_description_of_the_model_is_kept(own: Path):
    own.write_text(OWN.replace('"own",', '"own", description="Said here.",'), encoding="utf-8")
    assert load_model(own).description == "Said here."


def test_only_model_of_a_file_needs_no_global_name(own: Path):
    own.write_text(OWN.replace("model = Model(", "drug = Model("), encoding="utf-8")
    assert load_model(own).name == "own"


def test_loading_leaves_no_other_trace_than_its_own_module(own: Path):
    models_py = own.with_name("models.py")
    models_py.write_text(OWN, encoding="utf-8")
    before = set(sys.modules)
    assert load_model(models_py).name == "own"
    added = [name for name in set(sys.modules) - before if not name.startswith(("pkpd.", "pint", "numpy", "scipy"))]
    assert [name for name in added if name.startswith("pkpd_model_models_")]
    assert "models" not in sys.modules
    assert sorted(path.name for path in own.parent.iterdir()) == ["models.py", "own.py"]


def test_module_name_is_stable_and_differs_between_files(own: Path, tmp_path: Path):
    other = tmp_path / "elsewhere" / "own.py"
    other.parent.mkdir()
    other.write_text(OWN, encoding="utf-8")
    names = [dynamics_of(path).__module__ for path in (own, own, other)]
    assert names[0] == names[1] != names[2]
    assert all(name.startswith("pkpd_model_own_") for name in names)


def test_functions_of_a_model_can_be_inspected_and_pickled(own: Path):
    dynamics = dynamics_of(own)
    assert "p.CL / p.V * x.central" in inspect.getsource(dynamics)
    assert pickle.loads(pickle.dumps(dynamics)) is dynamics


def test_edited_file_is_read_again_at_once(own: Path):
    assert load_model(own).parameters["CL"].value == 5.0
    stamp = own.stat()
    own.write_text(OWN.replace("5.0", "7.0"), encoding="utf-8")
    os.utime(own, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert load_model(own).parameters["CL"].value == 7.0


def test_unknown_name_lists_the_nearest_and_the_known():
    name = list_models().names[0]
    misspelt = name[:-1] + "_" + name[-1]
    with pytest.raises(LibraryError, match=rf"no model '{misspelt}' \(did you mean '\w+'\?\); it has .*{name}"):
        load_model(misspelt)


def test_name_of_a_file_here_says_to_give_its_path(own: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(own.parent)
    with pytest.raises(LibraryError, match=r"the file 'own\.py' in this folder is loaded by its path: 'own\.py'"):
        load_model("own")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("onw.py", r"model file '.*onw\.py' does not exist in .* \(did you mean 'own\.py'\?\)"),
        ("nowhere/own.py", r"does not exist, nor does the folder .*nowhere"),
        (".", r"is a folder; give the file in it"),
    ],
)
def test_missing_file_says_where_it_looked(own: Path, given: str, text: str):
    with pytest.raises(LibraryError, match=text):
        load_model(own.parent / given)


def test_missing_file_named_like_a_library_model_says_so(tmp_path: Path):
    name = list_models().names[0]
    with pytest.raises(LibraryError, match=rf"the library has a model of this name: pkpd\.models\['{name}'\]"):
        load_model(tmp_path / f"{name}.py")


@pytest.mark.parametrize(
    ("text", "have"),
    [
        ("x = 1", "it defines no Model"),
        ("model = {}", "its global 'model' is a dict"),
        (OWN.replace("model =", "first =") + OWN.replace("model =", "second ="), "it defines first, second"),
    ],
    ids=["none", "other type", "two"],
)
def test_file_without_one_model_says_what_it_has(tmp_path: Path, text: str, have: str):
    path = write(tmp_path / "bad.py", text)
    with pytest.raises(LibraryError, match=rf"bad\.py must assign one Model to the global name 'model'; {have}"):
        load_model(path)


def test_error_in_a_model_file_keeps_its_line_and_names_the_file(tmp_path: Path):
    path = write(tmp_path / "broken.py", "def f():\n    return 1 / 0\n\nmodel = f()\n")
    with pytest.raises(ZeroDivisionError) as caught:
        load_model(path)
    shown = "".join(traceback.format_exception(caught.value))
    assert "return 1 / 0" in shown
    assert f"while loading the file {path}" in shown
    assert not [name for name in sys.modules if name.startswith("pkpd_model_broken_")]


def test_error_of_the_model_comes_through_as_it_is(own: Path):
    own.write_text(OWN.replace("x.central / p.V", "x.central / p.v"), encoding="utf-8")
    with pytest.raises(ModelError, match=r"did you mean 'V'\?"):
        load_model(own)


def test_files_that_load_each_other_are_refused(tmp_path: Path):
    for name, other in (("a", "b"), ("b", "a")):
        write(tmp_path / f"{name}.py", f"import pkpd\nmodel = pkpd.models[r'{tmp_path / other}.py']\n")
    with pytest.raises(LibraryError, match=r"files load each other: a\.py -> b\.py -> a\.py"):
        load_model(tmp_path / "a.py")


def test_unknown_kind_of_content():
    with pytest.raises(LibraryError, match=r"no content of kind 'seed' \(did you mean 'seeds'\?\)"):
        content_names("seed")


def test_content_root_of_a_checkout(checkout: Path):
    if content_root().name != "_content":
        assert content_root() == checkout
    assert all((content_root() / kind).is_dir() for kind in ("models", "seeds", "calibration"))


def test_seeds_and_studies_are_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for folder in ("seeds/case_one", "seeds/_draft", "calibration"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "seeds" / "README.md").write_text("text", encoding="utf-8")
    monkeypatch.setattr("pkpd.catalogue.content_root", lambda: tmp_path)
    assert content_names("seeds") == ("case_one",)
    assert find_content("seeds", "case_one") == tmp_path / "seeds" / "case_one"
    with pytest.raises(LibraryError, match=r"no study 'x'; it has no study yet"):
        find_content("calibration", "x")


def test_installation_without_content_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "models").mkdir()
    monkeypatch.setattr("pkpd.catalogue.__file__", str(tmp_path / "pkpd" / "catalogue.py"))
    with pytest.raises(LibraryError, match="no content folders beside"):
        content_root()


def test_a_file_imports_the_modules_of_its_own_folder(own: Path, monkeypatch: pytest.MonkeyPatch):
    """A library of the same name elsewhere gets its own, helpers import each other, and nothing else is changed."""
    monkeypatch.chdir(own.parent.parent)
    (own.parent.parent / "values_of_mine").mkdir()  # a folder of this name is no module
    text = "from values_of_mine import CL\n" + OWN.replace("5.0", "CL")
    paths = []
    for k in (1, 2):
        folder = own.parent / f"f{k}"
        folder.mkdir()
        (folder / "values_of_mine.py").write_text("from numbers_of_mine import CL\n", encoding="utf-8")
        (folder / "numbers_of_mine.py").write_text(f"CL = {k}.0\n", encoding="utf-8")
        (folder / "own.py").write_text(text, encoding="utf-8")
        paths.append(folder / "own.py")
    before = (list(sys.path), list(sys.meta_path))
    assert [load_model(path).parameters["CL"].value for path in paths] == [1.0, 2.0]
    (own.parent / "f1" / "numbers_of_mine.py").write_text("CL = 3.0\n", encoding="utf-8")
    assert [load_model(path).parameters["CL"].value for path in paths] == [3.0, 2.0]
    assert (list(sys.path), list(sys.meta_path)) == before
    assert not {"values_of_mine", "numbers_of_mine"} & {*sys.modules}
    assert sorted(path.name for path in (own.parent / "f1").iterdir()) == [
        "numbers_of_mine.py", "own.py", "values_of_mine.py",
    ]  # fmt: skip


def test_a_module_of_the_folder_is_one_for_all_files_loaded_together_and_for_imports_at_use(own: Path):
    folder = own.parent
    (folder / "shared_of_mine.py").write_text("class One: pass\n", encoding="utf-8")
    (folder / "middle_of_mine.py").write_text("from shared_of_mine import One\n", encoding="utf-8")
    text = (
        "import middle_of_mine, shared_of_mine\ndef late():\n    import shared_of_mine\n    return shared_of_mine.One\n"
    )
    (folder / "first.py").write_text(text, encoding="utf-8")
    module = load_file(folder / "first.py")
    assert module.middle_of_mine.One is module.shared_of_mine.One is module.late()
    assert pickle.loads(packed(module.late()))().__class__.__name__ == "One"


def test_a_module_of_the_folder_that_is_importable_anyway_is_the_same(own: Path, monkeypatch: pytest.MonkeyPatch):
    (own.parent / "helper_of_mine.py").write_text("class One: pass\n", encoding="utf-8")
    own.write_text("import helper_of_mine\n", encoding="utf-8")
    monkeypatch.syspath_prepend(own.parent)
    module = load_file(own)
    assert sys.modules.pop("helper_of_mine") is module.helper_of_mine


@pytest.mark.parametrize("name", ["math", "wave", "numpy"])
def test_two_modules_of_one_name_are_refused(own: Path, name: str):
    (own.parent / f"{name}.py").write_text("", encoding="utf-8")
    own.write_text(f"import {name}\n", encoding="utf-8")
    with pytest.raises(LibraryError, match=rf"two modules are called '{name}': .*{name}\.py, and .*; rename the file"):
        load_file(own)
