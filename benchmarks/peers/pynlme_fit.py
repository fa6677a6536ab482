"""pynlme's estimators on the same data; the closed form of the model is given to them, vectorised over all rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pkpd import EventTable

__all__ = ["Found", "oral", "theophylline"]


@dataclass(frozen=True)
class Found:
    """What pynlme found: its log-likelihood where it tells one, and its estimates as text."""

    loglik: float | None
    text: str
    theta: np.ndarray
    omega: np.ndarray


def _columns(table: EventTable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return dose and time (rows, 2), data, and subject of each observation; one dose each, at time 0."""
    frame = table.frame
    dose = frame[frame["EVID"] == 1].set_index("ID")["AMT"]
    seen = frame[frame["EVID"] == 0]
    x = np.column_stack([dose.loc[seen["ID"]].to_numpy(), seen["TIME"].to_numpy(float)])
    return x, seen["DV"].to_numpy(float), seen["ID"].to_numpy()


def theophylline(table: EventTable) -> Found:
    """Fit Ke, Ka and Cl with a full covariance by the method of Lindstrom and Bates as R's nlme has it."""
    from pynlme import fit_nlme

    def model(phi: Any, x: Any, v: Any = None) -> Any:
        ke, ka, cl = (phi[..., k] for k in range(3))
        dose, t = x[:, 0], x[:, 1]
        return dose * ke * ka / cl * (np.exp(-ke * t) - np.exp(-ka * t)) / (ka - ke)

    x, y, who = _columns(table)
    start = np.log([0.08, 1.5, 0.04])
    options: dict[str, Any] = {"param_transform": [1, 1, 1], "cov_pattern": np.ones((3, 3)), "vectorization": "Full"}
    beta, psi, stats, _ = fit_nlme(x, y, who, None, model, start, compat="r", **options)
    text = ", ".join(f"{n} {v:.4g}" for n, v in zip(("Ke", "Ka", "Cl"), np.exp(beta), strict=True))
    return Found(float(stats.logl), text, np.exp(beta), np.asarray(psi))


def oral(table: EventTable, start: Mapping[str, float]) -> Found:
    """Fit CL, V and ka with a diagonal covariance and a proportional error by SAEM."""
    from pynlme import fit_nlme

    def model(phi: Any, x: Any, v: Any = None) -> Any:
        cl, volume, ka = (phi[..., k] for k in range(3))
        dose, t = x[:, 0], x[:, 1]
        k = cl / volume
        return dose * ka / volume / (ka - k) * (np.exp(-k * t) - np.exp(-ka * t))

    x, y, who = _columns(table)
    first = np.log([start[n] for n in ("CL", "V", "ka")])
    options: dict[str, Any] = {"param_transform": [1, 1, 1], "error_model": "proportional", "vectorization": "Full"}
    beta, psi, stats, _ = fit_nlme(x, y, who, None, model, first, method="SAEM", random_state=1, **options)
    text = ", ".join(f"{n} {v:.4g}" for n, v in zip(("CL", "V", "ka"), np.exp(beta), strict=True))
    spread = ", ".join(f"{v:.4g}" for v in np.diag(np.asarray(psi)))
    loglik = getattr(stats, "logl", None)
    known = loglik is not None and np.isfinite(loglik)
    return Found(float(loglik) if known else None, f"{text}; omega {spread}", np.exp(beta), np.asarray(psi))
