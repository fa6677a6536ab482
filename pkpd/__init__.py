"""Pharmacokinetic and pharmacodynamic models as plain equations: dose them, simulate people, measure exposure.

Every public name is loaded from its module when it is first used, so ``import pkpd`` itself costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pkpd.version import __version__ as __version__

_EXPORTS = {
    "pkpd.estimation.study.api": "calibrate",
    "pkpd.estimation.study.assumptions": "assumptions",
    "pkpd.estimation.study.files": "load_calibration",
    "pkpd.estimation.checks.held_out": "Response leave_one_patient_out",
    "pkpd.estimation.study.loading": "list_studies load_study",
    "pkpd.estimation.study.priors": "ErrorScale Free HalfNormal",
    "pkpd.estimation.study.result": "Calibration",
    "pkpd.estimation.checks.sbc": "simulation_based_calibration",
    "pkpd.estimation.study.study": "Study",
    "pkpd.dosing.dose": "Dose",
    "pkpd.dosing.events": "EventTable read_events",
    "pkpd.dosing.regimen": "Regimen",
    "pkpd.errors": "DataError LibraryError ModelError PkpdError PopulationError RegimenError SolverError UnitError",
    "pkpd.evidence.evidence": "Evidence",
    "pkpd.evidence.seeds": "list_seeds load_seed validate_seed",
    "pkpd.metrics": "exposure exposure_summary",
    "pkpd.estimation.api": "fit",
    "pkpd.estimation.search.compare_fits": "compare_fits likelihood_ratio",
    "pkpd.estimation.individual.of_fit": "estimate_individual",
    "pkpd.estimation.result": "Fit",
    "pkpd.estimation.search.covariate_search": "covariate_search",
    "pkpd.estimation.store": "load_fit",
    "pkpd.engine.graph.functions": "absolute cos during erf exp expit floor interpolate last_dose lgamma log log10 "
    "logit maximum minimum mod power sin sqrt tad tanh where",
    "pkpd.library": "list_models load_model",
    "pkpd.observation.api": "Likelihood",
    "pkpd.observation.term": "Subject Term",
    "pkpd.model.declare": "Covariate Omega Output Parameter State",
    "pkpd.model.model": "Model",
    "pkpd.model.residual": "Additive Combined Exact LogNormal NegativeBinomial Ordinal Poisson "
    "Proportional TimeToEvent",
    "pkpd.people": "Population categorical lognormal normal uniform",
    "pkpd.comparison.anakinra": "ANAKINRA",
    "pkpd.comparison.answer": "Answer",
    "pkpd.comparison.arms": "Arm",
    "pkpd.comparison.compare": "compare",
    "pkpd.comparison.result": "Comparison",
    "pkpd.comparison.contrasts": "by_covariate starts",
    "pkpd.estimation.individual.api": "individual",
    "pkpd.comparison.measure": "Measure day_below",
    "pkpd.comparison.questions": "questions",
    "pkpd.comparison.recommend": "recommend",
    "pkpd.comparison.target": "Target",
    "pkpd.sensitivity_analysis.api": "sensitivity",
    "pkpd.sensitivity_analysis.identify": "identifiability",
    "pkpd.sensitivity_analysis.profile": "profile_likelihood",
    "pkpd.sensitivity_analysis.result": "SensitivityResult",
    "pkpd.simulation.api": "simulate",
    "pkpd.simulation.sensitivities": "sensitivities",
    "pkpd.timegrid": "days hours",
    "pkpd.validation.api": "validate_model",
    "pkpd.report.document": "document write_document",
}
_SUBMODULES = ("plot",)
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names.split()}

__all__ = [*_MODULE_OF, *_SUBMODULES]  # noqa: PLE0604  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:
    from pkpd import plot as plot
    from pkpd.comparison.anakinra import ANAKINRA as ANAKINRA
    from pkpd.comparison.answer import Answer as Answer
    from pkpd.comparison.arms import Arm as Arm
    from pkpd.comparison.compare import compare as compare
    from pkpd.comparison.contrasts import by_covariate as by_covariate
    from pkpd.comparison.contrasts import starts as starts
    from pkpd.comparison.measure import Measure as Measure
    from pkpd.comparison.measure import day_below as day_below
    from pkpd.comparison.questions import questions as questions
    from pkpd.comparison.recommend import recommend as recommend
    from pkpd.comparison.result import Comparison as Comparison
    from pkpd.comparison.target import Target as Target
    from pkpd.dosing.dose import Dose as Dose
    from pkpd.dosing.events import EventTable as EventTable
    from pkpd.dosing.events import read_events as read_events
    from pkpd.dosing.regimen import Regimen as Regimen
    from pkpd.engine.graph.functions import absolute as absolute
    from pkpd.engine.graph.functions import cos as cos
    from pkpd.engine.graph.functions import during as during
    from pkpd.engine.graph.functions import erf as erf
    from pkpd.engine.graph.functions import exp as exp
    from pkpd.engine.graph.functions import expit as expit
    from pkpd.engine.graph.functions import floor as floor
    from pkpd.engine.graph.functions import interpolate as interpolate
    from pkpd.engine.graph.functions import last_dose as last_dose
    from pkpd.engine.graph.functions import lgamma as lgamma
    from pkpd.engine.graph.functions import log as log
    from pkpd.engine.graph.functions import log10 as log10
    from pkpd.engine.graph.functions import logit as logit
    from pkpd.engine.graph.functions import maximum as maximum
    from pkpd.engine.graph.functions import minimum as minimum
    from pkpd.engine.graph.functions import mod as mod
    from pkpd.engine.graph.functions import power as power
    from pkpd.engine.graph.functions import sin as sin
    from pkpd.engine.graph.functions import sqrt as sqrt
    from pkpd.engine.graph.functions import tad as tad
    from pkpd.engine.graph.functions import tanh as tanh
    from pkpd.engine.graph.functions import where as where
    from pkpd.errors import DataError as DataError
    from pkpd.errors import LibraryError as LibraryError
    from pkpd.errors import ModelError as ModelError
    from pkpd.errors import PkpdError as PkpdError
    from pkpd.errors import PopulationError as PopulationError
    from pkpd.errors import RegimenError as RegimenError
    from pkpd.errors import SolverError as SolverError
    from pkpd.errors import UnitError as UnitError
    from pkpd.estimation.api import fit as fit
    from pkpd.estimation.checks.held_out import Response as Response
    from pkpd.estimation.checks.held_out import leave_one_patient_out as leave_one_patient_out
    from pkpd.estimation.checks.sbc import simulation_based_calibration as simulation_based_calibration
    from pkpd.estimation.individual.api import individual as individual
    from pkpd.estimation.individual.of_fit import estimate_individual as estimate_individual
    from pkpd.estimation.result import Fit as Fit
    from pkpd.estimation.search.compare_fits import compare_fits as compare_fits
    from pkpd.estimation.search.compare_fits import likelihood_ratio as likelihood_ratio
    from pkpd.estimation.search.covariate_search import covariate_search as covariate_search
    from pkpd.estimation.store import load_fit as load_fit
    from pkpd.estimation.study.api import calibrate as calibrate
    from pkpd.estimation.study.assumptions import assumptions as assumptions
    from pkpd.estimation.study.files import load_calibration as load_calibration
    from pkpd.estimation.study.loading import list_studies as list_studies
    from pkpd.estimation.study.loading import load_study as load_study
    from pkpd.estimation.study.priors import ErrorScale as ErrorScale
    from pkpd.estimation.study.priors import Free as Free
    from pkpd.estimation.study.priors import HalfNormal as HalfNormal
    from pkpd.estimation.study.result import Calibration as Calibration
    from pkpd.estimation.study.study import Study as Study
    from pkpd.evidence.evidence import Evidence as Evidence
    from pkpd.evidence.seeds import list_seeds as list_seeds
    from pkpd.evidence.seeds import load_seed as load_seed
    from pkpd.evidence.seeds import validate_seed as validate_seed
    from pkpd.library import list_models as list_models
    from pkpd.library import load_model as load_model
    from pkpd.metrics import exposure as exposure
    from pkpd.metrics import exposure_summary as exposure_summary
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
    from pkpd.model.residual import NegativeBinomial as NegativeBinomial
    from pkpd.model.residual import Ordinal as Ordinal
    from pkpd.model.residual import Poisson as Poisson
    from pkpd.model.residual import Proportional as Proportional
    from pkpd.model.residual import TimeToEvent as TimeToEvent
    from pkpd.observation.api import Likelihood as Likelihood
    from pkpd.observation.term import Subject as Subject
    from pkpd.observation.term import Term as Term
    from pkpd.people import Population as Population
    from pkpd.people import categorical as categorical
    from pkpd.people import lognormal as lognormal
    from pkpd.people import normal as normal
    from pkpd.people import uniform as uniform
    from pkpd.report.document import document as document
    from pkpd.report.document import write_document as write_document
    from pkpd.sensitivity_analysis.api import sensitivity as sensitivity
    from pkpd.sensitivity_analysis.identify import identifiability as identifiability
    from pkpd.sensitivity_analysis.profile import profile_likelihood as profile_likelihood
    from pkpd.sensitivity_analysis.result import SensitivityResult as SensitivityResult
    from pkpd.simulation.api import simulate as simulate
    from pkpd.simulation.sensitivities import sensitivities as sensitivities
    from pkpd.timegrid import days as days
    from pkpd.timegrid import hours as hours
    from pkpd.validation.api import validate_model as validate_model


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
