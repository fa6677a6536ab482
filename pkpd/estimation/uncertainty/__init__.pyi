from .importance_resampling import Sir as Sir
from .importance_resampling import sir as sir
from .profiles import profile as profile
from .resampling import Bootstrap as Bootstrap
from .resampling import bootstrap as bootstrap
