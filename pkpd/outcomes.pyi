from .model.residual import Exact as Exact
from .model.residual import NegativeBinomial as NegativeBinomial
from .model.residual import Ordinal as Ordinal
from .model.residual import Poisson as Poisson
from .model.residual import TimeToEvent as TimeToEvent

__all__: list[str]
