"""Run a model's functions on floats, for a look at a point and for debuggers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pkpd.errors import ModelError
from pkpd.model import run
from pkpd.model.definition import Definition
from pkpd.model.names import listed, unknown
from pkpd.model.variability import individual_value

__all__ = ["Person", "complete"]

Numbers = Mapping[str, float]


def complete(who: str, noun: str, given: Numbers | None, default: Numbers) -> dict[str, float]:
    """Return the defaults with the given numbers in their place; unknown names raise ModelError."""
    given = given or {}
    if strange := [n for n in given if n not in default]:
        raise ModelError(f"{who}: unknown {noun} {unknown(strange, list(default))}; {listed(list(default))}")
    for name, value in given.items():
        try:
            float(value)
        except (TypeError, ValueError):
            raise ModelError(f"{who}: {noun} '{name}' must be a number, got {value!r}") from None
    return {n: float(given.get(n, v)) for n, v in default.items()}


@dataclass(frozen=True, slots=True)
class Person:
    """One subject's individual parameters ``p`` and covariates, as floats."""

    model: Definition
    p: dict[str, float] = field(repr=False)
    covariates: dict[str, float]

    @classmethod
    def of(
        cls,
        model: Definition,
        parameters: Numbers | None = None,
        etas: Numbers | None = None,
        kappas: Numbers | None = None,
        covariates: Numbers | None = None,
    ) -> Person:
        """Return a subject; what is not given is typical, 0 for etas and kappas, the reference for covariates."""
        who = f"model '{model.name}'"
        theta = complete(who, "parameter", parameters, {n: q.value for n, q in model.parameters.items()})
        eta = complete(who, "eta", etas, dict.fromkeys(model.etas, 0.0))
        kappa = complete(who, "kappa", kappas, dict.fromkeys(model.iov_etas, 0.0))
        cov = complete(who, "covariate", covariates, {n: c.reference for n, c in model.covariates.items()})
        base = {}
        for name, parameter in model.parameters.items():
            varies = name in eta or name in kappa
            deviation = eta.get(name, 0.0) + kappa.get(name, 0.0) if varies else None
            base[name] = individual_value(parameter, theta[name], deviation)
        return cls(model, _floats(run.individual(model, base, cov)), cov)

    def initial(self) -> dict[str, float]:
        """Return the initial value of every state."""
        return _floats(run.initial(self.model, self.p, self.covariates))

    def rhs(self, t: float, x: Numbers) -> dict[str, float]:
        """Return the derivative of every state."""
        return _floats(run.derivatives(self.model, t, self._state(x), self.p, self.covariates))

    def outputs(self, t: float, x: Numbers) -> dict[str, float]:
        """Return every output."""
        return _floats(run.outputs(self.model, t, self._state(x), self.p, self.covariates))

    def _state(self, x: Numbers) -> dict[str, float]:
        return complete(f"model '{self.model.name}'", "state", x, dict.fromkeys(self.model.states, 0.0))


def _floats(values: Mapping[str, object]) -> dict[str, float]:
    return {n: float(v) for n, v in values.items()}  # type: ignore[arg-type]
