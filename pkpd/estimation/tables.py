"""What a fit says, as tables and text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from pkpd.estimation.record import FitRecord

__all__ = ["estimates_table", "report", "shrinkage"]

#: correlations of estimates from which on they are pointed out
STRONG = 0.95
#: the method that estimates nothing
EVALUATION = "importance"


def shrinkage(fit: FitRecord) -> dict[str, float]:
    """Return the shrinkage of etas and residuals; see :attr:`pkpd.estimation.result.Fit.shrinkage`.

    Source: Savic RM, Karlsson MO. AAPS J 2009;11:558-569.
    """
    observed = np.diff(fit.data.starts) > 0
    out: dict[str, float] = {}
    sd = np.sqrt(np.diag(fit.omega))
    many = observed.sum() > 1
    for k, n in enumerate(fit.etas):
        spread = float(np.std(fit.effects[observed, k], ddof=1)) if many else math.nan
        out[n] = 1.0 - spread / sd[k]
    predicted = individual_predictions(fit)
    for channel in fit.data.channels:
        error = fit.model.outputs[channel.observed].error
        if not channel.continuous or error is None or channel.rows.size < 2:
            continue
        y, f = fit.data.y[channel.rows], predicted[channel.rows]
        with np.errstate(invalid="ignore", divide="ignore"):
            w = error.residual(f, y)
        out[f"eps_{channel.observed}"] = 1.0 - float(np.std(w, ddof=1))
    return out


def individual_predictions(fit: FitRecord) -> np.ndarray:
    """Return the prediction of each observation at the subjects' random effects, (N,)."""
    predictor = fit.problem.predictor
    chain = predictor.chain(fit.x[: fit.layout.q], fit.effects)
    return predictor.solve(chain.phi, "plain")[0]


def estimates_table(fit: FitRecord, level: float = 0.95) -> pd.DataFrame:
    """Return one row for each parameter of the model.

    Columns: ``estimate``, ``se``, ``rse`` (%), ``low``, ``high``, ``cv`` (IIV as CV% on the log scale, else the sd of
    eta), ``shrinkage`` (%), ``fixed``.
    """
    import pandas as pd

    estimated, se, ci = fit.estimates, fit.se, fit.ci(level)
    values: dict[str, float] = {**fit.theta, **_random(fit), **fit.sigma}
    rows = []
    for name, value in values.items():
        own = name in estimated
        low, high = ci.get(name, (math.nan, math.nan))
        error = se.get(name, math.nan)
        rows.append({
            "estimate": value, "se": error, "rse": 100 * error / abs(value) if value else math.nan, "low": low,
            "high": high, "cv": _spread(fit, name, value), "shrinkage": 100 * _shrunk(fit, name), "fixed": not own,
        })  # fmt: skip
    return pd.DataFrame(rows, index=pd.Index(list(values), name="parameter"))


def _random(fit: FitRecord) -> dict[str, float]:
    """Return variances and covariances by label, in the order of the factors."""
    out: dict[str, float] = {}
    for prefix, names, matrix in (
        ("omega_", fit.etas, fit.omega),
        ("omega_iov_", fit.layout.kappas, fit.omega_iov),
    ):
        for i, n in enumerate(names):
            for j in range(i + 1):
                if i == j or matrix[i, j] != 0.0:
                    out[f"{prefix}{n}" if i == j else f"{prefix}{n},{names[j]}"] = float(matrix[i, j])
    return out


def _varied(name: str) -> str:
    return name.removeprefix("omega_").removeprefix("iov_") if name.startswith("omega_") else ""


def _spread(fit: FitRecord, name: str, value: float) -> float:
    parameter = fit.model.parameters.get(_varied(name))
    if parameter is None:
        return math.nan
    if parameter.scale != "log":
        return math.sqrt(value)
    with np.errstate(over="ignore"):
        return 100 * math.sqrt(np.expm1(value))


def _shrunk(fit: FitRecord, name: str) -> float:
    return shrinkage(fit).get(_varied(name), math.nan) if not name.startswith("omega_iov_") else math.nan


def _number(x: float, digits: int = 4) -> str:
    return "" if math.isnan(x) else f"{x:.{digits}g}"


