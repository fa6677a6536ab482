"""Every Python example of the README runs, in order, in an empty folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

BLOCK = re.compile(r"^```(\w+)(?: title=(\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(readme: str) -> list[tuple[str, str, str]]:
    """Return language, file name and text of each fenced block."""
    return [(language, title, text) for language, title, text in BLOCK.findall(readme)]


@pytest.mark.slow
def test_examples_run(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    found = blocks((checkout / "README.md").read_text(encoding="utf-8"))
    for _, title, text in found:
        if title:
            Path(title).write_text(text, encoding="utf-8")
    code = [text for language, title, text in found if language == "python" and not title]
    assert code, "the README has no Python example"
    namespace: dict[str, object] = {"__name__": "readme"}
    for number, text in enumerate(code):
        exec(compile(text, f"README.md, Python block {number + 1}", "exec"), namespace)


def test_make_targets_of_the_readme_exist(checkout: Path):
    makefile = (checkout / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", (checkout / "README.md").read_text(encoding="utf-8")))
    assert {"run", "test"} <= named
    assert named <= targets
