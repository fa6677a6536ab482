"""The source card of a report, ``source.toml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pkpd.errors import UnitError, nearest
from pkpd.evidence.faults import SeedFault
from pkpd.evidence.reading import Sink, read_toml
from pkpd.evidence.values import ReportSource
from pkpd.evidence.vocabulary import Vocabulary
from pkpd.evidence.words import CARD, CARD_OPTIONAL
from pkpd.transport import frozen
from pkpd.units import parse

__all__ = ["Card", "read_card"]

_FILE = "source.toml"
_KEY = re.compile(r"""\s*(?:\[\s*([\w-]+)\s*\]|["']?([\w-]+)["']?\s*=)""")


class Card:
    """What the source card says, as far as it can be understood; None where it cannot.

    Attributes
    ----------
    source : ReportSource or None
        None if anything is wrong.
    cohorts : mapping or None
    start_day : float or None
    drugs : tuple of str
        All drugs that the report may name.
    markers : mapping of str to str
        All markers with a model output, and their units.
    studied : str
        Drug that the report is about; empty where the card does not say.
    """

    def __init__(self, content: Mapping[str, Any], name: str, known: Vocabulary, sink: KeySink) -> None:
        before = len(sink.faults)
        _check_keys(content, sink)
        self.cohorts = _cohorts(content, sink)
        self.start_day = _start_day(content, sink)
        drugs = [name for name in _drugs(content, sink) if name not in known.drugs]
        markers = {name: unit for name, unit in _markers(content, sink).items() if name not in known.markers}
        self.drugs = (*known.drugs, *drugs)
        self.markers = frozen({name: word.unit for name, word in known.markers.items()} | markers)
        self.studied = _studied(content, self.drugs, sink)
        texts = {key: _text(content, key, sink) for key in ("name", "citation", "kind", "day_zero")}
        doi = content.get("doi", "")
        if not isinstance(doi, str):
            sink.add("doi", "no text", repr(doi), "write it as 10.1000/182, or leave it empty")
        if texts["name"] and texts["name"] != name:
            sink.add("name", f"the folder is called '{name}'", texts["name"], "give both one name")
        readable = content.get("readable", [])
        if not isinstance(readable, list) or not all(isinstance(line, str) for line in readable):
            sink.add("readable", "no list of texts", repr(readable), "say what could be read and what not")
        self.source: ReportSource | None = None
        if len(sink.faults) == before:
            self.source = ReportSource(
                **texts,
                doi=doi,
                readable=tuple(readable),
                start_day=self.start_day or 0.0,
                cohorts=frozen(self.cohorts or {}),
                drugs=tuple(drugs),
                markers=frozen(markers),
                studied=self.studied,
            )


class KeySink:
    """Collects faults of a source card, with the line of each key."""

    def __init__(self, text: str, sink: Sink) -> None:
        self.sink = sink
        self.lines: dict[str, int] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if found := _KEY.match(line):
                self.lines.setdefault(found[1] or found[2], number)

    @property
    def faults(self) -> list[SeedFault]:
        """All faults so far."""
        return self.sink.faults

    def add(self, key: str, problem: str, got: str | None = None, remedy: str = "") -> None:
        """Note a fault of a key."""
        self.sink.add(self.lines.get(key.rpartition(".")[2]), key, problem, got, remedy)


def read_card(folder: Path, known: Vocabulary, sink: Sink) -> Card | None:
    """Return the source card of a folder, noting all that is wrong; None if it cannot be read at all."""
    path = folder / _FILE
    content = read_toml(path, sink)
    if content is None:
        return None
    return Card(content, folder.resolve().name, known, KeySink(path.read_text(encoding="utf-8-sig"), sink))


def _check_keys(content: Mapping[str, Any], sink: KeySink) -> None:
    known = (*CARD, *CARD_OPTIONAL)
    for key in content:
        if key not in known:
            sink.add(key, "unknown key", None, f"keys are {', '.join(known)}{nearest(key, known)}")
    for key in CARD:
        if key not in content:
            sink.add(key, "the key is missing", None, "see seeds/README.md for what it means")


def _text(content: Mapping[str, Any], key: str, sink: KeySink) -> str:
    value = content.get(key, "-")
    if not isinstance(value, str) or not value.strip():
        sink.add(key, "no text", repr(value), f"write {key} in quotes")
        return ""
    return value.strip()


def _start_day(content: Mapping[str, Any], sink: KeySink) -> float | None:
    value = content.get("start_day")
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf"):
        return float(value)
    if value is not None:
        sink.add("start_day", "no number", repr(value), "give a day no later than the first dose and fact")
    return None


def _cohorts(content: Mapping[str, Any], sink: KeySink) -> dict[str, str] | None:
    """Return the cohorts from a table of names and meanings, or from a list of names."""
    value = content.get("cohorts")
    if isinstance(value, list) and value and all(isinstance(name, str) and name for name in value):
        return dict.fromkeys(value, "")
    if isinstance(value, dict) and value and all(isinstance(meaning, str) for meaning in value.values()):
        return dict(value)
    if value is not None:
        sink.add("cohorts", "no list of names", repr(value), 'write cohorts = ["name", ...]')
    return None


def _studied(content: Mapping[str, Any], drugs: tuple[str, ...], sink: KeySink) -> str:
    value = content.get("studied", "")
    if value != "" and value not in drugs:
        sink.add("studied", "no drug", repr(value), f"name one of {', '.join(drugs)}{nearest(str(value), drugs)}")
        return ""
    return value


def _drugs(content: Mapping[str, Any], sink: KeySink) -> list[str]:
    value = content.get("drugs", [])
    if isinstance(value, list) and all(isinstance(name, str) and name for name in value):
        return list(value)
    sink.add("drugs", "no list of names", repr(value), 'write drugs = ["name", ...]')
    return []


def _markers(content: Mapping[str, Any], sink: KeySink) -> dict[str, str]:
    """Return the markers that the report adds, and their units."""
    value = content.get("markers", {})
    if not isinstance(value, dict) or not all(isinstance(unit, str) for unit in value.values()):
        sink.add("markers", "no table of units", repr(value), 'write procalcitonin = "ng/mL" under [markers]')
        return {}
    for name, unit in value.items():
        try:
            parse(unit)
        except UnitError as error:
            sink.add(f"markers.{name}", "no unit", unit, str(error))
    return dict(value)
