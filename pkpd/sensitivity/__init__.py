"""What drives an answer: derivatives, screening, shares of variance, profiles of the likelihood."""

from pkpd.sensitivity.api import sensitivity
from pkpd.sensitivity.identify import identifiability
from pkpd.sensitivity.profile import profile_likelihood
from pkpd.sensitivity.result import SensitivityResult

__all__ = ["SensitivityResult", "identifiability", "profile_likelihood", "sensitivity"]
