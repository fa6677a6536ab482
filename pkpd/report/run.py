"""The main job as a function: a study in, a folder of results out."""

from __future__ import annotations

import os
import shutil
import time
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pkpd.errors import PkpdError, nearest
from pkpd.report.folder import check_place, results_folder
from pkpd.report.job import ReportJob

if TYPE_CHECKING:
    from pkpd.estimation.study.study import Study
    from pkpd.report.stages import Stage

__all__ = ["ENGINES", "Listener", "run_study"]

ENGINES = ("mode", "nuts", "shipped")
"""Mode and normal approximation, the sampler, or the result that lies beside the study."""

Listener = Callable[[str, float | None], None]
"""Gets the title of a stage when it begins (None) and when it has ended (its seconds)."""


def run_study(
    study: Study | str | os.PathLike[str],
    out: str | os.PathLike[str] = "results",
    *,
    full: bool = False,
    seed: int = 0,
    engine: str = "nuts",
    command: str = "",
    progress: bool | None = None,
    listener: Listener | None = None,
    stages: Sequence[Stage] | None = None,
) -> Path:
    """Validate the evidence of a study, calibrate, check, compare schedules, analyse, and write all of it.

    Nothing that exists is touched before everything is done. A run of the sampler that was interrupted goes on where
    it was when the same call is made again.

    Parameters
    ----------
    study : Study, str or path
        As for `calibrate`. Words for the report are taken from ``report.toml`` beside the study, if it is there.
    out : path
        Folder for the results; one that an earlier run made is replaced.
    full : bool
        The setting of record, with all checks.
    seed : int
    engine : {"nuts", "mode", "shipped"}
        The sampler, with short chains unless ``full``; the mode with its normal approximation; or the fit that lies
        beside the study.
    command : str
        Said in the report under how to reproduce.
    progress : bool, optional
        As for `calibrate`.
    listener : callable, optional
        Told of each stage.
    stages : sequence of Stage, optional
        Other stages than the usual ones.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    PkpdError
        If the study does not fit its evidence or model, or the folder is somebody else's.
    """
    from pkpd.estimation.study.loading import as_study
    from pkpd.report.stages import STAGES

    if engine not in ENGINES:
        raise PkpdError(f"run: engine must be one of {', '.join(ENGINES)}, got '{engine}'{nearest(engine, ENGINES)}")
    place = Path(out)
    check_place(place)
    loaded = as_study(study)
    about: dict[str, Any] = {"study": loaded.name, "seed": seed, "engine": engine, "full": full, "command": command}
    chains = place.resolve().parent / f".{place.resolve().name}-chains"
    begin = time.perf_counter()
    with results_folder(place, about) as folder:
        job = ReportJob(loaded, _words(study), folder, study, engine, full, seed, chains, progress)
        job.found |= {"about": about, "command": command or f"run_study('{loaded.name}', full={full}, seed={seed})"}
        for stage in STAGES if stages is None else stages:
            _do(stage, job, listener)
        _name_study(folder, study, loaded)
        about["seconds"] = round(time.perf_counter() - begin, 1)
    shutil.rmtree(chains, ignore_errors=True)
    return place


def _name_study(folder: Path, given: Study | str | os.PathLike[str], loaded: Study) -> None:
    """Write beside the results which study they are of, so that they are found without being told."""
    from pkpd.catalogue import content_names
    from pkpd.estimation.study.loading import study_folder

    if not isinstance(given, (str, os.PathLike)):
        return
    named = str(given) if str(given) in content_names("calibration") else str(_file_of(given, study_folder(given)))
    text = '"""The study of these results, as `pkpd run` was given it."""\n\nfrom pkpd import studies\n\n'
    (folder / "study.py").write_text(f"{text}study = studies[{named!r}]\n", encoding="utf-8")


def _file_of(given: str | os.PathLike[str], folder: Path) -> Path:
    path = Path(given).expanduser()
    return (path if path.suffix == ".py" else folder / "study.py").resolve()


def _do(stage: Stage, job: ReportJob, listener: Listener | None) -> None:
    begin = time.perf_counter()
    if listener:
        listener(stage.title, None)
    for work in stage.work:
        work(job)
    if listener:
        listener(stage.title, time.perf_counter() - begin)


def _words(study: Study | str | os.PathLike[str]) -> dict[str, Any]:
    """Return the words of a study's folder, if it has some."""
    from pkpd.estimation.study.loading import study_folder

    if not isinstance(study, (str, os.PathLike)):
        return {}
    path = study_folder(study) / "report.toml"
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise PkpdError(f"words of the report, {path}: {error}") from None
