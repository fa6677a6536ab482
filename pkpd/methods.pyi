from .estimation.methods.focei import Fo as Fo
from .estimation.methods.focei import Foce as Foce
from .estimation.methods.focei import Nlme as Nlme
from .estimation.methods.importance import Importance as Importance
from .estimation.methods.pooled import Map as Map
from .estimation.methods.pooled import NaivePooled as NaivePooled
from .estimation.methods.pooled import TwoStage as TwoStage
from .sensitivity_analysis.identify import Identifiability as Identifiability
from .sensitivity_analysis.local import Local as Local
from .sensitivity_analysis.screening import Morris as Morris
from .sensitivity_analysis.variance import Variance as Variance

__all__: list[str]
