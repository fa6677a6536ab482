"""How a study is fitted many times over for its checks, and how that is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pkpd.errors import PkpdError

if TYPE_CHECKING:
    from pkpd.estimation.method import Method
    from pkpd.report.job import ReportJob

__all__ = ["how_refitted", "refits"]

_LENGTHS = ("chains", "tune", "draws")


def refits(job: ReportJob) -> Method:
    """Return how a study is fitted many times: by short chains, or by the mode where that was asked for.

    ``refits`` of ``report.toml`` says how long chains are: chains, tune, draws.
    """
    from pkpd.estimation.methods.register import study_method

    engine = "mode" if job.engine == "mode" else "nuts"
    out = None if job.chains is None else job.chains / "refits"
    given = job.words.get("refits", {}) if engine == "nuts" else {}
    if strange := [key for key in given if key not in _LENGTHS]:
        raise PkpdError(f"refits of report.toml: there is no '{strange[0]}'; there is {', '.join(_LENGTHS)}")
    return study_method(engine, quick=engine == "nuts", seed=job.seed, predictive=1, out=out, **given)


def how_refitted(job: ReportJob) -> str:
    """Return how the refits are made, as part of a sentence."""
    from dataclasses import asdict

    method = refits(job)
    given = asdict(method) if hasattr(method, "__dataclass_fields__") else {}
    if job.engine == "mode":
        return f"the mode and its normal approximation, seed {job.seed}"
    return f"NUTS, {given['chains']} chains of {given['tune']} + {given['draws']} draws a fit, seed {job.seed}"
