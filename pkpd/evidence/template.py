"""The table of curves begun: a row for each series that a digitiser wrote, as far as it can be known."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pkpd.catalogue import Entry
from pkpd.evidence.curves import exports_of
from pkpd.evidence.digitiser import read_export
from pkpd.evidence.faults import Report, SeedFault
from pkpd.evidence.reading import Sink
from pkpd.evidence.seeds import SeedFolder, locate
from pkpd.evidence.words import COLUMNS, CURVES
from pkpd.files import is_file_at, write_whole

__all__ = ["absent_figures", "begin_curves"]


def absent_figures(readable: Iterable[str]) -> list[str]:
    """Return what a source card says of figures that are not in the text.

    Examples
    --------
    >>> absent_figures(["read: all, and the legend of Figure 1", "absent: Figure 1: an image", "absent: weights"])
    ['absent: Figure 1: an image']
    """
    return [line for line in readable if "figure" in line.lower() and not line.lower().startswith("read")]


def begin_curves(name_or_path: str | os.PathLike[str] | Entry) -> tuple[Path, int]:
    """Write ``curves/curves.csv`` with a row for each series of the files in ``curves/`` that has none yet.

    Rows that are there stay as they are. File and series are known; patient and marker where the file or the series is
    called so (or there is one patient); what only a reader of the figure knows is left empty, and a fault until it is
    given.

    Parameters
    ----------
    name_or_path : str or path
        As for `load_seed`.

    Returns
    -------
    path : Path
        The table.
    rows : int
        How many were added.

    Raises
    ------
    DataError
        If something else of the folder, or a file that a digitiser wrote, has faults.
    """
    folder = locate(name_or_path)
    seed = SeedFolder(folder)
    home, path = folder / CURVES.partition("/")[0], folder / CURVES
    faults = [fault for fault in seed.faults if not fault.file.startswith(f"{home.name}/")]
    rows = seed.rows.get(CURVES)
    named = {(row["file"], row["series"]) for row in rows or ()}
    found = [each for file in exports_of(home) for each in _series_of(home / file, faults) if each not in named]
    if is_file_at(path) and rows is None:
        faults += [fault for fault in seed.faults if fault.file == CURVES]
    Report(folder.resolve().name, folder, tuple(faults)).raise_if_any()
    people = list(dict.fromkeys(row.patient for row in seed.quantities))
    markers = seed.card.markers if seed.card else {}
    lines = [_line(file, series, people, list(markers)) for file, series in found]
    write_whole(path, _text(path, lines))
    return path, len(lines)


def _series_of(path: Path, faults: list[SeedFault]) -> list[tuple[str, str]]:
    """Return file and name of each series; the one of a file needs no name."""
    found = read_export(path, Sink(f"{path.parent.name}/{path.name}", faults)) or []
    return [(path.name, series.name if len(found) > 1 else "") for series in found]


def _line(file: str, series: str, people: Sequence[str], markers: Sequence[str]) -> dict[str, str]:
    words = [word.lower() for text in (series, Path(file).stem) for word in re.split(r"[\W_]+", text)]
    patient = people[0] if len(people) == 1 else next((p for p in people if p.lower() in words), "")
    marker = next((m for word in words for m in markers if m.lower() == word), "")
    return {"file": file, "series": series, "patient": patient, "marker": marker, "use": "fit", "known": "read"}


def _text(path: Path, lines: Sequence[dict[str, str]]) -> str:
    """Return the table as it is, with further lines in its order of columns."""
    before = path.read_text(encoding="utf-8-sig") if is_file_at(path) else f"{','.join(COLUMNS[CURVES])}\n"
    columns = [cell.strip() for cell in next(csv.reader(io.StringIO(before)))]
    out = io.StringIO()
    csv.DictWriter(out, columns, restval="", lineterminator="\n").writerows(lines)
    return before + ("" if before.endswith("\n") else "\n") + out.getvalue()
