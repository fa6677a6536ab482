from .arms import Arm as Arm
from .contrasts import by_covariate as by_covariate
from .contrasts import by_start as by_start
from .known_schedules import schedules as schedules
from .measure import Measure as Measure
from .measure import day_below as day_below
from .questions import answers as answers
from .target import Target as Target

__all__: list[str]
