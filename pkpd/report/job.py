"""One run of the main job: what it works on, what it has found so far, and how it keeps files and words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError
from pkpd.options import is_number
from pkpd.report.blocks import Page, Picture, Section, Table
from pkpd.report.check_tables import CheckTables
from pkpd.report.naming import Names

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.study.result import StudyFit
    from pkpd.estimation.study.study import Study

__all__ = ["SECTIONS", "ReportJob"]

SECTIONS = {
    "asked": "What was asked",
    "reported": "Data: what was reported",
    "model": "Model",
    "assumed": "Priors: what was assumed before the reports",
    "share": "Results: the answer by patient",
    "patients": "Results: patient by patient",
    "schedules": "Results: what other schedules would have done",
    "checks": "Checks: how far the model can be trusted",
    "sensitivity": "Sensitivity: what the answer rests on",
    "tell": "What would tell",
    "limits": "Limitations",
    "reproduce": "How to reproduce this report",
    "facts": "Appendix A: every reported fact and what the model makes of it",
    "equations": "Appendix B: equations",
}
"""Sections of the report in their order; those that no stage writes to are left out."""


@dataclass
class ReportJob:
    """The state of a run, handed from stage to stage.

    Attributes
    ----------
    study : Study
    words : mapping
        ``report.toml`` of the study's folder; empty where there is none.
    folder : Path
        Where files are written; nobody else sees it before the run has ended well.
    given : Study, str or path
        What the run was asked for.
    engine : {"mode", "nuts", "shipped"}
    full : bool
        The setting of record instead of the quick one.
    seed : int
    chains : Path or None
        Folder in which a killed sampler finds its chains again.
    progress : bool or None
        As for `calibrate`.
    page : Page
    parts : dict
        Sections by key.
    calibration : StudyFit or None
    found : dict
        Results that later stages use.
    """

    study: Study
    words: Mapping[str, Any]
    folder: Path
    given: Any = None
    engine: str = "mode"
    full: bool = False
    seed: int = 0
    chains: Path | None = None
    progress: bool | None = None
    page: Page = field(default_factory=lambda: Page("Report"))
    parts: dict[str, Section] = field(default_factory=dict)
    calibration: StudyFit | None = None
    found: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def names(self) -> Names:
        """Words for patients, groups, markers and quantities."""
        return Names(self.study, self.words)

    @property
    def fit(self) -> StudyFit:
        """The calibration, which an early stage made."""
        assert self.calibration is not None
        return self.calibration

    @property
    def focus(self) -> str:
        """Parameter that the report is about: the study's choice, or the first that is pooled over patients."""
        named = self.words.get("focus")
        if named:
            return str(named)
        pooled = [f.name for f in self.study.free if f.level == "patient" and f.pooling]
        return pooled[0] if pooled else self.study.free[0].name

    @property
    def focus_name(self) -> str:
        """Short name of the focus in sentences."""
        return str(self.words.get("focus_name", self.names.quantity(self.focus)))

    @property
    def focus_words(self) -> str:
        """The focus in full."""
        return str(self.words.get("focus_words", self.focus_name))

    @property
    def focus_axis(self) -> str:
        """Axis on which the focus is judged: of a share, a logarithmic or a plain one."""
        free = next(f for f in self.study.free if f.name == self.focus)
        if free.scale == "logit" and free.limits == (0.0, 1.0):
            return "share"
        return "log" if free.scale == "log" else "plain"

    @property
    def focus_unit(self) -> str:
        """Unit of the focus."""
        return (self.study.problem.model.parameters[self.focus].unit or "").replace("*", "·")

    @property
    def drug(self) -> str | None:
        """Drug whose schedules are compared: the study's choice, or its first report's; None if the model lacks it."""
        drug = str(self.words.get("drug") or self.study.problem.evidence[0].studied)
        problem = self.study.problem
        states = problem.model.states
        known = problem.is_of_one_drug(drug) or any(name in states for name in (f"{drug}.depot", f"{drug}.central"))
        return drug if known else None

    @property
    def outcomes(self) -> list[str]:
        """Measures by which other doses are judged in the same patients, the main one first; the study's choice."""
        from pkpd.comparison.measure import built_in

        known = built_in(self.study.problem.model)
        return [str(name) for name in self.words.get("outcomes", []) if name in known]

    @property
    def outcome(self) -> str:
        """What the main outcome measures, in words."""
        from pkpd.comparison.measure import built_in

        if "outcome_name" in self.words or not self.outcomes:
            return str(self.words.get("outcome_name", ""))
        return built_in(self.study.problem.model)[self.outcomes[0]].meaning.removesuffix(" over the window")

    @property
    def relevant(self) -> float:
        """Part by which the main outcome must fall for a change to matter; a quarter unless the study says otherwise.

        Raises
        ------
        PkpdError
            Unless it is a number between 0 and 1.
        """
        size = self.words.get("relevant", 0.25)
        if not is_number(size) or not 0 < size < 1:
            raise PkpdError(f"report.toml: relevant must be a number between 0 and 1, such as 0.25, got {size!r}")
        return float(size)

    def section(self, key: str) -> Section:
        """Return a section of the report, under the study's own title where it gives one."""
        title = self.words.get("titles", {}).get(key, SECTIONS[key])
        return self.parts.setdefault(key, Section(key, str(title)))

    def subsection(self, parent: str, key: str, title: str) -> Section:
        """Return a part of a section."""
        self.section(parent)
        return self.parts.setdefault(f"{parent}/{key}", Section(f"{parent}-{key}", title, level=3))

    def sections(self) -> list[Section]:
        """Return the sections that hold something, parts behind their section."""
        found = []
        for key in SECTIONS:
            under = [part for name, part in self.parts.items() if name.startswith(f"{key}/") and part.blocks]
            own = self.parts.get(key)
            if own is not None and (own.blocks or under):
                found += [own, *under]
        return found

    def keep_table(self, name: str, frame: pd.DataFrame, *, index: bool = False) -> None:
        """Write a table as ``tables/NAME.csv``."""
        path = self.folder / "tables" / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        frame.to_csv(path, index=index, float_format="%.6g")

    @cached_property
    def shipped(self) -> CheckTables | None:
        """Tables of checks that lie beside the study."""
        if self.study.folder is None:
            return None
        return CheckTables(Path(self.study.folder) / "checks", self.study.fingerprint)

    def check_tables(
        self, names: Sequence[str], compute: Callable[[], Sequence[pd.DataFrame]], how: str
    ) -> list[pd.DataFrame] | None:
        """Return the tables of a check that takes long: computed by a full run, else those beside the study.

        Tables go to ``tables/`` with ``checks.toml``; copied into ``checks/`` beside the study they are what any other
        run of this state of the study shows.

        Parameters
        ----------
        names : sequence of str
            Of the files, without suffix.
        compute : function
            Makes the tables in this order.
        how : str
            How they are made.

        Returns
        -------
        list of DataFrame or None
            None where nothing was computed and nothing is kept.
        """
        kept = CheckTables(self.folder / "tables", self.study.fingerprint)
        if not self.full:
            found = [None if self.shipped is None else self.shipped.read(name) for name in names]
        else:
            found = self._resumed(names, compute, how)
        whole = [table for table in found if table is not None]
        if len(whole) < len(names):
            return None
        for name, table in zip(names, whole, strict=True):
            made = how if self.full or self.shipped is None else self.shipped.made[name]
            kept.write(name, table, made)
            self.found.setdefault("made", {})[name] = made
        return whole

    def _resumed(self, names: Sequence[str], compute: Callable[[], Sequence[pd.DataFrame]], how: str) -> list[Any]:
        """Return tables that the same run made before it was interrupted, or make them."""
        if self.chains is None:
            return list(compute())
        part = CheckTables(self.chains / "checks", f"{self.study.fingerprint}, {self.engine}, seed {self.seed}")
        found: list[Any] = [part.read(name) for name in names]
        if any(table is None for table in found):
            found = list(compute())
            for name, table in zip(names, found, strict=True):
                part.write(name, table, how)
        return found

    def made(self, name: str) -> str:
        """Return how a table of a check was made, as a sentence."""
        how = self.found.get("made", {}).get(name, "")
        return f"Made with {how}." if how else ""

    def picture(self, name: str, drawn: Any, alt: str, caption: str, *, wide: bool = True) -> Picture:
        """Write a figure as ``figures/NAME.png`` and ``.svg``, close it, and return it for the page.

        Parameters
        ----------
        name : str
        drawn : Figure, Axes or sequence of Axes
        alt, caption : str
        wide : bool
        """
        from matplotlib import pyplot as plt

        from pkpd.report.figures import figure_of, save_picture

        figure = figure_of(drawn)
        folder = self.folder / "figures"
        folder.mkdir(exist_ok=True)
        try:
            return Picture(save_picture(figure, folder, name), alt, caption, wide, name)
        finally:
            plt.close(figure)

    def table(
        self, caption: str, frame: pd.DataFrame, names: Mapping[str, str], note: str = "",
        show: Mapping[str, Callable[[Any], Any]] | None = None,
    ) -> Table:  # fmt: skip
        """Return chosen columns of a table for the page.

        Parameters
        ----------
        caption : str
        frame : DataFrame
        names : mapping of column to heading
        note : str
        show : mapping of column to function, optional
            Makes the cells.
        """
        show = show or {}
        columns: Sequence[list[Any]] = [[show.get(c, _plain)(v) for v in frame[c].tolist()] for c in names]
        rows = [list(row) for row in zip(*columns, strict=True)]
        return Table(caption, list(names.values()), rows, note)


def _plain(value: Any) -> Any:
    return value
