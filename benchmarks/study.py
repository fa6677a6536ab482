"""How long the study of three reports takes: its posterior's gradient, and the stages of the main job."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.startup import Line

__all__ = ["posterior", "run"]

STUDY = "anakinra_reports"
#: vectors at which the posterior is evaluated, and how far from the centre of the prior, in its standard deviations
VECTORS, SPREAD = 20, 0.3


def posterior(repeats: int = 5) -> list[Line]:
    """Return what the log posterior of the study and its gradient cost, on one core."""
    from pkpd.estimation.study.loading import load_study

    density = load_study(STUDY).problem.posterior()
    vectors = SPREAD * np.random.default_rng(1).standard_normal((VECTORS, density.dim))
    lines = []
    for what, evaluate, limit in (
        ("log posterior and gradient", density.logp_grad, 0.8),
        ("log posterior alone", density.logp, None),
    ):
        seconds = np.empty((2 * repeats, VECTORS))
        for q in vectors:
            evaluate(q)
        for found in seconds:
            for k, q in enumerate(vectors):
                begun = time.process_time()
                evaluate(q)
                found[k] = time.process_time() - begun
        each = 1e3 * np.median(seconds, axis=0)
        note = f"median of {VECTORS} vectors of {density.dim} numbers, best {1e3 * seconds.min():.3g}"
        lines.append(Line(f"{what}, {STUDY}, 14 patients", float(np.median(each)), "ms", note, limit))
    return lines


def run(quick: bool = False) -> list[Line]:
    """Return the time of each stage of the main job, and of all; ``quick`` takes the fit that lies beside the study."""
    from pkpd.estimation.study.files import load_study_fit
    from pkpd.report.run import run_study

    lines, begun, used = [], time.perf_counter(), [time.process_time()]

    def listen(title: str, seconds: float | None) -> None:
        if seconds is None:
            used[0] = time.process_time()
        else:
            note = f"CPU time {time.process_time() - used[0]:.3g} s"
            lines.append(Line(f"make run: {title}", seconds, "s", note))

    with tempfile.TemporaryDirectory() as name:
        engine = "shipped" if quick else "nuts"
        folder = run_study(STUDY, Path(name) / "results", engine=engine, progress=False, listener=listen)
        seconds = time.perf_counter() - begun
        trouble = load_study_fit(folder).trouble()
    note = "quality of record" if not trouble else f"not the quality of record: {'; '.join(trouble)}"
    lines.append(Line("make run: all" + (", without sampling" if quick else ""), seconds, "s", note, 240.0))
    return lines
