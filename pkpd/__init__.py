"""Pharmacokinetic and pharmacodynamic models as plain equations: dose them, simulate people, measure exposure.

Every public name is loaded from its module when it is first used, so ``import pkpd`` itself costs next to nothing.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

from pkpd.version import __version__ as __version__

_EXPORTS = {
    "pkpd.calibration.api": "calibrate",
    "pkpd.calibration.assumptions": "assumptions",
    "pkpd.calibration.files": "load_calibration",
    "pkpd.calibration.heldout": "Response leave_one_patient_out",
    "pkpd.calibration.loading": "list_studies load_study",
    "pkpd.calibration.priors": "ErrorScale Free HalfNormal",
    "pkpd.calibration.result": "Calibration",
    "pkpd.calibration.sbc": "simulation_based_calibration",
    "pkpd.calibration.study": "Study",
    "pkpd.dosing.dose": "Dose",
    "pkpd.dosing.events": "EventTable read_events",
    "pkpd.dosing.regimen": "Regimen",
    "pkpd.errors": "DataError LibraryError ModelError PkpdError PopulationError RegimenError SolverError UnitError",
    "pkpd.evidence.evidence": "Evidence",
    "pkpd.evidence.seeds": "list_seeds load_seed validate_seed",
    "pkpd.exposure": "exposure exposure_summary",
    "pkpd.fit.api": "fit",
    "pkpd.fit.compare": "compare_fits likelihood_ratio",
    "pkpd.fit.individual": "estimate_individual",
    "pkpd.fit.outcomes": "NegativeBinomial Poisson TimeToEvent",
    "pkpd.fit.result": "Fit",
    "pkpd.fit.scm": "covariate_search",
    "pkpd.fit.store": "load_fit",
    "pkpd.graph.functions": "absolute cos during erf exp expit floor interpolate last_dose lgamma log log10 logit "
    "maximum minimum mod power sin sqrt tad tanh where",
    "pkpd.library": "list_models load_model",
    "pkpd.likelihood.api": "Likelihood",
    "pkpd.likelihood.term": "Subject Term",
    "pkpd.model.declare": "Covariate Omega Output Parameter State",
    "pkpd.model.model": "Model",
    "pkpd.model.residual": "Additive Combined Exact LogNormal Ordinal Proportional",
    "pkpd.population": "Population categorical lognormal normal uniform",
    "pkpd.schedule.anakinra": "ANAKINRA",
    "pkpd.schedule.answer": "Answer",
    "pkpd.schedule.arms": "Arm",
    "pkpd.schedule.compare": "compare",
    "pkpd.schedule.comparison": "Comparison",
    "pkpd.schedule.contrasts": "by_covariate starts",
    "pkpd.schedule.individual": "individual",
    "pkpd.schedule.measure": "Measure day_below",
    "pkpd.schedule.questions": "questions",
    "pkpd.schedule.recommend": "recommend",
    "pkpd.schedule.target": "Target",
    "pkpd.sensitivity.api": "sensitivity",
    "pkpd.sensitivity.identify": "identifiability",
    "pkpd.sensitivity.profile": "profile_likelihood",
    "pkpd.sensitivity.result": "SensitivityResult",
    "pkpd.simulation.api": "simulate",
    "pkpd.simulation.sensitivities": "sensitivities",
    "pkpd.timegrid": "days hours",
    "pkpd.validation.api": "validate_model",
    "pkpd.validation.document": "document write_document",
}
_SUBMODULES = ("plot",)
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names.split()}

__all__ = [*_MODULE_OF, *_SUBMODULES]  # noqa: PLE0604  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:
    from pkpd import plot as plot
    from pkpd.calibration.api import calibrate as calibrate
    from pkpd.calibration.assumptions import assumptions as assumptions
    from pkpd.calibration.files import load_calibration as load_calibration
    from pkpd.calibration.heldout import Response as Response
    from pkpd.calibration.heldout import leave_one_patient_out as leave_one_patient_out
    from pkpd.calibration.loading import list_studies as list_studies
    from pkpd.calibration.loading import load_study as load_study
    from pkpd.calibration.priors import ErrorScale as ErrorScale
    from pkpd.calibration.priors import Free as Free
    from pkpd.calibration.priors import HalfNormal as HalfNormal
    from pkpd.calibration.result import Calibration as Calibration
    from pkpd.calibration.sbc import simulation_based_calibration as simulation_based_calibration
    from pkpd.calibration.study import Study as Study
    from pkpd.dosing.dose import Dose as Dose
    from pkpd.dosing.events import EventTable as EventTable
    from pkpd.dosing.events import read_events as read_events
    from pkpd.dosing.regimen import Regimen as Regimen
    from pkpd.errors import DataError as DataError
    from pkpd.errors import LibraryError as LibraryError
    from pkpd.errors import ModelError as ModelError
    from pkpd.errors import PkpdError as PkpdError
    from pkpd.errors import PopulationError as PopulationError
    from pkpd.errors import RegimenError as RegimenError
    from pkpd.errors import SolverError as SolverError
    from pkpd.errors import UnitError as UnitError
    from pkpd.evidence.evidence import Evidence as Evidence
    from pkpd.evidence.seeds import list_seeds as list_seeds
    from pkpd.evidence.seeds import load_seed as load_seed
    from pkpd.evidence.seeds import validate_seed as validate_seed
    from pkpd.exposure import exposure as exposure
    from pkpd.exposure import exposure_summary as exposure_summary
    from pkpd.fit.api import fit as fit
    from pkpd.fit.compare import compare_fits as compare_fits
    from pkpd.fit.compare import likelihood_ratio as likelihood_ratio
    from pkpd.fit.individual import estimate_individual as estimate_individual
    from pkpd.fit.outcomes import NegativeBinomial as NegativeBinomial
    from pkpd.fit.outcomes import Poisson as Poisson
    from pkpd.fit.outcomes import TimeToEvent as TimeToEvent
    from pkpd.fit.result import Fit as Fit
    from pkpd.fit.scm import covariate_search as covariate_search
    from pkpd.fit.store import load_fit as load_fit
    from pkpd.graph.functions import absolute as absolute
    from pkpd.graph.functions import cos as cos
    from pkpd.graph.functions import during as during
    from pkpd.graph.functions import erf as erf
    from pkpd.graph.functions import exp as exp
    from pkpd.graph.functions import expit as expit
    from pkpd.graph.functions import floor as floor
    from pkpd.graph.functions import interpolate as interpolate
    from pkpd.graph.functions import last_dose as last_dose
    from pkpd.graph.functions import lgamma as lgamma
    from pkpd.graph.functions import log as log
    from pkpd.graph.functions import log10 as log10
    from pkpd.graph.functions import logit as logit
    from pkpd.graph.functions import maximum as maximum
    from pkpd.graph.functions import minimum as minimum
    from pkpd.graph.functions import mod as mod
    from pkpd.graph.functions import power as power
    from pkpd.graph.functions import sin as sin
    from pkpd.graph.functions import sqrt as sqrt
    from pkpd.graph.functions import tad as tad
    from pkpd.graph.functions import tanh as tanh
    from pkpd.graph.functions import where as where
    from pkpd.library import list_models as list_models
    from pkpd.library import load_model as load_model
    from pkpd.likelihood.api import Likelihood as Likelihood
    from pkpd.likelihood.term import Subject as Subject
    from pkpd.likelihood.term import Term as Term
    from pkpd.model.declare import Covariate as Covariate
    from pkpd.model.declare import Omega as Omega
    from pkpd.model.declare import Output as Output
    from pkpd.model.declare import Parameter as Parameter
    from pkpd.model.declare import State as State
    from pkpd.model.model import Model as Model
    from pkpd.model.residual import Additive as Additive
    from pkpd.model.residual import Combined as Combined
    from pkpd.model.residual import Exact as Exact
    from pkpd.model.residual import LogNormal as LogNormal
    from pkpd.model.residual import Ordinal as Ordinal
    from pkpd.model.residual import Proportional as Proportional
    from pkpd.population import Population as Population
    from pkpd.population import categorical as categorical
    from pkpd.population import lognormal as lognormal
    from pkpd.population import normal as normal
    from pkpd.population import uniform as uniform
    from pkpd.schedule.anakinra import ANAKINRA as ANAKINRA
    from pkpd.schedule.answer import Answer as Answer
    from pkpd.schedule.arms import Arm as Arm
    from pkpd.schedule.compare import compare as compare
    from pkpd.schedule.comparison import Comparison as Comparison
    from pkpd.schedule.contrasts import by_covariate as by_covariate
    from pkpd.schedule.contrasts import starts as starts
    from pkpd.schedule.individual import individual as individual
    from pkpd.schedule.measure import Measure as Measure
    from pkpd.schedule.measure import day_below as day_below
    from pkpd.schedule.questions import questions as questions
    from pkpd.schedule.recommend import recommend as recommend
    from pkpd.schedule.target import Target as Target
    from pkpd.sensitivity.api import sensitivity as sensitivity
    from pkpd.sensitivity.identify import identifiability as identifiability
    from pkpd.sensitivity.profile import profile_likelihood as profile_likelihood
    from pkpd.sensitivity.result import SensitivityResult as SensitivityResult
    from pkpd.simulation.api import simulate as simulate
    from pkpd.simulation.sensitivities import sensitivities as sensitivities
    from pkpd.timegrid import days as days
    from pkpd.timegrid import hours as hours
    from pkpd.validation.api import validate_model as validate_model
    from pkpd.validation.document import document as document
    from pkpd.validation.document import write_document as write_document


if not TYPE_CHECKING:  # a type checker that saw this function would accept any name

    def __getattr__(name: str) -> Any:
        if name in _SUBMODULES:
            return importlib.import_module(f"pkpd.{name}")
        if name in _MODULE_OF:
            value = getattr(importlib.import_module(_MODULE_OF[name]), name)
            globals()[name] = value
            return value
        if name.startswith("_"):
            raise AttributeError(f"module 'pkpd' has no attribute '{name}'")
        from pkpd.errors import nearest

        raise AttributeError(f"module 'pkpd' has no attribute '{name}'{nearest(name, __all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(types.ModuleType):
    """Keeps ``pkpd.exposure`` the function although a module has this name too."""

    def __setattr__(self, name: str, value: object) -> None:
        # The import system binds a sub-module to its package; a public name of the table wins over that.
        if not (name in _MODULE_OF and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        # pickle asks for the class of a module, and knows plain modules alone
        return importlib.import_module, (self.__name__,)


sys.modules[__name__].__class__ = _Package
