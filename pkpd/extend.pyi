from .comparison.questions import OpenQuestion as OpenQuestion
from .estimation.method import Method as Method
from .evidence.kinds import CellRule as CellRule
from .evidence.kinds import FactKind as FactKind
from .evidence.term import Term as Term
from .model.residual import NormalError as NormalError
from .model.residual import ResidualError as ResidualError
from .observation.api import Likelihood as Likelihood
from .observation.subject import Subject as Subject
from .sensitivity_analysis.method import Analysis as Analysis
from .sensitivity_analysis.method import SensitivityProblem as SensitivityProblem
from .validation.records import Effect as Effect
from .validation.records import EffectReading as EffectReading
from .validation.records import Published as Published
from .validation.records import Setting as Setting

__all__: list[str]
