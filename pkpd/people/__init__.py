"""Virtual people: random effects, covariates and parameters of each subject."""

from __future__ import annotations

from pkpd.people.distributions import categorical, lognormal, normal, uniform
from pkpd.people.population import Population

__all__ = ["Population", "categorical", "lognormal", "normal", "uniform"]
