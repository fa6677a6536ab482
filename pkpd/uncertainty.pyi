from .estimation.uncertainty.importance_resampling import Sir as Sir
from .estimation.uncertainty.importance_resampling import sir as sir
from .estimation.uncertainty.profiles import profile as profile
from .estimation.uncertainty.resampling import Bootstrap as Bootstrap
from .estimation.uncertainty.resampling import bootstrap as bootstrap

__all__: list[str]
