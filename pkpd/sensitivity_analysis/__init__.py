"""What drives an answer: derivatives, screening, shares of variance, profiles of the likelihood."""

from pkpd.sensitivity_analysis.api import sensitivity
from pkpd.sensitivity_analysis.identify import identifiability
from pkpd.sensitivity_analysis.profile import profile_likelihood
from pkpd.sensitivity_analysis.result import SensitivityResult

__all__ = ["SensitivityResult", "identifiability", "profile_likelihood", "sensitivity"]
