"""Whether a fit agrees with its data: residuals, predictive checks, simulation-based calibration, patients held out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
