"""How long and how SAEM samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pkpd.errors import DataError, nearest
from pkpd.estimation.method import Method
from pkpd.randomness import check_seed

__all__ = ["ENOUGH", "KERNELS", "SaemSettings"]

#: chains of each subject are so many that there are at least this many in all
ENOUGH = 60
KERNELS = ("prior", "independent", "componentwise", "multivariate")


@dataclass(frozen=True, kw_only=True)
class SaemSettings(Method):
    """How long and how to sample: the options of :class:`pkpd.estimation.methods.saem.Saem` that a run needs.

    Parameters
    ----------
    burn_in, smoothing : int
        Iterations without memory, and with averaging.
    chains : int, optional
        Of each subject; by default so many that there are at least 60 in all.
    annealing : float
        In the first half of the burn-in a variance falls to this share of itself per iteration at most.
    power : float
        Step sizes of the smoothing are ``k^-power``; the estimate is the average over its last half (Polyak, Juditsky
        1992), so that powers below 1 cost no precision.
    kernels : mapping of name to int
        Uses of each kernel per iteration: prior (burn-in only), independent, componentwise, multivariate.
    refresh : int
        Iterations between new approximations of the conditional distributions, that two kernels propose from.
    seed : int
    """

    burn_in: int = 150
    smoothing: int = 250
    chains: int | None = None
    annealing: float = 0.95
    power: float = 0.7
    kernels: Mapping[str, int] = field(
        default_factory=lambda: {"prior": 1, "independent": 1, "componentwise": 1, "multivariate": 1}
    )
    refresh: int = 25
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_seed(self.seed)
        wrong = [f"{n} must be a whole number >= {low}, got {v!r}" for n, v, low in (
            ("burn_in", self.burn_in, 1), ("smoothing", self.smoothing, 4), ("refresh", self.refresh, 1),
            ("chains", 1 if self.chains is None else self.chains, 1),
        ) if isinstance(v, bool) or not isinstance(v, int) or v < low]  # fmt: skip
        wrong += [
            f"kernels names '{n}', known are {', '.join(KERNELS)}{nearest(n, KERNELS)}"
            for n in self.kernels
            if n not in KERNELS
        ]
        if not 0.0 <= self.annealing < 1.0:
            wrong.append(f"annealing must be in [0, 1), got {self.annealing:g}")
        if not 0.5 < self.power <= 1.0:
            wrong.append(f"power must be in (0.5, 1], got {self.power:g}")
        if wrong:
            raise DataError(f"Saem: {'; '.join(wrong)}")
