from .estimation.spreads import ErrorScale as ErrorScale
from .estimation.spreads import HalfNormal as HalfNormal
from .people.distributions import Distribution as Distribution
from .people.distributions import categorical as categorical
from .people.distributions import lognormal as lognormal
from .people.distributions import normal as normal
from .people.distributions import uniform as uniform

__all__: list[str]
