"""What a terminal shows of long work."""

from __future__ import annotations

import time

import pytest

from pkpd.progress import Progress


def test_nothing_is_shown_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(patience=0.0) as shown:
        number = shown.start(3, "work")
        shown.advance(2, number)
        shown.update(number, done=3, text="more")
    assert capsys.readouterr().err == ""


def test_a_bar_tells_what_how_far_and_what_else(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(True, patience=0.0, detail="{diverged} divergences") as shown:
        for k in (1, 2):
            shown.start(20, f"chain [{k}]", diverged=0)
        shown.advance(5)
        shown.update(1, done=20, diverged=7)
    last = capsys.readouterr().err
    for text in ("chain [1]", "5/20", "0 divergences", "chain [2]", "20/20", "7 divergences"):
        assert text in last


def test_work_that_ends_soon_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(True, patience=5.0, bars=False).watch() as shown:
        shown.start(None, "search")
        shown.update(text="search: iteration 1")
    assert capsys.readouterr().err == ""


def test_a_line_appears_though_nothing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(True, patience=0.01, bars=False).watch() as shown:
        shown.start(None, "search: first evaluation")
        time.sleep(0.5)
    assert "search: first evaluation, 0 s" in capsys.readouterr().err
