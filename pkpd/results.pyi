from .comparison.answer import Answer as Answer
from .comparison.recommend import Recommendation as Recommendation
from .comparison.result import Comparison as Comparison
from .estimation.individual.result import Individual as Individual
from .estimation.result import Fit as Fit
from .estimation.study.result import StudyFit as StudyFit
from .evidence.evidence import Evidence as Evidence
from .sensitivity_analysis.result import SensitivityResult as SensitivityResult
from .validation.report import ValidationReport as ValidationReport

__all__: list[str]
