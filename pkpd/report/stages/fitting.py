"""The calibration, and whether its computation can be relied upon."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pkpd.estimation.convergence import ESS, PARETO, R_HAT
from pkpd.report.blocks import Note, Text
from pkpd.report.words import plural, records

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.report.job import ReportJob

__all__ = ["calibrate"]

#: settings of the sampler without ``full``, which show the headline of the record and not its last digits
_SHORT: dict[str, Any] = {"chains": 4, "tune": 300, "draws": 600, "target_accept": 0.9, "maxdepth": 5}


def calibrate(job: ReportJob) -> None:
    """Calibrate the study and write the result as NetCDF and CSV."""
    from pkpd.estimation.api import fit as run
    from pkpd.estimation.methods.nuts import Nuts
    from pkpd.estimation.methods.register import study_method

    if job.engine == "shipped":
        from pkpd.estimation.study.files import load_study_fit

        fit = load_study_fit(job.given, study=job.study)
    else:
        quick = not job.full
        if quick and job.engine == "nuts":
            how = Nuts(seed=job.seed, out=job.chains, **_SHORT)
        else:
            how = study_method(job.engine, quick=quick, seed=job.seed, out=job.chains)
        fit = run(job.study, method=how, progress=job.progress)
    job.calibration = fit
    fit.save(job.folder / "calibration.nc")
    job.found["summary"] = summary = fit.summary()
    job.keep_table("summary", summary.rename_axis("name").reset_index())
    _quality(job, summary)


def _quality(job: ReportJob, summary: pd.DataFrame) -> None:
    """Say whether the computation itself can be relied upon."""
    part = job.subsection("checks", "computation", "The computation")
    if job.fit.method != "mode":
        table = records(summary)
        worst = max(row["rhat"] for row in table)
        least = min(min(row["ess_bulk"], row["ess_tail"]) for row in table)
        diverged, sizes = int(summary.attrs["divergences"]), job.fit.posterior.sizes
        made = max(int(json.loads(job.fit.attrs["settings"]).get("draws", 0)), sizes["draw"])
        kept = f" ({sizes['draw']} of each are kept)" if made > sizes["draw"] else ""
        part.add(
            Text(
                f"The posterior was sampled with {plural(sizes['chain'], 'chain')} of {made} draws{kept} "
                f"({job.fit.method.upper()}). The largest R-hat is {worst:.3f} (up to {R_HAT} is required), the "
                f"smallest effective sample size {least:.0f} ({ESS} or more), and there were "
                f"{plural(diverged, 'divergence')} (none)."
            )
        )
        if job.fit.trouble():
            text = (
                f"The draws do not meet all that a result of record needs ({'; '.join(job.fit.trouble())}), so that "
                "the last digits of the intervals here may change with another seed"
            )
            quick = job.engine == "nuts" and not job.full
            text += "; the option --full runs the setting of record." if quick else "."
            heading = "Quick setting." if quick else "Not all that was asked of the draws is met."
            part.add(Note(text, heading))
            job.found["computation"] = f"**{heading}** {text}"
        return
    k = float(job.fit.attrs.get("pareto_k", float("nan")))
    part.add(
        Text(
            "For speed the posterior was approximated by a normal distribution around its highest point (MAP and "
            f"Laplace). How well that fits is measured by Pareto's k: {k:.2f} here, where up to {PARETO} is good."
        )
    )
    if not k <= PARETO:
        text = (
            "The approximation is rough in the tails: read the intervals of this report as a first look. The option "
            "--full samples the posterior itself."
        )
        part.add(Note(text, "Quick setting."))
        job.found["computation"] = f"**Quick setting.** {text}"