def report(fit: FitRecord) -> str:
    """Return the fit as text: what was done, objective, estimates, correlations, messages."""
    evaluated = fit.method == EVALUATION
    t = estimates_table(fit)
    name, data, state = fit.layout.model.name, fit.events.name, "converged" if fit.converged else "NOT CONVERGED"
    steps = f"{len(fit.trace)} iterations, " if fit.trace else ""
    what = f"{name} fitted to {data} by {fit.method.upper()}: {state} ({steps}{fit.seconds:.2f} s)"
    free = f"{fit.n_parameters} estimated parameters"
    if evaluated:
        what = (
            f"{name}, likelihood of {data} by importance sampling, evaluated at the start values ({fit.seconds:.2f} s)"
        )
        free = f"nothing estimated ({fit.n_parameters} parameters are not fixed)"
    lines = [
        what,
        f"{fit.data.n_subjects} subjects, {fit.n_observations} observations, {free}",
        f"OFV {fit.ofv:.3f} (-2 log L without {fit.data.n_continuous} log 2pi)   log L {fit.loglik:.3f}   "
        f"AIC {fit.aic:.2f}   BIC {fit.bic:.2f}",
    ]
    if fit.uncertainty is not None:
        lines.append(
            f"standard errors from {fit.uncertainty.kind}; condition number of the correlation matrix "
            f"{fit.condition_number:.3g}"
        )
    if evaluated:
        lines += ["", *_aligned([("", "start value", "unit"), *(_row(fit, name, r)[:3] for name, r in t.iterrows())])]
        return "\n".join([*lines, *(f"note: {m}" for m in fit.messages)])
    head = ("", "estimate", "unit", "RSE %", "95% CI", "IIV", "shrink %")
    lines += ["", *_aligned([head, *(_row(fit, name, r) for name, r in t.iterrows())])]
    extra = [f"{n} {100 * s:.0f}%" for n, s in shrinkage(fit).items() if n.startswith("eps_")]
    if extra:
        lines.append(f"shrinkage of residuals: {', '.join(extra)}")
    lines += _correlated(fit)
    if fit.covariance_message:
        lines.append(f"covariance: {fit.covariance_message}")
    lines += [f"note: {m}" for m in fit.messages]
    return "\n".join(lines)


def _row(fit: FitRecord, name: Any, r: Any) -> tuple[str, ...]:
    parameter = fit.model.parameters.get(name)
    varied = fit.model.parameters.get(_varied(name))
    spread = ""
    if varied is not None:
        spread = f"{_number(r.cv, 3)}% CV" if varied.scale == "log" else f"sd {_number(r.cv, 3)}"
        spread = spread if "," not in name else ""
    interval = f"{_number(r.low)} .. {_number(r.high)}" if not math.isnan(r.low) else ("fixed" if r.fixed else "")
    unit = parameter.unit if parameter is not None else ""
    return (str(name), _number(r.estimate), unit, _number(r.rse, 3), interval, spread, _number(r.shrinkage, 2))


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(r[k]) for r in rows) for k in range(len(rows[0]))]
    left = (0, 2)
    return [
        "  ".join(
            c.ljust(w) if k in left else c.rjust(w) for k, (c, w) in enumerate(zip(r, widths, strict=True))
        ).rstrip()
        for r in rows
    ]


def _correlated(fit: FitRecord) -> list[str]:
    """Point out effects that are correlated, and estimates that are strongly so."""
    lines = []
    sd = np.sqrt(np.diag(fit.omega))
    pairs = [
        f"{a},{b} {fit.omega[i, j] / (sd[i] * sd[j]):.2f}"
        for i, a in enumerate(fit.etas)
        for j, b in enumerate(fit.etas[:i])
        if fit.omega[i, j] != 0.0
    ]
    if pairs:
        lines.append(f"correlation of random effects: {'; '.join(pairs)}")
    c = fit.correlation
    if c is not None:
        names, values = list(c.columns), c.to_numpy()
        strong = [
            f"{a},{b} {values[i, j]:.2f}"
            for i, a in enumerate(names)
            for j, b in enumerate(names[:i])
            if abs(values[i, j]) > STRONG
        ]
        if strong:
            lines.append(f"estimates strongly correlated: {'; '.join(strong)}")
    return lines
